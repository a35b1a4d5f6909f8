import dataclasses
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from glassviz.explore import derive
from glassviz.explore.selected import learned_from, predicted_curve, selected
from glassviz.explore.state import ExplorerState
from glassviz.explore.views.selection import _values
from glassviz.files import netcdf


@pytest.fixture
def state(library):
    return ExplorerState(library)


@pytest.fixture
def simulated(state):
    """A state on a small sample that molecular dynamics followed."""
    for temperature in state.library.temperatures:
        for sample in state.library.samples(temperature):
            if sample.particles < derive.LARGE and state.library.dynamics(sample) is not None:
                state.temperature, state.sample = temperature, sample.label
                return state
    pytest.fail("the store holds no propensities of a small sample")


def test_a_selection_belongs_to_its_sample(state):
    particles = state.chosen_sample.particles
    state.select([7, 3, 3, -1, particles])
    assert state.selected == [3, 7]
    state.select([3, 9], add=True)
    assert state.selected == [7, 9]
    assert state.choice().selected == (7, 9)
    others = [label for label in state.param.sample.objects if label != state.sample]
    if others:
        state.sample = others[0]
        assert state.selected == []
    state.select([1])
    state.temperature = next(t for t in state.library.temperatures if t != state.temperature)
    assert state.selected == []
    with pytest.raises(TypeError, match="selected"):
        state.selected = ["a"]


def test_nothing_is_known_of_nothing(state):
    assert selected(state.library, state.choice()) is None


def test_the_curve_is_that_of_the_snapshot(simulated):
    library = simulated.library
    simulated.select([5, 6, 70])
    found = selected(library, simulated.choice())
    frames = derive.frames(library, simulated.chosen_sample, simulated.network)
    level = float(found.curve["level"][10])
    shown = frames.at(level)[[5, 6, 70]]
    assert float(found.curve["mean"].sel(level=level)) == pytest.approx(shown.mean(), abs=1e-6)
    assert (found.curve["low"] <= found.curve["mean"] + 1e-9).all()
    assert (np.diff(found.curve["time"]) > 0).all()


def test_measured_values_are_those_of_the_same_structure(simulated):
    library = simulated.library
    simulated.select([11])
    found = selected(library, simulated.choice()).measured
    ds = library.dynamics(simulated.chosen_sample)
    last = float(ds["time"][-1])
    assert float(found["propensity"].sel(time=last)) == float(ds["propensity"].sel(time=last)[11])
    expected = np.sqrt(float(ds["propensity_variance"].sel(time=last)[11]) / ds.attrs["replicas"])
    assert float(found["error"].sel(time=last)) == pytest.approx(expected)
    configuration = library.configurations(simulated.temperature, simulated.chosen_sample.particles)
    start = configuration["position"].values[simulated.chosen_sample.index]
    np.testing.assert_allclose(ds["position"], start, atol=1e-4)


def test_the_error_of_several_is_not_claimed_to_be_known(simulated):
    simulated.select([11, 12])
    assert np.isnan(selected(simulated.library, simulated.choice()).measured["error"]).all()


def test_what_the_networks_were_trained_on_is_what_their_file_says(simulated):
    sample, other = simulated.chosen_sample, dataclasses.replace(simulated.chosen_sample, temperature=0.123)
    state = {"temperature": sample.temperature, "names": [sample.name], "times": [None, 12.0]}

    def learned(sample, **changed):
        return learned_from(SimpleNamespace(states=[state | changed]), sample)

    assert learned(sample)
    assert not learned(other)
    assert not learned(sample, names=["another"])
    assert learned(sample, names=["another"]) is False
    assert learned_from(SimpleNamespace(states=[]), sample) is None
    assert learned(sample, times=[None, None]) is None  # transferred labels alone
    assert learned(sample, names=None) is None
    assert learned(other, names=None) is False  # it says that it learned at another temperature


def test_of_species_without_networks_neither_dynamics_nor_prediction_is_shown(simulated):
    """So that the two are of the same particles; without a prediction the dynamics are of all."""
    if "glassmlp" not in simulated.library.networks:
        pytest.skip("no networks of some species only")
    simulated.network = "glassmlp"
    ds = simulated.library.dynamics(simulated.chosen_sample)
    first, second = (np.flatnonzero(ds["species"].values == kind)[:20] for kind in (0, 1))
    simulated.select([*first, *second])
    found = selected(simulated.library, simulated.choice())
    assert found.spoken == 20
    measured = ds["propensity"].sel(time=found.measured["time"])
    np.testing.assert_allclose(found.measured["propensity"], measured[:, first].mean("particle"))
    assert "mean of the 20 with networks, band" in _values(found, simulated.choice())
    simulated.select(second)
    found = selected(simulated.library, simulated.choice())
    assert found.curve is None
    np.testing.assert_allclose(found.measured["propensity"], measured[:, second].mean("particle"))


def test_contributions_lead_from_average_surroundings_to_the_prediction(simulated):
    simulated.mean_propensity = 0.73  # between two levels
    simulated.select([2, 3, 4, 5, 6, 7])
    found = selected(simulated.library, simulated.choice())
    shown = derive.frames(simulated.library, simulated.chosen_sample, simulated.network).at(0.73)[2:8]
    assert found.explained == len(found.particles)
    assert found.average + float(found.contribution.sum()) == pytest.approx(np.mean(shown), abs=0.01)
    assert float(np.abs(found.contribution).sum()) > 0


def test_a_level_that_networks_miss_is_not_given_the_value_of_another(simulated, monkeypatch):
    simulated.select([2])
    simulated.mean_propensity = 0.1
    found = selected(simulated.library, simulated.choice())
    assert "Networks miss" not in _values(found, simulated.choice())
    found = dataclasses.replace(found, curve=found.curve.isel(level=derive.LEVELS > 0.3))
    assert "Networks miss ⟨<i>C̄</i><sub>B</sub>⟩ = 0.10 here: the value is that at 0.3" in _values(
        found, simulated.choice()
    )
    whole = derive.frames(simulated.library, simulated.chosen_sample, simulated.network)
    none = derive.Frames(whole.codes, np.zeros(len(derive.LEVELS), bool))
    monkeypatch.setattr(derive, "frames", lambda *_: none)
    assert predicted_curve(simulated.library, simulated.choice(), np.array([2])) is None


@pytest.mark.slow
def test_dynamics_are_of_their_sample_and_samples_without_have_none(library, monkeypatch):
    monkeypatch.setattr(netcdf, "load", cache(netcdf.load))
    found = {sample: library.dynamics(sample) for t in library.temperatures for sample in library.samples(t)}
    followed = {
        (round(row.temperature, 4), row.particles, name)
        for t in library.temperatures
        for row in library.propensity_files(t)
        for name in row.names
    }
    assert 0 < sum(ds is not None for ds in found.values()) < len(found)
    for sample, ds in found.items():
        assert (ds is not None) == ((sample.temperature, sample.particles, sample.name) in followed)
        if ds is not None:
            assert ds.attrs["temperature"] == pytest.approx(sample.temperature)
            assert ds.sizes["particle"] == sample.particles
            assert str(ds["configuration"].item()) == sample.name
