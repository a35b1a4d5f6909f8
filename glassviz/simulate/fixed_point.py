"""Fixed-point coordinates in a periodic box, and neighbours listed in rows that fill vectors.

The box is the range of a 32-bit integer, so that a wrapping difference of two coordinates *is* the distance to the
nearest image. Coordinates are even, since their last bits give way to the species in `glassviz.simulate.words`. A ghost
behind the last particle fills the rows up; no species interacts with it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from glassviz.simulate.neighbors import members

UNITS = 2.0**32  # integer steps along the box
UNSHIFTED = (np.int32(0), np.int32(0))
LANES = 16  # rows of neighbours hold a multiple of it
GHOST = 3  # species of the particle that fills rows


class Rows(NamedTuple):
    """Neighbours of every particle: i has `neighbor[start[i]:start[i] + count[i]]`, then ghosts up to start[i + 1]."""

    start: np.ndarray
    count: np.ndarray
    neighbor: np.ndarray


def fixed_point(position, box_length):
    """Positions (n, 2) (σ) as two arrays (n,) of int32, all even."""
    steps = 2 * np.rint(np.asarray(position, dtype=np.float64) * (UNITS / 2 / box_length)).astype(np.int64)
    steps = steps.astype(np.int32)
    return steps[:, 0].copy(), steps[:, 1].copy()


def with_ghost(values, ghost):
    """An array of int32 with the ghost's value behind the last."""
    return np.append(values, ghost).astype(np.int32)


@njit(cache=True, error_model="numpy", nogil=True)
def sort_into_squares(x, y, n, side, shift=UNSHIFTED):
    """Particles by squares of a side × side grid at `shift`: where each begins in the order, and the order."""
    square = np.empty(n, np.int32)
    for i in range(n):
        sx = (np.int64(np.uint32(x[i] - shift[0])) * side) >> 32
        sy = (np.int64(np.uint32(y[i] - shift[1])) * side) >> 32
        square[i] = sx * side + sy
    return members(square, side * side)


@njit(cache=True, error_model="numpy", nogil=True)
def _append(i, xi, yi, x, y, order, begin, end, reach2, neighbor, count):
    """Append to `neighbor` those of order[begin:end] that are in reach of particle i."""
    for k in range(begin, end):
        dx, dy = np.float32(np.int32(xi - x[k])), np.float32(np.int32(yi - y[k]))
        neighbor[count] = order[k]
        count += (dx * dx + dy * dy < reach2) & (order[k] != i)
    return count


@njit(cache=True, error_model="numpy", nogil=True)
def neighbor_rows(x, y, n, reach, listed):
    """Neighbours within a reach of the first so many particles.

    Parameters
    ----------
    x, y : ndarray of int32
        Fixed-point coordinates.
    n : int
        Particles; the ghost's index.
    reach : float
        Reach as a fraction of the box.
    listed : int
        Particles whose neighbours are wanted.

    Returns
    -------
    start : (listed + 1,) ndarray of int64
    count : (listed,) ndarray of int64
    neighbor : ndarray of int32
        As in `Rows`.
    """
    side = max(int(1 / reach), 1)
    if side < 3:
        side = 1
    first, order = sort_into_squares(x, y, n, side)
    sorted_x, sorted_y = x[order], y[order]
    reach2 = np.float32((reach * UNITS) ** 2)
    start, count = np.zeros(listed + 1, np.int64), np.zeros(listed, np.int64)
    neighbor = np.empty(4 * LANES * listed + 2 * LANES, np.int32)
    around = 1 if side > 1 else 0
    for i in range(listed):
        cx = (np.int64(np.uint32(x[i])) * side) >> 32
        cy = (np.int64(np.uint32(y[i])) * side) >> 32
        end = start[i]
        for ox in range(-around, around + 1):
            line = (cx + ox) % side * side
            candidates = 0
            for oy in range(-around, around + 1):
                c = line + (cy + oy) % side
                candidates += first[c + 1] - first[c]
            if end + candidates + LANES > len(neighbor):
                grown = np.empty(2 * (end + candidates + LANES), np.int32)
                grown[:end] = neighbor[:end]
                neighbor = grown
            for oy in range(-around, around + 1):
                c = line + (cy + oy) % side
                end = _append(i, x[i], y[i], sorted_x, sorted_y, order, first[c], first[c + 1], reach2, neighbor, end)
        count[i] = end - start[i]
        while (end - start[i]) % LANES:
            neighbor[end] = n
            end += 1
        start[i + 1] = end
    return start, count, neighbor
