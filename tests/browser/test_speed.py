"""Scrubbing keeps up with the hand, and zooming is sharp at once."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# Every time the snapshot's image is drawn: the moment, the level asked for and the level the image shows.
WATCH = """
() => { const draw = CanvasRenderingContext2D.prototype.drawImage
  window.drawn = []
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...rest) {
    const raster = glass.raster(), shape = raster.data.image[0].shape
    if (image.width === shape[1] && image.height === shape[0]) {
      drawn.push([performance.now(), glass.scrub().level, raster.level]) }
    return draw.call(this, image, ...rest) } }
"""
QUIET = 300  # ms after the release in which the last frame may still come


def test_a_fast_drag_is_followed_without_late_frames(open_app):
    app = open_app()
    app.page.evaluate(WATCH)
    for start, end in ((0.2, 0.95), (0.95, 0.05), (0.05, 0.9)):
        app.drag("Mean propensity", start, end, steps=60)
    released = app.evaluate("performance.now()")
    app.page.wait_for_timeout(1500)
    drawn = app.evaluate("drawn")
    level = app.evaluate("glass.scrub().level")
    assert len({shown for _, _, shown in drawn}) > 10
    assert all(asked == shown for _, asked, shown in drawn), "a frame showed a level the hand had left"
    assert drawn[-1][2] == level
    assert [shown for now, _, shown in drawn if now > released + QUIET and shown != level] == []


def test_zooming_redraws_sharply_and_says_how_fast(open_app):
    app = open_app()
    x, y = app.page.evaluate("() => { const d = glass.raster().data; return glass.place(d.dw[0] / 2, d.dh[0] / 2) }")
    app.page.evaluate(
        """() => { const raster = glass.raster(); window.zoom = []; window.turned = performance.now()
          window.addEventListener('wheel', () => { window.turned = performance.now() }, {capture: true})
          raster.properties.data.change.connect(() => zoom.push(performance.now() - turned)) }"""
    )
    app.page.mouse.move(x, y)
    times = []
    for turn in range(1, 6):
        app.page.mouse.wheel(0, -240)
        app.wait_for(f"zoom.length >= {turn}")
        app.page.wait_for_timeout(300)
        times.append(app.evaluate("zoom.at(-1)"))
    print(f"\nredrawn {min(times):.0f} to {max(times):.0f} ms after the wheel was turned")
    pixels = app.evaluate("glass.raster().data.image[0].shape[1] / glass.raster().data.dw[0]")
    assert pixels > 20  # per σ: the discs of the window, not the magnified ones of the whole box


def test_the_picture_is_drawn_sharply_while_the_wheel_is_turned_still(open_app):
    app = open_app()
    x, y = app.page.evaluate("() => { const d = glass.raster().data; return glass.place(d.dw[0] / 2, d.dh[0] / 2) }")
    app.page.evaluate(
        """() => { const raster = glass.raster(), [whole] = raster.data.dw; window.widths = []
          raster.properties.data.change.connect(() => widths.push(raster.data.dw[0] / whole)) }"""
    )
    app.page.mouse.move(x, y)
    for _ in range(20):
        app.page.mouse.wheel(0, -30)
        app.page.wait_for_timeout(100)
    on_the_way = app.evaluate("widths.filter((width) => width < 1)")
    assert len(set(on_the_way)) > 2
    app.wait_for("widths.at(-1) === Math.min(...widths)")
