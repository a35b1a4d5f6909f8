"""GSD files (HOOMD-blue's format), two-dimensional: one frame for each configuration.

GSD centres the box on the origin, so a coordinate x ≥ L/2 is stored as x − L; both steps are exact in binary, and a
round trip returns every bit. Species 1, 2, 3 are the particle types "1", "2", "3" ("A", "B", "C" are read as well).
What GSD has no chunk for is logged: `glassviz/dataset`, JSON text (bytes of UTF-8) with the names of the
configurations and the attributes, and `particles/glassviz/<variable>` for every number per particle, where OVITO
finds it.
"""

import json
import warnings

import gsd.fl
import gsd.hoomd
import numpy as np
import xarray as xr

from glassviz import mixture
from glassviz.files.attributes import to_json
from glassviz.files.content import check_size, expect, parsing
from glassviz.files.integrity import check_seal, replacing, seal
from glassviz.mixture import InvalidData

HEADER = "glassviz/dataset"
PER_PARTICLE = "particles/glassviz/"
TYPES = ("1", "2", "3")
SPECIES_OF_TYPE = {"1": 0, "2": 1, "3": 2, "A": 0, "B": 1, "C": 2}


def read(path):
    """Read every frame of a GSD file as a configuration, see `glassviz.files.read`."""
    path = expect(path, "GSD")
    check_seal(path)
    with parsing(path, "GSD"), gsd.fl.open(str(path), "r") as file:
        if file.schema != "hoomd":
            raise InvalidData(f"{path.name}: its GSD schema is {file.schema!r}; expected hoomd.")
        dataset = _dataset(file, path)
    return mixture.check(dataset, path.name)


def write(dataset, path):
    """Write configurations as frames in double precision, see `glassviz.files.write`.

    Warns
    -----
    UserWarning
        Where variables are left out because GSD cannot hold them: all that are not numbers per particle.
    """
    kept = [name for name in dataset.data_vars if _fits(dataset[name])]
    left_out = sorted(set(dataset.variables) - set(kept) - {"configuration", "space"})
    if left_out:
        warnings.warn(f"{path}: GSD holds numbers per particle only; left out: {', '.join(left_out)}.", stacklevel=3)
    dataset = dataset[kept]
    header = to_json({"attributes": dataset.attrs, "names": dataset["configuration"].values.tolist()})
    with replacing(path) as temporary:
        with gsd.hoomd.open(str(temporary), "w", precision="double") as trajectory:
            for index in range(dataset.sizes["configuration"]):
                frame = _frame(dataset.isel(configuration=index), step=index)
                if index == 0:
                    frame.log[HEADER] = np.frombuffer(header.encode(), np.uint8)
                trajectory.append(frame)
        seal(temporary)


def _fits(array):
    per_particle = ("configuration", "particle")
    number = array.dtype.kind in "iu" or array.dtype in (np.float32, np.float64)
    return number and array.dims in (per_particle, (*per_particle, "space"))


def _frame(sample, step):
    length = sample.attrs["box_length"]
    position = sample["position"].values
    frame = gsd.hoomd.Frame()
    frame.configuration.step = step
    frame.configuration.box = np.array([length, length, 0, 0, 0, 0])
    frame.configuration.dimensions = 2
    frame.particles.N = sample.sizes["particle"]
    frame.particles.types = list(TYPES)
    frame.particles.typeid = sample["species"].values.astype(np.uint32)
    frame.particles.position = np.zeros((frame.particles.N, 3))
    frame.particles.position[:, :2] = np.where(position < length / 2, position, position - length)
    for name in sample.data_vars:
        if name not in ("position", "species"):
            frame.log[PER_PARTICLE + name] = sample[name].values
    return frame


def _dataset(file, path):
    """The frames stacked, not yet checked."""
    header = _chunk(file, 0, f"log/{HEADER}")
    header = {} if header is None else json.loads(header.tobytes())
    attributes = header.get("attributes", {})
    particles, length = _geometry(file, attributes.get("box_length"), path)

    frames = range(file.nframes)
    vector, scalar = mixture.DIMENSIONS["position"], mixture.DIMENSIONS["species"]
    variables = {
        "position": (vector, np.stack([_positions(file, index, particles, length, path) for index in frames])),
        "species": (scalar, np.stack([_species(file, index, particles, path) for index in frames])),
    }
    logged = f"log/{PER_PARTICLE}"
    for chunk in file.find_matching_chunk_names(logged):
        values = np.stack([_chunk(file, index, chunk) for index in frames])
        variables[chunk.removeprefix(logged)] = (vector if values.ndim == 3 else scalar), values

    names = header.get("names", [path.stem] if file.nframes == 1 else [f"{index}" for index in frames])
    if len(names) != file.nframes:
        raise InvalidData(f"{path.name}: frames were added to it; expected {len(names)} frames, not {file.nframes}.")
    return xr.Dataset(
        variables,
        coords={"configuration": np.asarray(names, dtype=str), "space": ["x", "y"]},
        attrs={"provenance": f"GSD file {path.name}", **attributes, "box_length": length},
    )


