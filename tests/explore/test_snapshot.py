"""The snapshot's colours follow what may be coloured."""

import pytest

from glassviz.explore import derive
from glassviz.explore.colors import CIVIDIS, gradient
from glassviz.explore.state import ExplorerState
from glassviz.explore.views.base import Scrub
from glassviz.explore.views.bottleneck import Bottleneck
from glassviz.explore.views.inside import Inside
from glassviz.explore.views.snapshot import Snapshot
from glassviz.explore.views.window import Window


@pytest.fixture
def snapshot(library):
    """Of the sample an explorer opens with, without a browser."""
    state = ExplorerState(library)
    return Snapshot(state, Scrub(level=state.mean_propensity))


def show(snapshot):
    """Bring it up to the present choice."""
    for result in snapshot._derive(snapshot.state.choice()):
        snapshot._show(result)


@pytest.mark.parametrize("asked", [(-1e9, 1e9), (1e9, 1e9 + 5), (0.0, 1e-9), (float("nan"), 1.0), (3.0, 2.0)])
def test_a_window_that_is_none_shows_the_whole_box(asked):
    """A browser may say anything: what it asks for must not keep the server of all others busy."""
    window = Window(lambda: None)
    window.show_all(30.0)
    window.y.update(start=4.0, end=9.0)
    window.x.update(start=asked[0], end=asked[1])
    assert window.limits == ((0.0, 30.0), (4.0, 9.0))
    assert window.x.max_interval == 90.0


def test_a_tap_on_the_picture_of_another_sample_means_nothing(snapshot):
    show(snapshot)
    x, y = snapshot._position[7]
    assert snapshot._at(x, y) == 7
    assert 7 in snapshot._within([(x - 0.1, y - 0.1), (x + 0.1, y - 0.1), (x, y + 0.1)])
    state = snapshot.state
    state.sample = next(label for label in state.param.sample.objects if label != state.sample)
    assert snapshot._at(x, y) is None
    assert len(snapshot._within([(0, 0), (30, 0), (0, 30)])) == 0


def test_a_tap_on_the_cloud_of_another_sample_means_nothing(snapshot):
    state = snapshot.state
    cloud = Bottleneck(state)
    for result in cloud._derive(state.choice()):
        cloud._show(result)
    x, y = cloud._nodes[7]
    assert cloud._at(x, y) is not None
    state.sample = next(label for label in state.param.sample.objects if label != state.sample)
    assert cloud._at(x, y) is None
    assert len(cloud._within([(-9, -9), (9, -9), (9, 9), (-9, 9)])) == 0


def test_the_colour_bar_of_the_small_clouds_follows_the_colours(snapshot):
    state = snapshot.state
    inside = Inside(state, Scrub(level=state.mean_propensity))
    state.colors = CIVIDIS
    assert gradient(CIVIDIS) in inside._headings["clouds"].object


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
