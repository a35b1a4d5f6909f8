r"""Balanced swaps on all cores: among the particles of a few cells at a time, which lie anywhere in the box.

As in `glassviz.simulate.checkerboard`, the colours of a grid with a random origin take their turns. The cells of one
colour are put together by chance, eight to a group, and a group swaps species among its own particles only: it draws i
and j from their weights W_ab and W_ba, which leave out everyone else, at frozen positions in a frozen surrounding.
That is the locally balanced swap of a smaller system, so exp(−βE) is kept; groups of one colour do not interact, and
the next grid and its groups are others. What a group needs fits into a core's cache, however large the box.
"""

import numpy as np
from numba import njit, prange

from glassviz.simulate.checkerboard import FIRST_STREAM, cells_of, lay_out, with_surroundings
from glassviz.simulate.fixed_point import UNITS, neighbor_rows
from glassviz.simulate.philox import below, random_words
from glassviz.simulate.swap import REACH, propose
from glassviz.simulate.swap_weights import new_weights

CELLS = 8  # of a group, or a few more


@njit(cache=True, error_model="numpy", nogil=True)
def _shuffled(colour, side, key, phase):
    """The cells of a colour in random order, every order as likely."""
    cells = cells_of(colour, side)
    for last in range(len(cells) - 1, 0, -1):
        chosen = below(random_words(key, last, 2 + colour, 0, phase)[0], last + 1)
        cells[last], cells[chosen] = cells[chosen], cells[last]
    return cells


@njit(cache=True, error_model="numpy", nogil=True)
def _swap_group(x, y, species, beta, length, per_particle, class_shares, key, phase, cells, board):
    """All proposals of one group of cells; returns proposals and accepted ones by class."""
    unit = length / UNITS
    whom, members, near_x, near_y, kinds = with_surroundings(x, y, species, cells, board, REACH / unit)
    rows = neighbor_rows(near_x, near_y, len(whom), REACH / length, members)
    proposals = int(np.rint(per_particle * members))
    state = (near_x, near_y, kinds, beta, unit, proposals, class_shares, key, (FIRST_STREAM + cells[0], phase))
    counts = propose(*state, rows, new_weights(members))
    for k in range(members):
        species[whom[k]] = kinds[k]
    return counts


@njit(cache=True, error_model="numpy", nogil=True, parallel=True)
def _swap_colour(x, y, species, beta, length, per_particle, class_shares, key, phase, colour, board):
    cells = _shuffled(colour, board[0], key, phase)
    groups = max(len(cells) // CELLS, 1)
    proposed, accepted = np.zeros((groups, 3), np.int64), np.zeros((groups, 3), np.int64)
    for k in prange(groups):
        own = cells[k * len(cells) // groups : (k + 1) * len(cells) // groups]
        state = (x, y, species, beta, length, per_particle, class_shares, key, phase)
        proposed[k], accepted[k] = _swap_group(*state, own, board)
    return proposed.sum(axis=0), accepted.sum(axis=0)


def swap_in_cells(x, y, species, beta, length, per_particle, class_shares, key, phase, side):
    """Locally balanced swap proposals in groups of cells, on numba's threads; species change in place.

    Parameters
    ----------
    x, y, species, beta, length, class_shares
        As in `glassviz.simulate.swap.balanced_swap`.
    per_particle : float
        Proposals for every particle.
    key, phase : (2,) ndarray of uint64, int
        Key and number of the random words.
    side : int
        Cells along a side, from `glassviz.simulate.checkerboard.cells_per_side`.

    Returns
    -------
    proposed, accepted : (3,) ndarray of int64
        By class.
    """
    board, colours = lay_out(x, y, side, key, phase)
    state = (x, y, species, beta, length, per_particle, class_shares, key, phase)
    return np.sum([_swap_colour(*state, colour, board) for colour in colours], axis=0)
