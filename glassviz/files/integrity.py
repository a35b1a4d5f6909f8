"""Whole files or none: writing under a temporary name, and a seal that tells a damaged file from a sound one.

The seal is 96 bytes behind the end of the data, which HDF5 and GSD readers pass over: a digest of every byte before it.
It is looked at before a parser sees the file, since the C libraries may hang on damaged bytes. A file without a seal
(another program wrote or changed it) is sound as far as its format can tell.
"""

import glob
import hashlib
import os
import uuid
from contextlib import contextmanager
from pathlib import Path

from glassviz.mixture import InvalidData

_OPENING, _CLOSING = b"glassviz sha256:", b":glassviz sealed"
_DIGITS = 64
_LENGTH = len(_OPENING) + _DIGITS + len(_CLOSING)


@contextmanager
def replacing(path):
    """Give a temporary name beside `path`; when the block succeeds, the file written there takes the place of `path`.

    A run killed at any moment leaves the old file or the new one, never half a file; an exception removes the
    temporary file.

    Parameters
    ----------
    path : path-like
        Where the finished file is wanted; its folder must exist.

    Yields
    ------
    pathlib.Path
        Hidden temporary name in the same folder, with the same suffix.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: there is no such folder to write {path.name} into.")
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path):
    """Remove the temporary files that killed writers of `path` have left beside it; nobody may be writing it now."""
    for leftover in path.parent.glob(f".{glob.escape(path.stem)}-{32 * '[0-9a-f]'}{path.suffix}"):
        leftover.unlink(missing_ok=True)


def require_plain(name):
    """`InvalidData` where no file can be called after a structure or sample."""
    if "/" in name or "\0" in name:
        raise InvalidData(f"{name!r}: a file is called after this structure; expected a name without '/'.")


def seal(path):
    """Append to a finished file the digest of its content."""
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest().encode()
        file.write(_OPENING + digest + _CLOSING)


def check_seal(path):
    """Check that a sealed file holds what was written; `InvalidData` where it does not.

    Parameters
    ----------
    path : pathlib.Path
        The file. One of the seal's two ends is enough to know it by, so that damage to the other, or a file cut short
        within it, is noticed as well.
    """
    size = path.stat().st_size
    if size < _LENGTH:
        return
    with path.open("rb") as file:
        file.seek(size - _LENGTH)
        found = file.read()
        if not (_OPENING in found or found.endswith(_CLOSING)):
            return
        file.seek(0)
        digest, remaining = hashlib.sha256(), size - _LENGTH
        while block := file.read(min(remaining, 2**20)):
            digest.update(block)
            remaining -= len(block)
    if found != _OPENING + digest.hexdigest().encode() + _CLOSING:
        raise InvalidData(f"{path.name}: the content does not match its checksum; expected an undamaged file.")
