r"""The 176 structural descriptors of a particle: density, energy, cell perimeter and energy variance around it.

Four observables are averaged over the particles of each species, and of all, within a cutoff of the particle, with
weights e^{−R/L} for eleven lengths L (Eqs. 1–4). Sums include the particle itself; at L = 0 only it counts; an empty
average is 0. Distances are those of the nearest image: a cutoff beyond half the box counts every particle at most once.

The kernel gathers the neighbours of a block of particles, species by species, relative to the block's centre, which
keeps float32 weights exact to about 1e-6. All ten exponentials are powers of e^{−R/36} and e^{−R/35}, two polynomials
without a branch. Energies and perimeters enter as deviations from their species' mean, so that no variance cancels.
The order of summation does not depend on the number of threads.
"""

import numpy as np
import xarray as xr
from numba import njit, prange

from glassviz import mixture
from glassviz.simulate.neighbors import sort_into_cells
from glassviz.simulate.potential import potential_energy
from glassviz.structure.tessellation import perimeters
from glassviz.threads import SIDE_BY_SIDE

EQUATION = (
    r"\overline{\rho}^i_{L,\beta} = \sum_{j \in N^i_\beta} e^{-R_{ij}/L},\quad "
    r"\overline{E}^i_{L,\beta} = \sum_{j} E^j e^{-R_{ij}/L} / \overline{\rho}^i_{L,\beta},\quad "
    r"\overline{p}^i_{L,\beta} = \sum_{j} p^j e^{-R_{ij}/L} / \overline{\rho}^i_{L,\beta},\quad "
    r"\overline{\Delta E}^i_{L,\beta} = \sum_{j} (E^j - \overline{E}^i_{L,\beta})^2 e^{-R_{ij}/L}"
    r" / \overline{\rho}^i_{L,\beta}"
)
CAPTION = (
    "How dense, how bound, how roomy and how uneven the inherent structure is around a particle, out to a length L."
)

OBSERVABLES = ("density", "energy", "perimeter", "energy_variance")
LENGTHS = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0)
NEIGHBOR_SPECIES = ("1", "2", "3", "all")

CUTOFF = 16.0  # inside half the box of 1290 particles: one cutoff for every system size
LARGEST_CUTOFF = 35.0  # the polynomial below holds up to R/35 = 1
# e^{−u} on [0, 1] to 3e-8.
_DECAY = tuple(
    np.polynomial.Chebyshev.interpolate(lambda u: np.exp(-u), 6, domain=[0, 1])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)
_INVERSE_36, _INVERSE_35, _ZERO = np.float32(1 / 36), np.float32(1 / 35), np.float32(0)
_CELLS_PER_CUTOFF = 4


@njit(cache=True, error_model="numpy", fastmath=True, inline="always")
def _decay(u):
    c = _DECAY
    return c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * (c[5] + u * c[6])))))


@njit(cache=True, error_model="numpy", fastmath=True)
def _weigh(weight, x, y, here_x, here_y, cutoff2):
    """Fill weight[scale, k] with e^{−R/L} of neighbour k, for the lengths L = 1 … 9; 0 beyond the cutoff."""
    for k in range(len(x)):
        dx, dy = x[k] - here_x, y[k] - here_y
        r2 = dx * dx + dy * dy
        r = np.sqrt(r2)
        a = _decay(r * _INVERSE_36) if r2 < cutoff2 else _ZERO
        b = _decay(r * _INVERSE_35) if r2 < cutoff2 else _ZERO
        a2, b2 = a * a, b * b
        a3, a4, b4 = a2 * a, a2 * a2, b2 * b2
        a6, b5 = a3 * a3, b4 * b
        a9, a12, b7 = a6 * a3, a6 * a6, b5 * b2
        a18 = a9 * a9
        weight[0, k] = a18 * a18  # L = 36/36
        weight[1, k] = a12 * a12  # L = 36/24
        weight[2, k] = a18  # L = 36/18
        weight[3, k] = b7 * b7  # L = 35/14
        weight[4, k] = a12  # L = 36/12
        weight[5, k] = a9  # L = 36/9
        weight[6, k] = b7  # L = 35/7
        weight[7, k] = a6  # L = 36/6
        weight[8, k] = b5  # L = 35/5
        weight[9, k] = a4  # L = 36/4


