"""The snapshot as a picture with its legend, for movies and for print."""

import re

import numpy as np
from PIL import Image, ImageDraw

from glassviz import mixture
from glassviz.explore import derive, lettering
from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.colors import MAPS, encode, palette
from glassviz.explore.raster import BACKGROUND, opacity, particle_ids, viewport
from glassviz.mixture import RADII, InvalidData
from glassviz.simulate.verdict import VERDICTS

SHAPES = ("tall", "wide", "square")
"""Where the legend stands: above the snapshot, beside it (16:9), nowhere."""
SIZES = (240, 2160)  # pixels
ENDS = [[("active 0", lettering.PLAIN)], [("1 arrested", lettering.PLAIN)]]
"""What stands at the ends of the colour bar, beside it."""
PAPER, TEXT, FAINT = (255, 255, 255), (24, 28, 36), (96, 103, 115)


class Canvas:
    """A configuration, splatted once; each picture only looks colours up.

    Parameters
    ----------
    ds : Dataset
        One configuration, without the dimension.
    size : int
        Side of the square picture (pixels).
    """

    def __init__(self, ds, size):
        length = float(ds.attrs["box_length"])
        raster = particle_ids(viewport(length, size), ds["position"].values, RADII[ds["species"].values], length)
        self.particle = raster["particle"].values[::-1]  # rows of a picture run downwards
        # Pixels in which a disc fades into the paper, and how much of it is left there.
        left = opacity(raster)[::-1].ravel()
        self._rims = np.flatnonzero((self.particle.ravel() != BACKGROUND) & (left < 1))
        self._opacity = left[self._rims, None]

    def coloured(self, propensity, colors):
        """The particles by their propensity (particle,) on one of `colors.MAPS`, (size, size, 3) uint8."""
        # The last row is the paper, which particle −1 picks.
        colours = np.concatenate([palette(colors)[encode(propensity)], [PAPER]]).astype(np.uint8)
        shown = colours[self.particle]
        flat = shown.reshape(-1, 3)
        flat[self._rims] = np.rint(self._opacity * flat[self._rims] + (1 - self._opacity) * np.array(PAPER, np.float32))
        return shown


def snapshot(ds, propensity, size=1080, colors=MAPS[0]):
    """The particles of a configuration as the explorer shows them, coloured by their propensity.

    Parameters
    ----------
    ds : Dataset
        One configuration (`glassviz.mixture`).
    propensity : (particle,) array_like
        C_B of every particle, 0 (active) to 1 (arrested); not a number is grey, what networks put beyond takes the
        colour of the end. Other dimensions must have length one.
    size : int, optional
        Side of the picture in pixels.
    colors : {"Red to blue", "Cividis"}, optional
        The colours.

    Returns
    -------
    PIL.Image.Image
        Shown by notebooks as it is; `save` writes it.

    Raises
    ------
    InvalidData
        Where `ds` is not one configuration, the propensities are not one for each particle, or there are no such
        colours or size.
    """
    ds = mixture.check(ds)
    values = np.squeeze(np.asarray(propensity, dtype=np.float32))
    count = ds.sizes["particle"]
    if ds.sizes["configuration"] != 1 or values.shape != (count,):
        raise InvalidData(
            f"snapshot: {ds.sizes['configuration']} configurations of {count} particles and propensities of shape "
            f"{values.shape}; expected one configuration, and one propensity for each particle."
        )
    if colors not in MAPS or not SIZES[0] <= size <= SIZES[1]:
        raise InvalidData(
            f"snapshot: {colors!r}, {size} pixels; expected {' or '.join(MAPS)}, {SIZES[0]} to {SIZES[1]} pixels."
        )
    return Image.fromarray(Canvas(ds.isel(configuration=0), size).coloured(values, colors))


