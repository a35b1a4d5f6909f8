"""Descriptors on disk: computed once per inherent structure, then memory-mapped by every process that needs them.

The name of a file is a digest of all that determines its content, so a file is never stale; it is written under a
temporary name and renamed, so no process ever sees half of it. The folder is `$GLASSVIZ_CACHE`, or the user's cache
folder; where it cannot be written, descriptors are simply computed each time.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import platformdirs

from glassviz.structure.descriptors import CUTOFF, checked, describe_one, labelled, rows_of

FORMAT = "glassviz descriptors 1"  # change it with anything that changes the numbers
LARGEST = 4 * 2**30  # bytes kept; the least recently used files make room


def folder(name="descriptors"):
    """The folder of cached descriptors, or of something else that is cached beside them."""
    root = os.environ.get("GLASSVIZ_CACHE")
    return (Path(root) if root else platformdirs.user_cache_path("glassviz")) / name


def _digest(configuration, cutoff, tessellation, species):
    """Name of the file that holds the descriptors of one checked configuration."""
    digest = hashlib.blake2b(digest_size=20)
    settings = (FORMAT, configuration.attrs["box_length"], float(cutoff), tessellation, species)
    digest.update(repr(settings).encode())
    for name in ("inherent_position", "species", "inherent_energy"):
        if name in configuration:
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(configuration[name].values).data)
    return digest.hexdigest()


def _load(path, rows):
    """The memory-mapped columns in `path`, or None where the file is missing, damaged or of another shape."""
    try:
        columns = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if columns.shape != (rows, 4, 11, 4) or columns.dtype != np.float32:
        return None
    with suppress(OSError):
        os.utime(path)
    return columns


def put(path, write):
    """Make `path` from what `write(file)` writes, in one step; quietly nothing where the folder is read-only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".part", dir=path.parent)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _make_room(path.parent)
    except OSError:
        pass  # what could not be kept is derived again
    finally:
        with suppress(OSError):
            os.unlink(temporary)  # where it is not yet the file itself


def _make_room(directory):
    """Delete the least recently used files beyond the `LARGEST` number of bytes."""
    files = []
    for path in directory.glob("*[!t]"):  # all but those being written, *.part
        with suppress(OSError):  # another process may have deleted it
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    kept = 0
    for _, size, path in sorted(files, reverse=True):
        kept += size
        if kept > LARGEST:
            with suppress(OSError):
                path.unlink()


def cached_descriptors(ds, cutoff=CUTOFF, tessellation="radical", species=None, progress=None):
    """`descriptors` from the cache on disk, computing and storing what is not there yet.

    Safe with several processes and threads; a damaged file is computed anew. Parameters, result and errors are those of
    `glassviz.structure.descriptors.descriptors`. The array of a single configuration is memory-mapped; changes to it
    stay out of the file.
    """
    ds = checked(ds, cutoff, species)
    total = ds.sizes["configuration"]
    columns = []
    for index in range(total):
        configuration = ds.isel(configuration=index)
        path = folder() / f"{_digest(configuration, cutoff, tessellation, species)}.npy"
        found = _load(path, len(rows_of(configuration["species"].values, species)))
        if found is None:
            found = describe_one(configuration, cutoff, tessellation, species)
            put(path, partial(np.save, arr=found, allow_pickle=False))
        columns.append(found)
        if progress is not None:
            progress(index + 1, total)
    columns = columns[0][None] if total == 1 else np.stack(columns)
    return labelled(columns, ds, cutoff, tessellation, species)
