"""Takes in a file that a user has brought: read in a process of its own, then checked once more.

The reading process (`reading`) may be overwhelmed by a hostile file; here only its few lines of JSON and a file of
plain arrays are believed, and those only after `glassviz.mixture` has checked them.
"""

import json
import math
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open

from glassviz import mixture
from glassviz.explore import reading
from glassviz.learn.networkfile import SUFFIX, load_networks
from glassviz.mixture import InvalidData

LARGEST = 32 * 2**20  # bytes of a file
SECONDS = 600  # that reading and relaxing may take
AT_ONCE = threading.BoundedSemaphore(2)  # files read at once by this server process
TELL = 0.5  # seconds between two reports
MOST_SAID = 2**16  # bytes that are read of what the reading process says
THREADS = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def take(content, filename, progress):
    """Read what a user has brought.

    Parameters
    ----------
    content : bytes
        The file's content.
    filename : str
        The name the user's computer has for it; its suffix says the format.
    progress : callable
        Called every half second with one phrase on what is being done; what it raises ends the reading.

    Returns
    -------
    found : Dataset or Ensemble
        Configurations with inherent structures (attribute `temperature` NaN where the file does not say), or networks.
    warnings : list of str
        Sentences on what makes them doubtful.

    Raises
    ------
    InvalidData
        One sentence on what is wrong with the file.
    """
    name = safe_name(filename)
    if len(content) > LARGEST:
        raise InvalidData(f"{name}: {len(content) / 2**20:.0f} MiB; expected at most {LARGEST // 2**20} MiB.")
    while not AT_ONCE.acquire(timeout=TELL):
        progress("Waiting for other files to be read")
    try:
        with tempfile.TemporaryDirectory(prefix="glassviz") as folder:
            path, result = Path(folder) / name, Path(folder) / ".result"
            path.write_bytes(content)
            told = _read_apart(path, result, progress)
            found = load_networks(path) if path.suffix.lower() == SUFFIX else _configurations(result, name)
            return found, [str(sentence) for sentence in told.get("warnings", [])]
    finally:
        AT_ONCE.release()


def safe_name(filename):
    """A file name without folders or anything else that could mean something."""
    name = re.sub(r"[^\w.+-]+", "_", str(filename).replace("\\", "/").rsplit("/", 1)[-1]).lstrip("._")
    return name[-80:] or "file"


def _read_apart(path, result, progress):
    """Run the reading process to its end; what it says of its success."""
    command = [sys.executable, "-m", reading.__name__, str(path), str(result)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **THREADS},
        start_new_session=True,
    )
    started, said, told = time.monotonic(), b"", {}
    try:
        while len(said) <= MOST_SAID and time.monotonic() - started < SECONDS:
            ready, _, _ = select.select([child.stdout], [], [], TELL)
            piece = os.read(child.stdout.fileno(), 4096) if ready else None
            if piece == b"":
                break
            said += piece or b""
            told = _last(said) or told
            progress(_phrase(told, time.monotonic() - started))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.stdout.close()
        child.wait()
    if "refused" in told:
        raise InvalidData(str(told["refused"]))
    if "kind" not in told:
        raise InvalidData(
            f"{path.name}: reading it did not come to an end within {SECONDS} s and {reading.MEMORY // 2**30} GiB; "
            "expected a sound file."
        )
    return told


def _last(said):
    """The last whole line of JSON, a dictionary; None where there is none."""
    with suppress(ValueError, IndexError):
        told = json.loads(said.rsplit(b"\n", 2)[-2])
        return told if isinstance(told, dict) else None
    return None


def _phrase(told, seconds):
    if "total" not in told:
        return f"Reading, {seconds:.0f} s"
    return f"Relaxing to inherent structures, {told['done']} of {told['total']} done, {seconds:.0f} s"


def _configurations(result, name):
    """What the reading process has left, checked as if it came from anywhere."""
    try:
        with safe_open(result, framework="numpy") as file:
            arrays = {key: file.get_tensor(key) for key in ("position", "inherent_position", "species")}
            stated = json.loads(file.metadata()["attributes"])
        length, temperature = float(stated["box_length"]), float(stated["temperature"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidData(f"{name}: reading it left no result; expected a sound file.") from error
    return mixture.configurations(
        arrays["position"],
        arrays["species"],
        length,
        temperature if temperature > 0 else math.nan,
        inherent_position=arrays["inherent_position"],
        provenance=f"brought as {name}",
        source=name,
    )
