"""A large sample of which nothing is on disk: a bar says how far it is, and the page answers meanwhile."""

import time

import pytest

from glassviz.explore import derive
from glassviz.explore.colors import CIVIDIS, MAPS
from tests.browser.conftest import App, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

BAR = """
(() => { const bars = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.class_name === "LinearProgress"
  && m.visible && m.data.value > 0); return bars.length ? bars[0].data.value : 0 })()
"""


def test_a_cold_large_sample_shows_its_progress_and_the_page_answers(browser, library, tmp_path):
    temperature = next((t for t in library.temperatures[::-1] if library.sizes(t)[0] > derive.LARGE), None)
    if temperature is None:
        pytest.fail("the store holds no large box")
    sample = library.samples(temperature)[0]
    with served(tmp_path / "log", GLASSVIZ_CACHE=str(tmp_path / "cache")) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        asked = f"{address}?T={temperature:g}&sample={sample.particles}-{sample.name}"
        app = App(context.new_page(), asked, coloured=False)
        app.wait_for("glass.raster()?.packed.length > 0")
        shown, waits = [], []
        for turn in range(200):
            if app.evaluate("glass.frames().data.codes[0]?.shape[1] ?? 0") == sample.particles:
                break
            shown.append(app.evaluate(BAR.strip()))
            app.choose("Colours", (MAPS[0], CIVIDIS)[(turn + 1) % 2])
            began = time.monotonic()
            app.wait_for(f"location.search.includes('cividis') === {('false', 'true')[(turn + 1) % 2]}")
            waits.append(time.monotonic() - began)
        print(f"the bar stood at {shown} %; the page answered after {[round(wait, 2) for wait in waits]} s")
        context.close()
        assert len(shown) < 200
        steps = [value for value in shown if value > 0]  # 0 where the bar is hidden, before and after
        assert sorted(steps) == steps
        assert len(set(steps)) >= 2
        assert app.problems == []
