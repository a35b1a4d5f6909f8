import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

SIZES = [(1280, 800), (390, 844)]
POINTS = """
(() => { const found = [...Bokeh.documents[0]._all_models.values()].find((m) => m.type === "ColumnDataSource"
  && "verdict" in m.data)
  return found ? found.data.x.length : 0 })()
"""
TOO_WIDE = """
() => {
  const found = []
  const walk = (root) => { for (const e of root.querySelectorAll('*')) {
    const box = e.getBoundingClientRect()
    if (e.matches('.bk-Figure, .head, dl, .legend') && box.width > 1 && (box.right > innerWidth + 1 || box.left < -1)) {
      found.push(String([e.className, box.left, box.right]))
    }
    if (e.shadowRoot) { walk(e.shadowRoot) }
  } }
  walk(document)
  return found
}
"""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_how_a_sample_was_made_opens_from_its_verdict(open_app, library, size):
    app = open_app(*size)
    page = app.page
    page.get_by_role("button", name="How this sample was made").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    samples = sum(len(library.samples(t)) for t in library.temperatures)
    app.wait_for(f"{POINTS.strip()} === {samples}")
    for words in ("Decorrelation times", "Cooled differently", "Hexatic order", "Command", "Seed"):
        dialog.get_by_text(words, exact=True).first.wait_for()
    dialog.get_by_text("A run is as long as n decorrelation times").wait_for()
    page.wait_for_timeout(500)
    heights = [figure.bounding_box()["height"] for figure in dialog.locator(".bk-Figure").all()]
    assert len(heights) == 2
    assert min(heights) > 200
    assert page.evaluate(TOO_WIDE) == []
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
