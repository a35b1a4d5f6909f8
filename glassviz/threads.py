"""Whether compiled parallel kernels may run side by side, each asked for by another thread."""

from contextlib import suppress
from importlib import import_module

from numba import config

SIDE_BY_SIDE = False
"""Whether numba has OpenMP or TBB here. Its workqueue layer, which is always there, dies of two callers at once, so
that parallel kernels must hold the interpreter's lock: `nogil=SIDE_BY_SIDE`."""

for _layer in ("omppool", "tbbpool"):
    with suppress(ImportError):
        import_module(f"numba.np.ufunc.{_layer}")
        SIDE_BY_SIDE = config.THREADING_LAYER not in ("workqueue", "forksafe")  # the latter may end at the former
        break
