r"""A checkerboard of cells, so that all cores can work on a large box at the same time.

A grid of cells with a random origin is laid over the box. Its four colours take their turns, and the cells of one
colour are worked on at the same time: moves that leave their cell are refused, and cells of one colour lie a whole cell
apart, further than the interaction reaches, so none sees what another does. Each cell's moves are those of fixed
members in a fixed surrounding, hence keep exp(−βE); the next grid lies elsewhere, so nobody stays confined.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from glassviz.simulate.fixed_point import GHOST, sort_into_squares
from glassviz.simulate.philox import below, random_words

CELL = 11.0  # least side of a cell (σ)
COLOURS = 4


class Board(NamedTuple):
    """A grid of side × side cells laid over the box at `shift`, with its particles.

    The members of cell c are order[first[c]:first[c + 1]].
    """

    side: int
    shift: np.ndarray
    first: np.ndarray
    order: np.ndarray


def cells_per_side(box_length):
    """Cells along a side, an even number; 0 where the box has no room for four."""
    side = int(box_length / CELL) // 2 * 2
    return side if side >= 4 else 0


def lay_out(x, y, side, key, phase):
    """A board with its origin anywhere in the box, and the order in which its colours take their turns."""
    shift, first_colour = _origin(key, phase)
    board = Board(side, shift, *sort_into_squares(x, y, len(x) - 1, side, shift))
    return board, [(turn + first_colour) % COLOURS for turn in range(COLOURS)]


@njit(cache=True, error_model="numpy", nogil=True)
def _origin(key, phase):
    left, lower, colour, _ = random_words(key, 0, 1, 0, phase)
    return np.array([np.int32(left), np.int32(lower)], np.int32), below(colour, COLOURS)


@njit(cache=True, error_model="numpy", nogil=True)
def cells_of(colour, side):
    """The cells of a colour."""
    half = side // 2
    cells = np.empty(half * half, np.int64)
    for k in range(half * half):
        cells[k] = (2 * (k // half) + colour // 2) * side + 2 * (k % half) + colour % 2
    return cells


@njit(cache=True, error_model="numpy", nogil=True)
def edges_of(cell, side):
    """Left, right, lower and upper edge of a cell (fixed-point units, before the shift)."""
    cx, cy = cell // side, cell % side
    return np.array([-((-(k << 32)) // side) for k in (cx, cx + 1, cy, cy + 1)])


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _beside(x, y, i, edges, shift, margin):
    """Whether a particle is in a cell or within a margin of it."""
    from_left = np.int64(np.int32(x[i] - shift[0] - np.int32(edges[0])))
    from_lower = np.int64(np.int32(y[i] - shift[1] - np.int32(edges[2])))
    return (
        (from_left >= -margin)
        & (from_left < edges[1] - edges[0] + margin)
        & (from_lower >= -margin)
        & (from_lower < edges[3] - edges[2] + margin)
    )


@njit(cache=True, error_model="numpy", nogil=True)
def with_surroundings(x, y, species, cells, board, reach):
    """The particles of some cells of one colour and, behind them, all others within reach of these cells.

    Returns
    -------
    whom : ndarray of int32
        Who they are.
    members : int
        How many of them are in the cells.
    near_x, near_y, kinds : ndarray of int32
        Their coordinates and species, with a ghost behind the last.
    """
    side, shift, first, order = board
    margin = np.int64(reach) + 1
    room = 0
    edges = np.empty((len(cells), 4), np.int64)
    beside = np.empty((len(cells), 9), np.int64)
    for k, cell in enumerate(cells):
        edges[k] = edges_of(cell, side)
        for way in range(9):
            cx, cy = (cell // side + way // 3 - 1) % side, (cell % side + way % 3 - 1) % side
            beside[k, way] = cx * side + cy
            room += first[beside[k, way] + 1] - first[beside[k, way]]
    whom = np.empty(room, np.int32)
    n = 0
    for cell in cells:
        for at in range(first[cell], first[cell + 1]):
            whom[n] = order[at]
            n += 1
    members = n
    for k, cell in enumerate(cells):
        for other in beside[k]:
            if other == cell:
                continue
            for at in range(first[other], first[other + 1]):
                i = order[at]
                new = _beside(x, y, i, edges[k], shift, margin)
                for earlier in range(k):
                    new &= not _beside(x, y, i, edges[earlier], shift, margin)
                whom[n] = i
                n += new
    near_x, near_y, kinds = np.zeros(n + 1, np.int32), np.zeros(n + 1, np.int32), np.full(n + 1, GHOST, np.int32)
    for k in range(n):
        near_x[k], near_y[k], kinds[k] = x[whom[k]], y[whom[k]], species[whom[k]]
    return whom[:n], members, near_x, near_y, kinds
