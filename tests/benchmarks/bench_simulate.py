"""Speed of the simulations at N = 1290, on one core: numbers are printed, ratios in one run are asserted.

Processor seconds, so that other work on the machine does not count.
"""

from time import process_time

import numpy as np
import pytest
from numba import njit
from scipy.optimize import minimize as scipy_minimize

from glassviz import mixture
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.dynamics import TIME_STEP, advance, start_lanes
from glassviz.simulate.inherent import minimize
from glassviz.simulate.lanes import LANES
from glassviz.simulate.neighbors import pair_list
from glassviz.simulate.potential import energies_and_forces, pair_energy, pair_force
from glassviz.simulate.swap import REACH, balanced_swap, plain_swap
from glassviz.simulate.swap_chain import CLASS_SHARES, STEP, SwapMonteCarlo

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]

EPSILON, INVERSE_SIGMA2, CUTOFF2 = mixture.EPSILON, 1 / mixture.SIGMA**2, mixture.CUTOFF**2


@njit(cache=True, error_model="numpy", fastmath=True)
def plain_verlet(position, velocity, species, length, time_step, steps, start, neighbor):
    """Velocity Verlet of one replica, pair after pair in float64, with a half list of skin 0.5 that it is handed."""
    force = np.zeros_like(position)
    for step in range(steps + 1):
        if step > 0:
            velocity += 0.5 * time_step * force
            position += time_step * velocity
        force[:] = 0.0
        for i in range(len(position)):
            for k in range(start[i], start[i + 1]):
                j = neighbor[k]
                dx = position[i, 0] - position[j, 0]
                dy = position[i, 1] - position[j, 1]
                dx -= length * np.rint(dx / length)
                dy -= length * np.rint(dy / length)
                scale = INVERSE_SIGMA2[species[i], species[j]]
                s = (dx * dx + dy * dy) * scale
                if s < CUTOFF2:
                    push = 8 * EPSILON[species[i], species[j]] * scale * pair_force(s)
                    force[i, 0] += push * dx
                    force[i, 1] += push * dy
                    force[j, 0] -= push * dx
                    force[j, 1] -= push * dy
        if step > 0:
            velocity += 0.5 * time_step * force


@pytest.mark.parametrize("temperature", [0.30, 0.40])
def test_molecular_dynamics(sample, report, temperature, spent):
    """Bar: 25 000 replica-steps/s/core at T ≤ 0.3; lists included in ours, not in the plain way's."""
    position, species, length = sample(temperature)
    steps = 1000
    lanes = start_lanes(position, length, temperature, TIME_STEP, 1, range(LANES))
    ours = spent(lambda: advance(lanes, species, length, steps)) / (steps * LANES)
    velocity = np.random.default_rng(0).normal(0, np.sqrt(temperature), position.shape)
    pairs = pair_list(position, species, length, skin=0.5, half=True)
    plain_steps = 300
    plain = spent(
        lambda: plain_verlet(position.copy(), velocity.copy(), species, length, TIME_STEP, plain_steps, *pairs)
    )
    plain /= plain_steps
    report(
        f"dynamics, T = {temperature:.2f}: {1 / ours:,.0f} replica-steps/s/core (bar 25,000), "
        f"{plain / ours:.1f} × plain Verlet (bar 6 ×)"
    )
    assert plain / ours >= 6


@njit(cache=True, error_model="numpy", fastmath=True)
def plain_energy(position, i, x, y, species, length, neighbor):
    """Energy of particle i at (x, y), float64, neighbour after neighbour."""
    energy = 0.0
    for j in neighbor:
        dx = x - position[j, 0]
        dy = y - position[j, 1]
        dx -= length * np.rint(dx / length)
        dy -= length * np.rint(dy / length)
        s = (dx * dx + dy * dy) * INVERSE_SIGMA2[species[i], species[j]]
        if s < CUTOFF2:
            energy += 4 * EPSILON[species[i], species[j]] * pair_energy(s)
    return energy


@njit(cache=True, error_model="numpy", fastmath=True)
def plain_moves(position, species, length, beta, step, moves, start, neighbor, rng):
    """Metropolis displacements from the energies before and after."""
    for _ in range(moves):
        i = int(rng.random() * len(position))
        around = neighbor[start[i] : start[i + 1]]
        x = position[i, 0] + step * (2 * rng.random() - 1)
        y = position[i, 1] + step * (2 * rng.random() - 1)
        change = plain_energy(position, i, x, y, species, length, around)
        change -= plain_energy(position, i, position[i, 0], position[i, 1], species, length, around)
        if change <= 0 or rng.random() < np.exp(-beta * change):
            position[i, 0], position[i, 1] = x, y