class Stage:
    """One sample on its canvas, with the legend.

    Parameters
    ----------
    library : Library
    sample : Sample
    network : str
        Name of the ensemble.
    size : int
        Side of the square snapshot (pixels, even).
    shape : str
        One of `SHAPES`.
    colors : str
        One of `colors.MAPS`.

    Raises
    ------
    InvalidData
        Where the networks may not speak about the sample's box.
    """

    def __init__(self, library, sample, network, size, shape=SHAPES[0], colors=MAPS[0]):
        passed, reason = derive.transfer(library, sample.temperature, sample.particles, network)
        if not passed:
            raise InvalidData(f"{sample.label} at T = {sample.temperature:g}: {reason}")
        configuration = library.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
        self._canvas = Canvas(configuration, size)
        self.frames = derive.frames(library, sample, network)
        self._trained = library.ensemble(network).untrained_at(sample.temperature)
        self._equilibrated = _word(str(configuration["verdict"].item()) if "verdict" in configuration else "")
        self.library, self.sample, self.size, self.colors = library, sample, size, colors
        self.length = float(configuration.attrs["box_length"])
        self._frame = self._still_frame(shape)

    def image(self, level):
        """The picture at a mean propensity, (height, width, 3) uint8, both even."""
        shown = self._canvas.coloured(self.frames.at(level), self.colors)
        still, (left, top), write = self._frame
        if still is None:
            return shown
        picture = still.copy()
        picture.paste(Image.fromarray(shown), (left, top))
        write(ImageDraw.Draw(picture), level)
        return np.asarray(picture)

    def _still_frame(self, shape):
        """The picture without what changes, where the snapshot goes, and who writes what changes."""
        size = self.size
        if shape == "square":
            return None, (0, 0), None
        if shape == "tall":
            band = size // 9 + (size // 9) % 2
            still = Image.new("RGB", (size, size + band), PAPER)
            unit = band / 10
            self._scale(still, int(0.64 * size), 7.6 * unit, int(0.2 * size), 2 * unit, beside=True)
            draw = ImageDraw.Draw(still)
            lettering.typeset(draw, 2 * unit, 8.2 * unit, 2 * unit, self._what(), FAINT)
            return still, (0, band), self._write_above
        wide = 16 * size // 9
        still = Image.new("RGB", (wide + wide % 2, size), PAPER)
        unit, left = size / 100, size + 6 * size // 100
        draw = ImageDraw.Draw(still)
        lettering.typeset(draw, left, 12 * unit, 4.2 * unit, [("Dynamic heterogeneity", lettering.PLAIN)], TEXT)
        lettering.typeset(draw, left, 18 * unit, 2.6 * unit, self._what(), FAINT)
        symbol = [("Propensity ", lettering.PLAIN), ("C", lettering.ITALIC), ("B", lettering.SUB)]
        lettering.typeset(draw, left, 80 * unit, 2.6 * unit, symbol, TEXT)
        self._scale(still, left, 84.5 * unit, int(still.width - left - 8 * unit), 2.4 * unit, beside=False)
        return still, (0, 0), self._write_beside

    def _what(self):
        return [
            ("N", lettering.ITALIC),
            (f" = {self.sample.particles},  box {self.length:.0f} σ wide", lettering.PLAIN),
        ]

    def _scale(self, picture, left, middle, wide, height, beside):
        """The colour bar around `middle`, with its ends named beside or below it."""
        bar = palette(self.colors)[np.linspace(0, CODES - 1, wide).astype(int)]
        bar = Image.fromarray(np.broadcast_to(bar, (max(int(0.9 * height), 2), wide, 3)).copy())
        picture.paste(bar, (left, int(middle - 0.45 * height)))
        draw = ImageDraw.Draw(picture)
        names = ENDS
        if not beside:
            names = [[("0 active", lettering.PLAIN)], [("arrested 1", lettering.PLAIN)]]
        widths = [lettering.width(draw, height, name) for name in names]
        gap = 0.4 * height
        x = (left - widths[0] - gap, left + wide + gap) if beside else (left, left + wide - widths[1])
        y = middle + (0.36 if beside else 1.7) * height
        for start, name in zip(x, names, strict=True):
            lettering.typeset(draw, start, y, height, name, TEXT)

    def _time(self, level):
        time, simulated = derive.times(self.library, self.sample.temperature, level)
        return lettering.time(float(time)), "simulated time" if simulated else "extrapolated time"

    def _cautions(self, level):
        """What to know of the colours, a line each."""
        if self._trained:
            yield [(f"dynamics of {self._trained}", lettering.PLAIN)]
        if self.frames.missed(level):
            yield [("networks miss ", lettering.PLAIN), *lettering.MEAN]
        if self._equilibrated != VERDICTS[0]:
            yield [(f"sample: {self._equilibrated}", lettering.PLAIN)]

    def _write_above(self, draw, level):
        unit = (draw.im.size[1] - self.size) / 10
        time, kind = self._time(level)
        x = 2 * unit
        for pieces in (lettering.temperature(self.sample.temperature), lettering.mean_propensity(level), time):
            x = lettering.typeset(draw, x, 4.4 * unit, 3.2 * unit, pieces, TEXT) + 2.6 * unit
        kind = [(kind, lettering.PLAIN)]
        room = (0.64 - 0.365) * self.size - lettering.width(draw, 2 * unit, ENDS[0]) - 1.6 * unit
        height = 1.7 * unit * min(1, room / lettering.width(draw, 1.7 * unit, kind))
        lettering.typeset(draw, 0.365 * self.size, 8.2 * unit, height, kind, FAINT)
        free = self.size - 2 * unit - x
        cautions = list(self._cautions(level))
        for row, pieces in enumerate(cautions):
            height = 1.7 * unit * min(1, free / lettering.width(draw, 1.7 * unit, pieces))
            below = 2.2 * row - (1.8 if len(cautions) > 2 else 0)
            lettering.typeset(draw, x, (4.4 - below) * unit, height, pieces, FAINT)

    def _write_beside(self, draw, level):
        unit, left = self.size / 100, self.size + 6 * self.size // 100
        time, kind = self._time(level)
        lines = (lettering.temperature(self.sample.temperature), lettering.mean_propensity(level), time)
        for row, pieces in enumerate(lines):
            height = (
                min(6.4, 6.4 * (draw.im.size[0] - left - 4 * unit) / lettering.width(draw, 6.4 * unit, pieces)) * unit
            )
            lettering.typeset(draw, left, (34 + 12 * row) * unit, height, pieces, TEXT)
        for row, pieces in enumerate(([(kind, lettering.PLAIN)], *self._cautions(level))):
            lettering.typeset(draw, left, (63.5 + 4 * row) * unit, 2.6 * unit, pieces, FAINT)


def _word(verdict):
    """The first words of a verdict: "equilibrium", "nearly equilibrium", "glass", or that nobody has looked."""
    word = re.split(r"(?:; \S+)?:", verdict)[0]  # without what follows it, of a file too
    return f"nearly {VERDICTS[0]}" if word == VERDICTS[1] else word or "equilibration not assessed"
