r"""Swaps of species at frozen positions, plain or locally balanced.

A *plain swap* exchanges the species of a random unlike pair, accepted by Metropolis (Ninarello, Berthier and Coslovich,
Phys. Rev. X 7, 021039 (2017)).

A *locally balanced swap* (after Zanella, J. Am. Stat. Assoc. 115, 852 (2020)) proposes what the surroundings welcome.
With e_i(c) the energy that particle i would have as species c and δ_i(a→b) = e_i(b) − e_i(a), it draws i of species a
with weight exp(−β δ_i(a→b)/2) and j of species b with weight exp(−β δ_j(b→a)/2), refuses pairs that interact, and
accepts with min(1, W_ab W_ba / W′_ab W′_ba), where W_ab is the sum of the weights and primes follow the swap. For pairs
that do not interact all energies cancel, so this is detailed balance with respect to exp(−βE) at frozen positions.
"""

import numpy as np
from numba import njit

from glassviz import mixture
from glassviz.simulate.exponential import exponential, exponentials
from glassviz.simulate.fixed_point import UNITS
from glassviz.simulate.philox import UNIT, below, random_words
from glassviz.simulate.swap_weights import (
    BLOCK,
    LANES,
    OTHERS,
    SIGMA2,
    STRENGTH,
    all_energies,
    changes_by_species,
    draw,
    energies_by_species,
    sum_weights,
)
from glassviz.simulate.vectors import prefetch
from glassviz.simulate.words import relabelled, words

EQUATION = (
    r"p_\mathrm{acc} = \min\left(1, \frac{W_{ab}\,W_{ba}}{W'_{ab}\,W'_{ba}}\right),"
    r"\quad W_{ab} = \sum_{i\in a} e^{-\beta\,\delta_i(a\to b)/2}"
)
CAPTION = "Swaps of species are drawn where the surroundings welcome them, which keeps exact equilibrium."

CLASSES = np.array([[1, 4], [2, 5], [0, 3]])  # 1↔3, 2↔3, 1↔2: what each of the two turns into, as 2a + column
REACH = mixture.CUTOFF * mixture.SIGMA.max()  # any particle may take any species


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _touch(packed, one, old, new, unit, rows, energy, scratch, count):
    """Change the energies around a particle that turns from old to new; the scratch keeps whose, and what they were.

    Energies are kept of the first particles only, which may be fewer than there are neighbours.
    """
    changes, felt, _, touched, energies, _ = scratch
    width = len(changes) // 3
    near = rows[0][one], rows[0][one] + rows[1][one], rows[2]
    kinds = np.int64(old), np.int64(new)
    number = changes_by_species(packed, one, *kinds, *near, unit, len(energy), changes, width, felt)
    for k in felt[:number]:
        other = near[2][near[0] + k]
        touched[count] = other
        for c in range(3):
            before = energy[other, c]
            energies[count, c] = before
            energy[other, c] = before + changes[c * width + k]
        count += 1
    return count


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _exchange_species(packed, species, i, j):
    """Of two unlike particles, in their words too."""
    species[i], species[j] = species[j], species[i]
    packed[i], packed[j] = relabelled(packed[i], species[i]), relabelled(packed[j], species[j])


