"""The snapshot's colours follow what may be coloured."""

import pytest

from glassviz.explore import derive
from glassviz.explore.state import ExplorerState
from glassviz.explore.views.base import Scrub
from glassviz.explore.views.snapshot import Snapshot


@pytest.fixture
def snapshot(library):
    """Of the sample an explorer opens with, without a browser."""
    state = ExplorerState(library)
    return Snapshot(state, Scrub(level=state.mean_propensity))


def show(snapshot):
    """Bring it up to the present choice."""
    for result in snapshot._derive(snapshot.state.choice()):
        snapshot._show(result)


def test_where_networks_do_not_transfer_no_colours_are_left(snapshot, monkeypatch):
    """Those of the networks before would pass for the ones of the networks now."""
    show(snapshot)
    assert len(snapshot._frames.data["codes"]) == 1
    monkeypatch.setattr(derive, "transfer", lambda *_arguments: (False, "too small a box"))
    show(snapshot)
    assert len(snapshot._frames.data["codes"]) == 0
    assert derive.UNTRUSTED in snapshot._heading.object
    monkeypatch.undo()
    show(snapshot)
    assert len(snapshot._frames.data["codes"]) == 1
    assert derive.UNTRUSTED not in snapshot._heading.object
