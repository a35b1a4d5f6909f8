import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from glassviz.files import netcdf, store
from glassviz.mixture import InvalidData
from glassviz.observe.decay import in_common
from glassviz.observe.superposition import superposition

TAU = {0.40: 2e3, 0.35: 1.2e4, 0.30: 2.5e5}
STRETCH = 0.7


def exact(time, temperature):
    """A stretched exponential that passes 0.5 at τ."""
    return np.exp(-np.log(2) * (time / TAU[temperature]) ** STRETCH)


def measured(temperature, longest, structures=4, noise=0.0, seed=0):
    """Propensity files of an exactly superposing liquid, one for each structure."""
    generator = np.random.default_rng(seed)
    time = np.geomspace(1, longest, 30)
    for _ in range(structures):
        decay = 1 - exact(time, temperature)
        curve = 1 - decay * (1 + noise * generator.normal())
        yield xr.Dataset(
            {"mean_propensity": (("configuration", "time"), curve[None])},
            coords={"time": time},
            attrs={"temperature": temperature},
        )


def liquid(noise=0.0, **keywords):
    longest = {0.40: 5e3, 0.35: 5e3, 0.30: 2e4}
    return superposition([ds for t, end in longest.items() for ds in measured(t, end, noise=noise)], **keywords)


@pytest.fixture(scope="module")
def exact_liquid():
    return liquid()


@pytest.mark.parametrize("temperature", TAU)
def test_relaxation_times_of_a_superposing_liquid_are_found(exact_liquid, temperature):
    """At 0.40 by the passage through 0.5, at the others by overlap (they stop at 0.69 and 0.89)."""
    assert exact_liquid.relaxation_time(temperature) == pytest.approx(TAU[temperature], rel=2e-2)


@pytest.mark.parametrize("temperature", TAU)
def test_times_follow_the_curve_measured_or_not(exact_liquid, temperature):
    levels = np.array([0.99, 0.9, 0.8, 0.5, 0.3, 0.1])
    expected = TAU[temperature] * (np.log(levels) / np.log(0.5)) ** (1 / STRETCH)
    np.testing.assert_allclose(exact_liquid.time(levels, temperature), expected, rtol=3e-2)
    np.testing.assert_allclose(exact_liquid.mean_propensity(expected, temperature), levels, atol=5e-3)


def test_simulated_only_where_the_runs_went(exact_liquid):
    lowest = exact(2e4, 0.30)
    assert exact_liquid.is_simulated(lowest + 0.01, 0.30)
    assert not exact_liquid.is_simulated(lowest - 0.01, 0.30)
    assert not exact_liquid.is_simulated(0.95, 0.32)
    assert not exact_liquid.is_simulated(0.95, 0.23)
    np.testing.assert_array_equal(exact_liquid.is_simulated([0.9, 0.5, 0.1], 0.40), [True, True, False])


def test_low_temperatures_are_anchored_or_arrhenius(exact_liquid):
    table = exact_liquid.relaxation_times
    assert table.kind.values.tolist() == ["measured"] * 3 + ["published", "anchor"]
    assert exact_liquid.relaxation_time(0.15) == pytest.approx(1e12)
    published = 1.5e6 * (np.log(0.5) / np.log(0.760)) ** (1 / STRETCH)
    assert exact_liquid.relaxation_time(0.23) == pytest.approx(published, rel=2e-2)
    between = 1 / ((1 / 0.23 + 1 / 0.15) / 2)
    assert exact_liquid.relaxation_time(between) == pytest.approx(np.sqrt(1e12 * published), rel=2e-2)
    free = liquid(anchor=False)
    assert free.relaxation_times.kind.values.tolist() == ["measured"] * 3
    barrier = np.log(TAU[0.30] / TAU[0.35]) / (1 / 0.30 - 1 / 0.35)
    expected = TAU[0.30] * np.exp(barrier * (1 / 0.2 - 1 / 0.30))
    assert free.relaxation_time(0.2) == pytest.approx(expected, rel=0.2)


