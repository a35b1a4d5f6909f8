"""The pure functions of browser.js, each on its own in a bare page."""

import json
import re

import numpy as np
import pytest

from glassviz.explore import derive
from glassviz.explore.views.base import JAVASCRIPT
from glassviz.observe.superposition import superposition

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

EXPOSE = "return {between, along, timeAt, scientific, signed, among, particleAt, propensityOf}"


@pytest.fixture(scope="module")
def evaluate(browser):
    """Factory: the value of an expression in which the functions of browser.js are known."""
    page = browser.new_context().new_page()
    source, replaced = re.subn(r"return tasks\[task\]\(models\)\s*$", EXPOSE, JAVASCRIPT)
    assert replaced == 1
    page.evaluate(f"() => {{ Object.assign(window, new Function({json.dumps(source)})()) }}")
    yield lambda expression: page.evaluate(f"() => {expression}")
    page.context.close()


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.9, [0, 0]), (0.75, [0, 0.75]), (0.7, [0, 1]), (0.4, [1, 0.6]), (0.2, [1, 1]), (1.0, [0, 0]), (0.0, [1, 1])],
)
def test_between_falling_levels(evaluate, level, expected):
    assert evaluate(f"between([0.9, 0.7, 0.2], {level})") == pytest.approx(expected)


def test_along_interpolates_values(evaluate):
    assert evaluate("along([1, 0], [1, 100], 0.5)") == pytest.approx(50.5)


@pytest.mark.parametrize("temperature", [0.40, 0.25, 0.15])
def test_the_clock_shows_the_time_of_the_superposition(evaluate, temperature):
    found, stops = superposition(), np.round(np.arange(0.05, 0.995, 0.01), 2)
    times = found.time(derive.LEVELS, temperature)
    shown = evaluate(f"{stops.tolist()}.map((c) => timeAt({derive.LEVELS.tolist()}, {times.tolist()}, c))")
    np.testing.assert_allclose(shown, found.time(stops, temperature), rtol=0.05)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (2.04, "2"), (12, "12"), (0.5, "0.5"), (123456, "1.2·10⁵"), (4.2e-7, "4.2·10⁻⁷"), (3e12, "3.0·10¹²")],
)
def test_scientific_notation(evaluate, value, text):
    assert evaluate(f"scientific({value})") == text


def test_a_minus_is_a_minus(evaluate):
    assert evaluate("[signed(-3.456), signed(0.5)]") == ["−3.46", "0.50"]


RASTER = """
const image = Object.assign(new Uint32Array(6), {shape: [2, 3]})
const raster = {data: {x: [10], y: [20], dw: [3], dh: [2], image: [image]},
                packed: Uint32Array.from([0xff000005, 0, 0x80000000, 7, 0xffffffff, 0xff000000])}
"""


@pytest.mark.parametrize(
    ("x", "y", "particle"),
    [
        (10.5, 20.5, 5),
        (11.5, 20.5, -1),  # the background
        (12.5, 20.5, 0),  # half transparent
        (10.5, 21.5, 7),  # a rim that has faded
        (11.5, 21.5, 0xFFFFFF),
        (12.9, 21.9, 0),
        (9.9, 20.5, -1),
        (13.1, 20.5, -1),
        (10.5, 19.9, -1),
        (10.5, 22.1, -1),
    ],
)
def test_the_particle_at_a_point(evaluate, x, y, particle):
    assert evaluate(f"{{ {RASTER} return particleAt(raster, {x}, {y}) }}") == particle


def test_no_particle_before_the_first_raster(evaluate):
    empty = "{data: {x: [], y: [], dw: [], dh: [], image: []}}"
    assert evaluate(f"particleAt({empty}, 1, 1)") == -1


def test_the_propensity_of_a_particle_is_interpolated(evaluate):
    frames = """
    const codes = Object.assign(Uint8Array.from([254, 255, 127, 255]), {shape: [2, 2]})
    const frames = {data: {codes: [codes], levels: [[0.9, 0.5]]}}
    """
    assert evaluate(f"{{ {frames} return propensityOf(0, frames, 0.9) }}") == pytest.approx(1)
    assert evaluate(f"{{ {frames} return propensityOf(0, frames, 0.7) }}") == pytest.approx(0.75)
    assert evaluate(f"{{ {frames} return propensityOf(1, frames, 0.7) === undefined }}")
    assert evaluate("Number.isNaN(propensityOf(0, {data: {codes: [], levels: []}}, 0.7))")


def test_mean_and_deviation_among_the_own_species(evaluate):
    moments = evaluate(
        "among({data: {species: [0, 0, 1, 1, 2]}}, {data: {E: [1, 3, 5, 5, 9]}}, 'E').map((m) => ({...m}))"
    )
    assert [m["mean"] for m in moments] == [2, 5, 9]
    assert [m["deviation"] for m in moments] == [1, 0, 0]
