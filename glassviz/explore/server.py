"""The explorer as a web server."""

import panel as pn

from glassviz.explore.page import build


def serve(port, address, show):
    """Serve the explorer until interrupted.

    Parameters
    ----------
    port : int
        Port to listen on.
    address : str
        Address to listen on.
    show : bool
        Open a browser.
    """
    print(f"glassviz: http://{address}:{port}/app", flush=True)
    pn.serve({"app": build}, port=port, address=address, show=show, title="glassviz", verbose=False)
