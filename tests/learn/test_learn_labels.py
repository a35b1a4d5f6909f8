import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.learn import between_outputs, labels
from glassviz.mixture import InvalidData

TIMES = np.array([1.0, 10.0, 100.0, 1000.0])

pytestmark = pytest.mark.usefixtures("own_cache")


def lattice(particles, seed):
    """A jittered lattice: positions far enough from each other for descriptors, quick to make."""
    rng = np.random.default_rng(seed)
    length = mixture.box_length(particles)
    side = int(np.ceil(np.sqrt(particles)))
    grid = np.stack(np.meshgrid(*[(np.arange(side) + 0.5) * length / side] * 2), axis=-1).reshape(-1, 2)[:particles]
    return mixture.wrap(grid + rng.normal(0, 0.05, grid.shape), length), length


def structure(name="a", particles=129, temperature=0.4, means=(0.98, 0.9, 0.8, 0.6), seed=0, role="train", times=TIMES):
    """A propensity Dataset whose species-1 mean follows `means`; particle i is `gain[i]` faster than the mean."""
    position, length = lattice(particles, seed)
    species = np.repeat([0, 1, 2], mixture.species_counts(particles))
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.5, 1.5, particles)
    gain[species == 0] /= gain[species == 0].mean()
    ds = mixture.configurations(position, species, length, temperature, names=[name], inherent_position=position)
    propensity = 1 - (1 - np.array(means))[:, None] * gain
    dims = ("configuration", "time", "particle")
    return (
        ds.assign_coords(time=times)
        .assign(propensity=(dims, propensity[None]), propensity_variance=(dims, np.full_like(propensity, 0.08)[None]))
        .assign_attrs(replicas=8, role=role)
    )


def test_levels_are_reached_where_the_ensemble_mean_passes_them():
    first = structure("a", means=(0.98, 0.92, 0.82, 0.62))
    second = structure("b", means=(0.98, 0.88, 0.78, 0.58), seed=1)
    (points,) = labels.state_points([first, second], levels=(0.99, 0.95, 0.90, 0.70, 0.50))
    np.testing.assert_allclose(points.levels, [0.95, 0.90, 0.70])  # 0.99 and 0.50 would be extrapolated
    # ⟨C̄_B⟩ falls from 0.98 to 0.90 over the first decade and from 0.80 to 0.60 over the last
    np.testing.assert_allclose(points.times, [10**0.375, 10, 10**2.5], rtol=1e-6)
    np.testing.assert_allclose(points.labels[:, 1].mean(axis=1), [0.92, 0.88], atol=1e-6)
    np.testing.assert_allclose(points.labels[:, 2].mean(axis=1), [0.72, 0.68], atol=1e-6)
    np.testing.assert_allclose(points.noise[:, 1], 0.08 / 8, rtol=1e-5)  # at an output time
    assert (points.noise[:, [0, 2]] > 0.005).all()
    assert (points.noise[:, [0, 2]] < 0.0095).all()
    assert points.columns.shape == (2, 60, 176)
    assert points.names.tolist() == ["a", "b"]
    assert points.temperature == 0.4


def test_labels_belong_to_their_particles():
    ds = structure("a")
    (points,) = labels.state_points([ds], species=1, levels=(0.8,))
    chosen = ds.species.values[0] == 1
    np.testing.assert_allclose(points.labels[0, 0], ds.propensity.values[0, 2, chosen], atol=1e-6)
    np.testing.assert_allclose(points.position[0], ds.position.values[0, chosen])
    own = labels.cached_descriptors(ds).values[0, chosen].reshape(chosen.sum(), -1)
    np.testing.assert_array_equal(points.columns[0], own)


def test_temperatures_are_kept_apart_and_short_runs_left_out():
    hot = [structure(name, seed=k) for k, name in enumerate("abc")]
    short = structure("d", seed=3).isel(time=slice(0, 2))
    cold = [structure("a", temperature=0.3, means=(0.999, 0.995, 0.98, 0.96), seed=5)]
    points = labels.state_points([*cold, short, *hot], levels=(0.99, 0.85, 0.65))
    assert [p.temperature for p in points] == [0.4, 0.3]
    assert points[0].names.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(points[0].levels, [0.85, 0.65])
    np.testing.assert_allclose(points[1].levels, [0.99])


