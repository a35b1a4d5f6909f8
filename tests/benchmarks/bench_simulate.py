"""Speed of the simulations at N = 1290, on one core: numbers are printed, ratios in one run are asserted.

Processor seconds, so that other work on the machine does not count.
"""

import numpy as np
import pytest
from numba import njit
from scipy.optimize import minimize as scipy_minimize

from glassviz import mixture
from glassviz.simulate.dynamics import TIME_STEP, advance, start_lanes
from glassviz.simulate.inherent import minimize
from glassviz.simulate.lanes import LANES
from glassviz.simulate.neighbors import pair_list
from glassviz.simulate.potential import energies_and_forces, pair_force

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
