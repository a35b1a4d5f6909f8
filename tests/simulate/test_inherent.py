import numpy as np
import pytest

from glassviz import mixture
from glassviz.mixture import InvalidData
from glassviz.simulate.inherent import TILE, inherent_structures, minimize
from glassviz.simulate.potential import forces, potential_energy


def largest_distance(a, b, length):
    difference = a - b
    difference -= length * np.rint(difference / length)
    return np.sqrt((difference**2).sum(axis=-1)).max()


@pytest.fixture(scope="module")
def minimum(liquid):
    return minimize(*liquid)


def test_forces_vanish_and_the_energy_has_fallen(liquid, minimum):
    position, species, length = liquid
    inherent, energy = minimum
    assert np.abs(forces(inherent, species, length)).max() < 1e-6
    np.testing.assert_allclose(energy, potential_energy(inherent, species, length), atol=1e-12)
    assert energy.mean() < potential_energy(position, species, length).mean() - 0.2
    assert inherent.min() >= 0
    assert inherent.max() < length


def test_it_is_a_minimum_and_no_saddle(liquid, minimum):
    """Every direction goes uphill: eigenvalues of the Hessian by differences of the forces."""
    _, species, length = liquid
    inherent, _ = minimum
    n, h = len(inherent), 1e-4
    hessian = np.empty((2 * n, 2 * n))
    for k in range(2 * n):
        step = np.zeros(2 * n)
        step[k] = h
        sides = [forces(mixture.wrap(inherent + s * step.reshape(n, 2), length), species, length) for s in (1, -1)]
        hessian[k] = (sides[1] - sides[0]).ravel() / (2 * h)
    values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    np.testing.assert_allclose(values[:2], 0, atol=1e-4)
    assert values[2] > 1e-3


def test_a_minimum_and_its_surroundings_lead_to_it(liquid, minimum):
    _, species, length = liquid
    again, _ = minimize(minimum[0], species, length)
    np.testing.assert_array_equal(again, minimum[0])
    shaken = minimum[0] + np.random.default_rng(0).normal(0, 0.01, minimum[0].shape)
    back, energy = minimize(mixture.wrap(shaken, length), species, length)
    drift = back - minimum[0]
    drift -= length * np.rint(drift / length)
    assert largest_distance(back, minimum[0] + drift.mean(axis=0), length) < 1e-5
    assert energy.mean() == pytest.approx(minimum[1].mean(), abs=1e-10)


def test_translation_and_order_of_particles_change_nothing(liquid, minimum):
    position, species, length = liquid
    shift = np.array([3.7, -5.1])
    order = np.random.default_rng(1).permutation(len(position))
    moved, energy = minimize(mixture.wrap(position + shift, length)[order], species[order], length)
    assert largest_distance(moved, minimum[0][order] + shift, length) < 1e-4
    np.testing.assert_allclose(energy, minimum[1][order], atol=1e-4)


def test_published_sample(reference_sample):
    ds, _ = reference_sample
    relaxed = inherent_structures(ds.drop_vars("inherent_position"))
    species, length = ds["species"].values[0], ds.attrs["box_length"]
    assert relaxed["energy"].mean().item() == pytest.approx(-2.6798, abs=1e-4)
    assert relaxed["inherent_energy"].mean().item() == pytest.approx(-2.9072, abs=1e-4)
    assert np.abs(forces(relaxed["inherent_position"].values[0], species, length)).max() < 1e-6
    # The published minimum is coarse; still, particles lie where it has them, closer than they were before.
    published = ds["inherent_position"].values[0]
    moved = [relaxed[name].values[0] - published for name in ("inherent_position", "position")]
    minimum, thermal = (np.median(np.hypot(*(d - length * np.rint(d / length)).T)) for d in moved)
    assert minimum < 0.3 * thermal


def test_several_configurations_and_progress(liquid, minimum):
    position, species, length = liquid
    ds = mixture.configurations(np.stack([position, minimum[0]]), species, length, 0.40)
    seen = []
    relaxed = inherent_structures(ds, progress=lambda *state: seen.append(state))
    assert seen == [(1, 2), (2, 2)]
    np.testing.assert_array_equal(relaxed["inherent_position"][0], minimum[0])
    np.testing.assert_array_equal(relaxed["inherent_position"][1], minimum[0])
    np.testing.assert_allclose(relaxed["energy"][0], potential_energy(position, species, length))
    np.testing.assert_array_equal(relaxed["position"], ds["position"])


@pytest.mark.parametrize("distance", [0.0, 1e-30, 1e-9])
def test_overlapping_particles_are_refused(liquid, distance):
    position, species, length = liquid
    overlapping = position.copy()
    overlapping[5] = mixture.wrap(position[40] + [distance, 0], length)
    with pytest.raises(InvalidData, match="overlap"):
        minimize(overlapping, species, length)


def test_a_large_box_is_relaxed_tile_by_tile(liquid, minimum):
    """Thirty-six shaken copies of a small minimum, wide enough for tiles, come back to it."""
    _, species, length = liquid
    copies = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 1, 2) * length
    expected = (minimum[0] + copies).reshape(-1, 2)
    assert 6 * length > 3 * TILE
    shaken = mixture.wrap(expected + np.random.default_rng(2).normal(0, 0.01, expected.shape), 6 * length)
    species = np.tile(species, 36)
    inherent, energy = minimize(shaken, species, 6 * length)
    assert np.abs(forces(inherent, species, 6 * length)).max() < 1e-6
    np.testing.assert_allclose(energy, np.tile(minimum[1], 36), atol=1e-6)
    drift = inherent - expected
    drift -= 6 * length * np.rint(drift / length / 6)
    np.testing.assert_allclose(drift, np.broadcast_to(drift.mean(axis=0), drift.shape), atol=1e-4)