@njit(cache=True, error_model="numpy", fastmath=True)
def _sum(total, weight, energy, perimeter):
    """Fill total[scale] with Σw, Σw E, Σw p and Σw E² over the neighbours, for each length."""
    for scale in range(total.shape[0]):
        row = weight[scale]
        density, bound, room, bound2 = _ZERO, _ZERO, _ZERO, _ZERO
        for k in range(len(energy)):
            w = row[k]
            we = w * energy[k]
            density += w
            bound += we
            room += w * perimeter[k]
            bound2 += we * energy[k]
        total[scale, 0], total[scale, 1], total[scale, 2], total[scale, 3] = density, bound, room, bound2


@njit(cache=True, error_model="numpy")
def _average(column, total, mean):
    """Turn the sums total[species, scale] into column[observable, 1 + scale, neighbour species], 0 at first."""
    bound = np.zeros(3)
    for scale in range(total.shape[1]):
        density, energy, perimeter, energy2 = 0.0, 0.0, 0.0, 0.0
        for s in range(3):
            own = float(total[s, scale, 0])
            if own == 0:
                continue
            deviation = total[s, scale, 1] / own
            bound[s] = mean[s, 0] + deviation
            room = mean[s, 1] + total[s, scale, 2] / own
            variance = max(total[s, scale, 3] / own - deviation * deviation, 0.0)
            column[0, scale + 1, s], column[1, scale + 1, s] = own, bound[s]
            column[2, scale + 1, s], column[3, scale + 1, s] = room, variance
            density += own
            energy += own * bound[s]
            perimeter += own * room
            energy2 += own * variance
        energy /= density
        for s in range(3):  # the variance over all is that within the species and that between their means
            energy2 += float(total[s, scale, 0]) * (bound[s] - energy) ** 2
        column[0, scale + 1, 3], column[1, scale + 1, 3] = density, energy
        column[2, scale + 1, 3], column[3, scale + 1, 3] = perimeter / density, energy2 / density


