from itertools import combinations, pairwise

import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.learn.between_outputs import replica_noise
from glassviz.mixture import InvalidData
from glassviz.observe.propensity import noise_of_all
from glassviz.observe.susceptibility import chi4
from glassviz.simulate import isoconfigurational as module
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.dynamics import advance, displacements, start_lanes
from glassviz.simulate.isoconfigurational import isoconfigurational, measured_times
from glassviz.simulate.swap_chain import SwapMonteCarlo

TIMES = (0.5, 1.0, 2.0, 3.0)


class Interruption(Exception):
    pass


def interrupt_after(time):
    def progress(now, _):
        if now >= time:
            raise Interruption

    return progress


@pytest.fixture(scope="module")
def ensemble(liquid_dataset):
    return isoconfigurational(liquid_dataset, TIMES, 16, seed=3)


def test_what_the_ensemble_holds(liquid_dataset, ensemble):
    assert dict(ensemble.sizes) == {"configuration": 1, "particle": 129, "space": 2, "time": 4, "component": 3}
    np.testing.assert_allclose(ensemble["time"], TIMES)
    assert ensemble["propensity"].dims == ensemble["propensity_variance"].dims == ("configuration", "time", "particle")
    for name in ("mean_propensity", "mean_square_displacement", "self_scattering"):
        assert ensemble[name].dims == ("configuration", "time")
    first = ensemble["species"].values[0] == 0
    np.testing.assert_allclose(
        ensemble["mean_propensity"][0], ensemble["propensity"].values[0][:, first].mean(axis=1), rtol=1e-12
    )
    assert ensemble["mean_propensity"][0, -1] < ensemble["mean_propensity"][0, 0] <= 1
    assert ensemble["mean_square_displacement"][0, -1] > ensemble["mean_square_displacement"][0, 0] > 0
    assert ensemble["self_scattering"][0, -1] < ensemble["self_scattering"][0, 0] < 1
    xr.testing.assert_identical(ensemble["position"].drop_vars("time", errors="ignore"), liquid_dataset["position"])
    expected = {"replicas": 16, "time_step": 0.01, "temperature": 0.40, "dynamics_seed": 3}
    assert {name: ensemble.attrs[name] for name in expected} == expected


