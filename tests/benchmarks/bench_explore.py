"""Speed of the explorer: the raster, the recolouring in a real Chromium, a change of temperature, the first page."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from glassviz.explore import derive
from glassviz.explore.colors import encode, palette
from glassviz.explore.raster import particle_ids, viewport
from glassviz.mixture import RADII

_spec = spec_from_file_location("explorer_in_a_browser", Path(__file__).parents[1] / "browser" / "conftest.py")
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
address, browser, library, open_app = _module.address, _module.browser, _module.library, _module.open_app

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

SIDE = 700
SECONDS = 5

# Frames that reach the canvas: Bokeh paints the snapshot by drawing the image's own canvas onto the plot's.
COUNT = """
() => { const draw = CanvasRenderingContext2D.prototype.drawImage
  window.painted = []
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...rest) {
    const shape = glass.raster().data.image[0].shape
    if (image.width === shape[1] && image.height === shape[0]) {
      painted.push([performance.now(), glass.scrub().level]) }
    return draw.call(this, image, ...rest) } }
"""


def best(call, repeats=20):
    call()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def test_raster_and_look_up(library):
    """Recolouring by look-up must be cheaper than drawing anew, the reason for the particle-id raster."""
    temperature, sample = max(
        ((t, s) for t in library.temperatures for s in library.samples(t)), key=lambda pair: pair[1].particles
    )
    ds = library.configurations(temperature, sample.particles)
    position, species, length = ds["position"].values[0], ds["species"].values[0], ds.attrs["box_length"]
    canvas, radius = viewport(length, SIDE), RADII[species]
    drawn = best(lambda: particle_ids(canvas, position, radius, length))
    ids = particle_ids(canvas, position, radius, length)["particle"].values
    codes = encode(np.random.default_rng(0).uniform(size=len(species)))
    looked_up = best(lambda: codes[ids])
    colours = palette()
    coloured = best(lambda: colours[codes[ids]])
    print(
        f"\nN = {sample.particles}, {SIDE} × {SIDE}: raster {1e3 * drawn:.1f} ms, look-up {1e3 * looked_up:.1f} ms, "
        f"with colours {1e3 * coloured:.1f} ms"
    )
    assert looked_up < drawn


def test_frames_per_second_while_time_plays(open_app, library):
    app = open_app(1280, 800)
    print(f"\nfirst page {app.first_page:.2f} s, first colours {app.first_colours:.2f} s")
    here = library.samples(0.23 if 0.23 in library.temperatures else library.temperatures[0])
    shown = [here[-1], here[0]] if here[0].particles != here[-1].particles else [here[-1]]
    app.page.evaluate(COUNT)
    for sample in shown:
        if not derive.transfer(library, sample.temperature, sample.particles, library.networks[-1])[0]:
            print(f"{sample.label} is not coloured: size transfer fails")
            continue
        app.choose("Sample", sample.label)
        app.wait_for(
            f"glass.frames().data.codes.length && glass.frames().data.codes[0].shape[1] === {sample.particles}"
        )
        app.page.get_by_role("button", name="Play").click()
        app.page.wait_for_timeout(1000)
        app.page.evaluate("() => { painted.length = 0 }")
        app.page.wait_for_timeout(1000 * SECONDS)
        painted = np.array(app.page.evaluate("() => painted"))
        app.page.get_by_role("button", name="Pause").click()
        moved = np.count_nonzero(np.diff(painted[:, 1]))
        print(f"{sample.label}: {len(painted) / SECONDS:.0f} frames/s, {moved / SECONDS:.0f} of them with new colours")
        assert moved > 0.5 * len(painted)


def test_a_temperature_seen_before_comes_back_faster(open_app, library):
    if len(library.temperatures) < 2:
        pytest.fail("the store holds one temperature")
    app = open_app(1280, 800)
    app.wait_for("glass.clock().data.times.length > 0")
    times = []
    for start, end in ((0.5, 0.0), (0.0, 0.7), (0.7, 0.0), (0.0, 0.7)):
        before = app.evaluate("glass.clock().data.times[20]")
        app.drag("Temperature", start, end, steps=1)
        began = perf_counter()
        app.wait_for(f"glass.clock().data.times[20] !== undefined && glass.clock().data.times[20] !== {before}")
        app.wait_for("glass.frames().data.codes.length > 0")
        times.append(perf_counter() - began)
    print("\ntemperature changes:", ", ".join(f"{t:.2f} s" for t in times), "(the last two were seen before)")
    assert min(times[2:]) <= 1.5 * max(times[:2])
