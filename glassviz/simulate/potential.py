r"""The smoothed Lennard-Jones interaction of the mixture: energies and forces in float64.

Pairs interact by V(r) = 4 ε_ab [x⁻¹² − x⁻⁶ + C₀ + C₂ x² + C₄ x⁴] with x = r/σ_ab < 2.5, and not at all beyond; V, V′
and V″ vanish at the cutoff.
"""

from contextlib import contextmanager

import numba
import numpy as np
from numba import njit, prange

from glassviz import mixture
from glassviz.simulate.neighbors import pair_list

EQUATION = r"V(r) = 4\epsilon_{ab}\left[x^{-12} - x^{-6} + C_0 + C_2 x^2 + C_4 x^4\right],\quad x = r/\sigma_{ab} < 2.5"
CAPTION = "Pairs repel at short range and attract up to 2.5 σ, where the potential and two derivatives vanish."

EPSILON = mixture.EPSILON
INVERSE_SIGMA2 = 1 / mixture.SIGMA**2
CUTOFF2 = mixture.CUTOFF**2
C0, C2, C4 = mixture.C0, mixture.C2, mixture.C4
SMALL = 10_000  # particles of a box that one thread does at once


@njit(cache=True, error_model="numpy", fastmath=True, inline="always")
def pair_energy(s):
    """Energy V/4ε of a pair at s = (r/σ_ab)² inside the cutoff."""
    inverse3 = 1 / (s * s * s)
    return inverse3 * (inverse3 - 1) + C0 + s * (C2 + C4 * s)


@njit(cache=True, error_model="numpy", fastmath=True, inline="always")
def pair_force(s):
    """−d(V/4ε)/ds at s = (r/σ_ab)² inside the cutoff; the force vector is (8ε/σ²) times this times r."""
    inverse = 1 / s
    inverse3 = inverse * inverse * inverse
    return inverse * inverse3 * (6 * inverse3 - 3) - C2 - 2 * C4 * s


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True)
def _energies(position, species, length, start, neighbor):
    energy = np.zeros(len(position))
    inverse_length = 1 / length
    for i in prange(len(position)):
        total = 0.0
        for k in range(start[i], start[i + 1]):
            j = neighbor[k]
            dx = position[i, 0] - position[j, 0]
            dy = position[i, 1] - position[j, 1]
            dx -= length * np.rint(dx * inverse_length)
            dy -= length * np.rint(dy * inverse_length)
            s = (dx * dx + dy * dy) * INVERSE_SIGMA2[species[i], species[j]]
            if s < CUTOFF2:
                total += 2 * EPSILON[species[i], species[j]] * pair_energy(s)
        energy[i] = total
    return energy


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True)
def energies_and_forces(position, species, length, start, neighbor):
    """Energy per particle (ε) and force (ε/σ) from a full neighbour list; see `potential_energy` and `forces`."""
    energy = np.zeros(len(position))
    force = np.zeros_like(position)
    inverse_length = 1 / length
    for i in prange(len(position)):
        total, fx, fy = 0.0, 0.0, 0.0
        for k in range(start[i], start[i + 1]):
            j = neighbor[k]
            dx = position[i, 0] - position[j, 0]
            dy = position[i, 1] - position[j, 1]
            dx -= length * np.rint(dx * inverse_length)
            dy -= length * np.rint(dy * inverse_length)
            scale = INVERSE_SIGMA2[species[i], species[j]]
            s = (dx * dx + dy * dy) * scale
            if s < CUTOFF2:
                strength = EPSILON[species[i], species[j]]
                total += 2 * strength * pair_energy(s)
                push = 8 * strength * scale * pair_force(s)
                fx += push * dx
                fy += push * dy
        energy[i] = total
        force[i, 0] = fx
        force[i, 1] = fy
    return energy, force


@contextmanager
def threads_for(particles):
    """One thread for a small box, all of them for others.

    On a busy machine threads wait for each other at every call: 16 ms at N = 1290, where one takes 0.3 ms.
    """
    before = numba.get_num_threads()
    numba.set_num_threads(1 if particles < SMALL else before)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def potential_energy(position, species, box_length):
    """Potential energy of every particle, E_i = ½ Σ_j V(r_ij).

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
    (n,) ndarray of float64
        Energies (ε); they sum to the potential energy of the box.
    """
    position = np.ascontiguousarray(position, dtype=np.float64)
    species = np.ascontiguousarray(species, dtype=np.int8)
    with threads_for(len(position)):
        start, neighbor = pair_list(position, species, box_length)
        return _energies(position, species, float(box_length), start, neighbor)


def forces(position, species, box_length):
    """Force on every particle (ε/σ), (n, 2) float64; arguments as for `potential_energy`."""
    position = np.ascontiguousarray(position, dtype=np.float64)
    species = np.ascontiguousarray(species, dtype=np.int8)
    with threads_for(len(position)):
        start, neighbor = pair_list(position, species, box_length)
        return energies_and_forces(position, species, float(box_length), start, neighbor)[1]
