r"""Displacements on all cores: cells of a checkerboard whose particles stay in them.

A grid of cells with a random origin is laid over the box. Its four colours take their turns, and the cells of one
colour are worked on at the same time: moves that leave their cell are refused, and cells of one colour lie a whole cell
apart, further than the interaction reaches, so none sees what another does. Each cell's moves are Metropolis moves of
fixed members in a fixed surrounding, hence keep exp(−βE); the next grid lies elsewhere, so nobody stays confined.

Every cell numbers its own random words and lists its own neighbours: the number of threads does not change the result.
"""

import numpy as np
from numba import njit, prange

from glassviz.simulate.displacement import displace
from glassviz.simulate.fixed_point import GHOST, UNITS, neighbor_rows, sort_into_squares
from glassviz.simulate.philox import below, random_words

CELL = 11.0  # least side of a cell (σ)
COLOURS = 4


def cells_per_side(box_length):
    """Cells along a side, an even number; 0 where the box has no room for four."""
    side = int(box_length / CELL) // 2 * 2
    return side if side >= 4 else 0


@njit(cache=True, error_model="numpy", nogil=True)
def _edge(k, side):
    """Where the k-th cell begins along a side (fixed-point units, before the shift)."""
    return -((-(k << 32)) // side)


@njit(cache=True, error_model="numpy", nogil=True)
def _visit(x, y, species, beta, step, sweeps, key, counter, scale, reach, travel, cx, cy, side, shift, grid):
    """All moves of one cell; returns moves made and accepted."""
    first, order = grid
    home = first[cx * side + cy]
    members = first[cx * side + cy + 1] - home
    left, right = _edge(cx, side), _edge(cx + 1, side)
    lower, upper = _edge(cy, side), _edge(cy + 1, side)
    room = 0
    for ox in range(-1, 2):
        for oy in range(-1, 2):
            c = (cx + ox) % side * side + (cy + oy) % side
            room += first[c + 1] - first[c]
    whom = np.empty(room + 1, np.int32)
    near_x, near_y = np.empty(room + 1, np.int32), np.empty(room + 1, np.int32)
    kinds = np.empty(room + 1, np.int32)
    whom[:members] = order[home : home + members]
    n = members
    margin = np.int64(reach) + 1
    for ox in range(-1, 2):
        for oy in range(-1, 2):
            if ox == 0 and oy == 0:
                continue
            c = (cx + ox) % side * side + (cy + oy) % side
            for k in range(first[c], first[c + 1]):
                i = order[k]
                from_left = np.int64(np.int32(x[i] - shift[0] - np.int32(left)))
                from_lower = np.int64(np.int32(y[i] - shift[1] - np.int32(lower)))
                whom[n] = i
                n += (
                    (from_left >= -margin)
                    & (from_left < right - left + margin)
                    & (from_lower >= -margin)
                    & (from_lower < upper - lower + margin)
                )
    for k in range(n):
        near_x[k], near_y[k], kinds[k] = x[whom[k]], y[whom[k]], species[whom[k]]
    near_x[n], near_y[n], kinds[n] = 0, 0, GHOST
    area = (np.int32(shift[0] + np.int32(left)), np.int32(shift[1] + np.int32(lower)), right - left, upper - lower)
    moves, done, accepted = sweeps * members, 0, 0
    while done < moves:
        rows = neighbor_rows(near_x, near_y, n, reach / UNITS, members)
        from_x, from_y = near_x.copy(), near_y.copy()
        state = (near_x, near_y, kinds, beta, step, members, area, (done, moves), key, counter, rows, scale)
        done, more = displace(*state, from_x, from_y, travel)
        accepted += more
    for k in range(members):
        x[whom[k]], y[whom[k]] = near_x[k], near_y[k]
    return moves, accepted


@njit(cache=True, error_model="numpy", nogil=True, parallel=True)
def _visit_colour(x, y, species, beta, step, sweeps, key, phase, scale, reach, travel, colour, side, shift, grid):
    half = side // 2
    made, accepted = np.zeros(half * half, np.int64), np.zeros(half * half, np.int64)
    for c in prange(half * half):
        cx, cy = 2 * (c // half) + colour // 2, 2 * (c % half) + colour % 2
        counter = (2 + cx * side + cy, phase)
        made[c], accepted[c] = _visit(
            x, y, species, beta, step, sweeps, key, counter, scale, reach, travel, cx, cy, side, shift, grid
        )
    return made.sum(), accepted.sum()


def checkerboard(x, y, species, beta, step, sweeps, key, phase, scale, reach, travel, side):
    """Displacements of all particles, so many sweeps, on numba's threads.

    Parameters
    ----------
    x, y, species : (n + 1,) ndarray of int32
        Fixed-point coordinates, changed in place, and species, the ghost last.
    beta : float
        Inverse temperature.
    step : int
        Half-width of the square of a move (fixed-point units).
    sweeps : int
        Moves of every particle, on average.
    key, phase : (2,) ndarray of uint64, int
        Key and number of the random words; cells take the streams from 2 on.
    scale : (4, 4) ndarray of float32
        From `scale_table`.
    reach, travel : float
        Reach of the lists, how far a particle may be from where they were made (fixed-point units).
    side : int
        Cells along a side, from `cells_per_side`.

    Returns
    -------
    made, accepted : int
    """
    shift, first_colour = _grid(key, phase)
    grid = sort_into_squares(x, y, len(x) - 1, side, shift)
    made, accepted = 0, 0
    for turn in range(COLOURS):
        state = (x, y, species, beta, step, sweeps, key, phase, scale, reach, travel)
        more = _visit_colour(*state, (turn + first_colour) % COLOURS, side, shift, grid)
        made, accepted = made + more[0], accepted + more[1]
    return made, accepted


@njit(cache=True, error_model="numpy", nogil=True)
def _grid(key, phase):
    """Origin of a grid, anywhere in the box, and the colour that begins."""
    left, lower, colour, _ = random_words(key, 0, 1, 0, phase)
    return np.array([np.int32(left), np.int32(lower)], np.int32), below(colour, COLOURS)