@njit(cache=True, error_model="numpy", nogil=True)
def exchange(packed, species, beta, unit, rows, weights, i, j, scratch):
    """Exchange the species of i and j, which do not interact, in energies, weights and totals.

    Blocks and groups are left as they were, for `confirm`; the scratch keeps what `take_back` needs.

    Returns
    -------
    int
        How many entries of the scratch are in use; i and j are the last two.
    """
    energy, weight, _, _, total, _, _ = weights
    _, _, arguments, touched, _, old_weights = scratch
    a, b = species[i], species[j]
    count = _touch(packed, i, a, b, unit, rows, energy, scratch, 0)
    count = _touch(packed, j, b, a, unit, rows, energy, scratch, count)
    touched[count], touched[count + 1] = i, j
    for one, kind in ((i, 2 * a), (j, 2 * b)):
        total[kind] -= weight[one, 0]
        total[kind + 1] -= weight[one, 1]
    _exchange_species(packed, species, i, j)
    for t in range(count + 2):
        one = touched[t]
        kind = species[one]
        arguments[2 * t] = -0.5 * beta * (energy[one, OTHERS[kind, 0]] - energy[one, kind])
        arguments[2 * t + 1] = -0.5 * beta * (energy[one, OTHERS[kind, 1]] - energy[one, kind])
    exponentials(arguments, 2 * count + 4)
    for t in range(count + 2):
        one = touched[t]
        for column in range(2):
            old_weights[t, column] = weight[one, column]
            weight[one, column] = arguments[2 * t + column]
    for t in range(count):
        kind = 2 * species[touched[t]]
        total[kind] += arguments[2 * t] - old_weights[t, 0]
        total[kind + 1] += arguments[2 * t + 1] - old_weights[t, 1]
    for t, kind in ((count, 2 * b), (count + 1, 2 * a)):
        total[kind] += arguments[2 * t]
        total[kind + 1] += arguments[2 * t + 1]
    return count + 2


@njit(cache=True, error_model="numpy", nogil=True)
def confirm(species, weights, scratch, count):
    """Bring blocks and groups up to the weights after an exchange.

    A particle that both have touched was set once: its second entry finds what the first has left, and adds nothing.
    """
    _, _, block, group, _, _, group_of = weights
    _, _, arguments, touched, _, old_weights = scratch
    i, j = touched[count - 2], touched[count - 1]
    for t in range(count - 2):
        one = touched[t]
        kind, b = 2 * species[one], one // BLOCK
        for column in range(2):
            change = arguments[2 * t + column] - old_weights[t, column]
            block[b, kind + column] += change
            group[group_of[b], kind + column] += change
    for one, before, t in ((i, 2 * species[j], count - 2), (j, 2 * species[i], count - 1)):
        now, b = 2 * species[one], one // BLOCK
        for sums, place in ((block, b), (group, group_of[b])):
            for column in range(2):
                sums[place, before + column] -= old_weights[t, column]
                sums[place, now + column] += arguments[2 * t + column]


@njit(cache=True, error_model="numpy", nogil=True)
def take_back(packed, species, weights, scratch, count, totals):
    """Undo an exchange, to the last bit."""
    energy, weight, _, _, total, _, _ = weights
    _, _, _, touched, energies, old_weights = scratch
    i, j = touched[count - 2], touched[count - 1]
    _exchange_species(packed, species, i, j)
    for t in range(count - 1, -1, -1):
        for column in range(2):
            weight[touched[t], column] = old_weights[t, column]
    for t in range(count - 3, -1, -1):
        for c in range(3):
            energy[touched[t], c] = energies[t, c]
    total[:] = totals


@njit(cache=True, error_model="numpy", nogil=True)
def new_scratch(rows):
    """Room for what one exchange touches."""
    longest = 0
    for i in range(len(rows[0]) - 1):
        longest = max(longest, rows[0][i + 1] - rows[0][i])
    room = 2 * longest + 2 + LANES
    return (
        np.empty(3 * (longest + LANES)),
        np.empty(longest + LANES, np.int64),
        np.zeros(2 * room + LANES),
        np.empty(room, np.int64),
        np.empty((room, 3)),
        np.empty((room, 2)),
    )


@njit(cache=True, error_model="numpy", nogil=True)
def interact(x, y, i, j, unit):
    """Whether two particles are within reach of each other under some species."""
    dx, dy = unit * np.int32(x[i] - x[j]), unit * np.int32(y[i] - y[j])
    return dx * dx + dy * dy < REACH * REACH


