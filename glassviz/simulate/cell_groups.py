r"""All moves of a large box on all cores: groups of cells, each a small system of its own for some sweeps.

As `glassviz.simulate.checkerboard` explains, the colours of a grid with a random origin take their turns. The cells of
one colour are put together by chance, eight to a group. A group displaces its particles, each within its cell, and
swaps species among its own particles only, wherever in the box they lie: it draws i and j from their weights W_ab and
W_ba, which leave out everyone else. That is the chain of a smaller system in a frozen surrounding, so exp(−βE) is kept;
groups of one colour do not interact, and the next grid and its groups are others.

A group lists its neighbours once, and anew only where a particle has left its list; what it needs fits into a core's
cache, however large the box. Cells and groups number their own random words: the number of threads does not change the
result.
"""

import numpy as np
from numba import njit, prange

from glassviz.simulate.checkerboard import cells_of, edges_of, lay_out, with_surroundings
from glassviz.simulate.displacement import displace
from glassviz.simulate.fixed_point import UNITS, neighbor_rows
from glassviz.simulate.philox import below, random_words
from glassviz.simulate.swap import propose
from glassviz.simulate.swap_weights import new_weights
from glassviz.threads import SIDE_BY_SIDE

CELLS = 8  # of a group, or a few more
FIRST_STREAM = 2  # cell c takes the stream of random words FIRST_STREAM + c, swaps take those behind


@njit(cache=True, error_model="numpy", nogil=True)
def _shuffled(colour, side, key, phase):
    """The cells of a colour in random order, every order as likely."""
    cells = cells_of(colour, side)
    for last in range(len(cells) - 1, 0, -1):
        chosen = below(random_words(key, last, 2 + colour, 0, phase)[0], last + 1)
        cells[last], cells[chosen] = cells[chosen], cells[last]
    return cells


@njit(cache=True, error_model="numpy", nogil=True)
def _area(cell, board):
    """Left and lower edge, width and height of a cell (fixed-point units)."""
    left, right, lower, upper = edges_of(cell, board[0])
    shift = board[1]
    return np.int32(shift[0] + np.int32(left)), np.int32(shift[1] + np.int32(lower)), right - left, upper - lower


@njit(cache=True, error_model="numpy", nogil=True)
def _visit(x, y, species, chain, schedule, key, phase, cells, board):
    """All moves of one group; returns displacements made and accepted, and swaps proposed and accepted by class."""
    beta, unit, step, scale, reach, travel, class_shares = chain
    sweeps, between, per_particle = schedule
    whom, members, near_x, near_y, kinds = with_surroundings(x, y, species, cells, board, reach)
    n = len(whom)
    rows = neighbor_rows(near_x, near_y, n, reach / UNITS, members)
    from_x, from_y = near_x.copy(), near_y.copy()
    weights = new_weights(members)
    displaced, swapped = np.zeros(2, np.int64), np.zeros((2, 3), np.int64)
    for begin in range(0, sweeps, between):
        end = min(begin + between, sweeps)
        past = 0
        for cell in cells:
            first, past = past, past + board[2][cell + 1] - board[2][cell]
            area, done, moves = _area(cell, board), begin * (past - first), end * (past - first)
            displaced[0] += moves - done
            while done < moves:
                state = (near_x, near_y, kinds, beta, step, (first, past), area, (done, moves))
                random = (key, (FIRST_STREAM + cell, phase))
                done, accepted, left = displace(*state, *random, rows, scale, from_x, from_y, travel)
                displaced[1] += accepted
                if left:
                    rows = neighbor_rows(near_x, near_y, n, reach / UNITS, members)
                    from_x, from_y = near_x.copy(), near_y.copy()
        proposals = int(np.rint(per_particle * members * (end - begin) / between))
        if proposals > 0:
            counter = (FIRST_STREAM + board[0] ** 2 * (1 + begin // between) + cells[0], phase)
            state = (near_x, near_y, kinds, beta, unit, proposals, class_shares)
            counts = propose(*state, key, counter, rows, weights)
            swapped[0] += counts[0]
            swapped[1] += counts[1]
    for k in range(members):
        x[whom[k]], y[whom[k]], species[whom[k]] = near_x[k], near_y[k], kinds[k]
    return displaced, swapped


@njit(cache=True, error_model="numpy", nogil=SIDE_BY_SIDE, parallel=True)
def _visit_colour(x, y, species, chain, schedule, key, phase, colour, board):
    cells = _shuffled(colour, board[0], key, phase)
    groups = max(len(cells) // CELLS, 1)
    displaced, swapped = np.zeros((groups, 2), np.int64), np.zeros((groups, 2, 3), np.int64)
    for k in prange(groups):
        own = cells[k * len(cells) // groups : (k + 1) * len(cells) // groups]
        displaced[k], swapped[k] = _visit(x, y, species, chain, schedule, key, phase, own, board)
    return displaced.sum(axis=0), swapped.sum(axis=0)


def move_in_groups(x, y, species, chain, schedule, key, phase, side):
    """Displacements and locally balanced swaps of all particles in groups of cells, on numba's threads.

    Parameters
    ----------
    x, y, species : (n + 1,) ndarray of int32
        Fixed-point coordinates and species, both changed in place, the ghost last.
    chain : tuple
        Inverse temperature; length of a fixed-point unit (σ); half-width of the square of a displacement (units);
        table of `glassviz.simulate.displacement.scale_table`; reach of the lists and how far a particle may be from
        where they were made (units); shares of the classes 1↔3, 2↔3 and 1↔2 among the proposals.
    schedule : tuple
        Displacements of every particle, on average; sweeps between swaps; proposals per particle that follow these.
    key, phase : (2,) ndarray of uint64, int
        Key and number of the random words.
    side : int
        Cells along a side, from `glassviz.simulate.checkerboard.cells_per_side`.

    Returns
    -------
    displaced : (2,) ndarray of int64
        Displacements made and accepted.
    swapped : (2, 3) ndarray of int64
        Swaps proposed and accepted, by class.
    """
    board, colours = lay_out(x, y, side, key, phase)
    counts = [_visit_colour(x, y, species, chain, schedule, key, phase, colour, board) for colour in colours]
    displaced, swapped = zip(*counts, strict=True)
    return np.sum(displaced, axis=0), np.sum(swapped, axis=0)
