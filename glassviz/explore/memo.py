"""A memory of what has been computed, shared by threads and bounded in bytes."""

import threading
from collections import OrderedDict

import numpy as np
import xarray as xr

MEMORY = 384 * 2**20  # bytes kept in a process; the least recently used make room


class Memo:
    """Values by key, each computed once however many threads ask, bounded in bytes."""

    def __init__(self, limit=MEMORY):
        self.limit = limit
        self._values = OrderedDict()
        self._locks = {}
        self._lock = threading.Lock()

    def __call__(self, key, compute):
        """The value of `key`, from memory or from `compute()`."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                value = compute()
            except BaseException:
                with self._lock:
                    self._locks.pop(key, None)
                raise
            with self._lock:
                self._values[key] = value
                self._locks.pop(key, None)
                while self._size() > self.limit and len(self._values) > 1:
                    self._values.popitem(last=False)
            return value

    @property
    def underway(self):
        """Keys whose values are being computed now, by whatever thread."""
        with self._lock:
            return set(self._locks)

    def __contains__(self, key):
        return key in self._values

    def _size(self):
        return sum(getattr(value, "nbytes", 0) for value in self._values.values() if not _mapped(value))


def _mapped(value):
    """Whether an array's memory is a file's, which the system takes back as it needs."""
    array = value.data if isinstance(value, xr.DataArray) else None
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None
