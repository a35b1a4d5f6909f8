"""LAMMPS text dumps (dump styles atom and custom), one or many snapshots, known by their first line.

ASE's reader wants a z, which dumps of two-dimensional runs often lack, and elements for types. The format is a few
headings and a table, read here: positions x y, xu yu, xs ys or xsu ysu; species from `type` or `element`; rows sorted
by `id`; the box square, periodic and not tilted.
"""

import numpy as np

from glassviz.files import frames
from glassviz.files.content import describe, first_bytes, parsing
from glassviz.mixture import InvalidData

KIND = "LAMMPS dump"
OPENING = b"ITEM: "
COORDINATES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))
SCALED = ("xs", "xsu")


def read(path):
    """Read every snapshot of a LAMMPS dump as a configuration of unknown temperature, see `glassviz.files.read`."""
    head = first_bytes(path)
    if not head.startswith(OPENING):
        raise InvalidData(f"{path.name}: the content is {describe(head)} not beginning with ITEM:; expected a {KIND}.")
    with parsing(path, KIND), path.open(encoding="utf-8", errors="replace") as file:
        found = list(_snapshots(file, path))
    return frames.configurations(found, path, KIND)


def _snapshots(file, path):
    index, particles, box = 0, None, None
    while (heading := frames.line(file, path)) is not None:
        if not heading.strip():
            continue
        item = heading.removeprefix(OPENING.decode())
        if item == "NUMBER OF ATOMS":
            particles = frames.count(frames.line(file, path), path, index)
        elif item.startswith("BOX BOUNDS"):
            box = _box(item.split()[2:], file, path, index)
        elif item.startswith("ATOMS"):
            if particles is None or box is None:
                raise InvalidData(f"{path.name}: frame {index} has atoms before their number and box, expected first.")
            yield _frame(item.split()[1:], particles, box, file, path, index)
            index, particles, box = index + 1, None, None
        elif item in ("TIMESTEP", "UNITS", "TIME"):
            frames.line(file, path)
        else:
            raise InvalidData(f"{path.name}: frame {index} holds {heading[:40]!r}; expected the headings of a {KIND}.")


def _box(said, file, path, frame):
    """Lower corner (x, y) and side of the box."""
    tilted = f"{path.name}: frame {frame} has a tilted box; expected a square one."
    if said and said[0] == "abc":
        raise InvalidData(tilted)
    columns = 2
    if said[:3] == ["xy", "xz", "yz"]:
        columns, said = 3, said[3:]
    if said and said[:2] != ["pp", "pp"]:
        raise InvalidData(f"{path.name}: frame {frame} has the boundaries {' '.join(said)[:20]}; expected pp pp.")
    bounds = frames.numbers(frames.table(file, 3, columns, path, frame), path, frame)
    if bounds[:, 2:].any():
        raise InvalidData(tilted)
    width, height, _ = bounds[:, 1] - bounds[:, 0]
    return bounds[:2, 0], frames.side(width, height, path, frame)


def _frame(columns, particles, box, file, path, frame):
    corner, length = box
    words = frames.table(file, particles, len(columns), path, frame)
    axes = next((axes for axes in COORDINATES if set(axes[:2]) <= set(columns)), None)
    kind = next((name for name in ("type", "element") if name in columns), None)
    if axes is None or kind is None:
        missing = "positions" if axes is None else "types"
        raise InvalidData(f"{path.name}: frame {frame} has no {missing}; expected the columns type, x and y.")
    order = slice(None)
    if "id" in columns:
        order = np.argsort(frames.numbers(words[:, columns.index("id")], path, frame), kind="stable")
    position = frames.numbers(words[:, [columns.index(axis) for axis in axes[:2]]], path, frame)
    if axes[2] in columns:
        frames.flat(frames.numbers(words[:, columns.index(axes[2])], path, frame), path, frame)
    position = position * length if axes[0] in SCALED else position - corner
    return frames.Frame(position[order], words[order, columns.index(kind)], length)
