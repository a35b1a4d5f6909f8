r"""Voronoi cells of the mixture: the perimeter of every particle's cell, radical (power) or plain.

The cell of particle i holds the points nearer to it than to any other particle j, by the power distance
|x − R_i|² − w_i: w_i is the squared radius σ_aa/2 of its species in the radical tessellation, 0 in the plain one. Each
cell is cut out of the periodic box by its neighbours' half-planes, nearest first, until no farther one can reach it.
A particle whose radical cell is swallowed by its neighbours has perimeter 0.
"""

import numpy as np
from numba import njit, prange

from glassviz import mixture
from glassviz.simulate.neighbors import sort_into_cells
from glassviz.threads import SIDE_BY_SIDE

EQUATION = r"p^i = |\partial\Omega_i|,\quad \Omega_i = \{x : |x - R_i|^2 - w_i \le |x - R_j|^2 - w_j\ \forall j\}"
CAPTION = "The perimeter of the Voronoi cell around a particle; radical cells give larger species more room."

WEIGHTS = {"radical": mixture.RADII**2, "plain": np.zeros(3)}
KINDS = tuple(WEIGHTS)
PARTICLES_PER_CELL = 2.0


@njit(cache=True, error_model="numpy", fastmath=True)
def _clip(x, y, corners, nx, ny, height, cut_x, cut_y):
    """Cut the convex polygon (x, y) to the half-plane x·n ≤ height; returns the corners left in (cut_x, cut_y)."""
    kept = 0
    last_x, last_y = x[corners - 1], y[corners - 1]
    last = last_x * nx + last_y * ny - height
    for k in range(corners):
        here = x[k] * nx + y[k] * ny - height
        if (here <= 0) != (last <= 0):
            part = last / (last - here)
            cut_x[kept] = last_x + part * (x[k] - last_x)
            cut_y[kept] = last_y + part * (y[k] - last_y)
            kept += 1
        if here <= 0:
            cut_x[kept], cut_y[kept] = x[k], y[k]
            kept += 1
        last_x, last_y, last = x[k], y[k], here
    return kept


@njit(cache=True, error_model="numpy", fastmath=True)
def _farthest2(x, y, corners):
    """Squared distance of the farthest corner from the particle."""
    farthest2 = 0.0
    for k in range(corners):
        farthest2 = max(farthest2, x[k] * x[k] + y[k] * y[k])
    return farthest2


@njit(cache=True, error_model="numpy", fastmath=True)
def _cell(i, position, weight, heaviest, length, side, first, order):
    """Corners (x, y) of the cell of particle i, relative to it, and their number."""
    width = length / side
    gx = min(int(position[i, 0] / width), side - 1)
    gy = min(int(position[i, 1] / width), side - 1)
    inset = min(
        min(position[i, 0] - gx * width, (gx + 1) * width - position[i, 0]),
        min(position[i, 1] - gy * width, (gy + 1) * width - position[i, 1]),
    )
    # Its own periodic images confine a particle's cell to the square of side L around it.
    x, y, cut_x, cut_y = np.empty(32), np.empty(32), np.empty(32), np.empty(32)
    x[0], x[1], x[2], x[3] = -length / 2, length / 2, length / 2, -length / 2
    y[0], y[1], y[2], y[3] = -length / 2, -length / 2, length / 2, length / 2
    corners = 4
    reach2 = _farthest2(x, y, corners)
    ring = 0
    while corners > 0:
        nearest = (ring - 1) * width + inset  # of the particles in this ring and beyond
        if nearest > 0 and nearest * nearest + weight[i] - heaviest >= 2 * nearest * np.sqrt(reach2):
            break
        for ox in range(-ring, ring + 1):
            step = 1 if abs(ox) == ring else 2 * ring
            for oy in range(-ring, ring + 1, max(step, 1)):
                image_x, image_y = (gx + ox) // side, (gy + oy) // side
                c = (gx + ox - image_x * side) * side + gy + oy - image_y * side
                for k in range(first[c], first[c + 1]):
                    j = order[k]
                    dx = position[j, 0] + image_x * length - position[i, 0]
                    dy = position[j, 1] + image_y * length - position[i, 1]
                    distance2 = dx * dx + dy * dy
                    height = (distance2 + weight[i] - weight[j]) / 2
                    missed = height >= 0 and height * height >= reach2 * distance2
                    if missed or (j == i and image_x == 0 and image_y == 0):
                        continue
                    if 2 * corners > len(x):
                        x, y = np.concatenate((x, x)), np.concatenate((y, y))
                        cut_x, cut_y = np.empty(len(x)), np.empty(len(x))
                    corners = _clip(x, y, corners, dx, dy, height, cut_x, cut_y)
                    x, y, cut_x, cut_y = cut_x, cut_y, x, y
                    if corners == 0:
                        return x, y, corners
                    reach2 = _farthest2(x, y, corners)
        ring += 1
    return x, y, corners


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True, nogil=SIDE_BY_SIDE)
def _cells(position, weight, length, side):
    """Perimeter (σ) and area (σ²) of every power cell; positions (n, 2) in [0, L), weights (n,) in σ²."""
    _, first, order = sort_into_cells(position, length, side)
    heaviest = weight.max()
    perimeter = np.zeros(len(position))
    area = np.zeros(len(position))
    for i in prange(len(position)):
        x, y, corners = _cell(i, position, weight, heaviest, length, side, first, order)
        around, twice_area = 0.0, 0.0
        for k in range(corners):
            n = k + 1 if k + 1 < corners else 0
            around += np.sqrt((x[n] - x[k]) ** 2 + (y[n] - y[k]) ** 2)
            twice_area += x[k] * y[n] - x[n] * y[k]
        perimeter[i] = around
        area[i] = twice_area / 2
    return perimeter, area


def cells(position, species, box_length, kind="radical"):
    """Perimeter and area of every particle's Voronoi cell in the periodic box.

    Parameters
    ----------
    position : (n, 2) array_like
        Positions (σ); they are folded into the box.
    species : (n,) array_like of int
        Species, 0-based.
    box_length : float
        Side of the periodic box (σ).
    kind : {"radical", "plain"}, optional
        Power cells with the radii σ_aa/2 = 0.50, 0.44, 0.47, or plain Voronoi cells.

    Returns
    -------
    perimeter : (n,) ndarray of float64
        Perimeters (σ); 0 where a radical cell vanishes.
    area : (n,) ndarray of float64
        Areas (σ²); they sum to that of the box.

    Raises
    ------
    InvalidData
        Where `kind` is neither of the two.
    """
    if kind not in WEIGHTS:
        raise mixture.InvalidData(f"tessellation: unknown kind '{kind}'; expected {' or '.join(KINDS)}.")
    position = np.ascontiguousarray(mixture.wrap(position, box_length))
    weight = WEIGHTS[kind][np.asarray(species)]
    side = max(int(np.sqrt(len(position) / PARTICLES_PER_CELL)), 1)
    return _cells(position, weight, float(box_length), side)


def perimeters(position, species, box_length, kind="radical"):
    """Perimeter p_i of every particle's Voronoi cell (σ), (n,) float64; arguments and errors as for `cells`."""
    return cells(position, species, box_length, kind)[0]
