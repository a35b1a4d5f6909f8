"""Every control says what it is for, to those who point and to those who listen."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

TABS = ("Compare", "Length scales", "Time", "Inside", "Live")
SIGNS = {
    "Compare": "Structure with molecular dynamics",
    "Length scales": "Chords of mobile regions",
    "Time": "Vogel–Fulcher–Tammann",
    "Inside": "Bottleneck across time",
    "Live": "Propensity",
}
WITHOUT_HELP = """
(() => {
  const controls = ["Button", "ButtonIcon", "IconButton", "Toggle", "Select", "MultiChoice", "Switch", "FloatInput",
    "DiscreteSlider", "RadioButtonGroup", "FileInput", "FileDownload", "TextInput", "Checkbox", "ToggleIcon"]
  const found = [...Bokeh.documents[0]._all_models.values()].filter((m) => controls.includes(m.class_name))
  return [found.length, found.filter((m) => !m.data.description).map((m) => `${m.class_name} ${m.data.label}`)]
})()
"""
NAMELESS = """
() => {
  const found = []
  const text = (e) => e.getAttribute("aria-label") || e.innerText?.trim() || e.title || e.alt || e.placeholder
    || [...(e.labels ?? [])].map((l) => l.innerText).join(" ")
    || (e.getAttribute("aria-labelledby") ?? "").split(" ")
      .map((id) => e.getRootNode().getElementById(id)?.innerText ?? "").join(" ")
  const walk = (root) => { for (const e of root.querySelectorAll("*")) {
    const control = "button, a[href], input:not([aria-hidden=true]), [role=button], [role=slider], [role=combobox], "
      + "[role=tab], [role=img]"
    if (e.matches(control) && e.checkVisibility() && !text(e)?.trim()) { found.push(e.outerHTML.slice(0, 200)) }
    if (e.shadowRoot) { walk(e.shadowRoot) }
  } }
  walk(document)
  return found
}
"""


# Whether the focus is in a dialog, between its end and its beginning (an empty element, or the browser's own bar), or
# on the page behind; and on what.
FOCUS = """
() => {
  let element = document.activeElement
  while (element.shadowRoot?.activeElement) { element = element.shadowRoot.activeElement }
  const text = (element.getAttribute("aria-label") ?? element.textContent).trim()
  for (let around = element; around; around = around.parentNode ?? around.host) {
    if (around.matches?.("[role=dialog]")) { return ["dialog", text] }
    if (around.matches?.(".MuiDialog-root")) { return ["between", text] }
  }
  return [element === document.body ? "between" : "page", text]
}
"""


def dialogs(app):
    """Open one dialog after the other."""
    for name in ("Bring your own", "Export", "Cite", "How this sample was made"):
        app.page.get_by_role("button", name=name).first.click()
        app.page.get_by_role("dialog").wait_for()
        yield name
        app.page.keyboard.press("Escape")
        app.page.get_by_role("dialog").wait_for(state="hidden")


def test_a_dialog_keeps_the_keyboard_and_gives_it_back(open_app):
    app = open_app()
    for name in dialogs(app):
        inside = []
        for _ in range(12):
            app.page.keyboard.press("Tab")
            inside.append(app.page.evaluate(FOCUS))
        assert {where for where, _ in inside} <= {"dialog", "between"}, (name, inside)
        assert any(where == "dialog" for where, _ in inside), name
        app.page.keyboard.press("Escape")
        app.page.get_by_role("dialog").wait_for(state="hidden")
        app.wait_for(f"({FOCUS})()[1].startsWith({name!r})")


def test_every_control_of_every_tab_and_dialog_has_help_and_a_name(open_app):
    app = open_app()
    for tab in TABS:
        app.page.get_by_role("tab", name=tab).click()
        app.page.get_by_text(SIGNS[tab]).filter(visible=True).first.wait_for()
        assert app.page.evaluate(NAMELESS) == [], tab
    for name in dialogs(app):
        assert app.page.evaluate(NAMELESS) == [], name
    count, without = app.evaluate(WITHOUT_HELP.strip())
    assert count > 35
    assert without == []


@pytest.mark.parametrize("width", [1280, 390])
def test_icons_alone_have_names(open_app, width):
    app = open_app(width=width)
    for name in ("Tour", "Bring your own", "Copy link", "Export", "Cite", "Loop", "Toggle theme"):
        assert app.page.get_by_role("button", name=name).filter(visible=True).count() >= 1, name
    for name in ("Mean propensity", "Temperature"):
        slider = app.page.get_by_role("slider", name=name)
        assert slider.count() == 1
        before = slider.input_value()
        slider.focus()
        app.page.keyboard.press("ArrowRight")
        app.page.wait_for_timeout(300)
        assert slider.input_value() != before
        assert slider.get_attribute("aria-valuetext")


def test_the_tooltip_of_a_particle_fits_a_phone(open_app, library):
    app = open_app(390, 844)
    tip = app.page.locator(".bk-Tooltip").filter(has_text="Particle")
    for x in (3, 16, 30):
        app.point_at(x, 20, tip.first)
        box = tip.first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
        app.page.mouse.move(10, 90)
