"""What is shown of a large box with which the networks are not trusted: no predictions, and why."""

from copy import copy

import numpy as np
import pytest

from glassviz.explore import comparison, derive, heterogeneity, records, scales, selected
from glassviz.explore.memo import Memo
from glassviz.explore.picture import Stage
from glassviz.explore.standalone import standalone
from glassviz.explore.state import ExplorerState
from glassviz.explore.views.attention import Attention
from glassviz.explore.views.base import Scrub
from glassviz.explore.views.bottleneck import Bottleneck
from glassviz.explore.views.curves import _derive_all
from glassviz.explore.views.inside import Inside
from glassviz.learn.transfer import SizeTransfer
from glassviz.mixture import InvalidData

TEMPERATURE = 0.3


def finding(variance_ratio):
    """What a size-transfer test finds whose predictions vary so much more in the large box."""
    one = np.ones((1, 1))
    return SizeTransfer(TEMPERATURE, one[0], one[0], 0.0, variance_ratio * one, one == 1)


@pytest.fixture
def tested(library, tmp_path, monkeypatch):
    """A library that remembers nothing, and the sizes whose descriptors are compared; the test fails."""
    if library.sizes(TEMPERATURE)[0] < derive.LARGE:
        pytest.fail("the store holds no large box at this temperature")
    compared = []

    def fails(_ensemble, small, large, temperature, _levels):
        compared.append((small, large, temperature))
        return finding(2)

    monkeypatch.setenv("GLASSVIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(derive, "size_transfer", fails)
    library = copy(library)
    library.memo = Memo()
    library.descriptors = lambda _temperature, particles, *_: particles
    return library, compared


@pytest.fixture
def choice(tested):
    """A choice of the large box, with a particle selected."""
    state = ExplorerState(tested[0], temperature=TEMPERATURE)
    state.sample = tested[0].samples(TEMPERATURE)[0].label
    state.select([3])
    return state.choice()


def test_the_finding_is_that_of_the_test_against_the_smallest_boxes(tested, monkeypatch):
    library, compared = tested
    network, sizes = library.networks[0], library.sizes(TEMPERATURE)
    for _ in range(2):
        assert derive.transfer(library, TEMPERATURE, sizes[0], network) == (False, str(finding(2)))
        library.memo = Memo()  # the second time from the disk
    assert compared == [(sizes[-1], sizes[0], TEMPERATURE)]
    monkeypatch.setattr(derive, "size_transfer", lambda *_: finding(1))
    assert derive.transfer(library, TEMPERATURE, sizes[0], library.networks[1]) == (True, str(finding(1)))


def test_nothing_predicted_is_shown(tested, choice, monkeypatch):
    library, why = tested[0], str(finding(2))
    field = comparison.predicted(library, choice, choice.network)
    assert (field.known, field.note) == (False, derive.UNTRUSTED)
    assert scales.spectrum(library, TEMPERATURE, choice.network, 0.8) == (None, why)
    assert scales.chords(library, choice) is None
    assert selected.selected(library, choice).curve is None
    everything = records.everything(library, choice)
    assert everything.attrs["not_predicted"] == why
    assert "predicted_propensity" not in everything
    for draw in (lambda: Stage(library, choice.sample, choice.network, 240), lambda: standalone(library, choice)):
        with pytest.raises(InvalidData, match=r"Size transfer at T = 0\.3 FAILED"):
            draw()
    for name in ("fluctuations", "measured"):
        monkeypatch.setattr(heterogeneity, name, lambda *_: None)
    curves = _derive_all(library, TEMPERATURE, choice.network)
    assert curves["xi4"] is None
    assert why in curves["why"]


def test_views_of_the_networks_are_empty(tested, choice):
    state = ExplorerState(tested[0])
    for view in (Attention(state), Bottleneck(state)):
        *_, found = next(view._derive(choice))
        assert found is None
    shown = next(Inside(state, Scrub(level=0.8))._derive(choice))
    assert shown == ("nothing", "not shown: the networks are not trusted with this box")