def test_moments_over_replicas_are_those_of_the_paths(liquid, liquid_dataset):
    """Sixteen replicas run by hand from particles that already lie in the order of their cells."""
    position, species, length = liquid
    order = np.lexsort((*(position // (length / 3)).T[::-1],))
    position, species = position[order], species[order]
    ds = mixture.configurations(position, species, length, 0.40)
    measured = isoconfigurational(ds, [2.0], 16, seed=4)
    moved, fractions = [], []
    for group in range(2):
        lanes = start_lanes(position, length, 0.40, 0.01, 4, range(8 * group, 8 * group + 8))
        advance(lanes, species, length, 200)
        moved.append(displacements(lanes, length))
    moved = np.concatenate(moved)
    bonds = initial_bonds(position, species, length)
    fractions = np.array([surviving_fraction(*bonds, position + replica, species, length) for replica in moved])
    np.testing.assert_allclose(measured["propensity"][0, 0], fractions.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(measured["propensity_variance"][0, 0], fractions.var(axis=0, ddof=1), atol=1e-12)
    means = [fractions[:, species == component].mean(axis=1).var(ddof=1) for component in range(3)]
    np.testing.assert_allclose(measured["mean_propensity_variance"][0, 0], means, rtol=1e-9)
    assert measured["mean_square_displacement"].item() == pytest.approx((moved**2).sum(axis=-1).mean(), rel=1e-6)
    assert measured["self_scattering"].item() == pytest.approx(np.cos(7 * moved).mean(), rel=1e-6)


def test_a_seed_repeats_a_run_on_any_number_of_threads(liquid_dataset, ensemble):
    xr.testing.assert_identical(isoconfigurational(liquid_dataset, TIMES, 16, seed=3, threads=2), ensemble)
    other = isoconfigurational(liquid_dataset, TIMES, 16, seed=4)
    assert np.any(other["propensity"] != ensemble["propensity"])


def test_replicas_are_rounded_up_to_whole_groups(liquid_dataset, ensemble):
    nine = isoconfigurational(liquid_dataset, TIMES, 9, seed=3)
    xr.testing.assert_identical(nine, ensemble)


@pytest.mark.parametrize("stop", [0.5, 2.0])
def test_an_interrupted_run_goes_on_bit_for_bit(liquid_dataset, ensemble, tmp_path, stop):
    checkpoint = tmp_path / "checkpoint.nc"
    with pytest.raises(Interruption):
        isoconfigurational(liquid_dataset, TIMES, 16, seed=3, checkpoint=checkpoint, progress=interrupt_after(stop))
    assert checkpoint.exists()
    seen = []
    resumed = isoconfigurational(
        liquid_dataset, TIMES, 16, seed=3, checkpoint=checkpoint, progress=lambda now, _: seen.append(now)
    )
    xr.testing.assert_identical(resumed, ensemble)
    np.testing.assert_allclose(seen, [time for time in TIMES if time > stop])
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_a_finished_run_goes_on_to_later_times_bit_for_bit(liquid_dataset, ensemble, tmp_path):
    checkpoint = tmp_path / "checkpoint.nc"
    isoconfigurational(liquid_dataset, TIMES[:2], 16, seed=3, checkpoint=checkpoint)
    np.testing.assert_allclose(measured_times(checkpoint), TIMES[:2])
    longer = isoconfigurational(liquid_dataset, TIMES, 16, seed=3, checkpoint=checkpoint)
    xr.testing.assert_identical(longer, ensemble)


@pytest.fixture
def short_stages(monkeypatch):
    """Checkpoints every 0.3 time units."""
    monkeypatch.setattr(module, "STAGE", 0)
    monkeypatch.setattr(module, "SHORTEST_STAGE", 30)
    monkeypatch.setattr(module, "SAVED_AFTER", 0.0)


@pytest.mark.usefixtures("short_stages")
@pytest.mark.parametrize("stop", [0.3, 1.2, 2.7])
def test_a_run_goes_on_from_between_output_times_bit_for_bit(liquid_dataset, tmp_path, stop):
    checkpoint, options = tmp_path / "checkpoint.nc", {"replicas": 16, "seed": 3}
    seen = []
    whole = isoconfigurational(liquid_dataset, TIMES, **options, progress=lambda now, _: seen.append(now))
    np.testing.assert_allclose(seen, [0.3, 0.5, 0.6, 0.9, 1, 1.2, 1.5, 1.8, 2, 2.1, 2.4, 2.7, 3])
    with pytest.raises(Interruption):
        isoconfigurational(
            liquid_dataset, TIMES, **options, checkpoint=checkpoint, progress=interrupt_after(stop - 1e-9)
        )
    again = []
    resumed = isoconfigurational(
        liquid_dataset, TIMES, **options, checkpoint=checkpoint, progress=lambda now, _: again.append(now)
    )
    np.testing.assert_allclose(again, [now for now in seen if now > stop + 1e-9])
    xr.testing.assert_identical(resumed, whole)


@pytest.mark.usefixtures("short_stages")
def test_a_checkpoint_beyond_the_next_output_time_is_refused(liquid_dataset, tmp_path):
    options = {"replicas": 8, "seed": 3, "checkpoint": tmp_path / "checkpoint.nc"}
    with pytest.raises(Interruption):
        isoconfigurational(liquid_dataset, [1.0, 3.0], **options, progress=interrupt_after(1.6))
    with pytest.raises(
        InvalidData, match=r"checkpoint\.nc: .* is at t = 1\.8 already, beyond the output time t = 1\.5"
    ):
        isoconfigurational(liquid_dataset, [1.0, 1.5], **options)
    assert isoconfigurational(liquid_dataset, [1.0, 2.0], **options)["time"].values.tolist() == [1.0, 2.0]


def test_a_checkpoint_from_before_particles_changed_slots_goes_on(liquid_dataset, tmp_path):
    checkpoint = tmp_path / "checkpoint.nc"
    isoconfigurational(liquid_dataset, TIMES[:2], 8, seed=3, checkpoint=checkpoint)
    early = netcdf.load(checkpoint)
    assert (early["particle_0"] == np.arange(early.sizes["particle"])[:, None]).all()
    netcdf.save(early.drop_vars("particle_0"), checkpoint)
    longer = isoconfigurational(liquid_dataset, TIMES, 8, seed=3, checkpoint=checkpoint)
    whole = isoconfigurational(liquid_dataset, TIMES, 8, seed=3)
    np.testing.assert_array_equal(longer["propensity"], whole["propensity"])


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 5},
        {"times": (0.4, 1.0, 2.0, 3.0)},
        {"times": (1.0, 2.0)},
        {"replicas": 24},
        {"replicas": 8},
        {"temperature": 0.5},
        {"time_step": 0.005},
    ],
    ids=lambda other: "-".join(other),
)
def test_a_checkpoint_of_another_run_is_refused(liquid_dataset, tmp_path, other):
    options = {"times": TIMES, "replicas": 16, "seed": 3, "checkpoint": tmp_path / "checkpoint.nc"}
    with pytest.raises(Interruption):
        isoconfigurational(liquid_dataset, **options, progress=interrupt_after(0.5))
    with pytest.raises(InvalidData, match=r"checkpoint\.nc.*another run"):
        isoconfigurational(liquid_dataset, **{**options, **other})
    assert options["checkpoint"].exists()


def test_a_checkpoint_of_another_structure_is_refused(liquid_dataset, tmp_path):
    options = {"times": TIMES, "replicas": 8, "checkpoint": tmp_path / "checkpoint.nc"}
    with pytest.raises(Interruption):
        isoconfigurational(liquid_dataset, **options, progress=interrupt_after(0.5))
    mirrored = liquid_dataset.assign(
        position=liquid_dataset["position"].copy(data=liquid_dataset["position"].values[..., ::-1])
    )
    with pytest.raises(InvalidData, match="another run"):
        isoconfigurational(mirrored, **options)


def test_bad_input_is_refused(liquid_dataset):
    other = liquid_dataset.assign_coords(configuration=["other"])
    two = xr.concat([liquid_dataset, other], "configuration", data_vars="minimal")
    with pytest.raises(InvalidData, match="2 configurations"):
        isoconfigurational(two, [1.0])
    unknown = liquid_dataset.assign_attrs(temperature=np.nan)
    with pytest.raises(InvalidData, match="temperature is unknown"):
        isoconfigurational(unknown, [1.0])
    for times in ([], [0.0, 1.0], [2.0, 1.0], [1.0, 1.001], [-1.0], [np.nan], [np.inf], [1e300], [[1.0]]):
        with pytest.raises(InvalidData, match="times do not rise"):
            isoconfigurational(liquid_dataset, times)
    for replicas in (0, -8):
        with pytest.raises(InvalidData, match="replicas"):
            isoconfigurational(liquid_dataset, [1.0], replicas)
    for options, message in (
        ({"replicas": 8.5}, "replicas"),
        ({"threads": 0}, "threads"),
        ({"time_step": -0.01}, "time step"),
        ({"temperature": np.inf}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
    ):
        with pytest.raises(InvalidData, match=message):
            isoconfigurational(liquid_dataset, [1.0], **options)
    with pytest.raises(InvalidData):
        isoconfigurational(liquid_dataset.drop_vars("species"), [1.0])
    second = liquid_dataset.assign(species=liquid_dataset["species"] * 0 + 1)
    with pytest.warns(mixture.MixtureWarning), pytest.raises(InvalidData, match="no particle of species 1"):
        isoconfigurational(second, [1.0])
    for apart in (0.0, 0.05):
        overlapping = liquid_dataset.copy(deep=True)
        overlapping["position"][0, 1] = mixture.wrap(overlapping["position"][0, 0] + apart, liquid_dataset.box_length)
        with pytest.raises(InvalidData, match="do particles overlap"):
            isoconfigurational(overlapping, [1.0])


def test_a_time_step_too_long_for_the_temperature_is_refused(liquid_dataset):
    """Particles would fold back into the box, and the average over replicas look sound."""
    with pytest.raises(InvalidData, match="moves farther than"):
        isoconfigurational(liquid_dataset, [1.0], temperature=1e4)


def test_particles_that_run_away_are_refused(liquid_dataset):
    """A hot structure that is said to be cold: its own energy moves it."""
    with pytest.raises(InvalidData, match="free flight"):
        isoconfigurational(liquid_dataset, [1.0, 10.0], temperature=1e-6)


def test_a_temperature_may_be_given(liquid_dataset):
    unknown = liquid_dataset.assign_attrs(temperature=np.nan)
    given = isoconfigurational(unknown, [0.1], 8, temperature=0.40, seed=3)
    xr.testing.assert_identical(given, isoconfigurational(liquid_dataset, [0.1], 8, seed=3))


def squared_displacements(later, position, length):
    """Of published positions, some of which are images of others."""
    moved = later - position
    moved -= length * np.rint(moved / length)
    return (moved**2).sum(axis=-1)


def test_early_motion_of_a_published_sample(shared):
    """GlassBench, T = 0.30, t = 0.11."""
    with np.load(shared / "reference" / "glassbench" / "N1290T0.30_3_tc01.npz") as data:
        length, species = float(data["box"]), data["types"] - 1
        ds = mixture.configurations(mixture.wrap(data["initial_positions"], length), species, length, 0.30)
        published = squared_displacements(data["positions"], data["initial_positions"], length)
    assert published.mean() == pytest.approx(0.00502, abs=3e-5)
    ours = isoconfigurational(ds, [0.11], 24, seed=1)
    assert ours["mean_square_displacement"].item() == pytest.approx(published.mean(), rel=0.015)
    assert ours["mean_propensity"].item() == pytest.approx(1, abs=3e-4)


@pytest.mark.slow
def test_bonds_and_motion_of_a_published_sample(reference_sample):
    """GlassBench, T = 0.23, t = 0.1 to 122.47: sixteen replicas of ours against twenty published ones."""
    ds, later = reference_sample
    position, species, length = ds["position"].values[0], ds["species"].values[0], ds.attrs["box_length"]
    ours = isoconfigurational(ds, [0.1, 1.1, 11.64, 122.47], 16, seed=2, threads=2)
    within = 3 * np.sqrt(1 / 20 + 1 / 16)

    moved = later - position
    moved -= length * np.rint(moved / length)
    squared, scattering = (moved**2).sum(axis=-1).mean(axis=1), np.cos(7 * moved).mean(axis=(1, 2))
    assert squared.mean() == pytest.approx(0.0232, abs=1e-4)
    for name, published in {"mean_square_displacement": squared, "self_scattering": scattering}.items():
        assert ours[name].values[0, -1] == pytest.approx(published.mean(), abs=within * published.std(ddof=1))

    bonds = initial_bonds(position, species, length)
    fractions = np.array([surviving_fraction(*bonds, replica, species, length) for replica in later])
    scatter = fractions[:, species == 0].mean(axis=1).std(ddof=1)
    published = np.array([1.0, 0.9999, 0.9998, 0.9997])
    assert fractions[:, species == 0].mean() == pytest.approx(published[-1], abs=5e-5)
    # Breaking is rare, so its scatter goes with the square root of its number.
    error = scatter * np.sqrt((1 - published) / (1 - published[-1]))
    assert np.all(np.abs(ours["mean_propensity"][0] - published) < within * error + 5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c01000", "c02001"])
def test_propensities_of_the_prototype(configurations_at, shared, name):
    """The same structure, other velocities: as alike as two ensembles of ours, in the mean and particle by particle."""
    ds = configurations_at(0.40).sel(configuration=[name])
    first = ds["species"].values[0] == 0
    with np.load(shared / "reference" / "prototype_propensities" / f"{name}_T0.40.npz") as data:
        chosen = (data["time"] > 9) & (data["time"] < 60)
        times, prototype = data["time"][chosen], data["propensity"][chosen][:, first]
    ours = [
        isoconfigurational(ds, times, 16, seed=seed, threads=2)["propensity"].values[0][:, first]
        for seed in range(6, 12)
    ]
    np.testing.assert_allclose(np.mean(ours, axis=(0, 2)), prototype.mean(axis=1), atol=0.006)
    for one, other in pairwise(ours):
        np.testing.assert_allclose(one.mean(axis=1), other.mean(axis=1), atol=0.008)

    def correlation(a, b):
        return np.array([np.corrcoef(*pair)[0, 1] for pair in zip(a, b, strict=True)])

    # The correlation of two ensembles scatters by 0.04, so two of ours alone would not do.
    halves = np.mean([correlation(*pair) for pair in combinations(ours, 2)], axis=0)
    across = np.mean([correlation(one, prototype) for one in ours], axis=0)
    np.testing.assert_allclose(across, halves, atol=0.06)
    assert across.min() > 0.6


def test_susceptibility_of_few_replicas_is_that_of_many(liquid):
    """Eight structures, 64 replicas in groups of 8: what the replicas add to χ₄ is what `chi4` subtracts.

    Also where half of the structures do not tell theirs.
    """
    position, species, length = liquid
    chain, runs = SwapMonteCarlo(position, species, length, 0.40, seed=9), []
    for structure in range(8):
        chain.run(500)
        ds = mixture.configurations(chain.position, chain.species, length, 0.40, names=[f"{structure}"])
        runs.append([isoconfigurational(ds, [40.0], 8, seed=seed) for seed in range(8)])
    groups = [xr.concat([run[g] for run in runs], "configuration", combine_attrs="override") for g in range(8)]
    told = xr.DataArray([k % 2 == 0 for k in range(8)], dims="configuration")
    plain, corrected, estimated = (
        np.array([float(chi4(ds["propensity"], ds, unbiased=True, noise=noise(ds))[0]) for ds in groups])
        for noise in (lambda _: None, replica_noise, lambda ds: noise_of_all(replica_noise(ds).where(told), [8] * 8))
    )
    many = groups[0].assign(propensity=sum(ds["propensity"] for ds in groups) / 8)
    left = sum(replica_noise(ds) for ds in groups) / 64
    expected = float(chi4(many["propensity"], many, unbiased=True, noise=left)[0])
    error = corrected.std(ddof=1) / np.sqrt(8)
    assert corrected.mean() == pytest.approx(expected, abs=3 * error)
    assert estimated.mean() == pytest.approx(expected, abs=3 * estimated.std(ddof=1) / np.sqrt(8))
    assert plain.mean() - expected > 2 * abs(corrected.mean() - expected)


def test_logarithmic_times_are_at_least_a_time_step_apart():
    for until, per_decade in ((10.004, 6), (1.005, 6), (20, 200), (52_000, 3)):
        times = module.logarithmic_times(until, per_decade)
        assert times[-1] == until
        assert np.diff(np.rint(times / module.TIME_STEP)).min(initial=1) >= 1
    assert len(module.logarithmic_times(1000, 3)) == 10
    for wrong in (0, 201, 2**53):
        with pytest.raises(InvalidData, match=r"times per decade; expected 1 to 200"):
            module.logarithmic_times(10, wrong)


def test_a_structure_that_was_followed_before_is_followed_again(liquid_dataset):
    """Its propensities at other times give way to the new ones."""
    once = isoconfigurational(liquid_dataset, [0.1, 0.2], 8, seed=1)
    again = isoconfigurational(once, [0.3], 8, seed=1)
    xr.testing.assert_identical(again, isoconfigurational(liquid_dataset, [0.3], 8, seed=1))