@given(st.floats(0.14, 0.42), st.floats(0.14, 0.42), st.floats(0.02, 0.99), st.floats(0.02, 0.99))
def test_time_grows_on_cooling_and_as_bonds_break(first, second, high, low):
    ts = liquid_once()
    cold, hot = sorted((first, second))
    assert ts.relaxation_time(cold) >= ts.relaxation_time(hot) * (1 - 1e-9)
    low, high = sorted((low, high))
    assert ts.time(low, cold) >= ts.time(high, cold) * (1 - 1e-9)
    assert ts.mean_propensity(ts.time(low, cold), cold) == pytest.approx(low, abs=2e-3)


_LIQUID = []


def liquid_once():
    if not _LIQUID:
        _LIQUID.append(liquid(noise=0.05))
    return _LIQUID[0]


def test_relaxation_time_has_no_jump():
    ts = liquid_once()
    temperature = np.linspace(0.42, 0.14, 4000)
    steps = np.diff(np.log(ts.relaxation_time(temperature)))
    assert steps.max() < 0.1
    assert steps.min() > 0
    times = np.log([ts.time(0.97, t) for t in np.linspace(0.42, 0.14, 1000)])
    assert np.abs(np.diff(times)).max() < 0.4


def test_errors_are_the_scatter_over_structures():
    """δ ln τ = δ ln(1 − C)-noise carried through the slope of the curve; compared with independent liquids."""
    tau, error = [], []
    for seed in range(200):
        ts = superposition(list(measured(0.40, 5e3, structures=3, noise=0.1, seed=seed)))
        tau.append(ts.relaxation_time(0.40))
        error.append(float(ts.relaxation_times.error[0]))
    assert np.sqrt(np.mean(np.square(error))) == pytest.approx(np.std(tau, ddof=1), rel=0.15)


def test_a_structure_that_has_not_moved_yet_does_no_harm():
    moved, still = measured(0.30, 100.0, structures=2)
    still["mean_propensity"][:] = 1.0
    table = superposition([*measured(0.40, 5e3), moved, still]).relaxation_times
    assert np.isfinite(table.error[list(table.temperature).index(0.3)])


def test_one_structure_has_no_error():
    table = superposition(list(measured(0.40, 5e3, structures=1))).relaxation_times
    assert np.isnan(table.error[0])
    assert table.structures[0] == 1


def test_structures_that_ran_for_different_times_are_brought_together():
    short, long = next(measured(0.40, 3e3)), next(measured(0.40, 5e3))
    ts = superposition([short, long.isel(configuration=0)])
    assert ts.relaxation_time(0.40) == pytest.approx(2e3, rel=2e-2)
    assert not ts.is_simulated(exact(4e3, 0.40), 0.40)


@pytest.mark.parametrize(("long", "last", "at_the_end"), [(3, 3e3, 16), (4, 5e3, 4), (6, 5e3, 6)])
def test_a_few_long_runs_do_not_speak_for_many_others(long, last, at_the_end):
    """A fourth of the structures must reach as far as the curve does."""
    datasets = [*measured(0.40, 3e3, structures=16 - long), *measured(0.40, 5e3, structures=long)]
    curves = superposition(datasets).curves()
    assert (curves.structures.item(), curves.at_the_end.item()) == (16, at_the_end)
    assert float(curves.time.max()) == pytest.approx(last)


def test_runs_that_end_count_as_far_as_they_go():
    """Ten fast structures end at t = 3000, where five slow ones go on: no step, and τ_BB is that of all fifteen."""
    fast = [ds.assign_coords(time=ds.time / 2) for ds in measured(0.40, 6e3, structures=10)]
    slow = [ds.assign_coords(time=ds.time * 2) for ds in measured(0.40, 3e3, structures=5)]
    found = superposition([*fast, *slow])
    (curve,) = found.measured
    mean, at = curve.mean(), curve.time <= 3e3
    expected = (2 * exact(2 * curve.time, 0.40) + exact(curve.time / 2, 0.40)) / 3
    np.testing.assert_allclose(mean[at], expected[at], atol=2e-3)
    assert (np.diff(mean) < 0).all()
    growth = np.diff(np.log(-np.log(mean)))[~at[1:]]
    slow_alone = np.log(-np.log(exact(curve.time / 2, 0.40)))
    np.testing.assert_allclose(growth, np.diff(slow_alone)[~at[1:]], atol=3e-3)
    tau = np.interp(-0.5, -expected, curve.time)
    assert found.relaxation_time(0.40) == pytest.approx(tau, rel=1e-2)
    assert set(curve.counts) == {15, 5}
    assert np.isfinite(curve.error()).all()


