"""The tab Live: the snapshot, what the network sees in it, and the curves, on one screen; selected particles on top."""

import panel as pn
import param

from glassviz.explore.views.attention import Attention
from glassviz.explore.views.bottleneck import Bottleneck
from glassviz.explore.views.curves import Curves
from glassviz.explore.views.selection import Selection
from glassviz.explore.views.snapshot import Snapshot

# Wide: the snapshot as large as the height allows, everything on one screen. Medium: curves below. Narrow: one column.
GRID = """
:host { display: grid !important; gap: 10px; box-sizing: border-box; align-content: start;
        grid-template-columns: minmax(0, 1fr); grid-template-rows: max-content max-content 340px 280px 900px;
        grid-template-areas: "snapshot" "selection" "bottleneck" "attention" "curves"; }
@media (min-width: 640px) {
  :host { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr);
          grid-template-rows: minmax(260px, auto) minmax(260px, auto) max-content 300px;
          grid-template-areas: "snapshot bottleneck" "snapshot attention" "selection selection" "curves curves"; }
}
@media (min-width: 1100px) {
  :host { --side: clamp(360px, min(100vh - 270px, 46vw), 1200px); height: max(100vh - 250px, 500px * var(--type, 1));
          grid-template-columns: var(--side) minmax(0, 1fr) minmax(0, 1fr);
          grid-template-rows: minmax(0, 1fr) minmax(0, 1.15fr);
          grid-template-areas: "snapshot bottleneck attention" "snapshot curves curves"; }
}
"""
# Wide: the card lies over the right column, where the bottleneck stays to be seen.
CARD = """
:host { grid-area: selection; height: 480px; z-index: 3; }
@media (min-width: 1100px) { :host { grid-area: 1 / 3 / 3 / 4; height: auto; min-height: 480px; } }
"""


class Live(pn.viewable.Viewer):
    """The snapshot first, then all else.

    Parameters
    ----------
    state : ExplorerState
    scrub : Scrub
        The browser's time.

    Attributes
    ----------
    followed : list of View
        Those that must be up to date before the browser is answered.
    """

    on_screen = param.Boolean(True, doc="Whether the tab is open.")

    def __init__(self, state, scrub, **params):
        super().__init__(**params)
        self.snapshot, self.curves = Snapshot(state, scrub), Curves(state, scrub)
        self.bottleneck, self.attention = Bottleneck(state), Attention(state)
        self.selection = Selection(state, scrub)
        self.followed = [self.snapshot, self.bottleneck, self.attention]
        self.snapshot.param.watch(self._go_on, "busy")

    def __panel__(self):
        views = {
            "snapshot": self.snapshot,
            "bottleneck": self.bottleneck,
            "attention": self.attention,
            "curves": self.curves,
        }
        placed = [
            pn.Column(
                view,
                styles={"grid-area": name},
                sizing_mode="stretch_width" if name == "snapshot" else "stretch_both",
                margin=0,
            )
            for name, view in views.items()
        ]
        card = pn.Column(
            self.selection, visible=self.selection.param.shown, stylesheets=[CARD], sizing_mode="stretch_both", margin=0
        )
        return pn.Column(*placed, card, stylesheets=[GRID], sizing_mode="stretch_width", margin=0)

    def refresh(self):
        """Begin with the snapshot."""
        self.snapshot.refresh()

    @param.depends("on_screen", watch=True)
    def _pass_on(self):
        for view in (*self.followed, self.selection, self.curves):
            view.on_screen = self.on_screen

    def _go_on(self, event):
        """The snapshot is there: now the rest."""
        if not event.new and not self.curves.started:
            for view in (self.bottleneck, self.attention, self.curves, self.selection):
                view.refresh()
