"""Appearance: a page that is dark or light as its reader likes it; see appearance.js."""

from pathlib import Path

import panel as pn
from bokeh.models import CustomJS

JAVASCRIPT = (Path(__file__).parent / "appearance.js").read_text()


def dark():
    """Whether this browser's last page was dark; False where it is the first."""
    return pn.state.cookies.get("glassviz-theme", "").endswith("-dark")


def remember_appearance(document):
    """See to it that the page of a document follows its reader's choice, or the system's, and that it is remembered.

    Parameters
    ----------
    document : bokeh.document.Document
        The document of the session that is being built; its page has `dark_theme`.
    """
    document.js_on_event("document_ready", CustomJS(code=JAVASCRIPT))
