import numpy as np
import pytest
from scipy import stats

from glassviz import mixture
from glassviz.simulate.dynamics import advance, by_particle, displacements, positions, start_lanes, total_energy
from glassviz.simulate.lanes import LANES, UNITS
from glassviz.simulate.potential import forces

REPLICAS = range(LANES)


def velocities(lanes, length, time_step):
    """Velocities (σ per unit time) of every replica, (LANES, n, 2)."""
    return by_particle(lanes, lanes.vx, lanes.vy).astype(float) * (length / UNITS / time_step)


def test_energy_error_shrinks_with_the_square_of_the_time_step(liquid):
    """From T = 0.4 velocities of T = 1: the energy swings by O(dt²) about a constant, and does not drift."""
    position, species, length = liquid
    swings = {}
    for time_step in (0.01, 0.005):
        lanes = start_lanes(position, length, 1.0, time_step, 7, REPLICAS)
        energies = [total_energy(lanes, species, length, time_step)]
        for _ in range(60):
            advance(lanes, species, length, round(0.03 / time_step), time_step)
            energies.append(total_energy(lanes, species, length, time_step))
        energies = np.array(energies)
        swings[time_step] = energies.std(axis=0).mean()
    assert swings[0.005] < 1e-3
    assert swings[0.01] / swings[0.005] == pytest.approx(4, rel=0.15)


def test_energy_does_not_drift_and_momentum_stays_zero(liquid):
    """Twenty thousand steps of many list renewals; a pair missed once would leave a jump in the energy.

    At half the time step the energy swings a fourth as far, and so do the means of the two halves by chance.
    """
    position, species, length = liquid
    lanes = start_lanes(position, length, 0.8, 0.005, 8, REPLICAS)
    advance(lanes, species, length, 2000, 0.005)
    energies = []
    for _ in range(20):
        advance(lanes, species, length, 1000, 0.005)
        energies.append(total_energy(lanes, species, length, 0.005))
    energies = np.array(energies)
    drift = energies[10:].mean(axis=0) - energies[:10].mean(axis=0)
    assert np.abs(drift).max() < 5e-4
    assert energies.std(axis=0).max() < 2e-3
    velocity = velocities(lanes, length, 0.005)
    assert np.abs(velocity.mean(axis=1)).max() < 1e-4 * velocity.std()


def test_follows_the_plain_verlet_path(liquid):
    """Each replica against velocity Verlet in float64 from the same velocities."""
    position, species, length = liquid
    lanes = start_lanes(position, length, 0.4, 0.01, 9, REPLICAS)
    velocity = velocities(lanes, length, 0.01)[:2]
    path = positions(lanes, length)[:2]
    for replica in range(2):
        r, v = path[replica], velocity[replica]
        force = forces(mixture.wrap(r, length), species, length)
        for _ in range(150):
            v = v + 0.005 * force
            r = r + 0.01 * v
            force = forces(mixture.wrap(r, length), species, length)
            v = v + 0.005 * force
        path[replica], velocity[replica] = r, v
    moved = path - positions(lanes, length)[:2]
    advance(lanes, species, length, 100)
    advance(lanes, species, length, 50)
    np.testing.assert_allclose(displacements(lanes, length)[:2], moved, atol=2e-4)
    np.testing.assert_allclose(velocities(lanes, length, 0.01)[:2], velocity, atol=2e-3)
    assert np.abs(moved).max() > 0.3


@pytest.mark.parametrize("separation", [2.6, 2.8, 3.05, 3.5, 4.2, 4.95, 6.0, 8.0])
def test_no_pair_is_missed_as_two_particles_meet(separation):
    """A head-on collision from afar, when both the narrow and the wide list know nothing of the pair at first."""
    length, speed, steps = 24.0, 1.0, 700
    position = np.array([[12 - separation / 2, 3.0], [12 + separation / 2, 3.0]])
    species = np.zeros(2, np.int8)
    lanes = start_lanes(position, length, 1.0, 0.01, 1, REPLICAS)
    lanes.vy[:] = 0
    lanes.vx[:] = np.float32(speed * 0.01 * UNITS / length) * np.array([[1], [-1]], np.float32)
    energy = total_energy(lanes, species, length)

    expected, velocity = position.copy(), np.array([[speed, 0.0], [-speed, 0.0]])
    force = forces(expected, species, length)
    for _ in range(steps):
        velocity += 0.005 * force
        expected += 0.01 * velocity
        force = forces(mixture.wrap(expected, length), species, length)
        velocity += 0.005 * force
    advance(lanes, species, length, steps)
    moved = np.broadcast_to(expected - position, (LANES, 2, 2))
    np.testing.assert_allclose(displacements(lanes, length), moved, atol=1e-3)
    np.testing.assert_allclose(total_energy(lanes, species, length), energy, atol=1e-4)
    assert velocity[0, 0] < 0


def test_time_reversal(liquid):
    position, species, length = liquid
    lanes = start_lanes(position, length, 0.4, 0.01, 10, REPLICAS)
    before = positions(lanes, length), velocities(lanes, length, 0.01)
    advance(lanes, species, length, 150)
    assert np.abs(displacements(lanes, length)).max() > 0.3
    for component in (lanes.vx, lanes.vy):
        np.negative(component, out=component)
    advance(lanes, species, length, 150)
    np.testing.assert_allclose(displacements(lanes, length), 0, atol=2e-4)
    np.testing.assert_allclose(positions(lanes, length), before[0], atol=2e-4)
    np.testing.assert_allclose(velocities(lanes, length, 0.01), -before[1], atol=2e-3)


