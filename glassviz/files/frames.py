"""Frames of text formats on their way to configurations: tables of words, species by name, one box throughout."""

from itertools import islice
from typing import NamedTuple

import numpy as np
import xarray as xr

from glassviz import mixture
from glassviz.files.content import check_size
from glassviz.mixture import InvalidData

# Names of species 1, 2, 3: numbers, letters, and the first three elements, which ASE makes of LAMMPS's types.
SPECIES_OF_NAME = {"1": 0, "2": 1, "3": 2, "A": 0, "B": 1, "C": 2, "H": 0, "He": 1, "Li": 2}
LONGEST_LINE = 10_000  # characters


class Frame(NamedTuple):
    """One frame: positions (particle, 2) in σ of any periodic image, species by name, side of the box (σ)."""

    position: np.ndarray
    names: np.ndarray
    length: float
    inherent_position: np.ndarray | None = None


def line(file, path):
    """The next line of a text file without its end; None behind the last, `InvalidData` where it has no end."""
    text = file.readline(LONGEST_LINE + 1)
    if len(text) > LONGEST_LINE:
        raise InvalidData(f"{path.name}: a line is longer than {LONGEST_LINE} characters; expected one row a line.")
    return text.rstrip("\r\n") if text else None


def count(text, path, frame):
    """The number of particles that a line of a text file states, checked before anything is read on its word."""
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidData(f"{path.name}: frame {frame} does not say how many particles it has; expected a number.")
    check_size(int(text), path.stat().st_size, path.name)
    return int(text)


def table(file, rows, columns, path, frame):
    """The next `rows` lines of a text file as words, (rows, columns) ndarray of objects, each as long as it is."""
    words = [row.split() for row in islice(iter(lambda: line(file, path), None), rows)]
    if len(words) != rows:
        raise InvalidData(f"{path.name}: frame {frame} ends after {len(words)} particles; expected {rows}.")
    wrong = next((row for row in words if len(row) != columns), None)
    if wrong is not None:
        raise InvalidData(f"{path.name}: a row of frame {frame} has {len(wrong)} columns; expected {columns}.")
    return np.array(words, dtype=object)


def numbers(words, path, frame):
    """Words as float64; `InvalidData` where one is no finite number."""
    try:
        values = words.astype(np.float64)
    except ValueError:
        raise InvalidData(f"{path.name}: coordinates of frame {frame} are not numbers; expected numbers.") from None
    bad = values.size - np.isfinite(values).sum()
    if bad:
        raise InvalidData(f"{path.name}: {bad} coordinates of frame {frame} are not finite; expected numbers.")
    return values


def side(width, height, path, frame):
    """Side of the square box; `InvalidData` where it is none."""
    if not (np.isfinite([width, height]).all() and width > 0 and abs(height / width - 1) <= 1e-6):
        raise InvalidData(f"{path.name}: frame {frame} has a box of {width:.6g} by {height:.6g}; expected a square.")
    return float(width)


def flat(height, path, frame):
    """Check that the coordinates along z (σ) are all the same."""
    if np.ptp(height) > mixture.ROUNDING:
        raise InvalidData(f"{path.name}: particles of frame {frame} leave the plane; expected one z for all.")


def configurations(frames, path, kind, temperature=np.nan):
    """Frames of one number of particles and one box as checked configurations.

    Parameters
    ----------
    frames : iterable of Frame
        At least one.
    path : pathlib.Path
        Where they are from.
    kind : str
        The format, for the provenance.
    temperature : float, optional
        Temperature (ε/k_B); NaN where unknown.
    """
    frames = list(frames)
    if not frames:
        raise InvalidData(f"{path.name}: there is no frame in it; expected at least one configuration.")
    first = frames[0]
    for index, frame in enumerate(frames):
        if len(frame.names) != len(first.names):
            expected = len(first.names)
            raise InvalidData(f"{path.name}: frame {index} has another number of particles; expected {expected}.")
        if abs(frame.length / first.length - 1) > 1e-6:
            expected = f"{first.length:.6g}"
            raise InvalidData(f"{path.name}: frame {index} has another box; expected the side {expected} throughout.")
    variables = {
        "position": np.stack([mixture.wrap(frame.position, first.length) for frame in frames]),
        "species": np.stack([_species(frame.names, path) for frame in frames]),
    }
    if all(frame.inherent_position is not None for frame in frames):
        variables["inherent_position"] = np.stack(
            [mixture.wrap(frame.inherent_position, first.length) for frame in frames]
        )
    names = [path.stem] if len(frames) == 1 else [f"{index}" for index in range(len(frames))]
    dataset = xr.Dataset(
        {name: (mixture.DIMENSIONS[name], values) for name, values in variables.items()},
        coords={"configuration": names, "space": ["x", "y"]},
        attrs={"provenance": f"{kind} file {path.name}", "box_length": first.length, "temperature": temperature},
    )
    return mixture.check(dataset, path.name)


def _species(names, path):
    kinds, where = np.unique(names, return_inverse=True)
    unknown = [kind for kind in kinds if kind not in SPECIES_OF_NAME]
    if unknown:
        raise InvalidData(f"{path.name}: unknown particle type {unknown[0]!s:.20}; expected 1, 2, 3 or A, B, C.")
    return np.array([SPECIES_OF_NAME[kind] for kind in kinds], dtype=np.int8)[where]
