"""Extended XYZ files (.xyz, .extxyz), one or many frames, their header understood and their rows written by ASE.

ASE's own reader knows chemical elements only; the mixture's species are called 1, 2, 3 or A, B, C by most programs.
So ASE reads the comment line (lattice, columns), and the rows are a plain table. In the plane: the lattice is a square
in x and y, and z, where there is one, is the same for all particles. Positions may be of any periodic image.
"""

import warnings
from numbers import Real

import ase
import numpy as np
from ase.io import write as ase_write
from ase.io.extxyz import key_val_str_to_dict, parse_properties

from glassviz.files import frames
from glassviz.files.content import describe, first_bytes, parsing
from glassviz.files.integrity import replacing
from glassviz.mixture import InvalidData

KIND = "extended XYZ"
PROPERTIES = "species:S:1:pos:R:3"  # where the comment names no columns
MOST_COLUMNS = 100


def read(path):
    """Read every frame of an extended XYZ file as a configuration, see `glassviz.files.read`.

    The temperature (ε/k_B) is the first comment line's `temperature`, NaN where there is none; columns named
    `inherent_position` are the inherent structure.
    """
    head = first_bytes(path)
    if not head.split(b"\n")[0].strip().isdigit():
        raise InvalidData(
            f"{path.name}: the content is {describe(head)} without a number of particles in its first line; "
            f"expected {KIND}."
        )
    with parsing(path, KIND), path.open(encoding="utf-8", errors="replace") as file:
        found = list(_frames(file, path))
    temperature = found[0][1] if found else np.nan
    others = {other for _, other in found if not np.isclose(other, temperature, equal_nan=True)}
    if others:
        raise InvalidData(
            f"{path.name}: frames at the temperatures {temperature:g} and {min(others):g}; expected one temperature."
        )
    return frames.configurations([frame for frame, _ in found], path, KIND, temperature)


def write(dataset, path):
    """Write configurations as frames with eight decimals, species 1, 2, 3 as H, He, Li, see `glassviz.files.write`.

    Warns
    -----
    UserWarning
        Naming what the format does not hold.
    """
    left_out = sorted(set(dataset.data_vars) - {"position", "inherent_position", "species"})
    left_out += ["names of configurations"] * (dataset.sizes["configuration"] > 1)
    if left_out:
        warnings.warn(
            f"{path}: extended XYZ holds positions and species only; left out: {', '.join(left_out)}.", stacklevel=3
        )
    length = dataset.attrs["box_length"]
    pictures = []
    for index in range(dataset.sizes["configuration"]):
        sample = dataset.isel(configuration=index)
        position = np.column_stack([sample["position"].values, np.zeros(sample.sizes["particle"])])
        atoms = ase.Atoms(
            numbers=sample["species"].values + 1, positions=position, cell=[length, length, 1], pbc=[True, True, False]
        )
        if np.isfinite(dataset.attrs["temperature"]):
            atoms.info["temperature"] = dataset.attrs["temperature"]
        if "inherent_position" in sample:
            atoms.new_array("inherent_position", sample["inherent_position"].values)
        pictures.append(atoms)
    with replacing(path) as temporary:
        ase_write(temporary, pictures, format="extxyz")


def _frames(file, path):
    """The frames, each with the temperature its comment states."""
    index = 0
    while (text := frames.line(file, path)) is not None:
        if not text.strip():
            continue
        particles = frames.count(text, path, index)
        header = key_val_str_to_dict(frames.line(file, path) or "")
        length = _box_length(header, path, index)
        place, width = _columns(str(header.get("Properties", PROPERTIES)), path, index)
        words = frames.table(file, particles, width, path, index)
        position = frames.numbers(words[:, place["pos"]], path, index)
        if position.shape[1] == 3:
            frames.flat(position[:, 2], path, index)
        inherent = None
        if "inherent_position" in place:
            inherent = frames.numbers(words[:, place["inherent_position"]], path, index)[:, :2]
        names = words[:, place["species"]][:, 0]
        temperature = header.get("temperature", np.nan)
        if isinstance(temperature, bool) or not isinstance(temperature, Real):
            raise InvalidData(f"{path.name}: frame {index} has the temperature {temperature!s:.30}; expected a number.")
        yield frames.Frame(position[:, :2], names, length, inherent), float(temperature)
        index += 1


def _box_length(header, path, frame):
    lattice = header.get("Lattice")
    if lattice is None:
        raise InvalidData(f"{path.name}: frame {frame} has no Lattice in its comment; expected a square periodic box.")
    lattice = np.asarray(lattice, dtype=np.float64)
    if np.abs(lattice - np.diag(np.diag(lattice))).max() > 0:
        raise InvalidData(f"{path.name}: frame {frame} has a tilted box; expected a square one.")
    periodic = np.ravel(header.get("pbc", [True, True]))
    if not np.all(periodic[:2] == True):  # noqa: E712, anything may stand there
        raise InvalidData(f"{path.name}: frame {frame} is not periodic along x and y; expected pbc = T T F.")
    return frames.side(lattice[0, 0], lattice[1, 1], path, frame)


def _columns(stated, path, frame):
    """Columns of every property, by its name, and their number."""
    widths = stated.split(":")[2::3]
    if not all(w.isascii() and w.isdigit() and 1 <= int(w[:9]) <= MOST_COLUMNS for w in widths):
        raise InvalidData(f"{path.name}: frame {frame} has Properties that are not name:type:columns, as expected.")
    properties = parse_properties(stated)[0]
    place, start = {}, 0
    for name, (_, width) in properties.items():
        place[name] = range(start, start + width)
        start += width
    for alias, name in (("type", "species"), ("position", "pos")):
        if name not in place and alias in place:
            place[name] = place[alias]
    if len(place.get("pos", ())) not in (2, 3) or len(place.get("species", ())) != 1:
        raise InvalidData(f"{path.name}: frame {frame} has no such columns; expected species:S:1 and pos:R:3.")
    if len(place.get("inherent_position", (0, 0))) not in (2, 3):
        raise InvalidData(f"{path.name}: frame {frame} has other columns; expected inherent_position:R:2.")
    return place, start
