import io
import re
import urllib.request

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

import glassviz as gv
from glassviz.explore import citation
from glassviz.explore.colors import CIVIDIS, MAPS
from glassviz.explore.story import STEPS
from glassviz.explore.views.export import ABOUT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]


@pytest.fixture
def open_at(browser, address):
    """Factory: the app at some query; console errors fail the test."""
    from tests.browser.conftest import App

    opened = []

    def open_(query, coloured=True, **options):
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        opened.append((context, App(context.new_page(), address + query, coloured)))
        return opened[-1][1]

    yield open_
    for context, app in opened:
        context.close()
        assert app.problems == []


def settle(app):
    app.wait_for("glass.scrub().answered === glass.scrub().level")


def test_the_address_follows_the_settled_state_and_opens_it_again(open_app, open_at, library):
    app = open_app()
    entries = app.evaluate("history.length")
    app.drag("Mean propensity", 0.2, 0.6)
    settle(app)
    app.choose("Colours", CIVIDIS)
    app.wait_for("location.search.includes('colors=cividis')")
    level = app.evaluate("glass.scrub().level")
    app.wait_for(f"Math.abs(new URLSearchParams(location.search).get('C') - {level}) < 1e-3")
    assert app.evaluate("history.length") == entries
    again = open_at(app.evaluate("location.search"))
    assert again.evaluate("glass.scrub().level") == pytest.approx(level, abs=1e-3)
    assert again.page.get_by_label("Colours", exact=True).inner_text().strip() == CIVIDIS


def test_garbage_in_the_address_is_named_and_the_server_goes_on(open_at, address):
    app = open_at("?T=%00%ff&C=NaN&sample=<script>alert(1)</script>&tab=x&colors=y")
    app.page.get_by_text("The address asks for T =").wait_for()
    assert app.page.get_by_role("alert").count() >= 4
    assert app.page.locator("script", has_text="alert(1)").count() == 0
    assert urllib.request.urlopen(address + "?T=1e309&C=" + "9" * 3000).status == 200


def test_the_link_is_copied(open_app, browser):
    app = open_app(permissions=["clipboard-read", "clipboard-write"])
    app.page.get_by_role("button", name="Copy link").click()
    app.page.get_by_text("Copied").wait_for()
    copied = app.page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"/app\?T=[\d.]+&C=[\d.]+&sample=", copied)


def test_the_references_are_copied(open_app):
    app = open_app(permissions=["clipboard-read", "clipboard-write"])
    app.page.get_by_role("button", name="Cite").click()
    app.page.get_by_role("button", name="Copy BibTeX").click()
    app.page.get_by_text("Copied").wait_for()
    assert app.page.evaluate("navigator.clipboard.readText()") == citation.bibtex()


def test_keys_move_time_and_temperature_but_not_while_typing(open_app, library):
    app = open_app()
    page, before = app.page, app.evaluate("glass.scrub().level")
    page.keyboard.press("ArrowRight")
    app.wait_for(f"glass.scrub().level < {before} - 0.005")
    page.keyboard.press("ArrowLeft")
    app.wait_for(f"Math.abs(glass.scrub().level - {before}) < 0.006")
    page.keyboard.press("]")
    app.wait_for("glass.scrub().speed > 0.2")
    page.keyboard.press(" ")
    app.wait_for("glass.scrub().playing")
    page.wait_for_timeout(1500)
    page.keyboard.press(" ")
    app.wait_for("!glass.scrub().playing && glass.scrub().settled === glass.scrub().level")
    played = app.evaluate("glass.scrub().level")
    assert played < before - 0.05
    page.keyboard.press("ArrowRight")
    app.wait_for(f"Math.abs(glass.scrub().level - {played} + 0.01) < 0.006")
    page.keyboard.press("ArrowLeft")
    app.wait_for(f"Math.abs(glass.scrub().level - {played}) < 0.006")
    times = app.time()
    page.keyboard.press("ArrowUp")
    app.wait_for(f"glass.clock().data.times[20] < {times}")
    page.keyboard.press("f")
    app.wait_for("document.fullscreenElement !== null")
    page.keyboard.press("f")
    app.wait_for("document.fullscreenElement === null")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    level = app.evaluate("glass.scrub().level")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), {id: 'typing'}))")
    page.locator("#typing").focus()
    page.keyboard.type(" f?][ls")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(800)
    assert page.locator("#typing").input_value() == " f?][ls"
    assert app.evaluate("glass.scrub().level") == level
    assert app.evaluate("glass.scrub().playing") is False


