"""The page: one state, the views on it, and where they stand on a screen of any size."""

from functools import cache

import panel as pn
import panel_material_ui as pmui

from glassviz.explore.library import Library
from glassviz.explore.state import ExplorerState
from glassviz.explore.views.attention import Attention
from glassviz.explore.views.base import Scrub
from glassviz.explore.views.bottleneck import Bottleneck
from glassviz.explore.views.controls import Controls
from glassviz.explore.views.curves import Curves
from glassviz.explore.views.export import Export
from glassviz.explore.views.help import help_text
from glassviz.explore.views.snapshot import Snapshot
from glassviz.mixture import InvalidData

# Wide: the snapshot as large as the height allows, everything on one screen. Medium: curves below. Narrow: one column.
GRID = """
:host { display: grid !important; gap: 10px; padding: 10px; box-sizing: border-box; align-content: start;
        grid-template-columns: minmax(0, 1fr); grid-template-rows: max-content max-content 340px 280px 900px;
        grid-template-areas: "controls" "snapshot" "bottleneck" "attention" "curves"; }
@media (min-width: 640px) {
  :host { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr);
          grid-template-rows: max-content minmax(260px, auto) minmax(260px, auto) 300px;
          grid-template-areas: "controls controls" "snapshot bottleneck" "snapshot attention" "curves curves"; }
}
@media (min-width: 1100px) {
  :host { --side: clamp(380px, min(100vh - 262px, 50vw), 1200px); height: max(100vh - 70px, 690px);
          grid-template-columns: var(--side) minmax(0, 1fr) minmax(0, 1fr);
          grid-template-rows: auto minmax(0, 1fr) minmax(0, 1.15fr);
          grid-template-areas: "controls controls controls" "snapshot bottleneck attention" "snapshot curves curves"; }
}
"""


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
    snapshot, bottleneck, attention = Snapshot(state, scrub), Bottleneck(state), Attention(state)
    curves = Curves(state, scrub)
    controls = Controls(state, scrub, [snapshot, bottleneck, attention])

    def start():
        for view in (controls, snapshot):
            view.refresh()

    def go_on(event):
        """The snapshot is there: now the rest."""
        if not event.new and not curves.started:
            for view in (bottleneck, attention, curves):
                view.refresh()

    snapshot.param.watch(go_on, "busy")
    pn.state.onload(start)
    areas = {
        "controls": controls,
        "snapshot": snapshot,
        "bottleneck": bottleneck,
        "attention": attention,
        "curves": curves,
    }
    natural = ("controls", "snapshot")  # as high as what is in them; the others fill their place in the grid
    placed = [
        pn.Column(
            view,
            styles={"grid-area": name},
            sizing_mode="stretch_width" if name in natural else "stretch_both",
            margin=0,
        )
        for name, view in areas.items()
    ]
    return pn.Column(*placed, stylesheets=[GRID], sizing_mode="stretch_width", margin=0)
