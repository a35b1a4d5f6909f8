"""The page: one state, the bar of controls and the tabs under it."""

import secrets
from functools import cache, partial

import panel as pn
import panel_material_ui as pmui

from glassviz.explore import address
from glassviz.explore.appearance import dark, remember_appearance
from glassviz.explore.delivery import deliver_all
from glassviz.explore.leaving import let_go_at_the_end
from glassviz.explore.library import Library
from glassviz.explore.own import OwnLibrary
from glassviz.explore.resuming import resume_when_lost
from glassviz.explore.state import ExplorerState
from glassviz.explore.tabs import Tabs
from glassviz.explore.views.base import Scrub
from glassviz.explore.views.bring import Bring
from glassviz.explore.views.compare import Compare
from glassviz.explore.views.controls import Controls
from glassviz.explore.views.export import Export
from glassviz.explore.views.help import help_text
from glassviz.explore.views.inside import Inside
from glassviz.explore.views.keyboard import Keyboard
from glassviz.explore.views.lengths import Lengths
from glassviz.explore.views.live import Live
from glassviz.explore.views.made import Made
from glassviz.explore.views.share import Cite, Share
from glassviz.explore.views.time import Time
from glassviz.explore.views.tour import Tour
from glassviz.mixture import InvalidData

VIEWS = {"Live": Live, "Compare": Compare, "Length scales": Lengths, "Time": Time, "Inside": Inside}
"""What builds the view of every tab."""
COLORS = {
    # mode: the page's colour, what is written on it, the header
    "light": ("#1d4e9e", "#ffffff", "#1d4e9e"),
    "dark": ("#6c9ce8", "#0b1526", "#16294a"),
}
"""Colours that read well on white and on black."""
TOOLTIPS = """
@media (max-width: 640px) {
  .bk-Tooltip { left: 8px !important; right: auto !important; top: auto !important; bottom: 8px !important;
                transform: none !important; max-width: calc(100vw - 16px); }
}
"""
"""On a phone what is pointed at is told at the foot of the screen, where it is whole and under no finger."""
WIDE = {"@media (max-width: 640px)": {"margin": "8px", "width": "calc(100% - 16px)", "maxWidth": "none"}}
SMALL = {"@media (max-width: 640px)": {"fontSize": "20px", "padding": "12px 16px"}}
"""A dialog on a phone."""
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
    deliver_all()
    pn.extension("katex", notifications=True, reconnect=True, respect_explicit_sizing=True, raw_css=[TOOLTIPS])
    try:
        chosen, complaints = address.read(pn.state.session_args, library())
        state = ExplorerState(OwnLibrary(library()), **chosen)
        main, header = _contents(state)
        pn.state.onload(partial(_complain, complaints))
    except InvalidData as error:
        header, main = [], [pmui.Alert(str(error), alert_type="warning", margin=20)]
    page = pmui.Page(
        title="glassviz",
        main=main,
        header=header,
        sidebar=[help_text()],
        sidebar_open=False,
        sidebar_variant="temporary",
        sidebar_width=380,
        dark_theme=dark(),
        theme_config={mode: _theme(*colors) for mode, colors in COLORS.items()},
        meta_description="Dynamic heterogeneity of a two-dimensional glass former, live.",
    )
    let_go_at_the_end(page)
    remember_appearance(pn.state.curdoc)
    return page


def _theme(main, on_main, header):
    """How a mode of the page looks."""
    bar = {"backgroundColor": header, "backgroundImage": "none", "color": "#ffffff", "--Paper-overlay": "none"}
    components = {
        "MuiAppBar": {"styleOverrides": {"root": bar}},
        "MuiToolbar": {"defaultProps": {"variant": "dense"}},
        "MuiToggleButton": {"styleOverrides": {"root": {"textTransform": "none"}}},
        "MuiDialog": {"styleOverrides": {"paper": {"& > div > .MuiIconButton-root": {"color": "inherit"}, **WIDE}}},
        "MuiDialogTitle": {"styleOverrides": {"root": {"flexShrink": 1, "minWidth": 0, **SMALL}}},
    }
    palette = {"primary": {"main": main, "contrastText": on_main}}
    return {"chart_style": "classic", "palette": palette, "components": components}


def _contents(state):
    """What stands in the main area and in the header."""
    level = state.mean_propensity
    scrub = Scrub(level=level, settled=level, answered=level, session=secrets.token_hex(8))
    resume_when_lost(pn.state.curdoc, scrub)
    made = Made(state)
    controls = Controls(state, scrub, made.button)
    tabs = Tabs(state, scrub, VIEWS, controls.follow)
    pn.state.onload(controls.refresh)
    tour, share, bring, cite = Tour(state, tabs.bar, controls.still), Share(state), Bring(state), Cite()
    export = Export(state, tabs.figures)
    keyboard = Keyboard({**controls.actions, "l": tour.toggle_type})
    page = pn.Column(controls, tabs, stylesheets=[PAGE], sizing_mode="stretch_width", margin=0)
    main = [page, tour, keyboard.dialog, made.dialog, bring.dialog, export.dialog, cite.dialog]
    return main, [tour.button, bring.button, share.button, export.button, cite.button]


def _complain(complaints):
    """Say what of the address could not be followed."""
    for complaint in complaints:
        pn.state.notifications.warning(complaint, duration=15_000)