@njit(cache=True, error_model="numpy", nogil=True)
def propose(x, y, species, beta, unit, proposals, class_shares, key, counter, rows, weights):
    """Prepare energies and weights and make the proposals; parameters and result as of `balanced_swap`."""
    packed = words(x, y, species)
    all_energies(packed, unit, rows, weights[0])
    sum_weights(species, beta, weights)
    scratch = new_scratch(rows)
    total = weights[4]
    totals = np.empty(6)
    proposed, accepted = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for number in range(proposals):
        which, decision, high_i, low_i = random_words(key, 2 * number, 0, counter[0], counter[1])
        high_j, low_j, _, _ = random_words(key, 2 * number + 1, 0, counter[0], counter[1])
        share = which * UNIT
        kind = 0
        while kind < 2 and share >= class_shares[kind]:
            share -= class_shares[kind]
            kind += 1
        there, back = CLASSES[kind]
        proposed[kind] += 1
        before = total[there] * total[back]
        if not before > 0:
            continue
        i = draw(weights, species, there, (high_i + low_i * UNIT) * UNIT)
        for line in range(3):  # a row of neighbours is usually as long
            prefetch(rows[2], rows[0][max(i, 0)] + line * BLOCK)
        j = draw(weights, species, back, (high_j + low_j * UNIT) * UNIT)
        if i < 0 or j < 0 or interact(x, y, i, j, unit):
            continue
        totals[:] = total
        count = exchange(packed, species, beta, unit, rows, weights, i, j, scratch)
        if decision * UNIT * total[there] * total[back] < before:
            confirm(species, weights, scratch, count)
            accepted[kind] += 1
        else:
            take_back(packed, species, weights, scratch, count, totals)
    return proposed, accepted


def balanced_swap(x, y, species, beta, length, proposals, class_shares, key, counter, rows, weights):
    """Locally balanced swap proposals at frozen positions; species change in place.

    Parameters
    ----------
    x, y, species : (n + 1,) ndarray of int32
        Fixed-point coordinates and species, the ghost last.
    beta, length : float
        Inverse temperature, side of the box (σ).
    proposals : int
        Number of proposals.
    class_shares : (3,) ndarray
        Share of the classes 1↔3, 2↔3 and 1↔2.
    key, counter : (2,) ndarray of uint64, tuple of two int
        Of the random words; see `glassviz.simulate.philox.random_words`.
    rows : Rows
        Neighbours of every particle, all within 2.5 σ among them.
    weights : Weights
        From `glassviz.simulate.swap_weights.new_weights`; what they hold is overwritten.

    Returns
    -------
    proposed, accepted : (3,) ndarray of int64
        By class.
    """
    return propose(x, y, species, beta, length / UNITS, proposals, class_shares, key, counter, rows, weights)


@njit(cache=True, error_model="numpy", nogil=True)
def _pair(x, y, i, j, unit, a, b):
    """Energy of particles i and j as species a and b."""
    dx, dy = unit * np.int32(x[i] - x[j]), unit * np.int32(y[i] - y[j])
    s = (dx * dx + dy * dy) / SIGMA2[a, b]
    inverse3 = 1 / (s * s * s)
    value = inverse3 * (inverse3 - 1) + mixture.C0 + s * (mixture.C2 + mixture.C4 * s)
    return STRENGTH[a, b] * value if s < mixture.CUTOFF**2 else 0.0


@njit(cache=True, error_model="numpy", nogil=True)
def plain_swap(x, y, species, beta, length, moves, key, counter, rows):
    """Plain swap moves: exchange the species of a random pair, Metropolis. Returns how many were accepted.

    Parameters as for `balanced_swap`.
    """
    n = len(x) - 1
    unit = length / UNITS
    energy = np.empty((n, 3))
    packed = words(x, y, species)
    accepted = 0
    for move in range(moves):
        first, second, decision, _ = random_words(key, move, 0, counter[0], counter[1])
        i, j = below(first, n), below(second, n)
        a, b = species[i], species[j]
        if a == b:
            continue
        for one in (i, j):
            energies_by_species(packed, one, rows[0][one], rows[0][one] + rows[1][one], rows[2], unit, energy)
        change = energy[i, b] - energy[i, a] + energy[j, a] - energy[j, b]
        if interact(x, y, i, j, unit):  # each has met the other under the species that the other gives up
            change += 2 * _pair(x, y, i, j, unit, a, b) - _pair(x, y, i, j, unit, a, a) - _pair(x, y, i, j, unit, b, b)
        if change <= 0 or decision * UNIT < exponential(-beta * change):
            _exchange_species(packed, species, i, j)
            accepted += 1
    return accepted
