"""Which figures of the open tab can be exported."""

from types import SimpleNamespace

import panel as pn
import pytest

from glassviz.explore.state import ExplorerState
from glassviz.explore.tabs import Tabs
from glassviz.explore.views.base import plain_figure


def pane(ordinate):
    """A figure on a page."""
    return pn.pane.Bokeh(plain_figure(x_axis_label="t", y_axis_label=ordinate))


class Page(pn.viewable.Viewer):
    """Two figures of one name, one of another, and a switch between two more."""

    followed = ()
    on_screen = True

    def __init__(self, *_arguments):
        super().__init__()
        self.one, self.other = pn.Column(pane("C")), pn.Column(pn.Row(pane("τ")), visible=False)

    def __panel__(self):
        return pn.Column(pane("χ₄"), pn.Row(pane("χ₄"), pane("ξ₄")), self.one, self.other)

    def refresh(self):
        """There is nothing to derive."""


@pytest.fixture
def tabs(library):
    state = ExplorerState(library)
    return Tabs(state, SimpleNamespace(), {state.tab: Page}, lambda _followed: None)


def test_figures_of_the_open_tab_are_told_apart(tabs):
    figures = tabs.figures()
    assert list(figures) == ["χ₄ against t", "χ₄ against t (2)", "ξ₄ against t", "C against t"]
    assert len({figure.id for figure in figures.values()}) == 4


def test_hidden_figures_are_not_among_them(tabs):
    """Nor those within a hidden part of the tab; they are once it is shown."""
    page = tabs._views[tabs._state.tab]
    page.one.visible, page.other.visible = False, True
    assert list(tabs.figures())[2:] == ["ξ₄ against t", "τ against t"]