def _geometry(file, exact_length, path):
    """Number of particles and side of the box, which must be those of every frame."""
    if file.nframes == 0:
        raise InvalidData(f"{path.name}: there is no frame in it; expected at least one configuration.")
    particles = int(_chunk(file, 0, "particles/N", [0])[0])
    check_size(particles, 64 * particles * file.nframes, path.name)
    length = _box_length(file, 0, path)
    for frame in range(1, file.nframes):
        if int(_chunk(file, frame, "particles/N")[0]) != particles:
            raise InvalidData(f"{path.name}: frame {frame} has another number of particles; expected {particles}.")
        if abs(_box_length(file, frame, path) / length - 1) > 1e-6:
            raise InvalidData(f"{path.name}: frame {frame} has another box; expected the side {length:.6g} throughout.")
    # gsd.hoomd rounds the box to single precision; our own files say the side exactly.
    same = exact_length is not None and np.float32(exact_length) == np.float32(length)
    return particles, exact_length if same else length


def _chunk(file, frame, name, default=None):
    """A data chunk by the rule of the schema: of the frame, else of the first frame, else the default."""
    for index in (frame, 0):
        if file.chunk_exists(frame=index, name=name):
            return file.read_chunk(frame=index, name=name)
    return default


def _box_length(file, frame, path):
    box = _chunk(file, frame, "configuration/box")
    if box is None or box.shape != (6,) or not np.isfinite(box).all():
        raise InvalidData(f"{path.name}: frame {frame} has no box; expected a square box with Lz = 0.")
    width, height, depth, *tilt = (float(value) for value in box)
    dimensions = int(_chunk(file, frame, "configuration/dimensions", [2 if depth == 0 else 3])[0])
    if dimensions != 2:
        raise InvalidData(f"{path.name}: frame {frame} is {dimensions}-dimensional; expected two dimensions, Lz = 0.")
    if any(tilt):
        raise InvalidData(f"{path.name}: frame {frame} has a tilted box; expected a square one.")
    if not (width > 0 and abs(height / width - 1) <= 1e-6):
        raise InvalidData(f"{path.name}: frame {frame} has a box of {width:.6g} by {height:.6g}; expected a square.")
    return width


def _positions(file, frame, particles, length, path):
    position = _chunk(file, frame, "particles/position")
    if position is None or position.shape != (particles, 3):
        raise InvalidData(f"{path.name}: frame {frame} has no positions; expected {particles} of them.")
    outside = (np.abs(position[:, :2]) > length / 2 + mixture.ROUNDING).any(axis=1)
    if outside.any():
        raise InvalidData(
            f"{path.name}: {outside.sum()} particles of frame {frame} lie outside the box; "
            f"expected coordinates in [-{length / 2:.6g}, {length / 2:.6g})."
        )
    if (np.abs(position[:, 2]) > mixture.ROUNDING).any():
        raise InvalidData(f"{path.name}: particles of frame {frame} leave the plane; expected z = 0 everywhere.")
    return mixture.wrap(position[:, :2], length)


def _species(file, frame, particles, path):
    names = _chunk(file, frame, "particles/types")
    types = ["A"] if names is None else [bytes(row).rstrip(b"\0").decode() for row in names.view(np.uint8)]
    typeid = _chunk(file, frame, "particles/typeid", np.zeros(particles, np.uint32))
    if typeid.shape != (particles,):
        raise InvalidData(f"{path.name}: frame {frame} has {typeid.size} type ids; expected {particles}.")
    used = np.unique(typeid)
    if used[-1] >= len(types):
        raise InvalidData(f"{path.name}: type id {used[-1]} has no name; expected 0 to {len(types) - 1}.")
    unknown = [types[index] for index in used if types[index] not in SPECIES_OF_TYPE]
    if unknown:
        raise InvalidData(f"{path.name}: unknown particle type {unknown[0]!r}; expected 1, 2, 3 or A, B, C.")
    return np.array([SPECIES_OF_TYPE.get(name, -1) for name in types], dtype=np.int8)[typeid]
