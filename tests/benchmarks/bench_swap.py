"""Speed of the swap Monte Carlo engine: numbers are printed, ratios in one run are asserted.

Processor seconds, so that other work on the machine does not count; the two threads are timed by the clock.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time
from unittest.mock import patch

import numba
import numpy as np
import pytest

from glassviz import files
from glassviz.simulate import exchanged, swap_chain
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.exchange import ReplicaExchange
from glassviz.simulate.swap_chain import SWEEPS_OF_A_BOARD, SwapMonteCarlo

CONFIGURATIONS = Path(__file__).parents[2] / "precomputed" / "configurations"

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(10_000)]


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


def moves(chain, proposals, sweeps=SWEEPS_OF_A_BOARD):
    """Sweeps with so many swap proposals per particle after every few of them."""
    with patch.object(swap_chain, "PROPOSALS_PER_PARTICLE", proposals):
        chain.run(sweeps)


@pytest.mark.parametrize("particles", [1290, 82560])
def test_displacements(chain, report, particles):
    """Bar: 5 million moves/s/core, lists included."""
    moving = chain(0.25, particles, threads=1 if particles > 1290 else None)
    sweeps = 400 if particles == 1290 else SWEEPS_OF_A_BOARD
    before = moving.displacements[0]
    time = spent(lambda: moves(moving, 0, sweeps))
    made = (moving.displacements[0] - before) / 4
    report(f"displacements, N = {particles}: {1e-6 * made / time:.1f} million moves/s/core (bar 5)")
    assert made / time > 5e6


def test_swap_proposals(chain, report):
    """Bar: 1.5 µs whatever the size of the box, which the cells of a large one are for; all that is apart from them."""
    times = {}
    for particles, per_particle in ((1290, 80.0), (82560, 1.0)):
        one = chain(0.25, particles, threads=1 if particles > 1290 else None)
        few = 1e-2
        without = spent(lambda one=one, few=few: moves(one, few))
        before = one.swaps.copy()
        taken = spent(lambda one=one, many=per_particle: moves(one, many)) - without
        made, accepted = one.swaps - before
        times[particles] = taken / (made / 4) * per_particle / (per_particle - few)
        report(
            f"swap proposals, N = {particles}: {1e6 * times[particles]:.2f} µs (bar 1.5), "
            f"{accepted / made:.2f} accepted"
        )
    assert times[82560] < 1.5 * times[1290]


class Beginning:
    """The bonds a chain has now, which it will lose.

    Parameters
    ----------
    chain : SwapMonteCarlo
        The chain.
    """

    def __init__(self, chain):
        self.chain, self.species = chain, chain.species.copy()
        self.bonds = initial_bonds(chain.position, self.species, chain.length)

    def lost(self):
        """1 − C_B of species 1 since then."""
        kept = surviving_fraction(*self.bonds, self.chain.position, self.species, self.chain.length)
        return 1 - kept[self.species == 0].mean()


def decay(temperature, samples, swap, sweeps):
    """Run so many shipped samples on; after every so many sweeps yields processor seconds of each, and what each lost.

    Yields
    ------
    (float, (sample,) ndarray)
    """
    ds = files.read(CONFIGURATIONS / f"N1290_T{temperature:.2f}.nc").isel(configuration=slice(samples))
    length = ds.attrs["box_length"]
    beginnings = []
    for k, (position, species) in enumerate(zip(ds["position"].values, ds["species"].values, strict=True)):
        SwapMonteCarlo(position, species, length, temperature, swap=swap).run(20)  # compiles and warms
        beginnings.append(Beginning(SwapMonteCarlo(position, species, length, temperature, seed=k, swap=swap)))
    time = 0.0
    while True:
        start = process_time()
        for one in beginnings:
            one.chain.run(sweeps)
        time += (process_time() - start) / len(beginnings)
        yield time, np.array([one.lost() for one in beginnings])


def exchanged_decay(temperatures, settle, sweeps, every, number=0):
    """Bonds lost by what is at the coldest temperature of a ladder, after one to many times `every` sweeps.

    Averaged over beginnings along the run; `number` tells ladders apart.

    Returns
    -------
    (2, time) ndarray
        Processor seconds of a walker to there, and bonds lost.
    """
    datasets = exchanged.sources([CONFIGURATIONS / f"N1290_T{temperature}.nc" for temperature in temperatures])
    rungs = exchanged.rungs(datasets)
    starts = exchanged.begin(datasets, rungs, number)
    position, species = (np.stack([ds[name].values[0] for ds in starts]) for name in ("position", "species"))
    walkers = ReplicaExchange(position, species, starts[0].attrs["box_length"], rungs, seed=1 + number)
    beginnings, lost = [], [[] for _ in range(sweeps // every)]
    with ThreadPoolExecutor(1) as pool:
        walkers.run(settle, pool)
        time = 0.0
        for now in range(sweeps // every):
            beginnings.append(Beginning(walkers.chains[walkers.walker[0]]))
            start = process_time()
            walkers.run(every, pool)
            time += process_time() - start
            for before, one in enumerate(beginnings):
                lost[now - before].append(one.lost())
    half = len(lost) // 2  # later ones have few beginnings
    times = time / len(rungs) / len(lost) * np.arange(1, half + 1)
    return np.array([times, [np.mean(values) for values in lost[:half]]])


def reached(states, level):
    """Where the samples have lost a level of their bonds on average: processor seconds of each, and bonds lost.

    Averaged over the last tenth of the run, whose middle is the time.
    """
    times, losses = [], []
    for time, lost in states:
        times.append(time)
        losses.append(lost.mean())
        tenth = -(-len(times) // 10)
        if np.mean(losses[-tenth:]) >= level:
            return np.mean(times[-tenth:]), np.mean(losses[-tenth:])


@pytest.mark.parametrize(
    ("temperatures", "samples", "level", "bar", "least", "how"),
    [
        (("0.23", "0.25", "0.27_settled", "0.30_settled", "0.35_settled"), 6, 0.1, 6, 5, (5000, 48_000, 500)),
        (("0.15", "0.18", "0.21", "0.23", "0.25"), 1, 0.03, 40, 20, (10_000, 200_000, 2000)),
    ],
    ids=["T=0.23", "T=0.15"],
)
def test_bond_decorrelation(report, temperatures, samples, level, bar, least, how):
    """Processor time of a sample until so many bonds are lost: plain 20 % swap, balanced swap, and with exchanges.

    The ladder's time is shared among its walkers. From the same samples in equilibrium; of the ladder, whatever comes
    to the coldest temperature begins anew there.

    At T = 0.15 one sample of plain swap takes a quarter of an hour to the level, and so does the ladder. The times of
    samples and ladders scatter: study_bond_decorrelation.py measures errors, for docs/equilibration.md.
    """
    temperature = float(temperatures[0])
    plain_time, lost = reached(decay(temperature, samples, "plain", 500), level)
    balanced_time, _ = reached(decay(temperature, samples, "balanced", 100), lost)
    times, mean = exchanged_decay(temperatures, *how)
    assert mean.max() >= lost, "the run of the ladder was too short"
    time = times[np.argmax(mean >= lost)]
    report(
        f"T = {temperature:.2f}: {100 * lost:.1f} % of the bonds are lost after {plain_time:.1f} s of plain swap, "
        f"{balanced_time:.2f} s of balanced swap ({plain_time / balanced_time:.1f} × sooner) and {time:.2f} s of a "
        f"walker with exchanges ({plain_time / time:.0f} ×, bar {bar} ×)"
    )
    assert plain_time / time > least  # below the bar by what samples scatter


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_two_threads(chain, report):
    """Bar: 1.7 × one thread at N = 82560, by the clock, for all of the chain; wants two idle cores."""
    times = {}
    for threads in (1, 2):
        running = chain(0.25, 82560, threads=threads)
        times[threads] = spent(lambda running=running: running.run(SWEEPS_OF_A_BOARD), perf_counter)
    report(f"two threads, N = 82560: {times[1] / times[2]:.2f} × one (bar 1.7)\n")
