"""Speed of the swap Monte Carlo engine: numbers are printed, ratios in one run are asserted.

Processor seconds, so that other work on the machine does not count; the two threads are timed by the clock.
"""

from time import perf_counter, process_time

import numba
import pytest

from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.swap import balanced_swap
from glassviz.simulate.swap_chain import CLASS_SHARES, SWEEPS_BETWEEN_SWAPS, SwapMonteCarlo

pytestmark = pytest.mark.benchmark


@pytest.fixture
def report(capsys):
    def show(line):
        with capsys.disabled():
            print(f"\n{line}", end="")

    return show


@pytest.fixture
def chain(configurations_at):
    """Factory: a chain from an equilibrium sample."""

    def make(temperature, particles=1290, **options):
        ds = configurations_at(temperature, particles)
        position, species = ds["position"].values[0], ds["species"].values[0]
        return SwapMonteCarlo(position, species, ds.attrs["box_length"], temperature, seed=1, **options)

    return make


def spent(call, clock=process_time, repeats=3):
    """Least time of a call, after one that compiles and warms."""
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


@pytest.mark.parametrize("particles", [1290, 82560])
def test_displacements(chain, report, particles):
    """Bar: 5 million moves/s/core, lists included."""
    moving = chain(0.25, particles, threads=1 if particles > 1290 else None)
    sweeps = 400 if particles == 1290 else SWEEPS_BETWEEN_SWAPS
    before = moving.displacements[0]
    call = moving._displace_in_cells if moving.threads else lambda sweeps: moving._displace(sweeps * particles)
    time = spent(lambda: call(sweeps))
    made = (moving.displacements[0] - before) / 4
    report(f"displacements, N = {particles}: {1e-6 * made / time:.1f} million moves/s/core (bar 5)")
    assert made / time > 5e6


def test_swap_proposals(chain, report):
    """Bar: 1.5 µs whatever the size of the box; the preparation of a phase apart."""
    times, many = {}, 100_000
    for particles in (1290, 82560):
        one = chain(0.25, particles)
        state = (one.x, one.y, one._species, one.beta, one.length)

        def phase(proposals, one=one, state=state):
            one.phase += 1
            return balanced_swap(*state, proposals, CLASS_SHARES, one.key, (1, one.phase), one.rows, one._weights)

        ready = spent(lambda phase=phase: phase(0))
        times[particles] = (spent(lambda phase=phase: phase(many)) - ready) / many
        proposed, accepted = phase(many)
        report(
            f"swap proposals, N = {particles}: {1e6 * times[particles]:.2f} µs (bar 1.5), "
            f"{accepted.sum() / proposed.sum():.2f} accepted; a phase is prepared in {1e9 * ready / particles:.0f} ns "
            "per particle"
        )
    assert times[82560] < 3 * times[1290]


@pytest.mark.parametrize(("temperature", "seconds", "bar"), [(0.23, 15, 6), (0.15, 60, 40)])
def test_bond_decorrelation(chain, report, temperature, seconds, bar):
    """Processor time to the bonds that plain 20 % swap has left after some seconds."""

    def decay(swap, sweeps, until):
        running = chain(temperature, swap=swap)
        species = running.species
        bonds = initial_bonds(running.position, species, running.length)
        running.run(SWEEPS_BETWEEN_SWAPS)
        running = chain(temperature, swap=swap)
        time, kept = 0.0, []
        while True:
            start = process_time()
            running.run(sweeps)
            time += process_time() - start
            kept.append(surviving_fraction(*bonds, running.position, species, running.length)[species == 0].mean())
            if until(time, kept[-1]):
                return time, kept

    plain_time, kept = decay("plain", 1000, lambda time, _: time > seconds)
    level = sum(kept[-5:]) / 5
    balanced_time, reached = decay(
        "balanced", SWEEPS_BETWEEN_SWAPS, lambda time, now: now <= level or time > plain_time
    )
    report(
        f"T = {temperature:.2f}: C_B = {level:.4f} after {plain_time:.1f} s of plain and {balanced_time:.2f} s "
        f"of balanced swap ({reached[-1]:.4f}), {plain_time / balanced_time:.0f} × sooner (bar {bar} ×)"
    )
    assert reached[-1] <= level
    assert plain_time / balanced_time > bar / 2  # one run each: the time to a level scatters


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_two_threads(chain, report):
    """Bar: 1.7 × one thread at N = 82560, by the clock, for all of the chain; wants two idle cores."""
    times = {}
    for threads in (1, 2):
        running = chain(0.25, 82560, threads=threads)
        times[threads] = spent(lambda running=running: running.run(SWEEPS_BETWEEN_SWAPS), perf_counter)
    report(f"two threads, N = 82560: {times[1] / times[2]:.2f} × one (bar 1.7)\n")
