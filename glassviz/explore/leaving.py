"""The end of a session: what Panel would keep of its page for good is let go.

Panel 1.9 and panel-material-ui hold, past the end of a session, every component with JavaScript of its own (with all
that its arguments refer to), the page itself by the busy indicator, and the document by its area for notifications.
"""

from functools import partial

import panel as pn
import param
from panel.links import Callback
from panel.util import edit_readonly


def let_go_at_the_end(page):
    """See to it that nothing holds a page once its session is destroyed.

    Parameters
    ----------
    page : panel_material_ui.Page
        The page of the session that is being built.
    """
    pn.state.on_session_destroyed(partial(_let_go, page))


def _let_go(page, session):
    for component in page.select():
        Callback.registry.pop(component, None)
    with edit_readonly(page):
        page.busy = param.rx(False)  # a reference of its own instead of the one to the whole process
    for reference, (_, _, document, _) in list(pn.state._views.items()):
        if document is session._document:
            del pn.state._views[reference]