def test_displacement_moves(sample, report, spent):
    """Bar: 5 million moves/s/core; lists included in ours, not in the plain way's."""
    position, species, length = sample(0.30)
    chain = SwapMonteCarlo(position, species, length, 0.30, seed=1)
    moves = 500_000
    ours = spent(lambda: chain._displace(moves)) / moves
    pairs = pair_list(position, species, length, skin=1.0, reach=REACH)
    rng = np.random.default_rng(1)
    few = moves // 5
    plain = spent(lambda: plain_moves(position.copy(), species, length, 1 / 0.30, STEP, few, *pairs, rng)) / few
    report(f"displacements: {1e-6 / ours:.1f} million moves/s (bar 5), {plain / ours:.1f} × the plain loop (bar 2 ×)")
    assert plain / ours >= 2


def test_swap_proposals(sample, report, spent):
    """Bar: 1.5 µs a proposal, whatever the size of the box; here the cost of size, and accepted swaps against plain."""
    many, times = 200_000, {}

    def swaps(kernel, particles):
        """Kernel of a number of moves, with what it needs bound to it."""
        position, species, length = sample(0.30, particles)
        x, y = np.ascontiguousarray(position.T, dtype=np.float32)
        pairs = pair_list(position, species, length, skin=0.3, reach=REACH)
        state, rng = (x, y, species.copy(), length, 1 / 0.30), np.random.default_rng(2)
        shares = (CLASS_SHARES,) if kernel is balanced_swap else ()
        return lambda moves: kernel(*state, moves, *shares, *pairs, rng)

    for particles in (1290, 82560):
        balanced = swaps(balanced_swap, particles)
        times[particles] = (spent(lambda run=balanced: run(many)) - spent(lambda run=balanced: run(0))) / many
        proposed, accepted = balanced(many)
        rate = accepted.sum() / proposed.sum()
        report(f"swap proposals, N = {particles}: {1e6 * times[particles]:.2f} µs (bar 1.5), {rate:.2f} accepted")
        if particles == 1290:
            plain = swaps(plain_swap, particles)
            each = spent(lambda run=plain: run(many)) / plain(many)
            gain = each / (times[particles] / rate)
            report(f"accepted swaps, N = {particles}: {gain:.0f} × as many in a second as plain swap (bar 25 ×)")
    assert times[82560] < 4 * times[1290]  # the tree is 6 levels deeper, and the box is larger than the caches
    assert gain >= 25


def test_bond_decorrelation(sample, report):
    """Processor time to the same loss of bonds at T = 0.23; bar: 6 × sooner than plain swap, on a long run."""
    position, species, length = sample(0.23)
    bonds = initial_bonds(position, species, length)

    def decay(swap, sweeps, until):
        chain = SwapMonteCarlo(position, species, length, 0.23, seed=3, swap=swap)
        chain.run(20)
        chain = SwapMonteCarlo(position, species, length, 0.23, seed=3, swap=swap)
        times, surviving = [0.0], [1.0]
        while not until(times[-1], surviving[-1]):
            start = process_time()
            chain.run(sweeps)
            times.append(times[-1] + process_time() - start)
            surviving.append(surviving_fraction(*bonds, chain.position, species, length)[species == 0].mean())
        return times[-1], np.mean(surviving[-3:])

    plain_time, level = decay("plain", 2000, lambda time, _: time > 20)
    balanced_time, reached = decay("balanced", 100, lambda time, kept: kept <= level or time > plain_time)
    ratio = plain_time / balanced_time
    report(
        f"bonds at T = 0.23: C_B = {level:.3f} after {plain_time:.1f} s of plain and {balanced_time:.1f} s of balanced "
        f"swap, {ratio:.1f} × sooner (bar 4 ×)"
    )
    assert reached == pytest.approx(level, abs=0.02)
    assert ratio >= 4


def test_inherent_structure(sample, report, spent):
    """To max|F| < 10⁻⁶, against scipy's L-BFGS with the same compiled forces."""
    position, species, length = sample(0.30)
    ours = spent(lambda: minimize(position, species, length), 2)

    def energy_and_gradient(flat):
        wrapped = mixture.wrap(flat.reshape(-1, 2), length)
        energy, force = energies_and_forces(wrapped, species, length, *pair_list(wrapped, species, length))
        return energy.sum(), -force.ravel()

    def plain():
        options = {"maxiter": 20_000, "maxfun": 40_000, "gtol": 1e-6, "ftol": 0, "maxcor": 12}
        return scipy_minimize(energy_and_gradient, position.ravel(), jac=True, method="L-BFGS-B", options=options)

    other = spent(plain, 1)
    report(f"inherent structure: {ours:.2f} s, {other / ours:.1f} × scipy (bar 8 ×)\n")
    assert other / ours >= 8
