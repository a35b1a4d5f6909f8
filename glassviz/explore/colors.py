"""The colours of the explorer: two scales for the propensity to choose from, one order for the temperatures.

All are interpolated in OKLab (Ottosson 2020), so that equal steps in the data look like equal steps. The propensity
runs from red through a pale grey to blue, as in the paper, or along cividis (Nuñez, Anderton and Renslow 2018) from
yellow to dark blue: its lightness changes steadily, so that every kind of colour blindness, and a grey print, keep it.
"""

from functools import cache

import numpy as np

RED_BLUE, CIVIDIS = "Red to blue", "Cividis"
# Active 0 … arrested 1, and the ends of the temperature axis.
_PROPENSITY = {
    RED_BLUE: ("#a50f26", "#e0553f", "#f7a983", "#f1ece8", "#8fc1e3", "#3a7fc4", "#123f8c"),
    CIVIDIS: ("#fee838", "#e1cc55", "#c3b369", "#a59c74", "#8a8678", "#707173", "#575d6d", "#3b496c", "#00224e"),
}
DIFFERENCE = "Difference"
_SCALES = {**_PROPENSITY, DIFFERENCE: ("#5e2a8a", "#9a72c0", "#d6c8e6", "#f3f1ee", "#f3cf94", "#d98e2b", "#8a4a05")}
MAPS = tuple(_PROPENSITY)
"""Names of the propensity scales, the default first."""
BY_WORD = {name.split(" ")[0].lower(): name for name in MAPS}
"""The same by one word, as addresses and commands have them."""
_TEMPERATURES = ("#3d71de", "#7a4fd0", "#b9469f", "#dd5a5c", "#ee9236")
_UNKNOWN = "#b4b8bf"

LEVELS = 255  # bytes 0 … 254 stand for C_B = 0 … 1
UNKNOWN = 255  # a particle without a prediction


def _srgb(colors):
    return np.array([[int(color[k : k + 2], 16) for k in (1, 3, 5)] for color in colors]) / 255


_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _ramp(colors, steps):
    """`steps` colours (steps, 3) uint8 through the given ones, evenly spaced, linear in OKLab."""
    rgb = _srgb(colors)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    at = np.linspace(0, 1, steps)
    lab = np.stack([np.interp(at, np.linspace(0, 1, len(colors)), column) for column in lab.T], axis=1)
    linear = np.clip((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T, 0, 1)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(rgb * 255).astype(np.uint8)


def hexadecimal(rgb):
    """The colour (3,) uint8 as #rrggbb."""
    return "#" + "".join(f"{int(c):02x}" for c in rgb)


@cache
def palette(scale=RED_BLUE):
    """Colours of one of `MAPS`, or of `DIFFERENCE`, (256, 3) uint8.

    One for each byte of `encode`, the last one that of a particle without a prediction.
    """
    return np.concatenate([_ramp(_SCALES[scale], LEVELS), np.rint(_srgb([_UNKNOWN]) * 255).astype(np.uint8)])


def encode(propensity):
    """Propensities as bytes: 0 … 254 for C_B = 0 … 1 (clipped), 255 for NaN; any shape, uint8."""
    propensity = np.asarray(propensity, dtype=np.float32)
    scaled = np.clip(np.nan_to_num(propensity), 0, 1) * np.float32(LEVELS - 1) + np.float32(0.5)
    return np.where(np.isnan(propensity), UNKNOWN, scaled.astype(np.uint8)).astype(np.uint8)


def packed_palette(scale=RED_BLUE):
    """The palette as (256,) uint32 0xAABBGGRR, opaque, as a little-endian canvas stores a pixel."""
    red, green, blue = palette(scale).astype(np.uint32).T
    return (np.uint32(255) << 24) | (blue << 16) | (green << 8) | red


def temperature_colors(temperatures):
    """One colour for each temperature, cold blue to hot orange, by rank: dict of float to #rrggbb."""
    order = sorted(set(temperatures))
    return dict(zip(order, map(hexadecimal, _ramp(_TEMPERATURES, max(len(order), 2))), strict=False))


def color_of(colors, temperature):
    """Of `temperature_colors` that of the temperature nearest to this one."""
    return colors[min(colors, key=lambda t: abs(t - temperature))]


def gradient(scale=RED_BLUE):
    """A propensity scale as a CSS gradient from 0 (left) to 1 (right)."""
    stops = [hexadecimal(palette(scale)[k]) for k in np.linspace(0, LEVELS - 1, 21).astype(int)]
    return f"linear-gradient(to right, {', '.join(stops)})"
