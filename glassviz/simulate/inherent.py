r"""Inherent structures: the energy minimum that a configuration relaxes to.

Minimised in float64 to max|F| < 10⁻⁶ by limited-memory BFGS. Near the minimum of a large box the energy changes by less
than its own rounding, so steps are judged by forces: the step is capped, and refused where the slope along it turns
uphill almost as steeply as it began downhill (which is how a quadratic tells that it overshot).
"""

from collections import deque

import numpy as np
from threadpoolctl import threadpool_limits

from glassviz import mixture
from glassviz.simulate.neighbors import pair_list, sort_into_cells
from glassviz.simulate.potential import energies_and_forces, potential_energy, threads_for

MAX_FORCE = 1e-6
LONGEST_STEP = 0.1  # of any particle in one iteration (σ)
MEMORY = 12
SKIN = 0.3
MAX_EVALUATIONS = 20_000
TILE = 20.0  # side of the tiles of a large box (σ)
OVERLAP = 10.0  # by which a tile relaxes its neighbours' particles too (σ)
SHELL = 3.0  # what a tile feels of its surroundings: the range of the interaction and a margin (σ)


class _Landscape:
    """Energies and forces along a minimisation, with a pair list that is kept while it is valid.

    Particles that are not `free` stay where they are: they push, but feel no force.
    """

    def __init__(self, position, species, length, free=None):
        self.species = np.ascontiguousarray(species, dtype=np.int8)
        self.length = float(length)
        self.free = None if free is None else free[:, None]
        self.evaluations = 0
        self._make_list(position)

    def _make_list(self, position):
        self.made_at = position.copy()
        wrapped = mixture.wrap(position, self.length)
        self.pairs = pair_list(wrapped, self.species, self.length, skin=SKIN)

    def __call__(self, position):
        """Energies (n,) and forces (n, 2) at unwrapped positions."""
        if ((position - self.made_at) ** 2).sum(axis=1).max() > (SKIN / 2) ** 2:
            self._make_list(position)
        self.evaluations += 1
        energy, force = energies_and_forces(position, self.species, self.length, *self.pairs)
        return energy, force if self.free is None else force * self.free


def _direction(force, history):
    """The two-loop recursion: the step of limited-memory BFGS from the force and past (move, force drop) pairs."""
    step = force.copy()
    weights = []
    for move, drop, curvature in reversed(history):
        weight = np.vdot(move, step) / curvature
        step -= weight * drop
        weights.append(weight)
    move, drop, curvature = history[-1]
    step *= curvature / np.vdot(drop, drop)
    for (move, drop, curvature), weight in zip(history, reversed(weights), strict=True):
        step += (weight - np.vdot(drop, step) / curvature) * move
    return step


def _descend(position, landscape, max_force=MAX_FORCE):
    """Limited-memory BFGS on a landscape; returns the positions and the energies of the minimum."""
    energy, force = landscape(position)
    history = deque(maxlen=MEMORY)
    while not np.abs(force).max() <= max_force:  # so that forces that are not numbers do not pass for small ones
        if landscape.evaluations >= MAX_EVALUATIONS or not np.isfinite(force).all():
            raise mixture.InvalidData(
                f"inherent structure: max|F| is {np.abs(force).max():.2g} after {landscape.evaluations} evaluations; "
                f"expected {max_force:g} (do particles overlap?)."
            )
        step = _direction(force, history) if history else force / 100
        if np.vdot(step, force) <= 0:
            history.clear()
            continue
        step *= min(1.0, LONGEST_STEP / np.sqrt((step**2).sum(axis=1).max()))
        slope = np.vdot(step, force)
        tried_energy, tried_force = landscape(position + step)
        while np.vdot(step, tried_force) < -0.9 * slope:
            step *= 0.4
            slope *= 0.4
            tried_energy, tried_force = landscape(position + step)
        drop = force - tried_force
        curvature = np.vdot(step, drop)
        if curvature > 1e-12 * np.vdot(step, step):
            history.append((step, drop, curvature))
        position = position + step
        energy, force = tried_energy, tried_force
    return position, energy


def _relax_tiles(position, species, length, tiles, offset, max_force):
    """Minimise overlapping square tiles of the box one after the other, in place, the rest of the box at rest."""
    width = length / tiles
    place = mixture.wrap(position - offset, length) / width
    for tile in np.ndindex(tiles, tiles):
        # Distance outside the tile along each axis, around the periodic box (σ).
        beyond = (np.abs((place - tile - 0.5 + tiles / 2) % tiles - tiles / 2) - 0.5) * width
        beyond = beyond.max(axis=1)
        near = np.flatnonzero(beyond < OVERLAP + SHELL)
        landscape = _Landscape(position[near], species[near], length, beyond[near] < OVERLAP)
        position[near] = _descend(position[near], landscape, max_force)[0]


def minimize(position, species, box_length):
    """Relax one configuration to its inherent structure.

    A quench is a cascade of local rearrangements, and in a large box a global step waits for every one of them. Boxes
    wider than two tiles are therefore first relaxed by overlapping tiles, on two grids of tiles, and then as a whole.

    Parameters
    ----------
    position : (n, 2) array_like
        Positions (σ) in [0, L).
    species : (n,) array_like of int
        Species, 0-based.
    box_length : float
        Side of the periodic box (σ).

    Returns
    -------
    position : (n, 2) ndarray of float64
        Positions of the minimum, in [0, L).
    energy : (n,) ndarray of float64
        Energy per particle E_i (ε) there.

    Raises
    ------
    InvalidData
        Where the minimum is not reached, for instance because particles coincide.
    """
    position = np.asarray(position, dtype=np.float64)
    # Particles in the order of their cells keep a pair's data close together in memory.
    order = sort_into_cells(position, float(box_length), max(1, int(box_length / 3)))[2]
    position, species = position[order], np.ascontiguousarray(np.asarray(species)[order], dtype=np.int8)
    tiles = int(box_length / TILE)
    # Two threads of OpenBLAS wait for each other: 183 s where one takes 104 s.
    with threads_for(len(position)), threadpool_limits(1, "blas"):
        if tiles > 2:
            for offset, tolerance in ((0.0, 1e-1), (0.5, 1e-3), (0.0, 1e-4)):
                _relax_tiles(position, species, box_length, tiles, offset * box_length / tiles, tolerance)
        position, energy = _descend(position, _Landscape(position, species, box_length))
    back = np.argsort(order)
    return mixture.wrap(position[back], box_length), energy[back]


def inherent_structures(ds, progress=None):
    """Add the inherent structure of every configuration.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations (`glassviz.mixture`).
    progress : callable, optional
        Called with (configurations done, configurations in all).

    Returns
    -------
    xarray.Dataset
        `ds` with `inherent_position` (σ, in [0, L)), `inherent_energy` per particle (ε) and, for the thermal positions,
        `energy` per particle.

    Raises
    ------
    InvalidData
        Where a minimum is not reached.
    """
    ds = mixture.check(ds)
    length = ds.attrs["box_length"]
    results = []
    for index in range(ds.sizes["configuration"]):
        position, species = (ds[name].values[index] for name in ("position", "species"))
        minimum, energy = minimize(position, species, length)
        results.append((minimum, energy, potential_energy(position, species, length)))
        if progress:
            progress(index + 1, ds.sizes["configuration"])
    minima, inherent_energy, energy = (np.array(column) for column in zip(*results, strict=True))
    return ds.assign(
        inherent_position=(ds["position"].dims, minima),
        inherent_energy=(ds["species"].dims, inherent_energy),
        energy=(ds["species"].dims, energy),
    )
