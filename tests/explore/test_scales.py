import numpy as np
import pytest

from glassviz.explore import derive, heterogeneity
from glassviz.explore.scales import chords, scales, spectrum
from glassviz.explore.state import ExplorerState

LEVEL = 0.8


@pytest.fixture
def state(library):
    return ExplorerState(library)


def test_temperatures_without_a_large_box_say_so(library):
    for temperature in library.temperatures:
        if library.sizes(temperature)[0] < derive.LARGE:
            found, why = spectrum(library, temperature, library.networks[0], LEVEL)
            assert found is None
            assert "no large box" in why
            result = scales(library, temperature, library.networks[0], LEVEL)
            assert np.isnan(result["xi4"])
            assert np.isnan(result["A"])
            assert result.attrs["why"] == why
            assert float(result["chord"]) > 0
            return
    pytest.skip("every temperature has a large box")


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
        pytest.skip("the store holds no small sample at this temperature")
    state.sample = small[0].label
    segments, mean = chords(state.library, state.choice())
    assert (segments[:, 2] > segments[:, 0]).all()
    assert 0.3 * mean < (segments[:, 2] - segments[:, 0]).mean() < 3 * mean
