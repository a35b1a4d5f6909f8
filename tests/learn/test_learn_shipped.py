from functools import cache

import numpy as np
import pytest

from glassviz.files import netcdf, store
from glassviz.learn import labels, unlabelled
from glassviz.learn.evaluation import evaluate
from glassviz.learn.networkfile import available_networks, load_networks
from glassviz.structure.cache import cached_descriptors

GLASS_TRANSITION = 0.15
LEVELS = np.array([0.94, 0.8, 0.5])
FEW = slice(8)  # structures


@pytest.fixture(scope="module")
def at_the_glass_transition():
    """Descriptors of structures that nobody has simulated."""
    path = store.precomputed("configurations") / f"N1290_T{GLASS_TRANSITION:.2f}.nc"
    return cached_descriptors(netcdf.load(path).isel(configuration=FEW))


@pytest.fixture(scope="module")
def training_structures():
    return [netcdf.load(row.path) for row in store.available_propensities() if row.role == "train"]


@pytest.mark.parametrize("species", [1, 2])
@pytest.mark.parametrize("name", ["tglassmlp", "tglassmlp-0.30"])
def test_the_mean_of_every_species_is_known_at_the_glass_transition(
    at_the_glass_transition, training_structures, name, species
):
    """Where nothing told the networks, the means of species 2 and 3 were 1.7 and 2.0 at ⟨C̄_B⟩ = 0.8."""
    points = labels.state_points(training_structures, species, LEVELS)
    predicted = load_networks(name).predict(at_the_glass_transition, GLASS_TRANSITION, LEVELS)
    found = predicted.where(predicted["species"] == species).mean(("network", "configuration", "particle"))
    np.testing.assert_allclose(found, unlabelled.species_means(points, LEVELS, species), atol=0.05)


def test_no_network_has_learned_from_a_test_structure():
    tests = {name for row in store.available_propensities() if row.role == "test" for name in row.names}
    assert len(tests) > 10
    for network in available_networks():
        learned = [state["names"] for state in load_networks(network).states]
        assert min(map(len, learned)) > 0
        assert not tests & set().union(*learned)


@pytest.fixture(scope="module")
def judged():
    """ρ_P on test structures: at T = 0.40, 0.35 and 0.30 at early, middle and late levels, at 0.27 two."""
    paths = [row.path for row in store.available_propensities() if row.role == "test" and row.particles == 1290]
    return cache(lambda name: evaluate(load_networks(name), paths, (0.94, 0.8, 0.5)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tglassmlp", "tglassmlp-0.30"])
def test_structures_never_seen_are_predicted(judged, name):
    """Better over all states than by ridge regression, which at T = 0.30 is as good or better, spread about true."""
    found, linear = judged(name), judged("ridge")
    assert found.sizes["state"] == 11
    assert found["converged"].all()
    coldest = found.isel(state=(found["temperature"] == 0.3) & (found["mean_propensity"] == 0.8))
    assert coldest["pearson"].item() > 0.7
    assert found["pearson"].mean() > linear["pearson"].mean() + 0.02
    assert found["spread"].min() > 0.5
    assert found["spread"].max() < 1.15
