"""What took long to derive, on disk: read back by the next session, process or start instead of derived again.

The name of a file is a digest of all that determines its content, the source code included, so that a file is never
stale; files are written under a temporary name and renamed, and the least recently used make room (see
`glassviz.structure.cache`, which keeps the descriptors in the same way).
"""

import hashlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from glassviz.structure.cache import folder, put

SOURCES = (
    "mixture.py",
    "simulate/bonds.py",
    "simulate/neighbors.py",
    "simulate/potential.py",
    "structure/*.py",
    "learn/*.py",
    "observe/*.py",
    "explore/colors.py",
    "explore/derive.py",
    "explore/heterogeneity.py",
)


@cache
def _sources():
    """Digest of the source code that derives anything."""
    digest = hashlib.blake2b(digest_size=20)
    root = Path(__file__).parents[1]
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def content(arrays):
    """Digest of named arrays: dict of str to ndarray."""
    digest = hashlib.blake2b(digest_size=20)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.data.cast("B") if array.size else b"")
    return digest.hexdigest()


def kept(key, compute):
    """Arrays by name, computed unless they have been before.

    Parameters
    ----------
    key : tuple
        Strings and numbers, digests among them, that together determine the arrays.
    compute : callable
        Returns the arrays: dict of str to ndarray, neither strings nor objects.

    Returns
    -------
    dict of str to ndarray
    """
    name = hashlib.blake2b(repr((_sources(), *key)).encode(), digest_size=20).hexdigest()
    path = folder("derived") / f"{name}.safetensors"
    try:
        found = load_file(path)
        with suppress(OSError):
            os.utime(path)
        return found
    except (OSError, SafetensorError):  # not there, damaged, or not to be read
        found = {name: np.ascontiguousarray(array) for name, array in compute().items()}
        put(path, lambda file: file.write(save(found)))
        return found
