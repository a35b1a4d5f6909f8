import re

import pytest

from glassviz.explore import derive

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

SIZES = [(1280, 800), (1920, 1080), (390, 844)]


# Chooses one tab after the other as soon as there are any, long before the page is ready, and the first one at last.
EAGER = """
const tabs = (root) => [...root.querySelectorAll("*")].flatMap((e) =>
  [...(e.getAttribute("role") === "tab" ? [e] : []), ...(e.shadowRoot ? tabs(e.shadowRoot) : [])])
const waiting = setInterval(() => {
  const found = tabs(document)
  if (found.length >= 5) { clearInterval(waiting); for (const tab of [...found.slice(1), found[0]]) tab.click() }
}, 20)
"""


def tap(app, x, y):
    """Tap a point (σ) of the snapshot."""
    place = app.evaluate(f"glass.place({x}, {y})")
    app.page.mouse.click(*place)


def source(*columns):
    """A JavaScript expression for the data of the source with these columns."""
    wanted = " && ".join(f"{column!r} in m.data" for column in columns)
    models = "[...Bokeh.documents[0]._all_models.values()]"
    return f"{models}.filter((m) => m.type === 'ColumnDataSource' && {wanted}).map((m) => m.data)"


# Where the plot of the card of selected particles ends and its text begins.
CARD = """((root) => {
  const inside = (root, fits) => [...root.querySelectorAll("*")].flatMap((e) =>
    [...(fits(e) ? [e] : []), ...(e.shadowRoot ? inside(e.shadowRoot, fits) : [])])
  const words = inside(root, (e) => e.matches("p") && e.textContent.includes("predicted")).at(-1)
  const card = words.getRootNode().host.getRootNode()
  return { figure: inside(card, (e) => e.matches("canvas"))[0].getBoundingClientRect(),
           text: words.getBoundingClientRect() }
})(document)"""
RINGS = source("x", "y", "radius")


def opening(library):
    """The sample the page opens with: positions and species."""
    temperature = 0.23 if 0.23 in library.temperatures else library.temperatures[0]
    particles = library.sizes(temperature)[-1]
    ds = library.configurations(temperature, particles).isel(configuration=0)
    return ds["position"].values, ds["species"].values


def test_a_tapped_particle_is_marked_everywhere_and_told_about(open_app, library):
    position, species = opening(library)
    middle = position.mean(axis=0)
    particle = int(((position - middle) ** 2).sum(axis=1).argmin())
    app = open_app()
    tap(app, *position[particle])
    # The tooltip under the pointer names the particle too.
    card = app.page.locator(".title", has_text=f"Particle {particle} · species {species[particle] + 1}")
    card.wait_for()
    app.page.get_by_text("Strongest:").wait_for()
    app.wait_for(f"{CARD}.figure.bottom <= {CARD}.text.top + 1")
    app.wait_for(f"{RINGS}.some((d) => d.radius.length === 9)")
    app.page.get_by_role("button", name="Select nothing").or_(
        app.page.locator("button", has_text="close").last
    ).first.click()
    card.wait_for(state="hidden")
    app.wait_for(f"{RINGS}.every((d) => d.radius.length === 0)")


def test_a_lasso_selects_what_is_inside(open_app, library):
    position, _ = opening(library)
    app = open_app()
    figure = app.page.locator(".bk-Figure").first
    figure.hover()
    figure.locator(".bk-tool-icon-lasso-select").first.click()
    low, high = 8.0, 20.0
    inside = ((position > low) & (position < high)).all(axis=1).sum()
    path = [(low, low), (high, low), (high, high), (low, high), (low, low)]
    places = [app.evaluate(f"glass.place({x}, {y})") for x, y in path]
    app.page.mouse.move(*places[0])
    app.page.mouse.down()
    for place in places[1:]:
        app.page.mouse.move(*place, steps=8)
    app.page.mouse.up()
    app.page.get_by_text(" particles · ").first.wait_for()
    count = int(app.page.get_by_text(" particles · ").first.inner_text().split(" ")[0])
    assert count == pytest.approx(inside, rel=0.15)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_tab_opens_and_fits(open_app, size):
    app = open_app(*size, device_scale_factor=2 if size[0] < 500 else 1)
    signs = {
        "Compare": app.page.get_by_label("Structure with molecular dynamics", exact=True),
        "Length scales": app.page.get_by_text("Chords of mobile regions"),
        "Time": app.page.get_by_text("Vogel–Fulcher–Tammann"),
    }
    for tab, sign in signs.items():
        app.page.get_by_role("tab", name=tab).click()
        sign.first.wait_for()
        app.page.wait_for_timeout(500)
        assert app.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_tabs_may_be_opened_in_quick_succession(open_app):
    for script in (EAGER, ""):
        app = open_app(script=script)
        for _ in range(2):
            for tab in ("Compare", "Length scales", "Time", "Inside", "Live"):
                app.page.get_by_role("tab", name=tab).click(no_wait_after=True)
        for tab, sign in {"Length scales": "Chords of mobile regions", "Inside": "Bottleneck across time"}.items():
            app.page.get_by_role("tab", name=tab).click()
            app.page.get_by_text(sign).first.wait_for()
        assert app.problems == []


def test_a_button_right_after_a_tab(open_app):
    """What comes within Panel's grace of 50 ms after a change is handled without the session's lock."""
    app = open_app()
    places = ("tab", "Time"), ("button", "Cite")
    tab, button = (app.page.get_by_role(role, name=name).element_handle() for role, name in places)
    app.page.evaluate("([tab, button]) => { tab.click(); setTimeout(() => button.click(), 5) }", [tab, button])
    app.page.get_by_role("button", name="Copy BibTeX").wait_for()
    app.page.get_by_text("Vogel–Fulcher–Tammann").first.wait_for()
    app.wait_for("location.search.includes('tab=Time')")


def test_comparison_with_molecular_dynamics(open_app, library):
    rows = [(t, r) for t in library.temperatures for r in library.propensity_files(t) if r.role == "test"]
    rows = [(t, r) for t, r in rows if r.particles < derive.LARGE]
    if not rows:
        pytest.fail("the store holds no propensities of a small test structure")
    app = open_app()
    app.page.get_by_role("tab", name="Compare").click()
    structure = app.page.get_by_label("Structure with molecular dynamics", exact=True)
    structure.click()
    app.page.locator(".MuiMenuItem-root", has_text="test,").first.click()
    app.page.get_by_text("test structure; ").first.wait_for()
    app.page.get_by_text("Joint histogram").first.wait_for()
    app.page.get_by_text(re.compile(r"test structures.*dashed")).first.wait_for()
    shown = app.page.locator(".value", has_text="ρ").first.inner_text()
    assert 0.3 < float(shown.split("=")[1]) < 1
