r"""Swap Monte Carlo: displacements, and swaps of species that are either plain or locally balanced.

A *displacement* moves a random particle uniformly in a square and is accepted by Metropolis. A *plain swap* exchanges
the species of a random unlike pair, accepted by Metropolis (Ninarello, Berthier and Coslovich, Phys. Rev. X 7, 021039
(2017)).

A *locally balanced swap* (after Zanella, J. Am. Stat. Assoc. 115, 852 (2020)) proposes what the surroundings welcome.
With e_i(c) the energy that particle i would have as species c and δ_i(a→b) = e_i(b) − e_i(a), it draws i of species a
with weight exp(−β δ_i(a→b)/2) and j of species b with weight exp(−β δ_j(b→a)/2), refuses pairs that interact, and
accepts with min(1, W_ab W_ba / W′_ab W′_ba), where W_ab is the sum of the weights and primes follow the swap. For pairs
that do not interact all energies cancel, so this is detailed balance with respect to exp(−βE) at frozen positions.
Weights are kept in sum trees: drawing costs log N, and a swap changes only the neighbours of i and j.
"""

import numpy as np
from numba import njit

from glassviz import mixture
from glassviz.simulate.potential import pair_energy

EQUATION = (
    r"p_\mathrm{acc} = \min\left(1, \frac{W_{ab}\,W_{ba}}{W'_{ab}\,W'_{ba}}\right),"
    r"\quad W_{ab} = \sum_{i\in a} e^{-\beta\,\delta_i(a\to b)/2}"
)
CAPTION = "Swaps of species are drawn where the surroundings welcome them, which keeps exact equilibrium."

CLASSES = np.array([[0, 2], [1, 2], [0, 1]])  # 1↔3, 2↔3, 1↔2
REACH = np.full((3, 3), mixture.CUTOFF * mixture.SIGMA.max())  # any particle may take any species

_EPSILON4 = 4 * mixture.EPSILON
_INVERSE_SIGMA2 = 1 / mixture.SIGMA**2
_CUTOFF2 = mixture.CUTOFF**2
_EPSILON4_32 = _EPSILON4.ravel().astype(np.float32)
_INVERSE_SIGMA2_32 = _INVERSE_SIGMA2.ravel().astype(np.float32)
_CUTOFF2_32, _C0_32, _C2_32, _C4_32 = (np.float32(v) for v in (_CUTOFF2, mixture.C0, mixture.C2, mixture.C4))


@njit(cache=True, error_model="numpy", fastmath=True)
def _local_energy(x, y, i, species, length, start, neighbor):
    """Energy of particle i with all others."""
    energy = 0.0
    inverse_length = 1 / length
    for j in neighbor[start[i] : start[i + 1]]:
        dx = np.float64(x[i] - x[j])
        dy = np.float64(y[i] - y[j])
        dx -= length * np.rint(dx * inverse_length)
        dy -= length * np.rint(dy * inverse_length)
        s = (dx * dx + dy * dy) * _INVERSE_SIGMA2[species[i], species[j]]
        energy += _EPSILON4[species[i], species[j]] * pair_energy(s) if s < _CUTOFF2 else 0.0
    return energy


@njit(cache=True, error_model="numpy", fastmath=True)
def _energies_by_species(x, y, i, species, length, start, neighbor, energies):
    """Energy of particle i as each of the three species, into energies[3]."""
    energies[:] = 0.0
    inverse_length = 1 / length
    for j in neighbor[start[i] : start[i + 1]]:
        dx = np.float64(x[i] - x[j])
        dy = np.float64(y[i] - y[j])
        dx -= length * np.rint(dx * inverse_length)
        dy -= length * np.rint(dy * inverse_length)
        r2 = dx * dx + dy * dy
        for c in range(3):
            s = r2 * _INVERSE_SIGMA2[c, species[j]]
            energies[c] += _EPSILON4[c, species[j]] * pair_energy(s) if s < _CUTOFF2 else 0.0


@njit(cache=True, error_model="numpy", fastmath=True)
def _energy_change(x, y, row, i, to_x, to_y, length, neighbor):
    """Energy change of moving particle i to (to_x, to_y): one branch-free float32 pass that vectorises with gathers."""
    inverse_length = np.float32(1) / length
    change = np.float32(0)
    for k in range(len(neighbor)):
        j = np.uint32(neighbor[k])
        pair = np.uint32(3 * row[i] + row[j])
        scale = _INVERSE_SIGMA2_32[pair]
        from_dx, from_dy = x[i] - x[j], y[i] - y[j]
        from_dx -= length * np.rint(from_dx * inverse_length)
        from_dy -= length * np.rint(from_dy * inverse_length)
        before = _pair_energy32((from_dx * from_dx + from_dy * from_dy) * scale)
        to_dx, to_dy = to_x - x[j], to_y - y[j]
        to_dx -= length * np.rint(to_dx * inverse_length)
        to_dy -= length * np.rint(to_dy * inverse_length)
        after = _pair_energy32((to_dx * to_dx + to_dy * to_dy) * scale)
        change += _EPSILON4_32[pair] * (after - before)
    return change