def drifting(temperature, longest, exponent):
    """A liquid whose decay is the less stretched the colder it is, cut off at a time."""
    for ds in measured(temperature, longest, structures=3):
        shape = np.exp(-np.log(2) * (ds.time.values[None] / TAU[temperature]) ** exponent)
        yield ds.copy(data={"mean_propensity": shape})


def test_an_overlap_is_with_the_coldest_temperature_that_passes_one_half():
    """Its error holds what the same overlap gets wrong at the temperature whose answer is known."""
    runs = [*drifting(0.40, 1e4, 0.6), *drifting(0.35, 2e4, 0.7), *drifting(0.30, 2e4, 0.7)]
    found = superposition(runs, anchor=False)
    points = found.relaxation_times
    assert points.method.values.tolist() == ["passage", "passage", "overlap"]
    np.testing.assert_allclose(points.relaxation_time, list(TAU.values()), rtol=2e-2)
    end = -np.log(exact(2e4, 0.30)) / np.log(2)
    window = np.log(end) - np.linspace(np.log(3), 0, 50)
    wrong = np.mean(window * (1 / 0.6 - 1 / 0.7))
    assert points.mismatch[2] == pytest.approx(abs(wrong), rel=0.1)
    assert points.error[2] >= points.mismatch[2] * points.relaxation_time[2]
    assert found.time(0.5 ** (5**0.6), 0.40) == pytest.approx(1e4, rel=2e-2)
    assert np.isnan(points.mismatch[1])


def test_times_in_common_go_on_with_the_runs_that_are_longer():
    dense, sparse, short = [1.0, 1.5, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 8.0], [1.0, 1.5, 2.0, 3.0]
    found = in_common([np.array(times) for times in (dense, sparse, short)], [3, 4, 5])
    assert [(members, times.tolist()) for members, times in found] == [([0, 1, 2], [1, 2]), ([0, 1], [4]), ([1], [8])]
    found = in_common([np.array(times) for times in (dense, sparse, short)], [3, 3, 5])  # 3 of 11 are too few
    assert [members for members, _ in found] == [[0, 1, 2], [0, 1]]
    assert in_common([np.array(dense)], [2])[0][1].tolist() == dense


def test_where_too_few_go_further_the_others_go_to_their_end():
    ended, further = np.array([1.0, 2.0, 5.0]), np.array([1.0, 2.0, 8.0])
    for counts, last in (((9, 3), [([0], [5])]), ((3, 3), [])):  # 3 of 12 or 6 are too few
        found = in_common([ended, further], counts)
        assert [(members, times.tolist()) for members, times in found] == [([0, 1], [1, 2]), *last]


def test_rescaled_curves_fall_on_the_master_curve(exact_liquid):
    curves = exact_liquid.curves()
    assert curves.temperature.values.tolist() == [0.40, 0.35, 0.30]
    scaled, mean = curves.scaled_time.values, curves.mean_propensity.values
    np.testing.assert_allclose(mean, np.exp(-np.log(2) * scaled**STRETCH), atol=3e-3)
    np.testing.assert_allclose(curves.time / curves.relaxation_time, curves.scaled_time)


def test_curves_carry_the_error_of_the_mean_over_structures():
    datasets = [*measured(0.40, 5e3, structures=8, noise=0.1), *measured(0.30, 2e3, structures=1)]
    datasets.append(datasets[-1].isel(time=slice(None, None, 2)).assign_attrs(temperature=0.35))
    curves = superposition(datasets).curves()
    runs = np.stack([ds.mean_propensity.values[0] for ds in datasets[:8]])
    np.testing.assert_allclose(curves.error.sel(temperature=0.40), runs.std(axis=0, ddof=1) / np.sqrt(8))
    assert np.isnan(curves.error.sel(temperature=0.30)).all()
    assert curves.time.count("point").values.tolist() == [30, 15, 30]
    assert curves.structures.values.tolist() == [8, 1, 1]


