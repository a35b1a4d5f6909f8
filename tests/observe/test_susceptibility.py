import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glassviz.mixture import InvalidData
from glassviz.observe.susceptibility import chi4

BELIEVABLE = st.floats(0, 1, width=32)


def naive(values, species):
    means = [row[kind == 0].mean() for row, kind in zip(values, species, strict=True)]
    return (species[0] == 0).sum() * (np.mean(np.square(means)) - np.mean(means) ** 2)


@settings(deadline=None)
@given(arrays(np.float64, (6, 9), elements=BELIEVABLE))
def test_equals_equation_9(values):
    species = np.array([[0, 1, 0, 2, 0, 0, 1, 2, 0]] * 6)
    C = xr.DataArray(values, dims=("configuration", "particle"))
    C = C.assign_coords(species=(("configuration", "particle"), species))
    assert float(chi4(C)) == pytest.approx(naive(values, species), abs=1e-12)
    assert float(chi4(C, unbiased=True)) == pytest.approx(naive(values, species) * 6 / 5, abs=1e-12)


def test_species_may_come_from_the_configurations():
    values = np.random.default_rng(3).uniform(size=(4, 6))
    species = np.array([[0, 1, 0, 2, 0, 1]] * 4)
    ds = xr.Dataset({"species": (("configuration", "particle"), species)})
    C = xr.DataArray(values, dims=("configuration", "particle"))
    assert float(chi4(C, ds)) == pytest.approx(naive(values, species))


def test_uncorrelated_particles_give_their_own_variance():
    values = np.random.default_rng(1).normal(0.5, 0.2, size=(400, 300))
    chi = chi4(xr.DataArray(values, dims=("configuration", "particle")))
    assert float(chi) == pytest.approx(0.04, rel=4 * np.sqrt(2 / 400))
    assert float(chi.error) == pytest.approx(0.04 * np.sqrt(2 / 400), rel=0.25)


def test_fully_correlated_particles_give_the_number_of_particles_times_the_variance():
    values = np.repeat([[0.2], [0.4], [0.9]], 50, axis=1)
    chi = chi4(xr.DataArray(values, dims=("configuration", "particle")))
    assert float(chi) == pytest.approx(50 * np.var([0.2, 0.4, 0.9]))


def test_averages_over_networks_and_shows_their_spread():
    values = np.random.default_rng(2).normal(size=(3, 2, 8, 20)).astype(np.float32)
    C = xr.DataArray(values, dims=("network", "state", "configuration", "particle"))
    C = C.assign_coords(mean_propensity=("state", [0.9, 0.5]), temperature=0.3)
    chi = chi4(C)
    each = np.array([[naive(v, np.zeros((8, 20))) for v in network] for network in values])
    assert chi.dims == ("state",)
    assert chi.name == "chi4"
    np.testing.assert_allclose(chi, each.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(chi.error, each.std(axis=0, ddof=1), rtol=1e-6)
    assert (chi.structure_error > 0).all()
    np.testing.assert_array_equal(chi.mean_propensity, [0.9, 0.5])


def test_one_structure_says_nothing():
    chi = chi4(xr.DataArray(np.ones((2, 5)), dims=("state", "particle")))
    assert np.isnan(chi).all()
    assert np.isnan(chi.error).all()


@pytest.mark.parametrize("structures", [4, 8, 60])
def test_the_error_is_the_scatter_between_sets_of_structures(structures):
    """However few they are: 1500 sets of normally distributed means, whose χ₄ scatter by √(2/(n − 1)) of itself."""
    means = 0.7 + 0.05 * np.random.default_rng(1).normal(size=(1500, structures))
    C = xr.DataArray(np.repeat(means[..., None], 3, axis=-1), dims=("state", "configuration", "particle"))
    chi = chi4(C, unbiased=True)
    typical = np.sqrt(float((chi.structure_error**2).mean()))
    assert typical == pytest.approx(float(chi.std()), rel=0.07)
    assert typical == pytest.approx(3 * 0.05**2 * np.sqrt(2 / (structures - 1)), rel=0.07)


def test_noise_of_the_replicas_is_subtracted_without_bias():
    """Structures of known spread, replicas of known scatter that all particles share: 400 sets of 12 structures.

    The mean over sets must be N times the variance over structures, whatever the number of replicas.
    """
    generator = np.random.default_rng(8)
    sets, structures, particles, spread, scatter = 400, 12, 5, 0.03, 0.08
    exact = 0.7 + spread * generator.normal(size=(sets, structures))
    for replicas in (4, 16):
        means = exact[..., None] + scatter * generator.normal(size=(sets, structures, replicas))
        noise = xr.DataArray(means.var(axis=-1, ddof=1) / replicas, dims=("state", "configuration"))
        C = np.repeat(means.mean(axis=-1)[..., None], particles, axis=-1)
        C = xr.DataArray(C, dims=("state", "configuration", "particle"))
        found = chi4(C, unbiased=True, noise=noise)
        error = float(found.std()) / np.sqrt(sets)
        assert float(found.mean()) == pytest.approx(particles * spread**2, abs=4 * error)
        biased = float(chi4(C, unbiased=True).mean())
        assert biased == pytest.approx(particles * (spread**2 + scatter**2 / replicas), rel=0.1)
        assert biased > particles * spread**2 + 4 * error


def test_noise_must_be_a_number_for_every_structure():
    C = xr.DataArray(np.random.default_rng(3).uniform(size=(4, 6)), dims=("configuration", "particle"))
    for noise in (np.full(3, 1e-4), np.array([1e-4, np.nan, 1e-4, 1e-4])):
        with pytest.raises(InvalidData, match="replica noise"):
            chi4(C, noise=xr.DataArray(noise, dims="configuration"))
