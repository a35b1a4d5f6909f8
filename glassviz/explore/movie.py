"""Movies of the snapshot, through time or through temperature, as MP4 that slides play or as GIF."""

import os
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from glassviz.explore import derive
from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.colors import PALETTE, encode
from glassviz.explore.library import Library
from glassviz.explore.raster import particle_ids, viewport
from glassviz.mixture import RADII, InvalidData

FORMATS = (".mp4", ".gif")
SWEEPS = ("time", "temperature")
SIZES = (240, 2160)  # pixels
PAPER, TEXT = (255, 255, 255), (24, 28, 36)


class Cancelled(Exception):
    """The movie was given up on request; no file is left behind."""


def render_movie(
    path,
    *,
    sweep="time",
    temperature,
    mean_propensity=0.8,
    sample=None,
    network=None,
    size=1080,
    frames=100,
    fps=25,
    progress=None,
    cancelled=None,
    library=None,
):
    """Render a sweep of the snapshot.

    Parameters
    ----------
    path : path-like
        Where to write; `.mp4` gives H.264 in yuv420p, `.gif` a looping GIF.
    sweep : {"time", "temperature"}, optional
        Through ⟨C̄_B⟩ from 0.99 to 0.05 at `temperature`, or from hot to cold at `mean_propensity`. Each temperature
        has its own configuration.
    temperature : float
        T (ε/k_B); of a temperature sweep it picks the sample only.
    mean_propensity : float, optional
        ⟨C̄_B⟩ of a temperature sweep.
    sample : str, optional
        Label of the sample, as `Library.samples` gives it; by default the largest.
    network : str, optional
        Name of the ensemble; by default the last one.
    size : int, optional
        Width in pixels, made even; the height is a ninth more.
    frames, fps : int, optional
        Number of frames and frames per second.
    progress : callable, optional
        Called as `progress(done, frames)`.
    cancelled : callable, optional
        Returns True to give up.
    library : Library, optional
        Where configurations and networks come from; by default those of the store.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InvalidData
        Where an argument names nothing there is, or the networks may not speak about the sample's box.
    Cancelled
        Where `cancelled` said so.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InvalidData(f"{path.name}: movies are {' or '.join(FORMATS)}.")
    if sweep not in SWEEPS:
        raise InvalidData(f"sweep: {sweep!r}; expected {' or '.join(SWEEPS)}.")
    if not SIZES[0] <= size <= SIZES[1] or not 2 <= frames <= 2000 or not 1 <= fps <= 60:
        raise InvalidData(
            f"movie: size {size}, {frames} frames, {fps} fps; "
            f"expected {SIZES[0]} to {SIZES[1]} pixels, 2 to 2000 frames, 1 to 60 fps."
        )
    library = library or Library()
    network = network or library.networks[-1]
    if network not in library.networks:
        raise InvalidData(f"network: there is no {network!r}; expected one of {', '.join(library.networks)}.")
    first = _sample(library, temperature, sample)
    size -= size % 2
    states = _states(library, sweep, first, mean_propensity, frames)

    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        _write(temporary, _images(library, network, states, size, progress, cancelled), fps)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _sample(library, temperature, label):
    if temperature not in library.temperatures:
        known = ", ".join(f"{t:g}" for t in library.temperatures)
        raise InvalidData(f"temperature: there are no configurations at T = {temperature:g}; expected one of {known}.")
    samples = library.samples(temperature)
    found = [s for s in samples if label in (None, s.label)]
    if not found:
        raise InvalidData(
            f"sample: there is no {label!r} at T = {temperature:g}; expected, for example, {samples[0].label!r}."
        )
    return found[0]


def _states(library, sweep, sample, mean_propensity, frames):
    """(sample, ⟨C̄_B⟩) of every frame."""
    if sweep == "time":
        return [(sample, level) for level in np.linspace(derive.LEVELS[0], derive.LEVELS[-1], frames)]
    low, high = derive.LEVELS[-1], derive.LEVELS[0]
    if not low <= mean_propensity <= high:
        raise InvalidData(f"mean propensity: {mean_propensity:g}; expected {low:g} to {high:g}.")
    path = []
    for temperature in library.temperatures:
        same_size = [s for s in library.samples(temperature) if s.particles == sample.particles]
        path += [s for s in same_size if s.name == sample.name][:1] or same_size[:1]
    return [(path[k * len(path) // frames], mean_propensity) for k in range(frames)]


def _images(library, network, states, size, progress, cancelled):
    """The frames as (height, width, 3) uint8 arrays."""
    drawn, stage = None, None
    for done, (sample, level) in enumerate(states, 1):
        if cancelled is not None and cancelled():
            raise Cancelled
        if sample != drawn:
            stage, drawn = _Stage(library, sample, network, size), sample
        yield stage.image(level)
        if progress is not None:
            progress(done, len(states))


class _Stage:
    """One sample, splatted once; each frame only looks colours up."""

    def __init__(self, library, sample, network, size):
        passed, reason = derive.transfer(library, sample.temperature, sample.particles, network)
        if not passed:
            raise InvalidData(f"{sample.label} at T = {sample.temperature:g}: {reason}")
        configuration = library.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
        length = configuration.attrs["box_length"]
        raster = particle_ids(
            viewport(length, size), configuration["position"].values, RADII[configuration["species"].values], length
        )
        self.particle = raster["particle"].values[::-1]  # rows of a picture run downwards
        outline = np.clip((RADII.min() * size / length - 3) / 5, 0, 1)
        opacity = 1 - outline * (1 - np.clip(raster["edge"].values[::-1] / 1.4, 0, 1))
        self.opacity = np.where(self.particle < 0, 0, opacity)[..., None].astype(np.float32)
        self.frames = derive.frames(library, sample, network)
        self.library, self.sample, self.size = library, sample, size
        self.band = size // 9 + (size // 9) % 2

    def image(self, level):
        colours = PALETTE[encode(self.frames.at(level))].astype(np.float32)
        shown = colours[self.particle] * self.opacity + np.array(PAPER, np.float32) * (1 - self.opacity)
        picture = Image.new("RGB", (self.size, self.size + self.band), PAPER)
        picture.paste(Image.fromarray(np.rint(shown).astype(np.uint8)), (0, self.band))
        self._annotate(picture, level)
        return np.asarray(picture)

    def _annotate(self, picture, level):
        """Temperature, mean propensity, time and the colour bar in the band above the picture."""
        draw = ImageDraw.Draw(picture)
        unit = self.band / 10
        time, simulated = derive.times(self.library, self.sample.temperature, level)
        exponent = int(np.floor(np.log10(time)))
        x = 2 * unit
        x = _typeset(draw, x, 1.3 * unit, 3.1 * unit, [("T", ""), (f" = {self.sample.temperature:.2f}", "")]) + 4 * unit
        parts = [("<", "bracket"), ("C", "bar"), ("B", "sub"), (">", "bracket"), (f" = {level:.2f}", "")]
        x = _typeset(draw, x, 1.3 * unit, 3.1 * unit, parts) + 4 * unit
        parts = [("t", ""), (f" = {time / 10**exponent:.1f} x 10", ""), (str(exponent), "sup")]
        _typeset(draw, x, 1.3 * unit, 3.1 * unit, parts)
        kind = "simulated time" if simulated else "extrapolated time"
        _typeset(draw, 2 * unit, 6 * unit, 2 * unit, [(f"N = {self.sample.particles}   {kind}", "")])
        width, left = self.size // 5, int(self.size * 0.63)
        bar = PALETTE[np.linspace(0, CODES - 1, width).astype(int)]
        bar = Image.fromarray(np.broadcast_to(bar, (max(int(1.8 * unit), 2), width, 3)).copy())
        picture.paste(bar, (left, int(6.2 * unit)))
        _typeset(draw, left - 8.5 * unit, 6 * unit, 2 * unit, [("active 0", "")])
        _typeset(draw, left + width + unit, 6 * unit, 2 * unit, [("1 arrested", "")])


def _typeset(draw, x, y, height, parts):
    """Draw (text, style) one after another from (x, y) and return where it ends; styles: sub, sup, bar, bracket."""
    for text, style in parts:
        small = style in ("sub", "sup")
        font = ImageFont.load_default(height * (0.7 if small else 1.0))
        if style == "bracket":
            wide, middle, stroke = 0.32 * height, y + 0.62 * height, max(int(height / 12), 1)
            tip, open_ = (x, x + wide) if text == "<" else (x + wide, x)
            draw.line([(open_, y + 0.1 * height), (tip, middle), (open_, y + 1.14 * height)], fill=TEXT, width=stroke)
            x += wide + 0.12 * height
            continue
        draw.text((x, y + {"sub": 0.55, "sup": -0.1}.get(style, 0) * height), text, font=font, fill=TEXT)
        end = x + draw.textlength(text, font=font)
        if style == "bar":
            draw.line(
                [(x + 0.12 * height, y + 0.12 * height), (end - 0.02 * height, y + 0.12 * height)],
                fill=TEXT,
                width=max(int(height / 14), 1),
            )
        x = end
    return x


def _few_colours():
    """The 256 colours of a GIF, the same in every frame: the propensity map, its borders against paper, and greys."""
    chosen = PALETTE[np.linspace(0, CODES - 1, 112).astype(int)].astype(int)
    greys = np.linspace(0, 255, 32).astype(int)[:, None].repeat(3, axis=1)
    colours = Image.new("P", (1, 1))
    colours.putpalette(np.concatenate([chosen, (chosen + 255) // 2, greys]).astype(np.uint8).tobytes())
    return colours


def _write(path, images, fps):
    if path.suffix.lower() == ".gif":
        colours = _few_colours()
        pictures = (Image.fromarray(image).quantize(palette=colours, dither=Image.Dither.NONE) for image in images)
        first = next(pictures)
        first.save(path, save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0)
        return
    first = next(images)
    writer = imageio_ffmpeg.write_frames(
        str(path),
        first.shape[1::-1],
        fps=fps,
        codec="libx264",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        quality=None,
        output_params=["-crf", "18", "-preset", "veryfast", "-movflags", "+faststart"],
    )
    writer.send(None)
    try:
        writer.send(np.ascontiguousarray(first))
        for image in images:
            writer.send(np.ascontiguousarray(image))
    finally:
        writer.close()
