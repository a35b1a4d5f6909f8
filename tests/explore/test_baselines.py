"""Ensembles without attention or bottleneck: every view says so."""

import pytest

from glassviz.explore import derive, records
from glassviz.explore.state import ExplorerState
from glassviz.explore.views.attention import Attention
from glassviz.explore.views.base import Scrub
from glassviz.explore.views.bottleneck import Bottleneck
from glassviz.explore.views.inside import Inside
from glassviz.explore.views.selection import Selection


@pytest.fixture
def state(library, monkeypatch):
    """A state whose ensemble says that it is a ridge regression."""
    state = ExplorerState(library)
    sample = state.chosen_sample
    if sample.particles >= derive.LARGE:
        pytest.fail("the store holds no small sample at this temperature")
    derive.predictions(library, sample.temperature, sample.particles, state.network)
    monkeypatch.setitem(library.ensemble(state.network).header, "kind", "ridge")
    return state


def headings(view):
    """All that is written in a view, after it has shown the present choice."""
    for result in view._derive(view.state.choice()):
        view._show(result)
    return " ".join(pane.object for pane in view.__panel__().select() if isinstance(getattr(pane, "object", 0), str))


def test_views_say_what_a_baseline_does_not_have(state):
    state.selected = [0, 1]
    assert "this ensemble has no bottleneck" in headings(Bottleneck(state))
    assert "no attention in this ensemble" in headings(Attention(state))
    assert "baseline without attention" in headings(Inside(state, Scrub()))
    said = headings(Selection(state, Scrub()))
    assert "baseline without attention" in said
    assert "predicted" in said


def test_everything_of_a_baseline_has_neither(state):
    ds = records.everything(state.library, state.choice())
    assert "predicted_propensity" in ds
    assert not {"bottleneck", "attention", "length"} & set(ds.variables)