@njit(cache=True, error_model="numpy", fastmath=True, inline="always")
def _pair_energy32(s):
    """V/4ε in float32 at s = (r/σ_ab)², zero beyond the cutoff."""
    inverse3 = np.float32(1) / s
    inverse3 = inverse3 * inverse3 * inverse3
    energy = inverse3 * inverse3 - inverse3 + _C0_32 + s * (_C2_32 + _C4_32 * s)
    return energy if s < _CUTOFF2_32 else np.float32(0)


@njit(cache=True, error_model="numpy")
def allowed_travel(skin, step):
    """How far a particle may be from where the list was made, so that the list holds what any trial may meet (σ)."""
    return 0.5 * (skin - step * np.sqrt(2.0))


@njit(cache=True, error_model="numpy")
def displace(x, y, row, length, beta, step, moves, start, neighbor, from_x, from_y, skin, rng):
    """Displacement moves until `moves` are done or a particle has left its neighbour list.

    Parameters
    ----------
    x, y : (n,) ndarray of float32
        Positions (σ), changed in place.
    row : (n,) ndarray of int32
        Species, 0-based.
    length : float32
        Side of the box (σ).
    beta, step : float
        Inverse temperature, half-width of the displacement square (σ).
    moves : int
        Number of moves to make.
    start, neighbor : ndarray
        Full neighbour list.
    from_x, from_y : (n,) ndarray
        Positions the list was made at.
    skin : float
        Skin of the list (σ).
    rng : numpy.random.Generator

    Returns
    -------
    done, accepted : int
        Moves made, and accepted among them; with fewer done than asked the list must be renewed.
    """
    n = len(x)
    limit2 = allowed_travel(skin, step) ** 2
    accepted = 0
    for done in range(moves):
        i = int(rng.random() * n)
        to_x = np.float32(x[i] + step * (2 * rng.random() - 1))
        to_y = np.float32(y[i] + step * (2 * rng.random() - 1))
        change = _energy_change(x, y, row, i, to_x, to_y, length, neighbor[start[i] : start[i + 1]])
        if change <= 0 or rng.random() < np.exp(-beta * change):
            accepted += 1
            x[i] = to_x
            y[i] = to_y
            if (to_x - from_x[i]) ** 2 + (to_y - from_y[i]) ** 2 > limit2:
                return done + 1, accepted
    return moves, accepted


@njit(cache=True, error_model="numpy")
def plain_swap(x, y, species, length, beta, moves, start, neighbor, rng):
    """Plain swap moves: exchange the species of a random pair, Metropolis. Returns how many were accepted."""
    n = len(x)
    accepted = 0
    for _ in range(moves):
        i, j = int(rng.random() * n), int(rng.random() * n)
        a, b = species[i], species[j]
        if a == b:
            continue
        change = -_local_energy(x, y, i, species, length, start, neighbor)
        change -= _local_energy(x, y, j, species, length, start, neighbor)
        species[i], species[j] = b, a
        change += _local_energy(x, y, i, species, length, start, neighbor)
        change += _local_energy(x, y, j, species, length, start, neighbor)
        # A pair that interacts counts its own bond twice in both sums; its energy V_ab is the same after the swap.
        if change <= 0 or rng.random() < np.exp(-beta * change):
            accepted += 1
        else:
            species[i], species[j] = a, b
    return accepted


@njit(cache=True, error_model="numpy")
def _tree_set(tree, leaf, value):
    """Set one leaf of a sum tree (root at 1, leaves in the upper half)."""
    node = leaf + len(tree) // 2
    tree[node] = value
    node //= 2
    while node >= 1:
        tree[node] = tree[2 * node] + tree[2 * node + 1]
        node //= 2


@njit(cache=True, error_model="numpy")
def _tree_draw(tree, target):
    """The leaf in which the running sum of the leaves passes `target`."""
    node = 1
    half = len(tree) // 2
    while node < half:
        node *= 2
        if target >= tree[node] and tree[node + 1] > 0:
            target -= tree[node]
            node += 1
    return node - half