def test_every_structure_has_labels_at_all_levels_of_its_run():
    """However many of the runs are long: four levels of two runs, two of a short one."""
    long = [structure(name, seed=k) for k, name in enumerate("ab")]
    short = structure("c", seed=2).isel(time=slice(3))
    points = labels.state_points([*long, short], levels=(0.95, 0.85, 0.70, 0.65))
    found = [(p.levels.tolist(), p.names.tolist()) for p in points]
    assert found == [([0.95, 0.85], ["a", "b", "c"]), ([0.70, 0.65], ["a", "b"])]
    for p in points:
        np.testing.assert_allclose(p.labels.mean(axis=(0, 2)), p.levels, atol=1e-6)


def test_patches_are_compact_equal_and_disjoint():
    position = np.random.default_rng(0).uniform(0, 100, (2400, 2))
    cut = labels.patches(position, 600)
    assert cut.shape == (4, 600)
    assert len(np.unique(cut)) == 2400
    assert all(np.ptp(position[part], axis=0).max() < 60 for part in cut)
    assert labels.patches(position[:600], 600).tolist() == [list(range(600))]


def test_a_large_box_is_cut_into_patches_beside_small_ones():
    large = structure("big", particles=4 * 1290, seed=2)
    small = structure("a", particles=1290)
    (points,) = labels.state_points([large, small], levels=(0.8,))
    assert points.names.tolist() == ["a"] + ["big"] * 4
    assert points.columns.shape == (5, 600, 176)
    np.testing.assert_allclose(points.box_length, [mixture.box_length(1290)] + [mixture.box_length(5160)] * 4)
    with pytest.raises(InvalidData, match="different sizes"):
        labels.state_points([large, small], levels=(0.8,), cut=False)


def closed_for_good(random, rate, times):
    """Bonds that each break once, (bond, replica, particle, time)."""
    return random.exponential(1 / rate, (6, 8, len(rate)))[..., None] > times


def rattling(random, rate, times):
    """Bonds that also open now and then for a moment, a sixth of the time."""
    return closed_for_good(random, rate, times) & (random.uniform(size=(6, 8, len(rate), len(times))) > 1 / 6)


def forming_again(random, rate, times):
    """Bonds that open and close at equal rates: telegraph noise."""
    closed = np.ones((6, 8, len(rate)), bool)
    found = []
    for passed in np.diff(times, prepend=0.0):
        closed = closed ^ (random.uniform(size=closed.shape) < (1 - np.exp(-rate * passed)) / 2)
        found.append(closed)
    return np.stack(found, axis=-1)


def measured(survived, times):
    """A propensity Dataset of the mean over bonds, (replica, particle, time)."""
    dims = ("configuration", "particle", "time")
    return xr.Dataset(
        {
            "propensity": (dims, survived.mean(axis=0)[None]),
            "propensity_variance": (dims, survived.var(axis=0, ddof=1)[None]),
        },
        coords={"time": times},
        attrs={"replicas": len(survived)},
    ).transpose("configuration", "time", "particle")


def test_labels_of_a_single_output_are_those_of_that_time():
    survived = np.random.default_rng(3).uniform(size=(8, 50, 1)) > 0.3
    ds = measured(survived, np.array([100.0])).transpose("configuration", "time", "particle")
    np.testing.assert_allclose(between_outputs.at_times(ds, np.array([100.0])), survived.mean(axis=0).T, rtol=1e-6)