def test_a_sweep_goes_through_the_temperatures(open_app, library):
    if len(library.temperatures) < 3:
        pytest.fail("the store holds too few temperatures")
    app = open_app()
    app.page.keyboard.press("]")
    app.page.keyboard.press("]")
    seen = {app.evaluate("new URLSearchParams(location.search).get('T')")}
    app.page.get_by_role("button", name="Sweep").click()
    for _ in range(2):
        known = list(seen)
        app.page.wait_for_function(
            "(known) => !known.includes(new URLSearchParams(location.search).get('T'))", arg=known
        )
        seen.add(app.evaluate("new URLSearchParams(location.search).get('T')"))
    app.page.get_by_role("button", name="Stop").click()
    app.wait_for("!glass.scrub().sweeping")


def test_the_other_colours_are_everywhere(open_app):
    app = open_app()
    app.drag("Mean propensity", 0.2, 0.04)  # nearly all arrested, where the scales differ most
    settle(app)
    blue = app.colours()
    app.choose("Colours", CIVIDIS)
    app.page.wait_for_function("(blue) => Math.abs(glass.redness() - blue) > 20", arg=blue)
    expect(app.page.locator(".bar").first).to_have_css("background-image", re.compile("254, 232, 56"))
    app.choose("Colours", MAPS[0])
    app.page.wait_for_function("(blue) => Math.abs(glass.redness() - blue) < 5", arg=blue)


# Whether every figure on the screen is laid out for the size it has.
FITTED = """[...Bokeh.documents[0]._all_models.values()].filter(({type}) => type === "Figure")
  .map((figure) => Bokeh.index.find_one(figure)).filter((view) => view?.el.clientHeight > 0)
  .every(({el, layout}) => Math.abs(el.clientHeight - layout.bbox.height) < 2)"""


def test_figures_of_the_tab_that_an_address_names_fit_their_cards(open_at):
    """They are drawn while headings and legends come and take their room from them."""
    app = open_at("?T=0.18&C=0.5&tab=Time", coloured=False)
    app.page.get_by_text("Vogel–Fulcher–Tammann").first.wait_for()
    app.page.wait_for_timeout(3000)
    assert app.evaluate(FITTED)


def test_switches_and_panels_go_with_the_link(open_at):
    """As an address asks for them, and into the address as they are chosen."""
    app = open_at("?T=0.3&C=0.5&tab=Time&times=ours&panels=tglassmlp~ridge", coloured=False)
    anchors = app.page.get_by_label("The paper's anchors").first
    app.page.get_by_text("Vogel–Fulcher–Tammann").first.wait_for()
    assert not anchors.is_checked()
    anchors.click()
    app.wait_for("!location.search.includes('times=')")
    app.page.get_by_role("tab", name="Length scales").click()
    level = app.page.get_by_label("as in the paper").first
    assert level.is_checked()
    level.click()
    app.wait_for("location.search.includes('lengths=chosen')")
    app.page.get_by_role("tab", name="Compare").click()
    app.page.get_by_text("ridge − tglassmlp").first.wait_for()
    assert app.evaluate("location.search.includes('panels=tglassmlp~ridge')")


def test_the_tour_tells_its_story_and_brings_the_state_back(open_app):
    app = open_app()
    page = app.page
    app.drag("Mean propensity", 0.2, 0.4)
    settle(app)
    before = app.evaluate("location.search")
    page.get_by_role("button", name="Tour").click()
    for number, step in enumerate(STEPS, 1):
        page.get_by_text(f"Step {number} of {len(STEPS)}").wait_for()
        page.get_by_role("heading", name=re.sub("<.*?>", "", step.title)).wait_for()
        page.get_by_text("Try it:").wait_for()
        if step.source is not None:
            page.locator(".katex").first.wait_for()
        card = page.get_by_text(f"Step {number} of").bounding_box()
        assert 0 <= card["x"] <= 1280
        assert 0 <= card["y"] <= 800
        if number == 1:
            page.get_by_role("button", name="Play").click()
            app.wait_for("glass.scrub().playing")
        if number in (4, len(STEPS)):
            page.keyboard.press("s")
            app.wait_for("glass.scrub().sweeping")
        page.get_by_role("button", name="Finish" if number == len(STEPS) else "Next").click()
        app.wait_for("!glass.scrub().playing && !glass.scrub().sweeping")
    page.get_by_text("Try it:").wait_for(state="hidden")
    app.wait_for(f"location.search === {before!r}")


