"""What a file is, judged by its first bytes before a parser sees it, and what happens when the parser complains."""

import stat
from contextlib import contextmanager
from pathlib import Path

from glassviz.mixture import MAX_PARTICLES, InvalidData

SIGNATURES = {
    "NetCDF-4": b"\x89HDF\r\n\x1a\n",
    "GSD": bytes.fromhex("df65df65df65df65"),
    "zip (npz)": b"PK\x03\x04",
}
SUFFIXES = {"NetCDF-4": ".nc", "GSD": ".gsd", "zip (npz)": ".npz"}

# What one file may unfold to in memory: ten times the largest propensity file, far below what hurts a server.
MAX_BYTES = 2**30


def expect(path, kind):
    """Check that a file is there, may be read and begins like a file of one kind.

    Parameters
    ----------
    path : path-like
        The file.
    kind : {"NetCDF-4", "GSD", "zip (npz)"}
        What its first bytes must say.

    Returns
    -------
    pathlib.Path
        The path, for the parser.

    Raises
    ------
    InvalidData
        Where the file is missing, not a regular file, not readable, empty, or of another kind.
    """
    path = Path(path)
    head = first_bytes(path)
    if head.startswith(SIGNATURES[kind]):
        return path
    found = describe(head)
    advice = f", or the name ending in {SUFFIXES[found]}" if found in SUFFIXES else ""
    raise InvalidData(f"{path.name}: the content is {found}; expected {kind}{advice}.")


def first_bytes(path):
    """The first 512 bytes of a file; `InvalidData` where it is missing, not a regular file, not readable or empty."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                head = file.read(512)
    except FileNotFoundError:
        raise InvalidData(f"{path}: there is no such file; expected the path of a file that exists.") from None
    except PermissionError:
        raise InvalidData(f"{path}: no permission to read it; expected a readable file.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the path
        raise InvalidData(f"{str(path)!r}: it cannot be opened ({error}); expected a readable file.") from error
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
        raise InvalidData(f"{path}: this is {found}; expected a file.")
    if not head:
        raise InvalidData(f"{path.name}: the file is empty; expected a configuration.")
    return head


def describe(head):
    """Name what the first bytes of a file look like, in words that fit "the content is …"."""
    for kind, signature in SIGNATURES.items():
        if head.startswith(signature):
            return kind
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return "a Python pickle, which is never read"
    if text.startswith((b"<!doctype", b"<html", b"<head")):
        return "a web page"
    if head.startswith(b"\x1f\x8b"):
        return "gzip, to be unpacked first"
    if head.startswith(b"CDF"):
        return "classic NetCDF-3"
    if head.startswith(b"\x93NUMPY"):
        return "a single NumPy array"
    if head.startswith(b"PK"):
        return "an empty zip archive"
    if text and all(32 <= byte < 127 or byte in b"\t\r\n\f" for byte in text):
        return "text"
    return "of no known kind"


@contextmanager
def parsing(path, kind):
    """Turn whatever a format's library raises on a damaged file into one `InvalidData` sentence.

    Parameters
    ----------
    path : pathlib.Path
        The file, named in the sentence.
    kind : {"NetCDF-4", "GSD", "zip (npz)"}
        What it is expected to be.
    """
    try:
        yield
    except InvalidData:
        raise
    except Exception as error:  # the libraries let damaged bytes surface as almost any exception
        reason = " ".join(str(error).replace(str(path), path.name).split()).rstrip(".;: ")
        reason = reason if len(reason) <= 160 else f"{reason[:160]}…"
        raise InvalidData(
            f"{path.name}: the content cannot be read ({reason or type(error).__name__}); expected a whole {kind} file."
        ) from error


def check_size(particles, size, source):
    """Refuse, before any array is loaded, a file of too many particles or of more than `MAX_BYTES` unpacked bytes."""
    if not 1 <= particles <= MAX_PARTICLES:
        raise InvalidData(f"{source}: {particles} particles; expected 1 to {MAX_PARTICLES}.")
    if size > MAX_BYTES:
        raise InvalidData(
            f"{source}: the content unpacks to {size / 2**20:.0f} MiB; expected at most {MAX_BYTES // 2**20} MiB."
        )