@njit(cache=True, error_model="numpy", fastmath=True)
def _gather(position, values, length, cutoff, first, order, reach, middle, half):
    """Neighbours of a block: all particles within the cutoff of the square of half-width `half` around `middle`.

    Returns (n,) float32 arrays of x and y relative to the middle, energy and perimeter, and (4,) where each species
    begins; `first` (3, cells + 1) and `order` are the cell lists of the species.
    """
    side = int(np.sqrt(first.shape[1]))
    gx = min(int(middle[0] / length * side), side - 1)
    gy = min(int(middle[1] / length * side), side - 1)
    room = 0
    for ox in range(-reach, reach + 1):
        for oy in range(-reach, reach + 1):
            c = (gx + ox) % side * side + (gy + oy) % side
            for s in range(3):
                room += first[s, c + 1] - first[s, c]
    x, y = np.empty(room, np.float32), np.empty(room, np.float32)
    energy, perimeter = np.empty(room, np.float32), np.empty(room, np.float32)
    run = np.zeros(4, np.int64)
    inverse, cutoff2 = 1 / length, cutoff * cutoff
    found = 0
    for s in range(3):
        for ox in range(-reach, reach + 1):
            for oy in range(-reach, reach + 1):
                c = (gx + ox) % side * side + (gy + oy) % side
                for k in range(first[s, c], first[s, c + 1]):
                    j = order[k]
                    dx, dy = position[j, 0] - middle[0], position[j, 1] - middle[1]
                    dx -= length * np.rint(dx * inverse)
                    dy -= length * np.rint(dy * inverse)
                    # Write always and advance only for a neighbour: no branch to mispredict.
                    x[found], y[found] = dx, dy
                    energy[found], perimeter[found] = values[j, 0], values[j, 1]
                    beyond_x, beyond_y = max(abs(dx) - half, 0.0), max(abs(dy) - half, 0.0)
                    found += int(beyond_x * beyond_x + beyond_y * beyond_y < cutoff2)
        run[s + 1] = found
    return x, y, energy, perimeter, run


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True, nogil=SIDE_BY_SIDE)
def _columns(position, values, mean, species_first, length, cutoff, side, centers, block_first, members, middles, half):
    """Descriptors (centre, observable, length, neighbour species) of the particles `centers`.

    `position` (n, 2) in [0, L), `values` (n, 2) energies and perimeters less the `mean` (3, 2) of their species;
    particles sorted by species, of which species s is species_first[s]:species_first[s + 1]. `side`² cells find
    neighbours. Block b holds centers[members[block_first[b]:block_first[b + 1]]], all within ±`half` of middles[b]
    along each axis.
    """
    reach = int(np.ceil(cutoff * side / length)) if side > 1 else 0
    first = np.empty((3, side * side + 1), np.int32)
    order = np.empty(len(position), np.int32)
    for s in range(3):
        own = slice(species_first[s], species_first[s + 1])
        _, first[s], order[own] = sort_into_cells(position[own], length, side)
        order[own] += species_first[s]
        first[s] += species_first[s]

    columns = np.zeros((len(centers), 4, 11, 4), np.float32)
    for b in prange(len(middles)):
        if block_first[b] == block_first[b + 1]:
            continue
        x, y, energy, perimeter, run = _gather(position, values, length, cutoff, first, order, reach, middles[b], half)
        weight = np.empty((10, len(x)), np.float32)
        total = np.empty((3, 10, 4), np.float32)
        for k in range(block_first[b], block_first[b + 1]):
            m = members[k]
            i = centers[m]
            here_x = np.float32(position[i, 0] - middles[b, 0])
            here_y = np.float32(position[i, 1] - middles[b, 1])
            for s in range(3):
                own = slice(run[s], run[s + 1])
                _weigh(weight, x[own], y[own], here_x, here_y, np.float32(cutoff * cutoff))
                _sum(total[s], weight, energy[own], perimeter[own])
            _average(columns[m], total, mean)
            for s in range(3):
                if species_first[s] <= i < species_first[s + 1]:
                    for beside in (s, 3):
                        columns[m, 0, 0, beside] = 1
                        columns[m, 1, 0, beside] = values[i, 0] + mean[s, 0]
                        columns[m, 2, 0, beside] = values[i, 1] + mean[s, 1]
    return columns


def _describe(position, species, energy, perimeter, length, cutoff, rows):
    """Descriptors (row, 4, 11, 4), float32, of the particles `rows` of one configuration given as plain arrays."""
    by_species = np.argsort(species, kind="stable")
    species_first = np.searchsorted(species[by_species], np.arange(4))
    rank = np.empty(len(species), np.int64)
    rank[by_species] = np.arange(len(species))
    values = np.stack([energy, perimeter], axis=-1)[by_species]
    mean = np.zeros((3, 2))
    for s in range(3):
        own = slice(species_first[s], species_first[s + 1])
        if own.start < own.stop:
            mean[s] = values[own].mean(axis=0)
            values[own] -= mean[s]
    position = np.ascontiguousarray(position[by_species])
    centers = rank[rows]

    side = min(int(_CELLS_PER_CUTOFF * length / cutoff), max(int(np.sqrt(len(species))), 1))
    if side > 2 * _CELLS_PER_CUTOFF:  # a cell and all cells within the cutoff of it are distinct
        half = length / side / 2
        middle = (np.arange(side) + 0.5) * length / side
        middles = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
        _, block_first, members = sort_into_cells(position[centers], length, side)
    else:  # a small box: each particle is a block, and its neighbours are sought among all
        side, half = 1, 0.0
        middles = position[centers]
        block_first = np.arange(len(centers) + 1, dtype=np.int32)
        members = np.arange(len(centers), dtype=np.int32)
    return _columns(
        position, values, mean, species_first, length, cutoff, side, centers, block_first, members, middles, half
    )


def check_cutoff(cutoff):
    """`InvalidData` where descriptors cannot have a cutoff (σ)."""
    if not 0 < cutoff <= LARGEST_CUTOFF:
        raise mixture.InvalidData(f"descriptors: the cutoff is {cutoff}; expected 0 < cutoff ≤ {LARGEST_CUTOFF:g} σ.")