def test_measured_range_is_where_times_are_simulated(exact_liquid):
    high, low = exact_liquid.measured_range(0.30)
    assert low == pytest.approx(exact(2e4, 0.30))
    assert high == pytest.approx(exact(1, 0.30))
    assert exact_liquid.is_simulated([low, high, low - 1e-3], 0.30).tolist() == [True, True, False]
    assert exact_liquid.measured_range(0.23) is None


def test_where_a_relaxation_time_comes_from_is_told(exact_liquid):
    points = exact_liquid.relaxation_times
    assert points.method.values.tolist() == ["passage", "overlap", "overlap", "overlap", ""]
    assert points.longest_time.values[:3].tolist() == [5e3, 5e3, 2e4]
    assert (points.mismatch[1:3] < 5e-3).all()


def test_a_curve_of_another_shape_shows_as_mismatch():
    slow = next(measured(0.30, 5e4))
    stretched = slow.copy(data={"mean_propensity": np.exp(-np.log(2) * (slow.time.values[None] / TAU[0.30]) ** 0.4)})
    points = superposition([*measured(0.40, 5e3), stretched]).relaxation_times
    assert points.mismatch[1] > 0.1


def test_the_error_of_an_overlap_holds_its_mismatch():
    slow = next(measured(0.30, 5e4))
    curves = 1 - (1 - exact(slow.time.values, 0.30) ** 0.5) * np.array([0.98, 1.0, 1.02])[:, None]
    other = xr.Dataset({"mean_propensity": (("configuration", "time"), curves)}, {"time": slow.time}, slow.attrs)
    points = superposition([*measured(0.40, 5e3, noise=0.1), other]).relaxation_times
    relative = (points.error / points.relaxation_time).values
    assert points.method.values[:2].tolist() == ["passage", "overlap"]
    assert relative[1] > points.mismatch[1] > 0


def test_the_published_sample_has_the_scatter_of_one_structure():
    ts = superposition([*measured(0.40, 5e3, structures=8, noise=0.1), *measured(0.35, 5e3, structures=8, noise=0.1)])
    points = ts.relaxation_times
    relative = (points.error / points.relaxation_time).values
    scatter = np.sqrt(relative[1] ** 2 - points.mismatch.values[1] ** 2)
    assert relative[2] == pytest.approx(scatter * np.sqrt(8))
    assert np.isnan(relative[3])


def test_fits_are_of_data_not_of_the_anchor(exact_liquid):
    fits = exact_liquid.fits
    assert fits.law.values.tolist() == ["arrhenius", "vft", "parabolic"]
    assert fits.points.values.tolist() == [2, 4, 4]
    assert fits.temperature[0] == pytest.approx(0.40)
    assert fits.temperature[-1] == pytest.approx(0.15)
    coldest = exact_liquid.relaxation_times.sel(point=[2, 3])
    energy = np.diff(np.log(coldest.relaxation_time)) / np.diff(1 / coldest.temperature)
    assert fits.value.sel(law="arrhenius", parameter="activation_energy") == pytest.approx(float(energy[0]))
    assert float(fits.relaxation_time.sel(law="arrhenius")[-1]) != pytest.approx(1e12, rel=1e-2)


def test_the_free_extrapolation_is_the_arrhenius_fit():
    free = liquid(anchor=False)
    expected = free.fits.relaxation_time.sel(law="arrhenius")
    cold = expected.temperature < 0.30
    np.testing.assert_allclose(free.relaxation_time(expected.temperature)[cold], expected[cold], rtol=1e-6)


def test_master_curve_passes_one_half_at_one(exact_liquid):
    master = exact_liquid.master_curve()
    assert float(master.interp(scaled_time=1.0)) == pytest.approx(0.5, abs=2e-3)
    reached = exact(5e3, 0.40)
    assert not master.extrapolated[(master > reached + 0.01) & (master < 0.99)].any()
    assert master.extrapolated[master < reached - 0.01].all()


