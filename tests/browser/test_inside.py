import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

SIZES = [(1280, 800), (1920, 1080), (390, 844)]
CLOUDS = """
(() => { const titles = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === "Title")
  return titles.filter((m) => /^T = |^⟨C̄⟩ = /.test(m.text)).length })()
"""
FIGURES_TOO_WIDE = """
() => {
  const found = []
  const walk = (root) => { for (const e of root.querySelectorAll('*')) {
    const box = e.getBoundingClientRect()
    if (e.matches('.bk-Figure, .head') && box.width > 1 && (box.right > innerWidth + 1 || box.left < -1)) {
      found.push(String([e.className, box.left, box.right]))
    }
    if (e.shadowRoot) { walk(e.shadowRoot) }
  } }
  walk(document)
  return found
}
"""


@pytest.fixture
def open_inside(open_app, library):
    if not any(library.ensemble(name).has_attention for name in library.networks):
        pytest.fail("the store holds no networks that attend")

    def open_(*size):
        app = open_app(*size)
        app.page.get_by_role("tab", name="Inside").click()
        app.wait_for(f"{CLOUDS.strip()} >= 8")
        return app

    return open_


def test_a_tapped_point_shows_its_particle(open_inside):
    app = open_inside()
    page = app.page
    page.get_by_text("average over species 1").wait_for()
    page.get_by_text("even share 0").first.wait_for()
    smallest = min(
        (f for f in page.locator(".bk-Figure").all() if f.is_visible()),
        key=lambda f: (round(f.bounding_box()["width"] / 40), f.bounding_box()["y"], f.bounding_box()["x"]),
    )
    smallest.scroll_into_view_if_needed()
    box = smallest.bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.55 * box["height"])
    page.get_by_text(": descriptors").wait_for()
    page.get_by_text("z-scores over the training structures").wait_for()
    page.get_by_text("Its attention").wait_for()
    assert page.get_by_text("average over species 1").count() == 0


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_nothing_is_cut_off_inside(open_inside, size):
    app = open_inside(*size)
    assert app.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert app.page.evaluate(FIGURES_TOO_WIDE) == []
