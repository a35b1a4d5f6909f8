"""Which particle is where in the lanes' arrays, so that replicas that drift apart keep sharing their pairs.

Particles of one species are alike: a replica stays what it is when two of them change places in its lane, if it is kept
in mind which is which. So each lane is brought close to the first again and again: two particles change slots where
that lowers the sum of squared distances between the particles and what the first lane has in their slots. Neighbours in
one lane are then near each other in all lanes, at any time, and a pair list that the lanes share stays short.
"""

import numpy as np
from numba import njit

from glassviz.simulate.fixed_point import sort_into_squares
from glassviz.simulate.lanes import LANES, UNITS
from glassviz.simulate.neighbors import cells_per_side

SEARCH = 1.5  # around a particle, for slots it may change to (σ)
GAIN = 0.1  # least that a change lowers the sum of squared distances by (σ²)
CONTENT = 0.6  # a particle this close to the first lane's does not look for another slot (σ)
PASSES = 30  # at most; where lanes were close to each other before, one or two lead to where few pairs still change
FEW = 0.01  # of the particles


@njit(cache=True, error_model="numpy", inline="always")
def _squared(x, y, i, lane, slot):
    """Squared distance of the particle in slot i of a lane from the first lane's in another slot, fixed-point units."""
    dx, dy = np.float64(np.int32(x[i, lane] - x[slot, 0])), np.float64(np.int32(y[i, lane] - y[slot, 0]))
    return dx * dx + dy * dy


@njit(cache=True, error_model="numpy")
def _better_slot(x, y, species, i, lane, side, first, order, content, least):
    """The slot that is best for particle i of a lane to change with, i itself where none lowers the sum by `least`."""
    around = 1 if side >= 3 else 0
    cx, cy = (np.int64(np.uint32(x[i, lane])) * side) >> 32, (np.int64(np.uint32(y[i, lane])) * side) >> 32
    here, best, gain = _squared(x, y, i, lane, i), i, least
    if here < content:
        return i
    for ox in range(-around, around + 1):
        for oy in range(-around, around + 1):
            c = (cx + ox + side) % side * side + (cy + oy + side) % side
            for k in range(first[c], first[c + 1]):
                j = np.int64(order[k])
                if j == i or species[j] != species[i]:
                    continue
                lower = here + _squared(x, y, j, lane, j) - _squared(x, y, i, lane, j)
                if lower > gain:
                    lower -= _squared(x, y, j, lane, i)
                if lower > gain:
                    best, gain = j, lower
    return best


@njit(cache=True, error_model="numpy", inline="always")
def _exchange(field, i, j, lane):
    field[i, lane], field[j, lane] = field[j, lane], field[i, lane]


@njit(cache=True, error_model="numpy")
def share_slots(x, y, vx, vy, traveled_x, traveled_y, particle, species, unit):
    """Bring every lane close to the first by changing slots of particles of one species, in place.

    Parameters
    ----------
    x, y, vx, vy, traveled_x, traveled_y, particle : (n, LANES) ndarray
        The fields of `glassviz.simulate.dynamics.Lanes`.
    species : (n,) ndarray of int8
        Species of every slot, 0-based.
    unit : float
        Length of a fixed-point step (σ).

    Returns
    -------
    int
        How many pairs have changed slots.
    """
    n = len(x)
    side = cells_per_side(UNITS, SEARCH / unit)
    first, order = sort_into_squares(np.ascontiguousarray(x[:, 0]), np.ascontiguousarray(y[:, 0]), n, side)
    content, least = (CONTENT / unit) ** 2, GAIN / unit**2
    changed = 0
    for lane in range(1, LANES):
        for _ in range(PASSES):
            before = changed
            for i in range(n):
                j = _better_slot(x, y, species, i, lane, side, first, order, content, least)
                if j != i:
                    for integers in (x, y, particle):
                        _exchange(integers, i, j, lane)
                    for velocity in (vx, vy):
                        _exchange(velocity, i, j, lane)
                    for traveled in (traveled_x, traveled_y):
                        _exchange(traveled, i, j, lane)
                    changed += 1
            if changed - before <= FEW * n:
                break
    return changed
