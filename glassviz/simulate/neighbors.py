"""Cell lists and pair lists in a periodic square box."""

import numpy as np
from numba import njit

from glassviz import mixture

REACH = mixture.CUTOFF * mixture.SIGMA  # interaction range of every species pair (σ)


@njit(cache=True, error_model="numpy")
def cells_per_side(length, reach):
    """Cells along a side such that all pairs within `reach` lie in adjacent cells; 1 where fewer than 3 would fit."""
    side = int(length / reach)
    return side if side >= 3 else 1


@njit(cache=True, error_model="numpy", nogil=True)
def members(cell, cells):
    """Members of every cell, by a counting sort.

    Parameters
    ----------
    cell : (n,) ndarray of int32
        Cell of each particle.
    cells : int
        Number of cells.

    Returns
    -------
    first : (cells + 1,) ndarray of int32
        Where each cell begins in `order`.
    order : (n,) ndarray of int32
        Particles cell by cell, by rising index within a cell.
    """
    first = np.zeros(cells + 1, np.int32)
    for c in cell:
        first[c + 1] += 1
    for c in range(cells):
        first[c + 1] += first[c]
    fill = first[:-1].copy()
    order = np.empty(len(cell), np.int32)
    for i in range(len(cell)):
        order[fill[cell[i]]] = i
        fill[cell[i]] += 1
    return first, order


@njit(cache=True, error_model="numpy")
def sort_into_cells(position, length, side):
    """Counting sort of particles into side × side cells.

    Parameters
    ----------
    position : (n, 2) ndarray
        Positions (σ) in [0, L).
    length : float
        Side of the box (σ).
    side : int
        Cells along a side.

    Returns
    -------
    cell : (n,) ndarray of int32
        Cell of each particle, row-major in (x, y).
    first : (side² + 1,) ndarray of int32
        Where each cell begins in `order`.
    order : (n,) ndarray of int32
        Particles cell by cell, by rising index within a cell.
    """
    n = len(position)
    cell = np.empty(n, np.int32)
    for i in range(n):
        cx = min(int(position[i, 0] / length * side), side - 1)
        cy = min(int(position[i, 1] / length * side), side - 1)
        cell[i] = cx * side + cy
    first, order = members(cell, side * side)
    return cell, first, order


@njit(cache=True, error_model="numpy")
def _pairs(position, species, length, reach, half):
    """Pairs (i, j) with r_ij < reach[species_i, species_j], as rows of a compressed list."""
    n = len(position)
    side = cells_per_side(length, reach.max())
    cell, first, order = sort_into_cells(position, length, side)
    around = 1 if side >= 3 else 0
    reach2 = reach * reach
    start = np.zeros(n + 1, np.int64)
    neighbor = np.empty(64 * n + 64, np.int32)
    count = 0
    for i in range(n):
        cx, cy = cell[i] // side, cell[i] % side
        for ox in range(-around, around + 1):
            for oy in range(-around, around + 1):
                c = (cx + ox) % side * side + (cy + oy) % side
                for k in range(first[c], first[c + 1]):
                    j = order[k]
                    if j == i or (half and j < i):
                        continue
                    dx = position[i, 0] - position[j, 0]
                    dy = position[i, 1] - position[j, 1]
                    dx -= length * np.rint(dx / length)
                    dy -= length * np.rint(dy / length)
                    if dx * dx + dy * dy < reach2[species[i], species[j]]:
                        if count == len(neighbor):
                            grown = np.empty(2 * count, np.int32)
                            grown[:count] = neighbor
                            neighbor = grown
                        neighbor[count] = j
                        count += 1
        start[i + 1] = count
    return start, neighbor[:count].copy()


def pair_list(position, species, box_length, skin=0.0, reach=REACH, half=False):
    """Neighbours of every particle within the range of its species pairs.

    Parameters
    ----------
    position : (n, 2) ndarray of float64
        Positions (σ) in [0, L).
    species : (n,) ndarray of int8
        Species, 0-based.
    box_length : float
        Side of the periodic box (σ); distances are those of the nearest image.
    skin : float, optional
        Added to every range (σ), so that the list stays valid until a particle has moved by half of it.
    reach : (3, 3) ndarray, optional
        Range of each species pair (σ); by default that of the interaction, 2.5 σ_ab.
    half : bool, optional
        List each pair once, under its lower index.

    Returns
    -------
    start : (n + 1,) ndarray of int64
    neighbor : (start[-1],) ndarray of int32
        The neighbours of i are `neighbor[start[i]:start[i + 1]]`.
    """
    return _pairs(position, species, float(box_length), np.asarray(reach) + skin, half)
