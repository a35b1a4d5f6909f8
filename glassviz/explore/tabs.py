"""Tabs: the pages of the explorer under its one bar of controls, each built when it is first opened."""

from collections import Counter

import panel as pn
import panel_material_ui as pmui
from bokeh.plotting import figure

from glassviz.explore.state import TABS
from glassviz.explore.views.base import put

BAR = {
    "minHeight": 36,
    "& .MuiTab-root": {"minHeight": 36, "minWidth": 0, "padding": "6px 16px", "textTransform": "none"},
    "@media (max-width: 640px)": {"& .MuiTab-root": {"padding": "6px 9px", "fontSize": "13px"}},
}


class Tabs(pn.viewable.Viewer):
    """The tab bar and what is under it.

    Parameters
    ----------
    state : ExplorerState
        Its `tab` is the open one.
    scrub : Scrub
        The browser's time.
    views : dict of callable
        For every name in `TABS` what builds its view from (state, scrub): a Viewer with `refresh`, `on_screen` and
        `followed`, such as a `View`.
    follow : callable
        Called with the list `followed` of every view that is built: the views which the browser's clock waits for.
    """

    def __init__(self, state, scrub, views, follow, **params):
        super().__init__(**params)
        self._state, self._scrub, self._factories, self._follow = state, scrub, views, follow
        self._views = {}
        self._places = {
            name: pn.Column(sizing_mode="stretch_width", margin=0, visible=name == state.tab) for name in TABS
        }
        self.bar = pmui.Tabs(
            *((name, pn.Spacer(height=0)) for name in TABS),
            active=TABS.index(state.tab),
            sizing_mode="stretch_width",
            margin=0,
            sx=BAR,
        )
        self.bar.param.watch(self._choose, "active")
        state.param.watch(lambda _event: pn.state.onload(self._open), "tab")
        first = self._build(state.tab)
        self._places[state.tab].append(first)
        pn.state.onload(first.refresh)

    def __panel__(self):
        bar = [self.bar] if len(TABS) > 1 else []
        return pn.Column(*bar, *self._places.values(), sizing_mode="stretch_width", margin=0)

    def figures(self):
        """The figures shown in the open tab by name; of those of one name the second and later ones are numbered."""
        place = self._places[self._state.tab]
        hidden = [pane for part in place.select(_is_hidden) for pane in part.select(pn.pane.Bokeh)]
        panes = [pane for pane in place.select(pn.pane.Bokeh) if pane not in hidden]
        found, seen = {}, Counter()
        for one in (pane.object for pane in panes if isinstance(pane.object, figure)):
            name = one.html_attributes["aria-label"]
            seen[name] += 1
            found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = one
        return found

    def _choose(self, event):
        self._state.tab = TABS[event.new]

    def _open(self):
        """Show the chosen tab; build it if nobody has been there."""
        chosen = self._state.tab
        self.bar.active = TABS.index(chosen)
        for name, view in self._views.items():
            view.on_screen = name == chosen
        for name, place in self._places.items():
            place.visible = name == chosen
        if chosen not in self._views:
            view = self._build(chosen)
            put(self._places[chosen], view, view.refresh)

    def _build(self, name):
        """Build the view of a tab."""
        view = self._views[name] = self._factories[name](self._state, self._scrub)
        self._follow(view.followed)
        return view


def _is_hidden(part):
    return not part.visible
