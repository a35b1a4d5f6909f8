r"""Average chord length of the mobile regions (Sec. V.2, Fig. 8)."""

import numpy as np
from numba import njit, prange
from scipy.spatial import cKDTree

from glassviz.mixture import InvalidData, wrap
from glassviz.observe.fields import box_side, fields, positions, resampled, shortfall, summarize, widened
from glassviz.threads import SIDE_BY_SIDE

EQUATION = (
    r"a_i = \Theta\!\left( \mathcal{C}_B^i - \mathrm{median}\, \mathcal{C}_B \right), \qquad "
    r"\langle \xi_\mathrm{chord} \rangle = \mathrm{mean\ run\ of\ sites\ with\ } \bar{a} < 1/2"
)
CAPTION = "Mean length of the straight lines, along rows and columns of a lattice, that lie within mobile regions."


def chord_length(C, ds, spacing=1.5):
    r"""Mean chord length of the mobile regions of species 1.

    A particle is mobile (a = 0) where its propensity is below the median over species 1 of all structures, else
    passive (a = 1). Particles are mapped to a square lattice; a site takes the mean a of its particles, an empty one
    that of the nearest particle to its centre, and is mobile where that is below 0.5. Chords are the runs of mobile
    sites along rows and columns, periodic; a fully mobile line is one chord of the length of the box.

    Parameters
    ----------
    C : DataArray (..., [configuration,] particle)
        Propensities, measured or predicted, with any leading dims (network, state, time).
    ds : Dataset
        The configurations that C belongs to; of its positions the thermal ones are used.
    spacing : float, optional
        Wanted lattice spacing (σ); the actual one divides the box length evenly.

    Returns
    -------
    DataArray (...)
        Mean over all chords of all structures (σ), averaged over the networks, with the coordinates `error` (standard
        deviation over the networks; over structures where there are not two networks) and `structure_error`
        (bootstrap over structures). NaN where no site is mobile. Attribute `spacing`: the actual spacing.

    Raises
    ------
    InvalidData
        Where C does not belong to `ds`, or the spacing is not between 0 and half the box.
    """
    block = fields(C, ds)
    position = positions(ds, C, block.selected)
    length = box_side(ds)
    if not 0 < spacing <= length / 2:
        raise InvalidData(f"chord length: spacing {spacing:g}; expected more than 0 and at most half the box length.")
    values = [block.of(c) for c in range(len(block.selected))]
    threshold = np.median(np.concatenate(values, axis=1), axis=1)
    mobile = np.empty((len(values), len(threshold)))
    chords = np.empty_like(mobile)
    for c, value in enumerate(values):
        sites, nearest, side = lattice(position[c], length, spacing)
        mobile[c], chords[c] = count_chords(value, threshold, sites, nearest, side)
    weights = resampled(len(values)) if len(values) > 1 else np.full((2, 1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = length / side * mobile.sum(axis=0) / chords.sum(axis=0)
        replicates = length / side * (weights @ mobile) / (weights @ chords)
    replicates = widened(replicates, shortfall(len(values)))
    result = summarize(block.label(mean, "chord_length"), block.label(replicates, "chord_length"), "chord_length")
    return result.assign_attrs(spacing=length / side)


def chord_segments(C, ds, spacing=1.5):
    """Where the chords of one field lie along the rows of the lattice; parameters as `chord_length`.

    Returns
    -------
    (chord, 4) ndarray
        x0, y0, x1, y1 (σ) of each chord in direction x, through the middle of its row. A chord that runs on beyond the
        border of the box ends at x1 > L.

    Raises
    ------
    InvalidData
        Where C is more than one field on one structure.
    """
    block = fields(C, ds)
    if len(block.values) != 1 or len(block.selected) != 1:
        raise InvalidData(f"chords: {block.values.shape[:2]} fields and structures; expected one of each.")
    position = positions(ds, C, block.selected)
    length = box_side(ds)
    values = block.of(0)[0]
    sites, nearest, side = lattice(position[0], length, spacing)
    sign = np.where(values >= np.median(values), 1, -1)
    balance = np.bincount(sites, weights=sign, minlength=side * side)
    balance[nearest >= 0] = sign[nearest[nearest >= 0]]
    mobile = balance.reshape(side, side) < 0  # (x, y)
    step = length / side
    segments = []
    for row in range(side):
        line = mobile[:, row]
        starts = [0] if line.all() else np.flatnonzero(line & ~np.roll(line, 1))
        for start in starts:
            run = side if line.all() else int(np.argmin(np.roll(line, -start)))
            segments.append((start * step, (row + 0.5) * step, (start + run) * step, (row + 0.5) * step))
    return np.array(segments).reshape(-1, 4)


def lattice(position, length, spacing):
    """Which lattice site each particle belongs to, and which particle an empty site takes.

    Parameters
    ----------
    position : (particle, 2) ndarray
        Positions (σ), wrapped or not.
    length, spacing : float
        Side of the box and wanted lattice spacing (σ).

    Returns
    -------
    sites : (particle,) ndarray of int32
        Site of each particle, row by row.
    nearest : (side²,) ndarray of int32
        For an empty site the particle nearest to its centre, −1 for the others.
    side : int
        Number of sites per row, L/spacing rounded.
    """
    position = wrap(position, length)
    side = max(int(np.rint(length / spacing)), 1)
    cell = np.minimum((position * (side / length)).astype(np.int32), side - 1)
    sites = cell[:, 0] * side + cell[:, 1]
    empty = np.flatnonzero(np.bincount(sites, minlength=side * side) == 0)
    nearest = np.full(side * side, -1, dtype=np.int32)
    centre = (np.stack([empty // side, empty % side], axis=1) + 0.5) * (length / side)
    nearest[empty] = cKDTree(position, boxsize=length).query(centre)[1]
    return sites, nearest, side


@njit(cache=True, error_model="numpy", parallel=True, nogil=SIDE_BY_SIDE)
def count_chords(values, threshold, sites, nearest, side):
    """Total length (in sites) and number of the chords of each field.

    Parameters
    ----------
    values : (field, particle) ndarray
    threshold : (field,) ndarray
        A particle below it is mobile.
    sites, nearest, side
        From `lattice`.

    Returns
    -------
    mobile, chords : (field,) ndarray of float64
        Mobile sites counted once along rows and once along columns, and chords along both.
    """
    mobile, chords = np.zeros(len(values)), np.zeros(len(values))
    for f in prange(len(values)):
        balance = np.zeros(side * side, dtype=np.int32)  # passive minus mobile particles
        for i in range(len(sites)):
            balance[sites[i]] += 1 if values[f, i] >= threshold[f] else -1
        for s in range(side * side):
            if nearest[s] >= 0:
                balance[s] = 1 if values[f, nearest[s]] >= threshold[f] else -1
        for along, across in ((1, side), (side, 1)):
            for line in range(side):
                length, starts = 0, 0
                before = balance[line * across + (side - 1) * along] < 0
                for k in range(side):
                    here = balance[line * across + k * along] < 0
                    length += here
                    starts += here and not before
                    before = here
                mobile[f] += length
                chords[f] += 1 if length == side else starts
    return mobile, chords
