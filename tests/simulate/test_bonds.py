import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz import mixture
from glassviz.simulate.bonds import initial_bonds, surviving_fraction


@pytest.fixture(scope="session")
def naive(nearest_images):
    """Surviving fractions from the full distance matrix at both times."""

    def fractions(position, later, species, length):
        sigma = mixture.SIGMA[species[:, None], species]
        bonded = nearest_images(position, length)[1] < 1.4 * sigma
        np.fill_diagonal(bonded, False)
        kept = (bonded & (nearest_images(later, length)[1] < 1.8 * sigma)).sum(axis=1)
        count = bonded.sum(axis=1)
        return np.where(count > 0, kept / np.maximum(count, 1), 1.0)

    return fractions


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    particles=st.integers(1, 60),
    length=st.floats(1.0, 20.0),
    move=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_equals_the_distance_matrix(naive, seed, particles, length, move):
    generator = np.random.default_rng(seed)
    position = generator.uniform(0, length, (particles, 2))
    species = generator.integers(0, 3, particles).astype(np.int8)
    later = position + generator.normal(0, move, position.shape)
    expected = naive(position, later, species, length)
    bonds = initial_bonds(position, species, length)
    np.testing.assert_allclose(surviving_fraction(*bonds, later, species, length), expected)
    images = later + length * generator.integers(-3, 4, later.shape)
    np.testing.assert_allclose(surviving_fraction(*bonds, images, species, length), expected)
    if move == 0:
        np.testing.assert_array_equal(surviving_fraction(*bonds, later, species, length), 1)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)])
def test_a_bond_forms_below_1_4_and_breaks_at_1_8(first, second):
    species = np.array([first, second], np.int8)
    sigma = mixture.SIGMA[first, second]

    def pair(x):
        return np.array([[0.1, 0.2], [0.1 - x * sigma, 0.2]]) % 12.0

    assert len(initial_bonds(pair(1.401), species, 12.0)[1]) == 0
    bonds = initial_bonds(pair(1.399), species, 12.0)
    assert len(bonds[1]) == 2
    np.testing.assert_array_equal(surviving_fraction(*bonds, pair(1.799), species, 12.0), 1)
    np.testing.assert_array_equal(surviving_fraction(*bonds, pair(1.801), species, 12.0), 0)


def test_published_sample(reference_sample):
    """C̄_B = 0.9997 of species 1 at t = 122.47; bonds are those of thermal positions, inherent ones have 6.358."""
    ds, later = reference_sample
    position, species, length = ds["position"].values[0], ds["species"].values[0], ds.attrs["box_length"]
    bonds = initial_bonds(position, species, length)
    large = species == 0
    propensity = np.mean([surviving_fraction(*bonds, replica, species, length) for replica in later], axis=0)
    assert propensity[large].mean() == pytest.approx(0.9997, abs=5e-5)
    assert np.diff(bonds[0])[large].mean() == pytest.approx(6.377, abs=1e-3)
    inherent = initial_bonds(ds["inherent_position"].values[0], species, length)
    assert np.diff(inherent[0])[large].mean() == pytest.approx(6.358, abs=1e-3)
