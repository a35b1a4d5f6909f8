"""Discs of true radius on a datashader canvas: which particle does each pixel show?

Recolouring, hover and tap need no drawing once every pixel knows its particle, so a snapshot is splatted once per
viewport and then only looked up. Discs of the Kob-Andersen mixture overlap (σ₁₂ < (σ₁₁ + σ₂₂)/2); a pixel inside many
discs belongs to the one with the smallest power distance |x − R_i|² − r_i², so two discs meet along the straight line
through their crossing points, which is also the border of their radical cells.
"""

import math

import numpy as np
import xarray as xr
from datashader import Canvas
from numba import get_num_threads, njit, prange

from glassviz.mixture import RADII
from glassviz.threads import SIDE_BY_SIDE

BACKGROUND = -1
OUTLINE = np.float32(1.4)  # width of a rim (pixels)
FAR = np.float32(1e30)  # no infinity under fastmath


def particle_ids(canvas, position, radius, box_length):
    """Splat discs onto a canvas.

    Parameters
    ----------
    canvas : datashader.Canvas
        Gives the size in pixels and the window `x_range`, `y_range` in σ. The window may reach beyond the box: periodic
        images are drawn.
    position : (particle, 2) array_like
        Disc centres in [0, L) (σ).
    radius : (particle,) array_like
        Disc radii (σ).
    box_length : float
        Side L of the periodic box (σ).

    Returns
    -------
    xarray.Dataset
        `particle` (y, x) int32, the disc that covers the pixel's centre, −1 where there is none, and
        `edge` (y, x) float32, pixels from the pixel's centre to the border of the visible part of its disc
        (0 on the background). Coordinates `x`, `y` are pixel centres in σ, rows from the bottom up.
    """
    canvas.validate()
    width, height = canvas.plot_width, canvas.plot_height
    x_transform = canvas.x_axis.compute_scale_and_translate(canvas.x_range, width)
    y_transform = canvas.y_axis.compute_scale_and_translate(canvas.y_range, height)
    position = np.ascontiguousarray(position, dtype=np.float64)
    radius = np.ascontiguousarray(radius, dtype=np.float64)
    particle, edge = _splat(
        position, radius, float(box_length), width, height, *x_transform, *y_transform, get_num_threads()
    )
    coords = {
        "y": canvas.y_axis.compute_index(y_transform, height),
        "x": canvas.x_axis.compute_index(x_transform, width),
    }
    return xr.Dataset({"particle": (("y", "x"), particle), "edge": (("y", "x"), edge)}, coords=coords)


def viewport(box_length, side, x_range=None, y_range=None):
    """A canvas of `side` × `side` pixels on the window `x_range`, `y_range` (σ; the whole box where not given)."""
    return Canvas(side, side, x_range or (0.0, box_length), y_range or (0.0, box_length))


def opacity(raster):
    """How much of a raster's discs is left at each pixel, (y, x) float32 in [0, 1].

    Where discs are wide enough to see, their rims fade into the background, which outlines them.
    """
    scale = 1 / float(raster["x"][1] - raster["x"][0])
    outline = np.float32(np.clip((RADII.min() * scale - 3) / 5, 0, 1))
    return 1 - outline * (1 - np.clip(raster["edge"].values / OUTLINE, 0, 1))


def pack(raster):
    """A raster of `particle_ids` as (y, x) uint32: (alpha << 24 | particle), 0 on the background; see `opacity`."""
    particle = raster["particle"].values
    packed = (np.rint(255 * opacity(raster)).astype(np.uint32) << 24) | particle.astype(np.uint32)
    return np.where(particle < 0, np.uint32(0), packed)


def coloured(packed, colors):
    """The image (y, x) uint32 0xAABBGGRR of a raster from `pack`, with one colour of that form for each particle."""
    image = (packed & np.uint32(0xFF000000)) | (colors[packed & np.uint32(0xFFFFFF)] & np.uint32(0xFFFFFF))
    return np.where(packed == 0, np.uint32(0), image)


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True, nogil=SIDE_BY_SIDE)
def _splat(position, radius, box_length, width, height, x_scale, x_shift, y_scale, y_shift, bands):
    """Each thread owns a band of rows and draws every disc that reaches into it; bands share nothing."""
    particle = np.full((height, width), BACKGROUND, dtype=np.int32)
    edge = np.zeros((height, width), dtype=np.float32)
    left, right = -x_shift / x_scale, (width - x_shift) / x_scale
    for band in prange(bands):
        first_row, end_row = band * height // bands, (band + 1) * height // bands
        nearest = np.full((end_row - first_row, width), FAR)
        second = np.full((end_row - first_row, width), FAR)
        bottom, top = (first_row - y_shift) / y_scale, (end_row - y_shift) / y_scale
        for i in range(len(radius)):
            x, y, r = position[i, 0], position[i, 1], radius[i]
            for image_y in range(math.ceil((bottom - r - y) / box_length), math.floor((top + r - y) / box_length) + 1):
                centre_y = (y + image_y * box_length) * y_scale + y_shift - 0.5
                row0 = max(first_row, math.ceil(centre_y - r * y_scale))
                row1 = min(end_row - 1, math.floor(centre_y + r * y_scale))
                for image_x in range(
                    math.ceil((left - r - x) / box_length), math.floor((right + r - x) / box_length) + 1
                ):
                    centre_x = (x + image_x * box_length) * x_scale + x_shift - 0.5
                    column0 = max(0, math.ceil(centre_x - r * x_scale))
                    column1 = min(width - 1, math.floor(centre_x + r * x_scale))
                    for row in range(row0, row1 + 1):
                        dy = (row - centre_y) / y_scale
                        for column in range(column0, column1 + 1):
                            dx = (column - centre_x) / x_scale
                            power = np.float32(dx * dx + dy * dy - r * r)
                            k = row - first_row
                            if power > 0:
                                continue
                            if power < nearest[k, column]:
                                second[k, column] = nearest[k, column]
                                nearest[k, column] = power
                                particle[row, column] = i
                            elif power < second[k, column]:
                                second[k, column] = power
        for row in range(first_row, end_row):
            for column in range(width):
                i = particle[row, column]
                if i < 0:
                    continue
                power, r = nearest[row - first_row, column], radius[i]
                rim = r - math.sqrt(max(power + r * r, 0.0))
                # Half the difference of two power distances over the distance of the centres (about 2 r) is the
                # distance to their radical line; with no second disc the rim is the border.
                radical = (second[row - first_row, column] - power) / (4 * r)
                edge[row, column] = min(rim, radical) * x_scale
    return particle, edge