@pytest.mark.parametrize("between", [0.0, 0.3, 0.5, 1.0])
def test_noise_between_outputs_where_bonds_stay_broken(between):
    """The variance of interpolated labels around exact ones."""
    random = np.random.default_rng(3)
    times = np.array([0.25, 0.5, 1.5])
    rate = np.exp(random.normal(size=4000))
    ds = measured(closed_for_good(random, rate, times).mean(axis=0), times)
    at = times[1:2] * (times[2] / times[1]) ** between
    exact = np.exp(-rate * times[:, None])
    error = between_outputs.at_times(ds, at)[0] - (exact[1] * (1 - between) + exact[2] * between)
    first, second, fraction = between_outputs.around(ds, "propensity", at)
    variances = between_outputs.around(ds, "propensity_variance", at)[:2]
    noise = between_outputs.noise_between((first, second), variances, fraction) / 8
    np.testing.assert_allclose(noise.mean(), (error**2).mean(), rtol=0.05)


@pytest.mark.parametrize("between", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("bonds", [closed_for_good, rattling, forming_again])
def test_noise_of_labels_between_outputs(bonds, between):
    """Six bonds each, at rates that differ: the variance of interpolated labels over replicas that are all known."""
    random = np.random.default_rng(3)
    times = np.array([0.25, 0.5, 1.1])
    survived = bonds(random, np.exp(random.normal(size=4000) / 2), times).mean(axis=0)
    at = times[1:2] * (times[2] / times[1]) ** between
    (noise,) = between_outputs.noise_at_times(measured(survived, times), at, np.arange(4000))
    of_replicas = survived[..., 1] * (1 - between) + survived[..., 2] * between
    np.testing.assert_allclose(noise, of_replicas.var(axis=0, ddof=1).mean() / 8, rtol=0.1)


def test_what_holds_no_labels_is_refused():
    with pytest.raises(InvalidData, match="no propensities"):
        labels.structures([structure().drop_vars("propensity")])
    with pytest.raises(InvalidData, match="temperature is missing"):
        labels.structures([structure().assign_attrs(temperature=np.nan)])
    with pytest.raises(InvalidData, match="temperature"):
        labels.structures([structure().assign_attrs(temperature="hot")])
    spoiled = structure()
    spoiled["propensity"].values[0, 1, 2] = np.nan
    for bad in (spoiled, structure().isel(time=[0]).assign_coords(time=[0.0])):
        with pytest.raises(InvalidData, match="not finite, or none is later"):
            labels.structures(bad)
    with pytest.raises(InvalidData, match="no structure"):
        labels.state_points([])
    with pytest.raises(InvalidData, match=r"a \(T = 0\.4, N = 129\) is there twice"):
        labels.structures([structure(), structure("b", seed=1), structure(seed=2)])


def test_prototype_labels(shared, configurations_at):
    """On real labels: the level's time lies between the stored ones, and the ensemble mean there is the level."""
    group = []
    configurations = configurations_at(0.40)
    for path in sorted((shared / "reference" / "prototype_propensities").glob("*_T0.40.npz")):
        with np.load(path) as data:
            ds = configurations.sel(configuration=[path.stem.split("_")[0]])
            ds = ds.assign_coords(time=data["time"])
            ds["propensity"] = (("configuration", "time", "particle"), data["propensity"][None])
            group.append(ds)
    levels, times = labels.level_times(*labels.mean_curve(group))
    np.testing.assert_allclose(levels, [0.99, 0.94, 0.90, 0.85, 0.80, 0.75, 0.65])
    assert 80 < times[1] < 120
    chosen = [ds.species.values[0] == 0 for ds in group]
    values = [between_outputs.at_times(ds, times)[:, c].mean(axis=1) for ds, c in zip(group, chosen, strict=True)]
    np.testing.assert_allclose(np.mean(values, axis=0), levels, atol=1e-5)


def test_a_sample_has_one_role_at_all_temperatures():
    """What is learned of it at one temperature is known of it at another."""
    hot, cold = structure("a", role="train"), structure("a", temperature=0.3, role="test")
    with pytest.raises(InvalidData, match=r"a \(N = 129\) is 'train' at T = 0\.4 and 'test' at T = 0\.3; expected one"):
        labels.structures([hot, cold])
    assert len(labels.structures([hot, cold.assign_attrs(role="train")])) == 2