def test_on_a_phone_the_tour_leaves_in_sight_what_it_speaks_of(open_app):
    app = open_app(390, 844, has_touch=True, is_mobile=True)
    tabs, card = app.page.get_by_role("tab", name="Live"), app.page.get_by_text("Step 1 of")
    assert tabs.bounding_box()["y"] > 400
    app.page.get_by_role("button", name="Tour").tap()
    card.wait_for()
    while tabs.bounding_box()["y"] > 120:  # it glides there
        app.page.wait_for_timeout(100)
    assert card.bounding_box()["y"] > 400


def height(heading):
    """In pixels, as soon as the heading stands: views write theirs anew with every state."""
    while (box := heading.bounding_box()) is None:
        heading.page.wait_for_timeout(100)
    return box["height"]


# Of every upright axis that is to be seen: how large its letters are written (em), and whether its label has room.
LABELS = """() => [...Bokeh.documents[0]._all_models.values()].filter(({type}) => type === "Figure")
  .map((figure) => Bokeh.index.find_one(figure)).filter((view) => view?.frame.bbox.height > 0)
  .map(({model: {left: [axis]}, frame, canvas_view}) => {
    const {ctx} = canvas_view.primary, size = parseFloat(axis.axis_label_text_font_size)
    ctx.save()
    ctx.font = `${13 * size}px sans-serif`
    const {width} = ctx.measureText(axis.axis_label)
    ctx.restore()
    return [size, width < frame.bbox.height]
  })"""


def test_large_type_reads_from_the_back_row(open_app):
    app = open_app()
    title = app.page.get_by_text("Bottleneck", exact=True).filter(visible=True).first
    small = height(title)
    app.page.keyboard.press("l")
    app.wait_for("document.documentElement.style.getPropertyValue('--type') === '1.4'")
    assert height(title) > 1.2 * small
    assert app.evaluate("document.documentElement.scrollWidth") <= 1280
    app.wait_for(f"({LABELS})().every(([size, fits]) => fits && size === 1.4)")
    app.page.keyboard.press("l")
    app.wait_for(f"({LABELS})().every(([size, fits]) => fits && size === 1)")


def test_what_a_curve_means_is_told_to_fingers_and_keys(open_app, library):
    app = open_app(390, 844, has_touch=True, is_mobile=True)
    button, text = app.page.get_by_role("button", name="What this is").first, app.page.get_by_text("How much the mean")
    button.tap()
    text.wait_for()
    box = text.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    # It stays open while the curves come, and the notes about them.
    app.wait_for(f"glass.curves().filter((lines) => lines.xs.length === {len(library.temperatures)}).length >= 2")
    assert text.is_visible()
    app.page.keyboard.press("Escape")
    text.wait_for(state="hidden")
    button.focus()
    app.page.keyboard.press("Enter")
    text.wait_for()


