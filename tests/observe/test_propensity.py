import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.mixture import InvalidData
from glassviz.observe.agreement import pearson
from glassviz.observe.propensity import bond_breaking, label_ceiling, noise_of_all
from glassviz.simulate.bonds import initial_bonds


def naive(position, species, length, later):
    """Neighbours by the full distance matrix at both times."""

    def distance(r):
        d = r[:, None] - r[None]
        d -= length * np.rint(d / length)
        return np.hypot(*d.T)

    sigma = mixture.SIGMA[species[:, None], species]
    before = distance(position) < 1.4 * sigma
    np.fill_diagonal(before, False)
    kept = [(before & (distance(r) < 1.8 * sigma)).sum(axis=1) for r in later]
    count = before.sum(axis=1)
    return np.where(count > 0, np.mean(kept, axis=0) / np.maximum(count, 1), 1.0)


def sparse_liquid(seed, particles=120):
    generator = np.random.default_rng(seed)
    length = mixture.box_length(particles)
    species = np.repeat([0, 1, 2], mixture.species_counts(particles))
    ds = mixture.configurations(generator.uniform(0, length, (particles, 2)), species, length)
    later = ds.position.values[0] + generator.normal(0, 0.4, (4, particles, 2))
    return ds, later


def split_halves(fractions, splits=100):
    """Ceiling of ρ_P by random halves of the replicas that correlate as r: √(2r/(1 + r)) (Spearman and Brown)."""
    generator, replicas = np.random.default_rng(0), fractions.sizes["replica"]
    half, fractions = replicas // 2, fractions.transpose("replica", ...).values.reshape(replicas, -1)
    found = np.empty(splits)
    for k in range(splits):
        order = generator.permutation(replicas)
        found[k] = np.corrcoef(*(fractions[part].mean(axis=0) for part in (order[:half], order[half : 2 * half])))[0, 1]
    r, longer = found.mean(), replicas / half
    return np.sqrt(max(longer * r / (1 + (longer - 1) * r), 0))


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_distance_matrix(seed):
    ds, later = sparse_liquid(seed)
    propensity = bond_breaking(ds, later)
    expected = naive(ds.position.values[0], ds.species.values[0], ds.attrs["box_length"], later)
    assert propensity.dims == ("particle",)
    np.testing.assert_allclose(propensity, expected)
    np.testing.assert_array_equal(propensity.species, ds.species[0])


def test_wrapped_positions_and_named_arrays_give_the_same():
    ds, later = sparse_liquid(4)
    expected = bond_breaking(ds, later)
    np.testing.assert_allclose(bond_breaking(ds, mixture.wrap(later, ds.attrs["box_length"])), expected)
    aside = ds.assign(position=ds.position - 1.3 * ds.attrs["box_length"])
    np.testing.assert_allclose(bond_breaking(aside, later - 1.3 * ds.attrs["box_length"]), expected)
    named = xr.DataArray(later, dims=("replica", "particle", "space")).transpose("particle", "replica", "space")
    np.testing.assert_allclose(bond_breaking(ds, named), expected)
    both = bond_breaking(ds, later[None])
    assert both.dims == ("configuration", "particle")
    np.testing.assert_allclose(both[0], expected)


@pytest.mark.parametrize("dims", [("particle", "configuration", "space"), ("space", "particle", "configuration")])
def test_dimensions_in_any_order(dims):
    ds, later = sparse_liquid(3)
    three = xr.concat([ds.assign_coords(configuration=[name]) for name in "abc"], "configuration")
    expected = bond_breaking(three, np.stack([later] * 3))
    np.testing.assert_array_equal(bond_breaking(three.transpose(*dims), np.stack([later] * 3)), expected)
    np.testing.assert_array_equal(bond_breaking(ds.transpose(*dims), later), expected[0])
    shared = three.assign(position=three.position[0].drop_vars("configuration").transpose("space", "particle"))
    np.testing.assert_array_equal(bond_breaking(shared, np.stack([later] * 3)), expected)


def test_published_sample(reference_sample):
    ds, later = reference_sample
    propensity = bond_breaking(ds, later)
    large = ds.species.values[0] == 0
    assert float(propensity[large].mean()) == pytest.approx(0.9997, abs=5e-5)
    for positions, neighbors in ((ds.inherent_position, 6.36), (ds.position, 6.38)):
        start, _ = initial_bonds(positions.values[0], ds.species.values[0], ds.attrs["box_length"])
        assert np.diff(start)[large].mean() == pytest.approx(neighbors, abs=0.005)
    assert float(bond_breaking(ds, ds.position.values[0]).min()) == 1


def test_positions_that_do_not_fit_are_refused():
    ds, later = sparse_liquid(5)
    with pytest.raises(InvalidData, match="expected"):
        bond_breaking(ds, later[:, :-1])
    later[0, 0, 0] = np.nan
    with pytest.raises(InvalidData, match="not finite"):
        bond_breaking(ds, later)


