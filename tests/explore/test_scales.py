import numpy as np
import pytest

from glassviz.explore import derive, heterogeneity
from glassviz.explore.library import Library
from glassviz.explore.scales import FACTORS, chords, scales, spectrum
from glassviz.explore.state import ExplorerState
from glassviz.files import store
from glassviz.observe.structure_factor import fit_xi4, structure_factor, xi4_error

LEVEL = 0.8


@pytest.fixture
def state(library):
    return ExplorerState(library)


@pytest.fixture
def without_large(tmp_path, monkeypatch):
    """A library of the shipped networks and the smallest file of small boxes."""
    files = [row for row in store.available_configurations() if row.particles < derive.LARGE]
    if not files:
        pytest.fail("the store holds no small samples")
    (tmp_path / "networks").symlink_to(store.precomputed("networks"))
    (tmp_path / "configurations").mkdir()
    path = min(files, key=lambda row: len(row.names)).path
    (tmp_path / "configurations" / path.name).symlink_to(path)
    monkeypatch.setenv("GLASSVIZ_DATA", str(tmp_path))
    return Library()


def test_temperatures_without_a_large_box_say_so(without_large):
    (temperature,), network = without_large.temperatures, without_large.networks[0]
    found, why = spectrum(without_large, temperature, network, LEVEL)
    assert found is None
    assert why == f"no large box at T = {temperature:g}"
    assert heterogeneity.dynamic_length(without_large, temperature, network) is None
    result = scales(without_large, temperature, network, LEVEL)
    assert np.isnan([result[name] for name in ("xi4", "xi4_error", "A", "A_error")]).all()
    assert (result.attrs["why"], result.attrs["boxes"]) == (why, 0)
    assert float(result["chord"]) > 0


@pytest.mark.slow
def test_the_dynamic_length_is_fitted_to_the_structure_factor_of_the_largest_box(library):
    """Over the wave numbers that one box determines, q < 0.6."""
    temperature, network = 0.3, library.networks[0]
    particles = library.sizes(temperature)[0]
    if particles < derive.LARGE:
        pytest.fail("the store holds no large box at this temperature")
    curve = heterogeneity.dynamic_length(library, temperature, network).isel(state=slice(None, None, 4))
    ds, X = library.configurations(temperature, particles), library.descriptors(temperature, particles, network)
    levels = [LEVEL, *curve["mean_propensity"].values]
    s4 = structure_factor(library.ensemble(network).predict(X, temperature, levels), ds)
    fit = fit_xi4(s4, window=(0.0, 0.6))
    assert bool(fit["determined"][0])
    np.testing.assert_allclose(curve["xi4"], fit["xi4"][1:], rtol=1e-3)
    np.testing.assert_allclose(curve["xi4_error"], xi4_error(fit)[1:], rtol=1e-3)
    found, why = spectrum(library, temperature, network, LEVEL)
    assert (found.particles, found.boxes, why) == (particles, ds.sizes["configuration"], "")
    np.testing.assert_allclose(found.s4, s4.mean("network")[0], rtol=1e-3)
    np.testing.assert_allclose(found.s4["error"], found.s4 / np.sqrt(s4["modes"]), rtol=1e-3)
    result, fit = scales(library, temperature, network, LEVEL), fit.isel(state=0)
    for name in ("xi4", "A_error"):
        assert float(found.fit[name]) == float(result[name]) == pytest.approx(float(fit[name]), rel=1e-3)
    assert float(result["xi4_error"]) == pytest.approx(float(xi4_error(fit)), rel=1e-3)
    assert np.isfinite(float(result["A"])) == (float(fit["A_error"]) < float(fit["A"]))


def test_lengths_are_laid_over_each_other_as_in_the_paper():
    assert FACTORS == {"xi4": 1, "chord": 1 / 2, "xi_int": 1.5}


def test_chord_and_attention_are_those_of_the_curves(state):
    library, temperature = state.library, state.temperature
    level = float(derive.LEVELS[8])
    found = scales(library, temperature, state.network, level)
    curves = heterogeneity.fluctuations(library, temperature, state.network)
    assert found.attrs["structures"] == curves.attrs["structures"]
    near = curves.isel(state=[7, 8, 9])["chord"]
    assert float(near.min()) - 0.3 <= float(found["chord"]) <= float(near.max()) + 0.3
    assert 0 < float(found["xi_int"]) < 9


def test_chords_of_the_shown_sample(state):
    small = [s for s in state.library.samples(state.temperature) if s.particles < derive.LARGE]
    if not small:
        pytest.fail("the store holds no small sample at this temperature")
    state.sample = small[0].label
    segments, mean = chords(state.library, state.choice())
    assert (segments[:, 2] > segments[:, 0]).all()
    assert 0.3 * mean < (segments[:, 2] - segments[:, 0]).mean() < 3 * mean