def test_real_runs_superpose(shared):
    """Prototype propensities: τ from the passage through 0.5 lies beyond their end; the overlap decides the rest."""
    datasets = []
    for path in sorted((shared / "reference" / "prototype_propensities").glob("*.npz")):
        name, temperature = path.stem.split("_T")
        with (
            np.load(path) as run,
            np.load(shared / "configurations" / f"N1290_T{temperature}.npz") as start,
        ):
            species = start["species"][start["name"].tolist().index(name)]
            mean = run["propensity"][:, species == 0].mean(axis=1)
            datasets.append(
                xr.Dataset(
                    {"mean_propensity": ("time", mean)},
                    coords={"time": run["time"]},
                    attrs={"temperature": float(temperature)},
                )
            )
    ts = superposition(datasets)
    table = ts.relaxation_times.set_coords("temperature").swap_dims(point="temperature")
    assert 1200 < ts.relaxation_time(0.40) < 2200
    assert 10 < ts.relaxation_time(0.30) / ts.relaxation_time(0.40) < 30
    assert 2e6 < ts.relaxation_time(0.23) < 1e7
    assert table.structures.sel(temperature=0.40) == 4
    assert 0 < table.error.sel(temperature=0.40) < 0.2 * table.relaxation_time.sel(temperature=0.40)
    assert ts.mean_propensity(562.34, 0.40) == pytest.approx(0.760, abs=0.02)
    assert ts.mean_propensity(1000, 0.30) == pytest.approx(0.962, abs=0.005)


def test_what_is_no_propensity_file_is_refused():
    with pytest.raises(InvalidData, match="at least one temperature"):
        superposition([])
    with pytest.raises(InvalidData, match="propensity file"):
        superposition([xr.Dataset({"propensity": ("time", [1.0])})])
    still = next(measured(0.30, 5e4))
    with pytest.raises(InvalidData, match=r"no bond breaks at T = 0\.3"):
        superposition([*measured(0.40, 5e3), still.copy(data={"mean_propensity": np.ones((1, 30))})])
    run = next(measured(0.40, 5e3))
    for bad, reason in (
        ("T0.40.nc", "expected Datasets"),
        (run.isel(time=[0]).assign_coords(time=[0.0]), "later than t = 0"),
        (run * np.nan, "not finite"),
        (run.expand_dims(component=2), "dimensions"),
        *((run.assign_attrs(temperature=t), "temperature|T = nan") for t in (np.nan, -0.3, 0, "hot")),
    ):
        with pytest.raises(InvalidData, match=reason):
            superposition([bad.assign_attrs(run.attrs) if reason == "not finite" else bad])
    assert superposition(run).measured[0].structures == 1


def test_temperatures_are_positive(exact_liquid):
    for ask in (exact_liquid.relaxation_time, lambda t: exact_liquid.time(0.5, t)):
        for temperature in (0.0, -0.2, np.nan, [0.3, -0.1]):
            with pytest.raises(InvalidData, match="positive temperatures"):
                ask(temperature)


def test_shipped_files_are_the_default(tmp_path, monkeypatch):
    elsewhere = superposition().relaxation_time(0.40)
    monkeypatch.setenv("GLASSVIZ_DATA", str(tmp_path))
    with pytest.raises(InvalidData, match="no propensity files"):
        superposition()
    folder = store.precomputed("propensities")
    folder.mkdir(parents=True)
    for k, ds in enumerate(measured(0.40, 5e3)):
        ds["propensity"] = ds["mean_propensity"].expand_dims(particle=3, axis=2)
        ds["species"] = ("configuration", "particle"), np.zeros((1, 3), np.int8)
        netcdf.save(
            ds.assign_coords(configuration=[f"{k}"]).assign_attrs(role="train", replicas=8), folder / f"T0.40_{k}.nc"
        )
    (folder / ".T0.40_9.checkpoint.nc").write_bytes(b"half a run")
    assert superposition().relaxation_time(0.40) == pytest.approx(2e3, rel=2e-2)
    monkeypatch.undo()
    assert superposition().relaxation_time(0.40) == elsewhere


def test_of_one_temperature_nothing_is_known_of_others():
    alone = superposition(list(measured(0.3, 1e6)), anchor=False)
    known = float(alone.relaxation_time(0.3))
    assert np.isfinite(known)
    assert np.isnan(alone.relaxation_time(np.array([0.4, 0.25]))).all()
    assert alone.mean_propensity(known, 0.3) == pytest.approx(0.5, abs=0.01)
