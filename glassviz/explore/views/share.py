"""Sharing: the address follows the settled state, a button copies it, another says how to cite."""

import html

import panel as pn
import panel_material_ui as pmui
from bokeh.core.properties import String
from bokeh.model import DataModel

from glassviz.explore import address, citation
from glassviz.explore.views.base import javascript, run, tell
from glassviz.explore.views.dialog import dialog

SHARED = ["temperature", "mean_propensity", "sample", "network", "tab", "colors", "selected"]
SHARED += ["panels", "published_level", "anchors"]
NARROW = {  # on a phone only the icon is seen; readers still find the name
    "@media (max-width: 760px)": {
        "fontSize": 0,
        "minWidth": 34,
        "padding": "5px",
        "& .MuiButton-startIcon": {"margin": 0},
    }
}
# Their help opens below them: beside them it would cover the next button.
BELOW = """
.MuiTooltip-popper { transform: none !important; inset: calc(100% + 6px) auto auto 0 !important; width: 230px; }
.MuiTooltip-tooltip { margin: 0 !important; } .MuiTooltip-arrow { display: none; }
@media (max-width: 760px) { .MuiTooltip-popper { position: fixed !important; inset: 56px 8px auto auto !important; } }
"""
BUTTON = {
    "variant": "text",
    "icon_size": "20px",
    "color": "light",
    "size": "small",
    "margin": (0, 1),
    "sx": NARROW,
    "stylesheets": [BELOW],
}
"""How a button in the header looks."""
REFERENCE = """
:host { color: var(--panel-on-surface-color); font-size: calc(14px * var(--type, 1)); line-height: 1.5; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .9em; padding: 10px; border-radius: 8px; margin: 0;
      background: color-mix(in srgb, var(--panel-on-surface-color) 7%, transparent); }
p { margin: 0; }
"""


class Link(DataModel):
    """The query of the address bar."""

    query = String("")


class Share:
    """Keeps the address of the page that of its state, and copies it.

    Parameters
    ----------
    state : ExplorerState
    """

    def __init__(self, state):
        self._state = state
        self._link = Link(query=address.write(state))
        self._link.js_on_change("query", javascript("address", link=self._link))
        state.param.watch(self._write, SHARED)
        self.button = pmui.Button(
            label="Copy link",
            icon="link",
            description="Copy link: an address that opens this tab with this temperature, time, sample, networks, "
            f"colours and switches, and with up to {address.MOST_SELECTED} selected particles; not what you brought.",
            **BUTTON,
        )
        self.button.js_on_click(
            args={"link": self._link, "button": self.button},
            code=run("copy", button="button.data", text="location.origin + location.pathname + link.query"),
        )

    def _write(self, *_events):
        tell(self._link, query=address.write(self._state))


class Cite:
    """A dialog with the references as text and as BibTeX, each with a button that copies it."""

    def __init__(self):
        self.button = pmui.Button(
            label="Cite",
            icon="format_quote",
            description="Cite: how to refer to the paper and glassviz.",
            on_click=self._open,
            **BUTTON,
        )
        pieces = []
        for label, text, tag in (("text", citation.text(), "p"), ("BibTeX", citation.bibtex(), "pre")):
            copy = pmui.Button(
                label=f"Copy {label}",
                icon="content_copy",
                description=f"Copy {label}: puts the references on the clipboard.",
                size="small",
                variant="outlined",
                margin=0,
            )
            copy.js_on_click(args={"button": copy, "text": text}, code=run("copy", "text", button="button.data"))
            block = pn.pane.HTML(
                f"<{tag}>{html.escape(text)}</{tag}>", stylesheets=[REFERENCE], sizing_mode="stretch_width", margin=0
            )
            pieces += [block, copy]
        content = pn.Column(*pieces, sizing_mode="stretch_width", styles={"gap": "12px", "padding-bottom": "8px"})
        self.dialog = dialog(content, "Cite", "sm")

    def _open(self, _event):
        self.dialog.open = True