def checked(ds, cutoff, species):
    """The configurations in normal form with their inherent structures, or InvalidData; see `descriptors`."""
    if "inherent_position" not in ds:
        raise mixture.InvalidData(
            "descriptors: the configurations have no inherent_position; run glassviz.inherent_structures on them first."
        )
    check_cutoff(cutoff)
    if species not in (None, 0, 1, 2):
        raise mixture.InvalidData(f"descriptors: species is {species}; expected 0, 1, 2 or None for all.")
    ds = mixture.check(ds, "descriptors")
    counts = np.unique([len(rows_of(row, species)) for row in ds["species"].values])
    if len(counts) > 1:
        raise mixture.InvalidData(
            f"descriptors: the configurations hold {counts[0]} to {counts[-1]} particles of species {species + 1}; "
            "expected the same number in each."
        )
    return ds


def rows_of(species_row, species):
    """Indices of the particles of one species, or of all particles where `species` is None."""
    return np.arange(len(species_row)) if species is None else np.flatnonzero(species_row == species)


def describe_one(configuration, cutoff, tessellation, species):
    """Descriptors of one checked configuration (no configuration dimension) as a (row, 4, 11, 4) float32 array."""
    position = configuration["inherent_position"].values
    kinds = configuration["species"].values
    length = configuration.attrs["box_length"]
    perimeter = perimeters(position, kinds, length, tessellation)
    if "inherent_energy" in configuration:
        energy = configuration["inherent_energy"].values
    else:
        energy = potential_energy(position, kinds, length)
    return _describe(position, kinds, energy, perimeter, length, float(cutoff), rows_of(kinds, species))


def labelled(columns, ds, cutoff, tessellation, species):
    """The descriptors `columns` (configuration, row, 4, 11, 4) of the checked Dataset `ds` as a DataArray."""
    kinds = ds["species"].values
    rows = np.stack([rows_of(row, species) for row in kinds])
    per_particle = ("configuration", "particle")
    coords = {
        "configuration": ds["configuration"],
        "observable": list(OBSERVABLES),
        "length": list(LENGTHS),
        "neighbor_species": list(NEIGHBOR_SPECIES),
        "species": (per_particle, np.take_along_axis(kinds, rows, axis=1)),
    }
    if species is not None:
        coords["index"] = (per_particle, rows)
    return xr.DataArray(
        columns,
        dims=(*per_particle, "observable", "length", "neighbor_species"),
        coords=coords,
        name="descriptors",
        attrs={
            "box_length": ds.attrs["box_length"],
            "temperature": ds.attrs["temperature"],
            "cutoff": float(cutoff),
            "tessellation": tessellation,
        },
    )


def descriptors(ds, cutoff=CUTOFF, tessellation="radical", species=None, progress=None):
    """The 176 structural descriptors of every particle in its inherent structure (Eqs. 1–4 of the paper).

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations with `inherent_position`; `inherent_energy` is computed where absent.
    cutoff : float, optional
        Largest distance of a neighbour (σ), at most 35. The paper's is 20; 16 fits in half the box of 1290 particles,
        so that every system size is described alike. Beyond half the box the nearest image cuts the disc.
    tessellation : {"radical", "plain"}, optional
        Kind of the Voronoi cells whose perimeters are averaged.
    species : int, optional
        Describe only the particles of this species, 0-based; the coordinate `index` then says which they are.
    progress : callable, optional
        Called as `progress(done, total)` after each configuration.

    Returns
    -------
    xarray.DataArray
        Dims `(configuration, particle, observable, length, neighbor_species)`, float32; lengths in σ, densities are
        numbers of particles, energies in ε, perimeters in σ, variances in ε². Coordinate `species` (configuration,
        particle); attrs `box_length`, `temperature`, `cutoff`, `tessellation`.

    Raises
    ------
    InvalidData
        Where inherent positions are missing, an argument is out of range, or the configurations hold different numbers
        of particles of the species.
    """
    ds = checked(ds, cutoff, species)
    total = ds.sizes["configuration"]
    columns = []
    for index in range(total):
        columns.append(describe_one(ds.isel(configuration=index), cutoff, tessellation, species))
        if progress is not None:
            progress(index + 1, total)
    columns = columns[0][None] if total == 1 else np.stack(columns)
    return labelled(columns, ds, cutoff, tessellation, species)
