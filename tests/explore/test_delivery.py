"""A message that Panel puts off is delivered, even where another delivery ends in between."""

import asyncio

import pytest
from bokeh.document import Document
from bokeh.protocol import Protocol
from panel.io import document as panel_document
from tornado.locks import Lock

from glassviz.explore.delivery import _deliver_marked, deliver_all
from tests.explore.users import run


class Browser:
    """A connection that takes its time: what is sent has arrived once `taken` is set."""

    def __init__(self):
        self.protocol, self._socket = Protocol(), self
        self.write_lock, self.taken, self.titles = Lock(), asyncio.Event(), []

    async def send(self, text_data):
        if "title" in text_data:
            self.titles.append(text_data.split('"title":"')[1].split('"')[0])
        await self.taken.wait()


def put_off(document, browser, title):
    """Change the title, and leave the message to Panel's queue."""
    events = []
    document.on_change(events.append)
    document.title = title
    document.remove_on_change(events.append)
    panel_document.schedule_write_events(document, [browser], events)


async def two_messages():
    """What reaches the browser where a message comes, while Bokeh writes, during the delivery of the one before."""
    document, browser = Document(), Browser()
    put_off(document, browser, "first")
    await asyncio.sleep(0)  # the first delivery has begun
    async with browser.write_lock:
        put_off(document, browser, "second")
        await asyncio.sleep(0)  # the second delivery finds the connection busy and waits
        browser.taken.set()
        await asyncio.sleep(0.1)  # the first delivery has ended, the second tries again and again
    await asyncio.sleep(0.5)
    return browser.titles


@pytest.fixture
def restored(monkeypatch):
    """Panel as it comes, and again after the test."""
    monkeypatch.setattr(panel_document, "_dispatch_msgs", _deliver_marked)


def test_a_message_that_waits_is_not_forgotten(restored):
    deliver_all()
    assert run(two_messages()) == ["first", "second"]


def test_panel_alone_forgets_it(restored):
    """Once it does not, `delivery` has no reason to be."""
    assert run(two_messages()) == ["first"]
