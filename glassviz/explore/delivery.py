"""Delivery: what Panel puts off while the connection is busy reaches the browser.

While Bokeh writes a message, Panel 1.9 keeps its own in a queue that one task empties later. Where such a task ends
between the arrival of a message and its delivery, it takes away the mark without which the next task does nothing: the
message lay until something else changed, and a click seemed lost.
"""

from contextlib import suppress

from panel.io import document as panel_document
from tornado.websocket import WebSocketClosedError

_deliver_marked = panel_document._dispatch_msgs


async def _deliver(document):
    """Panel's delivery; the mark is set anew where messages wait. Who has left is owed nothing."""
    if document in panel_document._WRITE_MSGS:
        panel_document._WRITE_BLOCK[document] = True
    with suppress(WebSocketClosedError):
        await _deliver_marked(document)


def deliver_all():
    """Have Panel deliver, in this process, every message that it puts off."""
    panel_document._dispatch_msgs = _deliver
