"""A page whose connection is lost is taken up again where the server has got to, or opened anew."""

import pytest

from glassviz.explore.dispatch import free_port
from tests.browser.conftest import MODELS, App, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SOCKETS = """
window.sockets = []
window.WebSocket = class extends WebSocket { constructor(...given) { super(...given); sockets.push(this) } }
"""
LISTEN = "Bokeh.documents[0].on_event('client_reconnected', () => { window.resumed = true })"
ANSWERED = "glass.scrub().answered === glass.scrub().level"


@pytest.mark.parametrize("before_the_drop", ["", "sockets.at(-1).onmessage({data: '{}'});"])
def test_a_dropped_connection_is_taken_up_with_the_state(open_app, before_the_drop):
    """Also where a message, of which one fragment has come, is broken off."""
    app = open_app(script=SOCKETS)
    app.drag("Mean propensity", 0.2, 0.7)
    app.wait_for(ANSWERED)
    before = app.evaluate("[glass.scrub().level, glass.scrub().id]")
    app.evaluate(LISTEN)
    app.evaluate(f"{{ {before_the_drop} sockets.at(-1).close() }}")
    app.wait_for("window.resumed")
    assert app.evaluate("[glass.scrub().level, glass.scrub().id]") == before
    app.drag("Mean propensity", 0.7, 0.1)
    app.wait_for(f"glass.scrub().level !== {before[0]} && {ANSWERED}")


def test_what_was_lost_with_the_connection_comes_after_all(open_app):
    app = open_app(script=SOCKETS)
    app.evaluate("{ window.before = glass.raster().data.image[0].slice(); sockets.at(-1).onmessage = () => {} }")
    identity = app.evaluate("glass.scrub().id")
    app.drag("Temperature", 0.5, 0.0)
    app.drag("Mean propensity", 0.2, 0.7)
    app.page.wait_for_timeout(3000)
    assert not app.evaluate(ANSWERED)
    app.evaluate(LISTEN)
    app.evaluate("sockets.at(-1).close()")
    app.wait_for("window.resumed")
    app.wait_for(ANSWERED)
    app.wait_for("glass.raster().data.image[0].some((colour, k) => colour !== before[k])")
    assert app.evaluate("glass.scrub().id") == identity


@pytest.fixture
def page(browser):
    page = browser.new_page()
    yield page
    page.close()


def opened_anew(app):
    """Wait until the page has been opened anew and shows colours; `window.old` marks the page of before."""
    app.wait_for("window.old === undefined && window.Bokeh && Bokeh.documents.length > 0")
    app.page.evaluate(MODELS)
    app.wait_for("glass.frames().data.codes.length > 0")


def test_a_page_whose_server_has_begun_anew_is_opened_anew(page, library, tmp_path):
    port = free_port()
    with served(tmp_path / "first", port=port) as address:
        app = App(page, f"{address}?T=0.3&C=0.5")
        app.evaluate("{ window.old = true }")
    with served(tmp_path / "second", port=port):
        opened_anew(app)
        assert app.evaluate("glass.scrub().level") == 0.5


def test_a_page_that_the_server_would_refuse_is_opened_anew(page, library, tmp_path):
    """Bokeh lets a page connect for as long as its token is valid, and no longer."""
    valid = 20  # s
    page.add_init_script(SOCKETS)
    with served(tmp_path / "log", "--session-token-expiration", str(valid)) as address:
        app = App(page, address)
        page.wait_for_timeout(1000 * valid)
        app.evaluate("{ window.old = true; sockets.at(-1).close() }")
        opened_anew(app)