@njit(cache=True, error_model="numpy")
def _make_trees(energies, species, beta):
    """Sum trees of the weights exp(−β δ_i(a→b)/2), as trees[a, b]."""
    n = len(species)
    half = 1
    while half < n:
        half *= 2
    trees = np.zeros((3, 3, 2 * half))
    for i in range(n):
        a = species[i]
        for b in range(3):
            if b != a:
                trees[a, b, half + i] = np.exp(-0.5 * beta * (energies[i, b] - energies[i, a]))
    for a in range(3):
        for b in range(3):
            for node in range(half - 1, 0, -1):
                trees[a, b, node] = trees[a, b, 2 * node] + trees[a, b, 2 * node + 1]
    return trees


@njit(cache=True, error_model="numpy")
def _set_weights(trees, energies, species, beta, i):
    """Put the weights of particle i under its present species into the trees, and nothing under the others."""
    half = trees.shape[2] // 2
    for a in range(3):
        for b in range(3):
            if a == b:
                continue
            if species[i] == a:
                _tree_set(trees[a, b], i, np.exp(-0.5 * beta * (energies[i, b] - energies[i, a])))
            elif trees[a, b, half + i] != 0.0:
                _tree_set(trees[a, b], i, 0.0)


@njit(cache=True, error_model="numpy", fastmath=True)
def _exchange(x, y, species, length, beta, start, neighbor, energies, trees, i, j):
    """Exchange the species of i and j, which do not interact, and mend energies and trees of all their neighbours."""
    inverse_length = 1 / length
    touched = np.empty(start[i + 1] - start[i] + start[j + 1] - start[j], np.int32)
    count = 0
    for one, new in ((i, species[j]), (j, species[i])):
        old = species[one]
        for k in neighbor[start[one] : start[one + 1]]:
            dx = np.float64(x[one] - x[k])
            dy = np.float64(y[one] - y[k])
            dx -= length * np.rint(dx * inverse_length)
            dy -= length * np.rint(dy * inverse_length)
            r2 = dx * dx + dy * dy
            if r2 >= REACH[0, 0] * REACH[0, 0]:
                continue
            touched[count] = k
            count += 1
            for c in range(3):
                s = r2 * _INVERSE_SIGMA2[c, new]
                energies[k, c] += _EPSILON4[c, new] * pair_energy(s) if s < _CUTOFF2 else 0.0
                s = r2 * _INVERSE_SIGMA2[c, old]
                energies[k, c] -= _EPSILON4[c, old] * pair_energy(s) if s < _CUTOFF2 else 0.0
    species[i], species[j] = species[j], species[i]
    _set_weights(trees, energies, species, beta, i)
    _set_weights(trees, energies, species, beta, j)
    for k in touched[:count]:
        _set_weights(trees, energies, species, beta, k)


@njit(cache=True, error_model="numpy")
def balanced_swap(x, y, species, length, beta, proposals, class_shares, start, neighbor, rng):
    """Locally balanced swap proposals at frozen positions; species change in place.

    Parameters
    ----------
    x, y : (n,) ndarray of float32
        Positions (σ).
    species : (n,) ndarray of int8
        Species, 0-based.
    length, beta : float
        Side of the box (σ), inverse temperature.
    proposals : int
        Number of proposals.
    class_shares : (3,) ndarray
        Share of the classes 1↔3, 2↔3 and 1↔2.
    start, neighbor : ndarray
        Full neighbour list that holds all pairs within 2.5 σ.
    rng : numpy.random.Generator

    Returns
    -------
    proposed, accepted : (3,) ndarray of int64
        By class.
    """
    n = len(x)
    energies = np.empty((n, 3))
    for i in range(n):
        _energies_by_species(x, y, i, species, length, start, neighbor, energies[i])
    trees = _make_trees(energies, species, beta)
    proposed, accepted = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for _ in range(proposals):
        draw = rng.random()
        kind = 0
        while kind < 2 and draw >= class_shares[kind]:
            draw -= class_shares[kind]
            kind += 1
        a, b = CLASSES[kind]
        proposed[kind] += 1
        before = trees[a, b, 1] * trees[b, a, 1]
        if not before > 0:
            continue
        i = _tree_draw(trees[a, b], rng.random() * trees[a, b, 1])
        j = _tree_draw(trees[b, a], rng.random() * trees[b, a, 1])
        dx = np.float64(x[i] - x[j])
        dy = np.float64(y[i] - y[j])
        dx -= length * np.rint(dx / length)
        dy -= length * np.rint(dy / length)
        if dx * dx + dy * dy < REACH[0, 0] * REACH[0, 0]:
            continue
        _exchange(x, y, species, length, beta, start, neighbor, energies, trees, i, j)
        after = trees[a, b, 1] * trees[b, a, 1]
        if rng.random() * after < before:
            accepted[kind] += 1
        else:
            _exchange(x, y, species, length, beta, start, neighbor, energies, trees, i, j)
    return proposed, accepted
