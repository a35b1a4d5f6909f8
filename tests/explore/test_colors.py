import numpy as np
import pytest

from glassviz.explore import colors


def luminance(rgb):
    return rgb.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_codes_keep_the_propensity_and_mark_what_is_unknown():
    values = np.array([0.0, 0.5, 1.0, -0.2, 1.3, np.nan])
    assert colors.encode(values).tolist() == [0, 127, 254, 0, 254, 255]
    fine = np.linspace(0, 1, 1001)
    assert np.abs(colors.encode(fine) / 254 - fine).max() <= 0.5 / 254 + 1e-6


def test_active_is_red_and_arrested_is_blue():
    active, arrested = colors.palette()[0].astype(int), colors.palette()[254].astype(int)
    assert active[0] > active[2] + 80
    assert arrested[2] > arrested[0] + 80


def test_both_arms_of_the_scale_brighten_towards_the_middle():
    light = luminance(colors.palette()[:255])
    assert (np.diff(light[:124]) > -0.5).all()
    assert (np.diff(light[131:]) < 0.5).all()


def test_red_and_blue_stay_apart_for_the_colour_blind():
    """Deuteranopes lose the red-green difference; the difference of blue and the mean of red and green remains."""
    opponent = colors.palette()[:255].astype(float) @ [-0.5, -0.5, 1.0]
    assert opponent[254] - opponent[0] > 60
    assert (np.diff(opponent[::16])[8:] > -30).all()


def test_the_other_scale_keeps_its_order_in_grey():
    light = luminance(colors.palette(colors.CIVIDIS)[:255])
    assert (np.diff(light) < 0.5).all()
    assert light[0] - light[254] > 150


@pytest.mark.parametrize("scale", colors.MAPS)
def test_every_scale_colours_every_byte(scale):
    assert colors.palette(scale).shape == (256, 3)
    assert colors.gradient(scale).startswith("linear-gradient(to right, #")
    assert len(np.unique(colors.packed_palette(scale))) > 200


def test_packed_palette_is_what_a_canvas_stores():
    rgba = colors.packed_palette().astype("<u4").view(np.uint8).reshape(-1, 4)
    assert np.array_equal(rgba[:, :3], colors.palette())
    assert (rgba[:, 3] == 255).all()


def test_every_temperature_has_its_own_colour_in_a_fixed_order():
    found = colors.temperature_colors([0.40, 0.23, 0.15, 0.30])
    assert len(set(found.values())) == 4
    assert found == colors.temperature_colors([0.15, 0.23, 0.30, 0.40])
