"""The page: one state, the bar of controls and the tabs under it."""

from functools import cache

import panel as pn
import panel_material_ui as pmui

from glassviz.explore.library import Library
from glassviz.explore.state import ExplorerState
from glassviz.explore.tabs import Tabs
from glassviz.explore.views.base import Scrub
from glassviz.explore.views.controls import Controls
from glassviz.explore.views.export import Export
from glassviz.explore.views.help import help_text
from glassviz.explore.views.live import Live
from glassviz.mixture import InvalidData

VIEWS = {"Live": Live}
"""What builds the view of every tab."""
PAGE = ":host { padding: 10px; gap: 6px; box-sizing: border-box; }"


@cache
def library():
    """The library all sessions of this process share."""
    return Library()


def build():
    """A new session's page.

    Returns
    -------
    panel_material_ui.Page
        With one sentence instead of the views where the store holds nothing to show.
    """
    pn.extension("katex", notifications=True, respect_explicit_sizing=True)
    try:
        state = ExplorerState(library())
        export = Export(state)
        main, header = [_views(state), export.dialog], [export]
    except InvalidData as error:
        header, main = [], [pmui.Alert(str(error), alert_type="warning", margin=20)]
    return pmui.Page(
        title="glassviz",
        main=main,
        header=header,
        sidebar=[help_text()],
        sidebar_open=False,
        sidebar_variant="temporary",
        sidebar_width=380,
        theme_config={"chart_style": "classic", "palette": {"primary": {"main": "#1d4e9e"}}},
        meta_description="Dynamic heterogeneity of a two-dimensional glass former, live.",
    )


def _views(state):
    scrub = Scrub(level=state.mean_propensity, settled=state.mean_propensity, answered=state.mean_propensity)
    controls = Controls(state, scrub)
    tabs = Tabs(state, scrub, VIEWS, controls.follow)
    pn.state.onload(controls.refresh)
    return pn.Column(controls, tabs, stylesheets=[PAGE], sizing_mode="stretch_width", margin=0)
