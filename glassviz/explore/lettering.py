"""Text with the field's notation on pictures: italics, subscripts, superscripts and the bar of a mean."""

from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

from glassviz.mixture import temperature_name

PLAIN, ITALIC, SUB, SUP, BAR = "plain", "italic", "sub", "sup", "bar"
"""Styles of a piece of text; `BAR` is an italic letter with a line over it."""
MEAN = [("⟨", PLAIN), ("C", BAR), ("B", SUB), ("⟩", PLAIN)]
"""Pieces of ⟨C̄_B⟩."""
_SMALL = 0.68


def _font(style, height):
    small = style in (SUB, SUP)
    return _loaded(style in (ITALIC, BAR), max(round(height * (_SMALL if small else 1)), 6))


@cache
def _loaded(italic, pixels):
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / ("DejaVuSans-Oblique.ttf" if italic else "DejaVuSans.ttf"), pixels)


def typeset(draw, x, y, height, pieces, colour):
    """Draw pieces of text one after another.

    Parameters
    ----------
    draw : PIL.ImageDraw.ImageDraw
        The picture.
    x, y : float
        Where the text begins, and its baseline (pixels).
    height : float
        Size of the letters (pixels).
    pieces : sequence of (str, str)
        Text and style.
    colour : tuple of int

    Returns
    -------
    float
        Where the text ends.
    """
    for text, style in pieces:
        font = _font(style, height)
        baseline = y + {SUB: 0.24, SUP: -0.4}.get(style, 0) * height
        draw.text((x, baseline), text, font=font, fill=colour, anchor="ls")
        end = x + draw.textlength(text, font=font)
        if style == BAR:
            line = y - 0.86 * height
            draw.line(
                [(x + 0.16 * height, line), (end + 0.06 * height, line)], fill=colour, width=max(int(height / 13), 1)
            )
        x = end
    return x


def width(draw, height, pieces):
    """How wide `typeset` would draw the pieces (pixels)."""
    return sum(draw.textlength(text, font=_font(style, height)) for text, style in pieces)


def temperature(value):
    """Pieces of T = 0.23."""
    return [("T", ITALIC), (f" = {temperature_name(value)}", PLAIN)]


def mean_propensity(value):
    """Pieces of ⟨C̄_B⟩ = 0.80."""
    return [*MEAN, (f" = {value:.2f}", PLAIN)]


def time(value):
    """Pieces of t ≈ 1.2·10⁷ σ(m/ε)^½."""
    digits, exponent = f"{value:.1e}".split("e")
    number = (
        [(f"{float(f'{value:.2g}'):g}", PLAIN)]
        if 0.01 <= value < 1000
        else [(f"{digits}·10", PLAIN), (str(int(exponent)), SUP)]
    )
    return [("t", ITALIC), (" ≈ ", PLAIN), *number, (" σ(", PLAIN), ("m", ITALIC), ("/ε)", PLAIN), ("½", SUP)]
