import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from glassviz.explore.dispatch import free_port

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 240_000  # ms a busy machine may take


@contextmanager
def served(log_path, *options, port=None, **environment):
    """`panel serve app.py` on a port of the loopback interface; the address."""
    port = free_port() if port is None else port
    log = log_path.open("w+")
    options = ["--port", str(port), "--address", "127.0.0.1", *options]
    command = [sys.executable, "-m", "panel", "serve", "app.py", *options]
    server = subprocess.Popen(
        command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
    )
    address = f"http://127.0.0.1:{port}/app"
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=PATIENCE / 1000).read()
            break
        except OSError:
            assert server.poll() is None, Path(log.name).read_text()
            time.sleep(0.3)
    try:
        yield address
    finally:
        server.terminate()
        server.wait(30)
    text = Path(log.name).read_text()
    log.close()
    # A browser that leaves while a message is on its way makes tornado complain; what matters is our own code.
    assert str(ROOT / "glassviz") not in text, text


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Where the app is served."""
    with served(tmp_path_factory.mktemp("server") / "log") as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """A real Chromium: the system's, else the one playwright has installed."""
    with sync_playwright() as session:
        options = {"executable_path": CHROMIUM} if Path(CHROMIUM).exists() else {}
        chromium = session.chromium.launch(args=FLAGS, **options)
        yield chromium
        chromium.close()


class App:
    """The page in a browser, and what tests ask of it; `coloured` waits for the snapshot to have colours."""

    def __init__(self, page, address, coloured=True):
        self.page, self.problems = page, []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        started = time.perf_counter()
        page.goto(address)
        page.wait_for_function("() => window.Bokeh && Bokeh.documents.length > 0")
        self.first_page = time.perf_counter() - started
        page.evaluate(MODELS)
        if coloured:
            self.wait_for("glass.frames().data.codes.length > 0")
        self.first_colours = time.perf_counter() - started
        self.wait_for("window.glassvizKeys !== undefined")

    def wait_for(self, expression):
        """Wait until a JavaScript expression is true; `glass` knows the models, see MODELS."""
        self.page.wait_for_function(f"() => {expression}")

    def evaluate(self, expression):
        return self.page.evaluate(f"() => {expression}")

    def time(self):
        """The time of one level of ⟨C̄_B⟩ at the present temperature, as soon as the page knows it."""
        self.wait_for("glass.clock().data.times.length > 20")
        return self.evaluate("glass.clock().data.times[20]")

    def choose(self, label, option):
        """Pick an option of a select, once its menu of before is closed."""
        self.page.locator(".MuiMenuItem-root").first.wait_for(state="hidden")
        self.page.get_by_label(label, exact=True).click()
        self.page.locator(".MuiMenuItem-root", has_text=re.compile(f"^{re.escape(option)}$")).click()

    def drag(self, label, start, end, steps=20):
        """Drag the thumb of a slider between two fractions of its length."""
        box = self.page.get_by_role("slider", name=label).locator(
            "xpath=ancestor::*[contains(@class,'MuiSlider-root')]"
        )
        area = box.bounding_box()
        y = area["y"] + area["height"] / 2
        x = [area["x"] + area["width"] * fraction for fraction in (start, end)]
        self.page.mouse.move(x[0], y)
        self.page.mouse.down()
        self.page.mouse.move(x[1], y, steps=steps)
        self.page.mouse.up()

    def point_at(self, x, y, shown):
        """Move the pointer about a point (σ) of the snapshot until something is shown.

        What it rests on may still be drawn anew, or move as what is above it gets another line.
        """
        deadline = time.monotonic() + PATIENCE / 1000
        while not shown.is_visible() and time.monotonic() < deadline:
            left, top = self.page.evaluate("([x, y]) => glass.place(x, y)", [x, y])
            self.page.mouse.move(left + 1, top)
            self.page.mouse.move(left, top)
            self.page.wait_for_timeout(300)
        assert shown.is_visible()

    def colours(self):
        """Mean red minus blue of the snapshot's image: positive where most is active."""
        return self.page.evaluate("() => glass.redness()")


MODELS = """
() => {
  const all = () => [...Bokeh.documents[0]._all_models.values()]
  const source = (...columns) => () => all().find((m) => m.type === "ColumnDataSource"
    && columns.every((c) => c in m.data))
  window.glass = {
    frames: source("codes", "levels"),
    headlines: source("density", "energy"),
    clock: source("levels", "times", "simulated"),
    curves: () => all().filter((m) => m.type === "ColumnDataSource" && "known" in m.data).map((m) => m.data),
    raster: () => all().find((m) => m.type === "ColumnDataSource" && m.packed !== undefined),
    scrub: () => all().find((m) => m.attributes && "settled" in m.attributes),
    place: (x, y) => { // where a point (σ) of the snapshot is in the window
      const view = Bokeh.index.find_one(all().find((m) => m.type === "Figure"
        && m.renderers.some((r) => r.data_source === glass.raster())))
      const box = view.canvas_view.el.getBoundingClientRect()
      return [box.x + view.frame.x_scale.compute(x), box.y + view.frame.y_scale.compute(y)] },
    redness: () => { const image = glass.raster().data.image[0]; let red = 0, blue = 0
      for (const c of image) { red += c & 255; blue += (c >> 16) & 255 } return (red - blue) / image.length },
  }
}
"""


@pytest.fixture
def open_app(browser, address):
    """Factory: the app in a fresh page of some size; console errors fail the test."""
    opened = []

    def open_(width=1280, height=800, script="", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.add_init_script(script)
        app = App(context.new_page(), address)
        opened.append((context, app))
        return app

    yield open_
    for context, app in opened:
        context.close()
        assert app.problems == []