def test_replicas_are_matched_by_the_names_of_their_structures():
    samples = [sparse_liquid(seed) for seed in range(3)]
    ds = mixture.configurations(
        np.stack([one.position.values[0] for one, _ in samples]),
        samples[0][0].species.values[0],
        samples[0][0].attrs["box_length"],
        names=list("abc"),
    )
    later = xr.DataArray(
        np.stack([positions for _, positions in samples]),
        dims=("configuration", "replica", "particle", "space"),
        coords={"configuration": list("abc")},
    )
    expected = bond_breaking(ds, later.values)
    for order in ([2, 1, 0], [1, 2, 0]):
        np.testing.assert_allclose(bond_breaking(ds, later.isel(configuration=order)), expected)
    np.testing.assert_allclose(bond_breaking(ds.isel(configuration=[1]), later)[0], expected[1])
    one = bond_breaking(ds.isel(configuration=1), later.values[1])
    assert one.dims == ("particle",)
    np.testing.assert_allclose(one, expected[1])
    first = bond_breaking(ds, later.isel(replica=0))
    np.testing.assert_allclose(first, bond_breaking(ds, later[:, :1]))
    with pytest.raises(InvalidData, match="of other configurations"):
        bond_breaking(ds, later.assign_coords(configuration=list("abd")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign(species=ds.species + 1), "unknown species 4"),
        (lambda ds: ds.assign_attrs(box_length=np.nan), "box length"),
        (lambda ds: ds.drop_vars("species"), "under 'species'"),
        (lambda ds: ds.assign(position=ds.position.isel(space=0)), None),
        (lambda ds: ds.where(ds.particle != 3, np.nan).assign(species=ds.species), "not finite"),
    ],
    ids=["species from 1", "no box", "no species", "one coordinate", "position NaN"],
)
def test_configurations_that_cannot_be_used_are_refused(change, message):
    ds, later = sparse_liquid(6)
    with pytest.raises(InvalidData, match=message or "position"):
        bond_breaking(change(ds.assign_coords(particle=np.arange(120))), later)


@pytest.mark.parametrize(
    "later", [np.zeros((0, 120, 2)), [[0.0], [0.0, 1.0]], "nowhere"], ids=["none", "ragged", "text"]
)
def test_what_are_no_positions_is_refused(later):
    with pytest.raises(InvalidData, match="replica positions"):
        bond_breaking(sparse_liquid(7)[0], later)


def labelled(fractions):
    """A propensity file of surviving fractions (configuration, replica, particle), all of species 1."""
    replicas = fractions.sizes["replica"]
    return xr.Dataset(
        {
            "propensity": fractions.mean("replica").expand_dims(time=1),
            "propensity_variance": fractions.var("replica", ddof=1).expand_dims(time=1),
            "mean_propensity": fractions.mean(("replica", "particle")).expand_dims(time=1),
            "mean_propensity_variance": fractions.mean("particle")
            .var("replica", ddof=1)
            .expand_dims(time=1, component=1),
            "species": fractions.isel(replica=0).astype(np.int8) * 0,
        },
        attrs={"replicas": replicas},
    )


@pytest.mark.parametrize("replicas", [3, 5, 12])
def test_the_ceiling_is_the_correlation_of_noisy_labels_with_the_exact_propensity(replicas):
    """Bernoulli replicas about a known propensity: the ceiling must equal ρ_P of the exact one."""
    generator = np.random.default_rng(6)
    exact = xr.DataArray(generator.beta(4, 2, (8, 600)), dims=("configuration", "particle"))
    draws = generator.binomial(6, exact.values[:, None], (8, replicas, 600)) / 6
    fractions = xr.DataArray(draws, dims=("configuration", "replica", "particle"))
    expected = float(pearson(exact, fractions.mean("replica")))
    assert expected < 0.97
    assert split_halves(fractions) == pytest.approx(expected, abs=0.01)
    assert float(label_ceiling(labelled(fractions))[0]) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("structures", [1, 4])
def test_what_particles_of_a_replica_share_does_not_lower_the_ceiling(structures):
    """Replicas that are fast or slow as a whole: ρ_P sees differences between particles, and between structures."""
    generator = np.random.default_rng(8)
    exact, replicas = generator.normal(0.6, 0.1, (structures, 1, 600)), 8
    shared, own = (
        generator.normal(0, 0.1, (structures, replicas, 1)),
        generator.normal(0, 0.1, (structures, replicas, 600)),
    )
    fractions = xr.DataArray(exact + shared + own, dims=("configuration", "replica", "particle"))
    ds = labelled(fractions)
    found = float(label_ceiling(ds)[0])
    assert found == pytest.approx(split_halves(fractions), abs=0.015)
    assert found > float(label_ceiling(ds.drop_vars("mean_propensity_variance"))[0]) + 0.02 / structures


def test_the_noise_of_some_structures_is_estimated_from_that_of_the_others():
    noise = xr.DataArray([[0.04, 0.4], [np.nan, np.nan], [0.02, 0.2], [0.06, 0.6], [0.04, 0.4]])
    noise = noise.rename(dim_0="configuration", dim_1="time")
    replicas = [10, 40, 10, 10, 20]
    filled = noise_of_all(noise, replicas)
    expected = np.array([0.4 + 0.2 + 0.6 + 0.8, 4 + 2 + 6 + 8]) / 4 / 40
    np.testing.assert_allclose(filled.isel(configuration=1), expected, rtol=1e-12)
    np.testing.assert_array_equal(filled.isel(configuration=[0, 2, 3, 4]), noise.isel(configuration=[0, 2, 3, 4]))
    few = noise.isel(configuration=slice(4))
    np.testing.assert_array_equal(noise_of_all(few, replicas[:4]), few)
