"""What a training needs to go on where it was stopped: safetensors under a temporary name, renamed when complete."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

KEY = "glassviz checkpoint"


def digest(*parts):
    """A digest of settings (anything JSON can hold) and arrays, by which a training knows its own checkpoint."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            found.update(np.ascontiguousarray(part).data)
        else:
            found.update(json.dumps(part, sort_keys=True, default=str).encode())
    return found.hexdigest()


class Checkpoint:
    """One file that a training with a given digest writes and finds again.

    Parameters
    ----------
    path : Path
        Ends in `.safetensors`.
    key : str
        From `digest`: a file with another one belongs to another training and counts as none.
    """

    def __init__(self, path, key):
        self.path, self.key = Path(path), key

    def save(self, tensors, record):
        """Write tensors by name and a record that JSON can hold."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            save_file(tensors, temporary, metadata={KEY: json.dumps({"key": self.key, **record})})
            os.replace(temporary, self.path)
        except SafetensorError as error:  # which is no OSError
            raise OSError(f"{self.path}: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def load(self):
        """Tensors by name and the record, or None where there is no checkpoint of this training."""
        try:
            with safe_open(self.path, framework="pt") as file:
                record = json.loads((file.metadata() or {})[KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
        except (SafetensorError, OSError, KeyError, ValueError):
            return None
        return (tensors, record) if record.get("key") == self.key else None