def exported(app, kind, suffix, choices=()):
    page = app.page
    page.get_by_role("button", name="Export").first.click()
    app.choose("What", kind)
    page.get_by_text(ABOUT[kind].split(";")[0]).wait_for()  # before that the buttons still move
    for label, option in choices:
        app.choose(label, option)
    page.get_by_role("button", name="Make").click()
    page.get_by_text(re.compile(rf"\{suffix}, [\d.]+ MB")).wait_for()
    page.get_by_role("button", name="Download").or_(page.get_by_role("link", name="Download")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").or_(page.get_by_role("link", name="Download")).click()
    return download.value


@pytest.mark.slow
def test_pictures_data_and_pages_are_exported(open_app, tmp_path):
    app = open_app()
    picture = exported(app, "Snapshot as a picture", ".png", [("Height", "480 lines")])
    with Image.open(picture.path()) as image:
        assert image.format == "PNG"
        assert image.size[0] == 480
    app.page.keyboard.press("Escape")
    everything = exported(app, "Everything of this sample", ".nc")
    everything.save_as(tmp_path / "all.nc")
    assert "predicted_propensity" in gv.read(tmp_path / "all.nc")
    app.page.keyboard.press("Escape")
    alone = exported(app, "Web page that works alone", ".html")
    assert "<canvas" in alone.path().read_text(encoding="utf-8")
    app.page.keyboard.press("Escape")
    table = pd.read_csv(exported(app, "Curves as a table", ".csv").path())
    assert {"chi4", "chord"} <= set(table["quantity"])
    assert np.isfinite(table["value"]).all()


def test_figures_are_saved_as_png_and_svg(open_app):
    app = open_app()
    page = app.page
    page.get_by_role("button", name="Export").first.click()
    app.choose("What", "Figure on the screen")
    page.get_by_text("y / σ against x / σ").first.wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as image:
        assert image.format == "PNG"
        assert image.size[0] > 300
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    drawn = download.value.path().read_text(encoding="utf-8")
    assert drawn.lstrip().startswith(("<?xml", "<svg"))
    assert "<path" in drawn


def test_figures_of_every_tab_are_offered_by_names_of_their_own(open_app):
    app = open_app()
    page = app.page
    ready = {
        "Compare": ("Joint histogram", "snapshot (2)"),
        "Time": ("Vogel–Fulcher–Tammann", "τʙʙ / σ√(m/ε) against ε / (kʙT)"),
        "Inside": ("Bottleneck across time", "network"),
    }
    for tab, (sign, name) in ready.items():
        page.get_by_role("tab", name=tab).click()
        page.get_by_text(sign).first.wait_for()
        page.get_by_role("button", name="Export").first.click()
        app.choose("What", "Figure on the screen")
        app.choose("Figure", name)
        page.keyboard.press("Escape")
    assert app.problems == []


def test_everything_has_a_name_for_readers_and_is_reached_by_tab(open_app):
    app = open_app()
    page = app.page
    for role in ("button", "slider", "combobox", "img"):
        elements = page.get_by_role(role)
        assert elements.count() > 0, role
        for element in elements.all():
            if element.is_visible():
                name = element.evaluate(NAME)
                assert name.strip(), f"a {role} without a name: {element.evaluate('(e) => e.outerHTML')[:200]}"
    reached = []
    page.locator("body").click(position={"x": 2, "y": 2})
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    joined = " ".join(reached)
    for name in ("Tour", "Copy link", "Export", "Play", "Sweep"):
        assert name in joined, (name, reached)
    assert joined.index("Tour") < joined.index("Play") < joined.index("Sweep")


NAME = """
(e) => e.getAttribute('aria-label') || e.innerText || e.title || e.alt || e.labels?.[0]?.innerText
  || (e.getAttribute('aria-labelledby') ?? '').split(' ')
    .map((id) => e.getRootNode().getElementById?.(id)?.innerText ?? '').join(' ')
"""
FOCUSED = """
() => { let e = document.activeElement; while (e?.shadowRoot?.activeElement) { e = e.shadowRoot.activeElement }
  return e?.getAttribute('aria-label') || e?.innerText || e?.tagName || '' }
"""


def test_the_page_is_dark_as_the_system_or_as_was_chosen(open_app):
    dark = "Bokeh.documents[0].roots().find(({data}) => data?.dark_theme !== undefined).data.dark_theme"
    app = open_app(color_scheme="dark")
    app.wait_for(dark)
    app.page.emulate_media(color_scheme="light")
    app.wait_for(f"!{dark}")
    app.page.get_by_role("button", name="Toggle theme").click()
    app.wait_for(dark)
    app.page.reload()
    app.wait_for("window.glassvizKeys !== undefined")
    assert app.evaluate(dark)
    app.page.get_by_role("button", name="Toggle theme").click()
    app.wait_for(f"!{dark}")
    app.page.emulate_media(color_scheme="dark")
    assert not app.evaluate(dark)
