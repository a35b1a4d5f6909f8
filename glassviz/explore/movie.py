"""Movies of the snapshot, through time or through temperature: MP4 that slides play, WebM or GIF."""

import os
from functools import partial
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from glassviz.explore import derive
from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.colors import MAPS, palette
from glassviz.explore.library import Library
from glassviz.explore.picture import SHAPES, SIZES, Stage
from glassviz.mixture import InvalidData

FORMATS = (".mp4", ".webm", ".gif")
SWEEPS = ("time", "temperature")
FASTEST_GIF = 50  # frames per second
# Constant quality, fast enough to render while a speaker waits; slides play H.264 in yuv420p with even sizes only.
_CODECS = {
    ".mp4": ("libx264", ["-crf", "18", "-preset", "veryfast", "-movflags", "+faststart"]),
    ".webm": ("libvpx-vp9", ["-crf", "30", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1"]),
}


class Cancelled(Exception):
    """The movie was given up on request; no file is left behind."""


def render_movie(
    path,
    *,
    sweep="time",
    temperature,
    mean_propensity=0.8,
    sample=None,
    samples=None,
    network=None,
    size=1080,
    shape="tall",
    colors=MAPS[0],
    frames=100,
    fps=25,
    progress=None,
    library=None,
):
    """Render a sweep of the snapshot.

    Parameters
    ----------
    path : path-like
        Where to write; `.mp4` gives H.264 in yuv420p, `.webm` VP9, `.gif` a looping GIF.
    sweep : {"time", "temperature"}, optional
        Through ⟨C̄_B⟩ from 0.99 to 0.05 at `temperature`, or from hot to cold at `mean_propensity`. Each temperature
        has its own configuration.
    temperature : float
        T (ε/k_B); of a temperature sweep it picks the sample only, by which those at other temperatures are chosen.
    mean_propensity : float, optional
        ⟨C̄_B⟩ of a temperature sweep.
    sample : str, optional
        Label or name of the sample, as `Library.samples` gives it; by default the largest.
    samples : iterable of Sample, optional
        Of a temperature sweep: one for each temperature; by default as `Library.sample_at` goes on with `sample`.
    network : str, optional
        Name of the ensemble; by default the first of the store.
    size : int, optional
        Side of the square snapshot in pixels, made even.
    shape : {"tall", "wide", "square"}, optional
        What is written stands above the snapshot (a ninth more), beside it (16:9), or nowhere.
    colors : str, optional
        One of `colors.MAPS`.
    frames, fps : int, optional
        Number of frames and frames per second.
    progress : callable, optional
        Called as `progress(done, frames)`; raises `Cancelled` to give up.
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
        Where `progress` did.
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
    if path.suffix.lower() == ".gif" and fps > FASTEST_GIF:
        raise InvalidData(f"movie: {fps} fps; expected at most {FASTEST_GIF} of a GIF, which browsers slow down else.")
    library = library or Library()
    if shape not in SHAPES or colors not in MAPS:
        raise InvalidData(f"movie: {shape!r}, {colors!r}; expected {' or '.join(SHAPES)}, {' or '.join(MAPS)}.")
    network = network or library.networks[0]
    if network not in library.networks:
        raise InvalidData(f"network: there is no {network!r}; expected one of {', '.join(library.networks)}.")
    first = _sample(library, temperature, sample)
    states = _states(library, sweep, first, samples, mean_propensity, frames)

    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        stage = partial(Stage, library, network=network, size=size - size % 2, shape=shape, colors=colors)
        _write(temporary, _images(stage, states, progress), frames, fps, colors)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _sample(library, temperature, label):
    if temperature not in library.offered:
        known = ", ".join(f"{t:g}" for t in library.offered)
        raise InvalidData(f"temperature: there are no configurations at T = {temperature:g}; expected one of {known}.")
    samples = library.samples(temperature)
    found = [s for s in samples if label in (None, s.label, s.name)]
    if not found:
        raise InvalidData(
            f"sample: there is no {label!r} at T = {temperature:g}; expected, for example, {samples[0].label!r}."
        )
    return found[0]


def _states(library, sweep, sample, samples, mean_propensity, frames):
    """(sample, ⟨C̄_B⟩) of every frame."""
    if sweep == "time":
        return [(sample, level) for level in np.linspace(derive.LEVELS[0], derive.LEVELS[-1], frames)]
    low, high = derive.LEVELS[-1], derive.LEVELS[0]
    if not low <= mean_propensity <= high:
        raise InvalidData(f"mean propensity: {mean_propensity:g}; expected {low:g} to {high:g}.")
    samples = samples or [library.sample_at(temperature, sample) for temperature in library.offered]
    path = [one for one in samples if one.particles == sample.particles]
    if len(path) < 2:
        raise InvalidData(f"movie: no other temperature has samples of {sample.particles} particles; expected some.")
    return [(path[k * len(path) // frames], mean_propensity) for k in range(frames)]


def _images(stage_of, states, progress):
    """The frames as (height, width, 3) uint8 arrays."""
    drawn, stage = None, None
    for done, (sample, level) in enumerate(states, 1):
        if sample != drawn:
            stage, drawn = stage_of(sample), sample
        yield stage.image(level)
        if progress is not None:
            progress(done, len(states))


def _few_colours(colors):
    """The 256 colours of a GIF, the same in every frame: the propensity map, its borders against paper, and greys."""
    chosen = palette(colors)[np.linspace(0, CODES - 1, 112).astype(int)].astype(int)
    greys = np.linspace(0, 255, 32).astype(int)[:, None].repeat(3, axis=1)
    colours = Image.new("P", (1, 1))
    colours.putpalette(np.concatenate([chosen, (chosen + 255) // 2, greys]).astype(np.uint8).tobytes())
    return colours


def _write(path, images, frames, fps, colors):
    kind = path.suffix.lower()
    if kind == ".gif":
        colours = _few_colours(colors)
        pictures = (Image.fromarray(image).quantize(palette=colours, dither=Image.Dither.NONE) for image in images)
        first = next(pictures)
        # GIF counts in hundredths of a second: frames differ by one where the rate asks for it.
        ends = np.rint(100 * np.arange(frames + 1) / fps).astype(int)
        durations = (10 * np.diff(ends)).tolist()
        first.save(path, save_all=True, append_images=pictures, duration=durations, loop=0)
        return
    first = next(images)
    codec, options = _CODECS[kind]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        first.shape[1::-1],
        fps=fps,
        codec=codec,
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        quality=None,
        output_params=options,
    )
    writer.send(None)
    try:
        writer.send(np.ascontiguousarray(first))
        for image in images:
            writer.send(np.ascontiguousarray(image))
    finally:
        writer.close()
