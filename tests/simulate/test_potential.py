import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz import mixture
from glassviz.simulate.potential import SMALL, forces, pair_energy, pair_force, potential_energy, threads_for

CUTOFF_S = mixture.CUTOFF**2


@pytest.fixture(scope="session")
def naive(nearest_images):
    """Energies and forces from all pairs, by the powers of the formula."""

    def evaluate(position, species, length):
        vectors, distance = nearest_images(position, length)
        epsilon, sigma = (table[species[:, None], species] for table in (mixture.EPSILON, mixture.SIGMA))
        np.fill_diagonal(distance, np.inf)
        x = distance / sigma
        inside = x < mixture.CUTOFF
        x = np.where(inside, x, 1.0)
        v = 4 * epsilon * (x**-12 - x**-6 + mixture.C0 + mixture.C2 * x**2 + mixture.C4 * x**4)
        slope = 4 * epsilon * (-12 * x**-13 + 6 * x**-7 + 2 * mixture.C2 * x + 4 * mixture.C4 * x**3) / sigma
        energy = np.where(inside, v, 0).sum(axis=1) / 2
        push = np.where(inside, -slope / distance, 0)
        return energy, (push[..., None] * vectors).sum(axis=1)

    return evaluate


def test_energy_slope_and_curvature_vanish_at_the_cutoff():
    h = 1e-4
    curvature = (pair_force(CUTOFF_S) - pair_force(CUTOFF_S - h)) / h
    assert abs(pair_energy(CUTOFF_S)) < 1e-15
    assert abs(pair_force(CUTOFF_S)) < 1e-15
    assert abs(curvature) < 1e-6
    assert pair_energy(0.95 * CUTOFF_S) < -1e-6


def test_pair_force_is_the_slope_of_the_pair_energy():
    s = np.linspace(0.7, 6.2, 200)
    h = 1e-6
    slope = [(pair_energy(value + h) - pair_energy(value - h)) / (2 * h) for value in s]
    np.testing.assert_allclose([pair_force(value) for value in s], -np.array(slope), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("pair", [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)])
def test_a_pair_at_the_minimum_and_about_the_cutoff(pair):
    sigma, epsilon = mixture.SIGMA[pair], mixture.EPSILON[pair]

    def energy(x):
        return potential_energy([[1.0, 1.0], [1.0 + x * sigma, 1.0]], pair, 20.0)

    x = np.linspace(1.10, 1.15, 26)
    depths = np.array([energy(value).sum() for value in x])
    assert x[depths.argmin()] == pytest.approx(2 ** (1 / 6), abs=0.003)
    assert depths.min() == pytest.approx(-0.88304 * epsilon, rel=1e-4)
    np.testing.assert_array_equal(energy(mixture.CUTOFF * (1 + 1e-9)), 0)
    assert np.all(energy(mixture.CUTOFF * 0.95) < 0)
    assert energy(1.3)[0] == energy(1.3)[1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), particles=st.integers(1, 60), length=st.floats(1.0, 25.0))
def test_equals_the_sum_over_all_pairs(naive, seed, particles, length):
    """Boxes down to one particle wide, where only the nearest image counts, with overlaps of any strength."""
    generator = np.random.default_rng(seed)
    position = generator.uniform(0, length, (particles, 2))
    species = generator.integers(0, 3, particles).astype(np.int8)
    energy, force = naive(position, species, length)
    scale = np.abs(force).max() + 1
    np.testing.assert_allclose(potential_energy(position, species, length), energy, rtol=1e-9, atol=1e-12 * scale)
    np.testing.assert_allclose(forces(position, species, length), force, rtol=1e-9, atol=1e-12 * scale)


def test_forces_are_minus_the_gradient_and_sum_to_zero(liquid):
    position, species, length = liquid
    force = forces(position, species, length)
    h = 1e-5
    for particle in range(0, len(position), 20):
        for axis in range(2):
            energies = []
            for sign in (1, -1):
                moved = position.copy()
                moved[particle, axis] += sign * h
                energies.append(potential_energy(mixture.wrap(moved, length), species, length).sum())
            gradient = (energies[0] - energies[1]) / (2 * h)
            assert force[particle, axis] == pytest.approx(-gradient, rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(force.sum(axis=0), 0, atol=1e-9)


def test_published_sample(reference_sample):
    ds, _ = reference_sample
    species, length = ds["species"].values[0], ds.attrs["box_length"]
    thermal, minimum = (ds[name].values[0] for name in ("position", "inherent_position"))
    assert potential_energy(thermal, species, length).mean() == pytest.approx(-2.6798, abs=1e-4)
    assert potential_energy(minimum, species, length).mean() == pytest.approx(-2.9071, abs=1e-4)
    rms = np.sqrt((forces(minimum, species, length) ** 2).sum(axis=1).mean())
    assert rms == pytest.approx(0.025, abs=0.002)
    assert np.sqrt((forces(thermal, species, length) ** 2).sum(axis=1).mean()) > 100 * rms


GOLDEN = {
    0.40: -2.4816,
    0.35: -2.5395,
    0.30: -2.5999,
    0.25: -2.660,
    0.23: -2.686,
    0.21: -2.7105,
    0.18: -2.749,
    0.15: -2.790,
}


@pytest.mark.parametrize("temperature", GOLDEN)
def test_mean_energy_of_equilibrium_samples(configurations_at, shared, temperature):
    """Energies as the prototype recorded them; their mean is that of the temperature within the samples' scatter."""
    ds = configurations_at(temperature)
    energies = [
        potential_energy(ds["position"].values[k], ds["species"].values[k], ds.attrs["box_length"]).mean()
        for k in range(ds.sizes["configuration"])
    ]
    with np.load(shared / "configurations" / f"N1290_T{temperature:.2f}.npz") as data:
        np.testing.assert_allclose(energies, data["energy_blocks"][:, -1], atol=2e-5)
    error = np.std(energies, ddof=1) / np.sqrt(len(energies))
    assert np.mean(energies) == pytest.approx(GOLDEN[temperature], abs=3 * error)
    assert error < 0.005


def test_small_boxes_take_one_thread_and_give_the_others_back():
    before, inside = numba.get_num_threads(), []

    def fail():
        with threads_for(SMALL - 1):
            inside.append(numba.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside == [1]
    assert numba.get_num_threads() == before
    with threads_for(SMALL):
        assert numba.get_num_threads() == before
