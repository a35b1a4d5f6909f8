"""Resuming: a page whose connection was lost goes on where the server has got to, or is opened anew; see resume.js."""

from pathlib import Path

from bokeh.models import CustomJS

JAVASCRIPT = (Path(__file__).parent / "resume.js").read_text()


def resume_when_lost(document, scrub):
    """See to it that the page of a document is taken up again once its connection is lost.

    Parameters
    ----------
    document : bokeh.document.Document
        The document of the session that is being built.
    scrub : glassviz.explore.views.base.Scrub
        The time of the browser, which keeps its level, and by whose `session` the browser knows its session.
    """
    given = "const connection = cb_data.connection.deref(), {timeout} = cb_data\n"
    document.js_on_event("connection_lost", CustomJS(args={"scrub": scrub}, code=given + JAVASCRIPT))
