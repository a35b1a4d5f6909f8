import numpy as np
import pytest

from glassviz.files import netcdf, store
from glassviz.learn import labels, unlabelled
from glassviz.learn.networkfile import load_networks
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
