"""The snapshot as one HTML file that needs nothing else: no server, no network, no installation."""

import base64
import html
import json
import zlib
from pathlib import Path
from string import Template

import numpy as np

from glassviz.explore import citation, derive
from glassviz.explore.colors import MAPS, UNKNOWN, gradient, hexadecimal, palette
from glassviz.mixture import RADII, InvalidData, temperature_name

TEMPLATE = Path(__file__).with_name("standalone.html")


def standalone(library, choice, colors=MAPS[0]):
    """The chosen sample at all levels of ⟨C̄_B⟩ as a page that plays, zooms and names particles by itself.

    Parameters
    ----------
    library : Library
    choice : Choice
        What is shown first.
    colors : str, optional
        One of `colors.MAPS`.

    Returns
    -------
    str
        The HTML, about 55 bytes for each particle and 14 kB more.

    Raises
    ------
    InvalidData
        Where the networks may not speak about the sample's box.
    """
    sample = choice.sample
    passed, reason = derive.transfer(library, sample.temperature, sample.particles, choice.network)
    if not passed:
        raise InvalidData(f"{sample.label} at T = {sample.temperature:g}: {reason}")
    configuration = library.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
    frames = derive.frames(library, sample, choice.network)
    time, simulated = derive.times(library, sample.temperature)
    arrays = (
        configuration["position"].values.astype("<f4"),
        configuration["species"].values.astype(np.uint8),
        np.ascontiguousarray(frames.codes),
    )
    about = {
        "particles": sample.particles,
        "length": float(configuration.attrs["box_length"]),
        "levels": derive.LEVELS.tolist(),
        "times": np.asarray(time, dtype=float).tolist(),
        "simulated": np.asarray(simulated).tolist(),
        "reached": frames.reached.tolist(),
        "start": float(np.interp(-choice.mean_propensity, -derive.LEVELS, np.arange(len(derive.LEVELS)))),
        "radii": RADII.tolist(),
        "palette": [hexadecimal(colour) for colour in palette(colors)],
        "unknown": UNKNOWN,
    }
    verdict = configuration["verdict"].item() if "verdict" in configuration else configuration.attrs.get("verdict", "")
    trained = library.ensemble(choice.network).untrained_at(sample.temperature)
    written = {
        "title": f"{sample.label}, T = {sample.temperature:g}",
        "what": f"{sample.label}, predicted by {choice.network}"
        + (f", trained on dynamics at {trained}" if trained else ""),
        "temperature": temperature_name(sample.temperature),
        "provenance": f"The sample: {verdict or 'equilibration not assessed'}.",
        "citation": citation.text(),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        {name: html.escape(text) for name, text in written.items()},
        gradient=gradient(colors),
        about=json.dumps(about),
        packed=base64.b64encode(zlib.compress(b"".join(a.tobytes() for a in arrays), 6)).decode(),
    )
