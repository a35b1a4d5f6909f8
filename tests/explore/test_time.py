"""What the tab Time draws and says, of a liquid whose times are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from glassviz.explore import derive
from glassviz.explore.colors import temperature_colors
from glassviz.explore.views import time as tab
from glassviz.explore.views.relaxation import Relaxation
from glassviz.observe.superposition import superposition

TAU = {0.40: 2e3, 0.35: 1.2e4, 0.30: 2.5e5, 0.25: 4e7}
COLORS = temperature_colors([*TAU, 0.23, 0.15])


def runs(temperature, longest, structures=4):
    time = np.geomspace(1, longest, 25)
    decays = 0.5 ** ((time / TAU[temperature]) ** 0.7) ** np.linspace(0.97, 1.03, structures)[:, None]
    return xr.Dataset(
        {"mean_propensity": (("configuration", "time"), decays)},
        {"time": time, "configuration": [f"c{k}" for k in range(structures)]},
        {"temperature": temperature, "particles": 129},
    )


@pytest.fixture(scope="module", params=[True, False], ids=["anchored", "free"])
def pair(request):
    """The superposition with and without its anchors, the chosen one first."""
    data = [runs(0.40, 1e4), runs(0.40, 6e3, 2), runs(0.35, 5e4), runs(0.30, 4e4), runs(0.25, 4e5)]
    data[1] = data[1].assign_coords(configuration=["d0", "d1"])
    return [superposition(data, anchor=anchor) for anchor in (request.param, not request.param)]


def test_relaxation_times_have_bars_of_their_logarithm_and_what_is_not_followed_is_pale(pair):
    found, other = pair
    figure = Relaxation()
    figure.draw(found, other, found.fits, COLORS)
    points = found.relaxation_times
    drawn, n = figure._points.data, points.sizes["point"]
    np.testing.assert_allclose(drawn["y"][:n], points.relaxation_time)
    spread = np.exp(np.nan_to_num(points.error / points.relaxation_time))
    np.testing.assert_allclose(drawn["high"][:n] / drawn["y"][:n], spread)
    np.testing.assert_allclose(drawn["y"][:n] / drawn["low"][:n], spread)
    assert sorted(1 / drawn["x"]) == pytest.approx([0.15, 0.23, 0.25, 0.30, 0.35, 0.40])
    pale = sorted(1 / x for x, alpha in zip(drawn["x"], drawn["alpha"], strict=True) if alpha < 1)
    assert pale == pytest.approx([] if "anchor" in points.kind else [0.15, 0.23])
    assert list(drawn["fill"][:n]) == [1, 1] + [0] * (n - 2)
    for name, one in (("followed", found), ("other", other)):
        line = figure._times[name].data
        np.testing.assert_allclose(line["y"], one.relaxation_time(1 / line["x"]))


def test_decays_are_drawn_along_time_and_along_time_over_the_relaxation_time(pair):
    found = pair[0]
    curves, raw, scaled = found.curves(), tab._Decays("t"), tab._Decays("t / τ_BB")
    raw.draw(curves, "time", COLORS, 0.35)
    scaled.draw(curves, "scaled_time", COLORS, 0.35)
    for k, temperature in enumerate(curves.temperature.values):
        one = curves.sel(temperature=temperature).dropna("point", subset=["time"])
        np.testing.assert_allclose(raw._lines.data["xs"][k], one.time)
        np.testing.assert_allclose(scaled._lines.data["xs"][k], one.time / one.relaxation_time)
        np.testing.assert_allclose(raw._lines.data["ys"][k], one.mean_propensity)
    assert np.argmax(raw._lines.data["width"]) == 1
    y = np.array(raw._points.data["y"])
    np.testing.assert_allclose(np.array(raw._points.data["high"]) - y, y - raw._points.data["low"])


def test_the_published_sample_is_drawn_where_it_is_used(pair):
    found = pair[0]
    raw, scaled = tab._Decays("t"), tab._Decays("t / τ_BB")
    for panel, axis in ((raw, "time"), (scaled, "scaled_time")):
        panel.draw(found.curves(), axis, COLORS, 0.30)
        panel.add(found.published, axis, COLORS)
    drawn, rescaled = raw._published.data, scaled._published.data
    if "published" not in found.relaxation_times.kind:
        assert drawn["x"] == rescaled["x"] == []
        return
    assert (drawn["x"][-1], drawn["y"][-1]) == (1.5e6, 0.760)
    np.testing.assert_allclose(rescaled["x"], drawn["x"] / found.relaxation_time(0.23))
    assert set(drawn["color"]) == {COLORS[0.23]}
    assert raw._extent[1] > 1.5e6


def test_the_present_curve_is_solid_where_it_is_simulated_and_a_zoom_stays(pair):
    found = pair[0]
    panel = tab._Decays("t")
    panel.draw(found.curves(), "time", COLORS, 0.30)

    def mark(temperature, level):
        times = found.time(derive.LEVELS, temperature)
        simulated = found.is_simulated(derive.LEVELS, temperature)
        panel.mark(times, simulated, found.time(level, temperature), level)
        return times, simulated

    times, simulated = mark(0.30, 0.9)
    assert 0 < simulated.sum() < len(times)
    np.testing.assert_array_equal(np.isfinite(panel._curve.data["known"]), simulated)
    np.testing.assert_allclose(panel._curve.data["x"], times)
    assert panel._marker.data == {"x": [found.time(0.9, 0.30)], "y": [0.9]}
    assert panel.figure.x_range.end == pytest.approx(2 * times[-1])
    panel.figure.x_range.update(start=10, end=20)
    mark(0.30, 0.8)
    assert (panel.figure.x_range.start, panel.figure.x_range.end) == (10, 20)
    times, simulated = mark(0.15, 0.8)
    assert not simulated.any()
    assert panel.figure.x_range.end == pytest.approx(2 * times[-1])


def test_what_a_relaxation_time_rests_on_is_said_with_its_error(pair):
    points = pair[0].relaxation_times
    anchored = "anchor" in points.kind
    said = {t: tab._origin(points, t) for t in (0.40, 0.25, 0.23, 0.21, 0.15)}
    assert said[0.40] == ("measured here", False)
    lowest = float(points.lowest_mean_propensity[3])
    assert f"{lowest:.2f}" in said[0.25][0]
    assert said[0.25][1]
    assert said[0.21] == ("extrapolated", True)
    assert ("published" in said[0.23][0], "assumed" in said[0.15][0]) == (anchored, anchored)
    relative = 100 * float(points.error[0] / points.relaxation_time[0])
    assert tab._error(points, 0.40) == f" ± {relative:.2g} %"
    assert tab._error(points, 0.15) == tab._error(points, 0.21) == ""


def test_how_many_structures_stand_behind_a_curve_and_how_many_were_in_equilibrium(pair):
    """Samples of other sizes do not count, and those that are not in the store are not known to be in equilibrium."""
    names, verdicts = ["c0", "c1", "other", "d0"], ["equilibrium", "nearly: but", "glass", "equilibrium"]
    sample = xr.Dataset({"verdict": ("configuration", verdicts)}, {"configuration": names})
    sizes = {129: sample, 500: sample.assign(verdict=("configuration", ["equilibrium"] * 4))}
    library = SimpleNamespace(temperatures=[0.40, 0.35, 0.15], sizes=lambda _: list(sizes))
    library.configurations = lambda _, particles: sizes[particles]
    state = SimpleNamespace(library=library)

    def behind(temperature):
        return tab._behind(pair[0], state, SimpleNamespace(temperature=temperature))

    assert behind(0.40) == (
        "mean over 6 structures, 4 to the end; bars: standard error; 2 of them in equilibrium by our measure",
        True,
    )
    assert behind(0.35) == (
        "mean over 4 structures; bars: standard error; 1 of them in equilibrium by our measure",
        True,
    )
    assert "none of them in equilibrium" in behind(0.30)[0]
    every = [*(f"c{k}" for k in range(4)), "d0", "d1"]
    sizes[129] = xr.Dataset({"verdict": ("configuration", ["equilibrium"] * 6)}, {"configuration": every})
    assert behind(0.40) == ("mean over 6 structures, 4 to the end; bars: standard error", False)
    said, weak = behind(0.15)
    assert "no dynamics" in said
    assert weak