def test_displacements_are_unwrapped(liquid):
    """Free flight around the box several times."""
    _, _, length = liquid
    position = np.array([[0.5, 0.5], [length / 2, length / 2]])
    lanes = start_lanes(position, length, 1.0, 0.01, 1, REPLICAS)
    speed = 4.0
    lanes.vx[:] = np.float32(speed * 0.01 * UNITS / length)
    lanes.vy[:] = -lanes.vx
    for _ in range(3):
        advance(lanes, np.zeros(2, np.int8), length, 500)
    np.testing.assert_allclose(displacements(lanes, length), np.full((LANES, 2, 2), 60.0) * [1, -1], rtol=1e-5)
    expected = mixture.wrap(position + 60.0 * np.array([1, -1]), length)
    np.testing.assert_allclose(positions(lanes, length), np.broadcast_to(expected, (LANES, 2, 2)), atol=1e-3)


@pytest.mark.parametrize("temperature", [0.15, 0.40])
def test_velocities_are_maxwellian(temperature):
    n = 3000
    position = np.random.default_rng(0).uniform(0, 50.0, (n, 2))
    lanes = start_lanes(position, 50.0, temperature, 0.01, 11, REPLICAS)
    drawn = velocities(lanes, 50.0, 0.01) / np.sqrt(temperature)
    np.testing.assert_allclose(drawn.mean(axis=1), 0, atol=1e-7)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    count = drawn.size
    assert drawn.var() == pytest.approx(1, abs=4 * np.sqrt(2 / count))
    assert (drawn**4).mean() == pytest.approx(3, abs=4 * np.sqrt(96 / count))
    assert (drawn[..., 0] * drawn[..., 1]).mean() == pytest.approx(0, abs=4 / np.sqrt(count / 2))
    between = np.corrcoef(drawn.reshape(LANES, -1))[np.triu_indices(LANES, 1)]
    assert np.abs(between).max() < 4.5 / np.sqrt(2 * n)


def test_a_replica_is_the_same_in_any_lane_and_any_company(liquid):
    position, species, length = liquid
    eight = start_lanes(position, length, 0.4, 0.01, 12, REPLICAS)
    other = start_lanes(position, length, 0.4, 0.01, 12, [9, 3, 10, 0, 11, 12, 13, 14])
    for name in ("vx", "vy"):
        np.testing.assert_array_equal(getattr(eight, name)[:, [3, 0]], getattr(other, name)[:, [1, 3]])
        assert not np.any(getattr(eight, name)[:, 1] == getattr(other, name)[:, 0])
    another_seed = start_lanes(position, length, 0.4, 0.01, 13, REPLICAS)
    assert not np.any(eight.vx == another_seed.vx)
    for lanes in (eight, other):
        advance(lanes, species, length, 100)
    np.testing.assert_allclose(displacements(eight, length)[[3, 0]], displacements(other, length)[[1, 3]], atol=1e-4)


def test_positions_start_where_they_were_given(liquid):
    position, _, length = liquid
    edge = np.vstack([position, [[0.0, np.nextafter(length, 0)]]])
    lanes = start_lanes(edge, length, 0.4, 0.01, 0, REPLICAS)
    given = np.broadcast_to(edge, (LANES, *edge.shape))
    difference = positions(lanes, length) - given
    difference -= length * np.rint(difference / length)
    np.testing.assert_allclose(difference, 0, atol=2 * length / UNITS)
    np.testing.assert_array_equal(displacements(lanes, length), 0)


@pytest.mark.slow
def test_kinetic_temperature_of_equilibrium_samples(configurations_at):
    """From an equilibrium structure the Maxwell velocities keep their temperature."""
    ds = configurations_at(0.40)
    species, length = ds["species"].values, ds.attrs["box_length"]
    temperatures = []
    for sample in range(4):
        lanes = start_lanes(ds["position"].values[sample], length, 0.40, 0.01, sample, REPLICAS)
        for _ in range(8):
            advance(lanes, species[sample], length, 50)
            temperatures.append((velocities(lanes, length, 0.01) ** 2).mean(axis=(1, 2)))
    assert np.mean(temperatures[2:]) == pytest.approx(0.40, rel=0.02)


@pytest.mark.slow
def test_energy_does_not_drift_at_the_time_step_of_production(configurations_at):
    """T = 0.30 for t = 300; for t = 10⁴, a run of minutes, see tests/benchmarks/bench_dynamics.py."""
    ds = configurations_at(0.30)
    position, species, length = ds["position"].values[0], ds["species"].values[0], ds.attrs["box_length"]
    lanes = start_lanes(position, length, 0.30, 0.01, 1, REPLICAS)
    energies = []
    for _ in range(60):
        advance(lanes, species, length, 500)
        energies.append(total_energy(lanes, species, length))
    drift = 60 * np.polyfit(np.arange(60), energies, 1)[0]
    assert abs(drift.mean()) < 5e-5
    assert np.abs(drift).max() < 2e-4
