import numpy as np
import pytest

from glassviz.explore import derive
from glassviz.explore.standalone import standalone
from glassviz.explore.state import ExplorerState

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PIXELS = """
() => { const c = document.querySelector('canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data
  let red = 0, blue = 0; for (let k = 0; k < d.length; k += 4) { red += d[k]; blue += d[k + 2] }
  return (red - blue) / (d.length / 4) }
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_snapshot_file_plays_offline(library, browser, tmp_path, scheme):
    state = ExplorerState(library, mean_propensity=float(derive.LEVELS[4]))
    page = standalone(library, state.choice())
    first, last = (f'"reached": [{"true, " * 39}{end}]' for end in ("true", "false"))
    assert first in page
    page = page.replace(first, last)  # as if the networks missed the last level
    assert "http://" not in page
    assert "src=" not in page
    path = tmp_path / "snapshot.html"
    path.write_text(page, encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, offline=True, color_scheme=scheme)
    tab, problems, asked = context.new_page(), [], []
    tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_function("() => document.body.dataset.drawn !== undefined")
    assert tab.locator("#level").inner_text() == f"{derive.LEVELS[4]:.2f}"
    assert "miss" not in tab.locator("#kind").inner_text()
    early = tab.evaluate(PIXELS)
    tab.get_by_role("slider", name="Mean propensity").fill("39")
    tab.wait_for_function("() => document.body.dataset.drawn === '39'")
    assert tab.locator("#kind").inner_text().endswith("time; the networks miss this mean")
    assert tab.evaluate(PIXELS) > early + 30
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_function("() => document.body.dataset.drawn !== '39'")
    tab.get_by_role("button", name="Pause").click()
    side = tab.locator("canvas").bounding_box()["width"]
    names = []
    for fraction in np.linspace(0.3, 0.7, 9):
        tab.locator("canvas").hover(position={"x": fraction * side, "y": fraction * side})
        names.append(tab.locator("#particle").inner_text())
    assert any(name.startswith("Particle ") for name in names)
    assert asked == [path.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert problems == []
