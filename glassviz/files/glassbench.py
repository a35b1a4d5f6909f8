"""GlassBench npz files (doi 10.5281/zenodo.10118191): one structure and where its replicas are a time later."""

import io
import math
import re
import warnings
import zipfile

import numpy as np

from glassviz import mixture
from glassviz.files.content import check_size, expect, parsing
from glassviz.files.integrity import replacing
from glassviz.mixture import InvalidData

REQUIRED = ("initial_positions", "box", "types")
KEYS = (*REQUIRED, "positions", "initial_positions_inherent", "temperature")
_LISTED = "positions, initial_positions, initial_positions_inherent, box and types"
_KEPT = {"position", "inherent_position", "replica_position", "species", "configuration", "space"}
# The published names, for instance N1290T0.23_151_tc20.npz, say the temperature that the published arrays do not.
_PUBLISHED_NAME = re.compile(r"N\d+T(\d+\.\d+)_")


def read(path):
    """Read a GlassBench file as one configuration, see `glassviz.files.read`.

    `position` and `inherent_position` are folded into the box. `replica_position` (configuration, replica, particle,
    space) is moved by whole boxes so that its difference from `position` is the displacement: most published files are
    not wrapped, and their replicas move by the boxes that `position` moved by; a file that is wrapped into
    [−L/2, L/2) throughout gives the displacement to the nearest image. The temperature (ε/k_B) is the file's
    `temperature` where it has one, else that of its published name, else NaN.
    """
    path = expect(path, "zip (npz)")
    with parsing(path, "zip (npz)"), zipfile.ZipFile(path) as archive:
        arrays = _arrays(archive, path)
    length = _box_length(arrays["box"], path)
    types = _array(arrays, "types", ("particle",), path)
    initial = _array(arrays, "initial_positions", (types.size, 2), path)
    inherent = _array(arrays, "initial_positions_inherent", (types.size, 2), path)
    replicas = _array(arrays, "positions", ("replica", types.size, 2), path)
    position = mixture.wrap(initial, length)
    return mixture.configurations(
        position,
        types - 1,
        length,
        _temperature(arrays, path),
        names=[path.stem],
        inherent_position=None if inherent is None else mixture.wrap(inherent, length),
        replica_position=None if replicas is None else _continued(replicas, initial, position, length)[None],
        provenance=f"GlassBench file {path.name}",
        source=path.name,
    )


def write(dataset, path):
    """Write one configuration and, where it has them, its replicas, see `glassviz.files.write`.

    Warns
    -----
    UserWarning
        Where variables are left out because GlassBench has no key for them.
    """
    samples = dataset.sizes["configuration"]
    if samples != 1:
        raise InvalidData(
            f"{path}: a GlassBench file holds one configuration, not {samples}; expected .nc, .gsd or .extxyz."
        )
    left_out = sorted(set(dataset.variables) - _KEPT)
    if left_out:
        warnings.warn(f"{path}: GlassBench has no key for {', '.join(left_out)}; left out.", stacklevel=3)
    sample = dataset.isel(configuration=0)
    nothing = np.empty(0)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            positions=sample["replica_position"].values if "replica_position" in sample else nothing,
            initial_positions=sample["position"].values,
            initial_positions_inherent=sample["inherent_position"].values if "inherent_position" in sample else nothing,
            box=np.float64(dataset.attrs["box_length"]),
            types=sample["species"].values.astype(np.int64) + 1,
            temperature=np.float64(dataset.attrs["temperature"]),
        )


def _continued(replicas, initial, position, length):
    """Replica positions that continue from `position`, which is `initial` moved by whole boxes."""
    folded = max(np.abs(replicas).max(), np.abs(initial).max()) <= length / 2
    crossed = np.rint((replicas - initial) / length) if folded else 0.0
    return replicas + (position - initial) - crossed * length


def _arrays(archive, path):
    """The arrays of a GlassBench file; sizes are looked at before any of them is loaded."""
    # Looking into every member, wanted or not, finds a damaged directory of the archive; so do comments, which NumPy
    # never writes: a wrong comment length hides the members behind it.
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    shapes = {key: _shape(archive, member, key, path) for key, member in members.items()}
    missing = [key for key in REQUIRED if key not in members]
    if missing:
        raise InvalidData(f"{path.name}: there is no array '{missing[0]}'; expected the GlassBench arrays {_LISTED}.")
    wanted = [key for key in KEYS if key in members]
    size = 2 * sum(members[key].file_size for key in wanted)
    check_size(math.prod(shapes["types"]), size, path.name)
    # A member is unpacked whole before it is parsed: only then has zipfile compared its checksum.
    return {key: np.load(io.BytesIO(archive.read(members[key])), allow_pickle=False) for key in wanted}


def _shape(archive, member, key, path):
    if member.comment or not member.filename.endswith(".npy"):
        raise InvalidData(f"{path.name}: the archive holds {member.filename!r}; expected plain .npy arrays only.")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
        expected = stream.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise InvalidData(f"{path.name}: {key} holds pickled objects, which are never read; expected plain numbers.")
    if member.file_size != expected:
        raise InvalidData(f"{path.name}: {key} has {member.file_size} bytes; expected {expected} for shape {shape}.")
    return shape


def _array(arrays, key, shape, path):
    """The array of numbers under a key; None where it is missing or empty, GlassBench's way of leaving it out.

    A dimension of `shape` that is a word may have any size.
    """
    values = arrays.get(key)
    if key not in REQUIRED and (values is None or values.size == 0):
        return None
    if values.dtype.kind not in "iuf":
        raise InvalidData(f"{path.name}: {key} has type {values.dtype}; expected real numbers.")
    wanted = tuple(have if isinstance(want, str) else want for have, want in zip(values.shape, shape, strict=False))
    if len(wanted) != len(shape) or values.shape != wanted:
        expected = str(shape).replace("'", "")
        raise InvalidData(f"{path.name}: {key} has shape {values.shape}; expected {expected}.")
    return values.astype(np.float64)


def _box_length(box, path):
    sides = np.unique(box) if box.dtype.kind in "iuf" else np.empty(0)
    if not (sides.size == 1 and np.isfinite(sides[0]) and sides[0] > 0):
        said = " ".join(np.array2string(box, threshold=4).split())
        raise InvalidData(f"{path.name}: the box is {said}; expected one positive side in σ.")
    return float(sides[0])


def _temperature(arrays, path):
    if "temperature" in arrays and arrays["temperature"].size == 1:
        return arrays["temperature"].item()
    published = _PUBLISHED_NAME.match(path.name)
    return published.group(1) if published else np.nan
