"""What a view does where a choice cannot be shown."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import panel as pn
import pytest

from glassviz.explore.state import ExplorerState
from glassviz.explore.views import base
from glassviz.mixture import InvalidData


class Shown(base.View):
    """Shows the mean propensity, where there is no fault."""

    fault = None

    def _build(self):
        self.text = pn.pane.Str("")
        return pn.Column(self.text, styles={"gap": "4px"})

    def _derive(self, choice):
        if self.fault:
            raise self.fault
        yield choice.mean_propensity

    def _show(self, result):
        self.text.object = str(result)


class Document:
    """A session that is there; what is to happen in its turn happens soon."""

    session_context = SimpleNamespace(destroyed=False)

    def add_next_tick_callback(self, callback):
        asyncio.get_running_loop().call_soon(callback)


@pytest.fixture
def view(library, monkeypatch):
    view = Shown(ExplorerState(library))
    view.said = []
    monkeypatch.setattr(base, "report", view.said.append)
    return view


def test_a_thread_that_tells_does_not_wait_for_a_server_that_has_ended():
    done = []

    async def ask(document):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, base.told, document, loop, lambda: done.append(1))

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, ask(Document())).result()
    assert done == [1]
    silent = SimpleNamespace(session_context=Document.session_context, add_next_tick_callback=lambda _: None)
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(loop.run_forever)
        asked = threads.submit(base.told, silent, loop, None)
        loop.call_soon_threadsafe(loop.call_later, 0.3, loop.stop)
        assert asked.result(timeout=20) is False
        running.result(timeout=20)
    loop.close()
    assert base.told(silent, loop, None) is False


def settle(view, level, fault=None):
    """Choose a level and wait for the view."""

    async def work():
        view.state.mean_propensity, view.fault = level, fault
        view._wanted += 1
        view.busy = True
        await view._work(Document())

    with ThreadPoolExecutor(1) as thread:  # the browser tests leave an event loop in this one
        thread.submit(asyncio.run, work()).result()
    assert not view.busy


def test_a_view_whose_session_is_gone_is_not_waited_for(view, monkeypatch):
    monkeypatch.setattr(Document, "session_context", None)
    settle(view, 0.5)
    assert not view.busy


def test_a_choice_made_while_a_view_ends_its_work_is_followed(view, monkeypatch):
    """The last step of the work waits for its turn; what is chosen meanwhile must not be lost."""
    late = []

    class Busy(Document):
        def add_next_tick_callback(self, callback):
            def turn():
                if view._done == view._wanted and not late:
                    late.append(True)
                    view.state.mean_propensity = 0.3
                    view.refresh()
                callback()

            super().add_next_tick_callback(turn)

    async def work():
        view.state.mean_propensity = 0.5
        view._wanted += 1
        view.busy = True
        await view._work(Busy())
        while view.busy:
            await asyncio.sleep(0.01)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work()).result(timeout=20)
    assert late
    assert view.text.object == "0.3"


@pytest.mark.parametrize("fault", [InvalidData("the box is odd."), ZeroDivisionError()])
def test_what_is_shown_of_an_earlier_choice_is_faded(view, fault, caplog):
    settle(view, 0.5)
    assert view._layout.styles == {"gap": "4px"}
    settle(view, 0.4, fault)
    (sentence,) = view.said
    assert sentence == ("the box is odd." if isinstance(fault, InvalidData) else base.WRONG)
    assert ("ZeroDivisionError" in caplog.text) == isinstance(fault, ZeroDivisionError)
    assert view.text.object == "0.5"
    assert view._layout.styles == {"gap": "4px", "opacity": base.FADED}
    settle(view, 0.3)
    assert view.text.object == "0.3"
    assert view._layout.styles == {"gap": "4px", "opacity": "1"}
    assert view.said == [sentence]
