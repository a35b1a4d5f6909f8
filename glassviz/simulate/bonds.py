r"""Bonds between neighbours and how they break.

Two particles are bonded at t = 0 where r_ij < 1.4 σ_ab, and the bond survives as long as r_ij < 1.8 σ_ab.
"""

import numpy as np
from numba import njit

from glassviz import mixture
from glassviz.simulate.neighbors import pair_list

FORMS = 1.4 * mixture.SIGMA
BREAKS2 = (1.8 * mixture.SIGMA) ** 2


def initial_bonds(position, species, box_length):
    """Bonds of every particle, r_ij < 1.4 σ_ab, from the thermal initial positions.

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
    start : (n + 1,) ndarray of int64
    neighbor : (start[-1],) ndarray of int32
        Particle i is bonded to `neighbor[start[i]:start[i + 1]]`; every bond is listed from both ends.
    """
    position = np.ascontiguousarray(position, dtype=np.float64)
    species = np.ascontiguousarray(species, dtype=np.int8)
    return pair_list(position, species, box_length, reach=FORMS)


@njit(cache=True, error_model="numpy")
def surviving_fraction(start, neighbor, later, species, length):
    """Fraction n_t/n_0 of each particle's bonds that survive at the positions `later`.

    Parameters
    ----------
    start, neighbor : ndarray
        Bonds, from `initial_bonds`.
    later : (n, 2) ndarray of float64
        Positions (σ) at the later time, wrapped or not.
    species : (n,) ndarray of int8
        Species, 0-based.
    length : float
        Side of the periodic box (σ).

    Returns
    -------
    (n,) ndarray of float64
        n_t/n_0 in [0, 1]; 1 for a particle that had no bond to lose.
    """
    fraction = np.ones(len(later))
    for i in range(len(later)):
        alive = 0
        for k in range(start[i], start[i + 1]):
            j = neighbor[k]
            dx = later[i, 0] - later[j, 0]
            dy = later[i, 1] - later[j, 1]
            dx -= length * np.rint(dx / length)
            dy -= length * np.rint(dy / length)
            alive += dx * dx + dy * dy < BREAKS2[species[i], species[j]]
        if start[i + 1] > start[i]:
            fraction[i] = alive / (start[i + 1] - start[i])
    return fraction


def require_species_1(ds, who):
    """`InvalidData` where a configuration has no particle of species 1, of whose bonds a run keeps the record."""
    if not (ds["species"] == 0).any("particle").all():
        raise mixture.InvalidData(f"{who}: a configuration holds no particle of species 1; expected some in each.")
