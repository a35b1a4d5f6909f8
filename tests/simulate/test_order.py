import numpy as np
import pytest

from glassviz import mixture
from glassviz.files import netcdf, store
from glassviz.simulate.order import CRYSTALLINE, DEMIXED, demixing, hexatic_order, with_order

LENGTH = 26.0


@pytest.fixture
def crystal():
    """A triangular lattice of 26 × 30 sites that fits the periodic box within 0.1 %, with thermal noise."""
    rows, columns = np.divmod(np.arange(26 * 30), 26)
    sites = np.stack([columns + 0.5 * (rows % 2), rows * LENGTH / 30], axis=-1)
    return mixture.wrap(sites + np.random.default_rng(1).normal(0, 0.05, sites.shape), LENGTH)


@pytest.fixture(scope="module")
def shipped():
    files = store.available_configurations()
    if not files:
        pytest.fail("there are no configurations in precomputed/")
    return [netcdf.load(file.path) for file in files]


@pytest.mark.slow
def test_every_shipped_sample_is_disordered_and_mixed(shipped):
    """The premise of both thresholds: what this mixture looks like at every temperature."""
    known = [ds if "hexatic_order" in ds else with_order(ds) for ds in shipped]
    assert max(ds["hexatic_order"].max() for ds in known) < 0.75 * CRYSTALLINE
    assert max(ds["demixing"].max() for ds in known) < 0.25 * DEMIXED


@pytest.mark.slow
def test_the_order_that_files_tell_is_that_of_their_samples(shipped):
    told = [ds.isel(configuration=[-1]) for ds in shipped if "hexatic_order" in ds and ds.sizes["particle"] == 1290]
    assert len(told) > 10
    for ds in told:
        measured = with_order(ds.drop_vars(["hexatic_order", "demixing"]))
        np.testing.assert_allclose(measured["hexatic_order"], ds["hexatic_order"], atol=1e-4)
        np.testing.assert_allclose(measured["demixing"], ds["demixing"], atol=1e-4)


def test_a_crystal_is_seen(crystal):
    assert hexatic_order(crystal, LENGTH) > 0.85


def test_grains_of_different_orientation_are_crystalline_too(crystal):
    """The left half of the box keeps the lattice, the right half has it turned by 30°, where |mean ψ6| would vanish."""
    turned = crystal[:, ::-1]
    grains = np.concatenate([crystal[crystal[:, 0] < LENGTH / 2], turned[turned[:, 0] >= LENGTH / 2]])
    assert hexatic_order(grains, LENGTH) > CRYSTALLINE


def test_particles_at_random_have_no_order():
    position = np.random.default_rng(2).uniform(0, LENGTH, (800, 2))
    assert hexatic_order(position, LENGTH) < 0.5


def test_a_demixed_box_is_seen_and_a_mixed_one_is_not(crystal):
    x = crystal[:, 0]
    demixed = np.searchsorted(np.quantile(x, [0.465, 0.72]), x)
    assert demixing(crystal, demixed, LENGTH) > 2 * DEMIXED
    assert demixing(crystal, np.random.default_rng(3).permutation(demixed), LENGTH) < 0.5 * DEMIXED


def test_one_species_alone_is_not_demixed(crystal):
    assert demixing(crystal, np.zeros(len(crystal), int), LENGTH) < DEMIXED


@pytest.mark.parametrize(("particles", "judged"), [(24, False), (48, False), (100, True), (400, True)])
def test_what_chance_could_do_is_not_judged(particles, judged):
    """Random mixtures at one density: the smallest boxes have too few pairs, the others are never called demixed."""
    length = np.sqrt(particles / 1.2)
    found = []
    for seed in range(20):
        generator = np.random.default_rng(seed)
        species = generator.permutation(np.arange(particles) % 4 // 2)
        found.append(demixing(generator.uniform(0, length, (particles, 2)), species, length))
    assert np.isfinite(found).all() == judged
    assert not np.any(np.array(found) > DEMIXED)
