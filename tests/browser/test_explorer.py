import re

import imageio_ffmpeg
import pytest

from glassviz.explore.state import ExplorerState
from glassviz.simulate.potential import potential_energy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

SIZES = [(1280, 800), (1920, 1080), (390, 844)]

# Visible parts of cards, text and controls that reach beyond the right edge or are cut inside their card.
CUT_OFF = """
() => {
  const found = []
  const walk = (root) => { for (const e of root.querySelectorAll('*')) {
    const box = e.getBoundingClientRect()
    const style = getComputedStyle(e)
    if (box.width > 1 && box.height > 1 && style.visibility !== 'hidden' && !e.closest('.MuiDrawer-root, .bk-Figure')) {
      if (box.right > innerWidth + 1 || box.left < -1) { found.push([e.tagName, e.className, box.left, box.right]) }
    }
    if (e.shadowRoot && !e.closest('.MuiDrawer-root, .bk-Figure')) { walk(e.shadowRoot) }
  } }
  walk(document)
  return found.slice(0, 10).map(String)
}
"""


def test_the_page_loads_without_an_error(open_app):
    app = open_app()
    assert app.page.title() == "glassviz"
    assert "Propensity" in app.page.locator("body").inner_text() or app.page.get_by_text("Propensity").count()
    print(f"\nfirst page {app.first_page:.2f} s, coloured after {app.first_colours:.2f} s")


def test_dragging_the_mean_propensity_recolours_the_snapshot(open_app):
    app = open_app()
    app.drag("Mean propensity", 0.2, 0.02)
    app.wait_for("glass.scrub().level > 0.95")
    early = app.colours()
    app.drag("Mean propensity", 0.02, 0.98)
    app.wait_for("glass.scrub().level < 0.1")
    assert app.colours() > early + 40
    app.wait_for("glass.scrub().answered === glass.scrub().level")
    app.page.get_by_text("extrapolated").or_(app.page.get_by_text("simulated")).first.wait_for()


def test_playing_moves_time_and_stops(open_app):
    app = open_app()
    before = app.evaluate("glass.scrub().level")
    app.page.get_by_role("button", name="Play").click()
    app.wait_for(f"Math.abs(glass.scrub().level - {before}) > 0.05")
    app.page.get_by_role("button", name="Pause").click()
    app.wait_for("!glass.scrub().playing")
    app.wait_for("glass.scrub().answered === glass.scrub().level")
    rest = app.evaluate("glass.scrub().level")
    app.page.wait_for_timeout(500)
    assert app.evaluate("glass.scrub().level") == rest


def test_another_temperature_brings_another_sample(open_app, library):
    if len(library.temperatures) < 2:
        pytest.fail("the store holds one temperature")
    app = open_app()
    before = app.time()
    app.drag("Temperature", 0.5, 0.0)
    app.wait_for(f"glass.clock().data.times[20] < {before}")
    app.wait_for("glass.frames().data.codes.length > 0")
    app.page.get_by_text(f"{library.temperatures[0]:.2f} ε/").first.wait_for()


def test_samples_can_be_switched(open_app, library):
    app = open_app()
    labels = [s.label for s in library.samples(0.23 if 0.23 in library.temperatures else library.temperatures[0])]
    if len(labels) < 2:
        pytest.fail("the store holds one sample at this temperature")
    before = app.evaluate("glass.raster().packed.slice(0, 4000).join()")
    app.choose("Sample", labels[-1])
    app.page.wait_for_function("(old) => glass.raster().packed.slice(0, 4000).join() !== old", arg=before)
    app.wait_for("glass.frames().data.codes.length > 0")


def test_zooming_draws_sharp_discs_of_the_window(open_app):
    app = open_app()
    raster = "glass.raster().data"
    whole = app.evaluate(f"{raster}.dw[0]")
    box = app.page.locator(".bk-events").first.bounding_box()
    app.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(5):
        app.page.mouse.wheel(0, -240)
    app.wait_for(f"{raster}.dw[0] < {whole / 2}")
    shape = app.evaluate(f"{raster}.image[0].shape[0]")
    assert shape >= 320
    for turn, widest in ((480, 3 * whole), (-480, 1.0)):
        for _ in range(30):
            app.page.mouse.wheel(0, turn)
        app.wait_for(f"Math.abs({raster}.dw[0] / {widest} - 1) < 0.02")


def test_curves_are_computed_for_every_temperature(open_app, library):
    app = open_app()
    app.wait_for(f"glass.curves().filter((lines) => lines.xs.length === {len(library.temperatures)}).length >= 2")
    assert app.evaluate("glass.curves()[0].xs.every((line) => line.length === 40)")


def test_a_movie_is_exported_and_plays(open_app, tmp_path):
    app = open_app()
    page = app.page
    page.get_by_role("button", name="Export").first.click()
    app.choose("Resolution", "480 lines")
    app.choose("Frames", "25")
    page.get_by_role("button", name="Make").click()
    page.get_by_role("button", name="Download").or_(page.get_by_role("link", name="Download")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").or_(page.get_by_role("link", name="Download")).click()
    path = tmp_path / "movie.mp4"
    download.value.save_as(path)
    frames = imageio_ffmpeg.read_frames(str(path))
    about = next(frames)
    assert about["codec"] == "h264"
    assert sum(1 for _ in frames) == 25


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_nothing_is_cut_off(open_app, size):
    app = open_app(*size, device_scale_factor=2 if size[0] < 500 else 1)
    app.page.wait_for_timeout(500)
    assert app.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert app.page.evaluate(CUT_OFF) == []
    frame = app.page.locator(".bk-events").first.bounding_box()
    assert frame["width"] == pytest.approx(frame["height"], abs=2)
    if size[0] > 900:
        assert frame["y"] + frame["height"] <= size[1]


def test_the_pointer_tells_of_the_particle_under_it(open_app, library):
    app = open_app()
    app.wait_for("glass.headlines().data.energy.length > 0")
    sample = ExplorerState(library).chosen_sample
    ds = library.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
    position = ds["position"].values
    energies = potential_energy(ds["inherent_position"].values, ds["species"].values, ds.attrs["box_length"])
    for particle in (3, 500, 1200):
        tooltip = app.page.locator(".bk-tooltip-content", has_text=re.compile(rf"Particle {particle} "))
        app.point_at(*position[particle].tolist(), tooltip)
        text = tooltip.inner_text()
        assert f"species {1 + ds['species'].values[particle]}" in text
        assert f"E = {energies[particle]:.2f}".replace("-", "−") in text
        assert re.search(r"CB = [01]\.\d\d", text.replace("\n", ""))
        assert text.count("s.d.") == 3


SIDE = """
(() => { const view = Bokeh.index.find_one([...Bokeh.documents[0]._all_models.values()].find((m) => m.type === "Figure"
  && m.renderers.some((r) => r.data_source === glass.raster()))); return Math.round(view.frame.bbox.width) })()
"""


def test_the_snapshot_is_as_sharp_as_the_screen(open_app):
    app = open_app(1920, 1080)
    app.wait_for(f"Math.sqrt(glass.raster().packed.length) === {SIDE.strip()}")
    assert app.evaluate(SIDE.strip()) > 650
