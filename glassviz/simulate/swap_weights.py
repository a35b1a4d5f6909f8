r"""Energies of particles under every species, and sums of the weights by which swaps draw them.

Energies and weights of all particles are kept along a phase of proposals, and a swap changes those of the neighbours of
i and j only. Weights are summed in three levels, particles, blocks of 16 and groups of about √(n/16) blocks, so a draw
looks at a few dozen sums.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from glassviz import mixture
from glassviz.simulate.displacement import SPECIES
from glassviz.simulate.exponential import exponentials
from glassviz.simulate.fixed_point import GHOST
from glassviz.simulate.vectors import F64, I1, I32, I64, Vectors, data
from glassviz.simulate.words import particle, particles, words

OTHERS = np.array([[1, 2], [2, 0], [0, 1]])  # species that each may turn into
BLOCK = 16  # particles whose weights are summed together
LANES = 8


STRENGTH = np.zeros((SPECIES, SPECIES))
STRENGTH[:GHOST, :GHOST] = 4 * mixture.EPSILON
SIGMA2 = np.ones((SPECIES, SPECIES))
SIGMA2[:GHOST, :GHOST] = mixture.SIGMA**2
_SIGMA6 = SIGMA2**3
_INVERSE_SIGMA2 = np.full((SPECIES, SPECIES), np.inf)
_INVERSE_SIGMA2[:GHOST, :GHOST] = 1 / mixture.SIGMA**2


class Weights(NamedTuple):
    """Energies of all particles under every species, and the sums of their weights.

    energy : (n, 3), e_i(c). weight : (n, 2), exp(−β δ_i(a→b)/2) for the two other species b = OTHERS[a].
    block, group : (…, 6) and total : (6,), their sums by 2a + column. span : (1,), blocks in a group.
    group_of : (blocks,), the group of every block.
    """

    energy: np.ndarray
    weight: np.ndarray
    block: np.ndarray
    group: np.ndarray
    total: np.ndarray
    span: np.ndarray
    group_of: np.ndarray


def _inverse_cube(v, r2):
    """1/r⁶."""
    inverse = v.div(v.constant(1), r2)
    return v.mul(v.mul(inverse, inverse), inverse)


def _pair_energy(v, s, inverse3):
    """V/4ε at s = (r/σ_ab)², with 1/s³, zero beyond the cutoff."""
    smooth = v.fma(s, v.fma(v.constant(mixture.C4), s, v.constant(mixture.C2)), v.constant(mixture.C0))
    value = v.fma(inverse3, v.sub(inverse3, v.constant(1)), smooth)
    return v.builder.select(v.below(s, v.constant(mixture.CUTOFF**2)), value, v.constant(0))


def _squared_distances(v, here, others, unit):
    """r² (σ²) from the coordinates of one particle to those of a vector of others."""
    dx, dy = (v.mul(v.number(v.builder.sub(a, b)), unit) for a, b in zip(here, others, strict=True))
    return v.fma(dx, dx, v.mul(dy, dy))


@intrinsic
def energies_by_species(typingctx, packed, i, begin, end, neighbor, unit, energies):
    """Energy of particle i as each of the three species, into energies[i]."""

    def codegen(context, builder, signature, args):
        packed, i, begin, end, neighbor, unit, energies = data(context, builder, signature, args)
        v = Vectors(builder, LANES, F64)
        here, _ = particle(v, builder.load(builder.gep(packed, [i])))
        unit = v.splat(unit)
        sums = [cgutils.alloca_once(builder, v.reals) for _ in range(GHOST)]
        for total in sums:
            builder.store(v.constant(0), total)
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(I64, LANES), I64) as (k, _):
            others, bits = particles(v, packed, neighbor, k)
            r2 = _squared_distances(v, here, others, unit)
            inverse3 = _inverse_cube(v, r2)
            for c, total in enumerate(sums):
                scale, sigma6, strength = (
                    v.choose(bits, [v.constant(value) for value in table[c]])
                    for table in (_INVERSE_SIGMA2, _SIGMA6, STRENGTH)
                )
                energy = _pair_energy(v, v.mul(r2, scale), v.mul(inverse3, sigma6))
                builder.store(v.fma(strength, energy, builder.load(total)), total)
        first = builder.mul(i, ir.Constant(I64, GHOST))
        for c, total in enumerate(sums):
            at = builder.gep(energies, [builder.add(first, ir.Constant(I64, c))])
            builder.store(v.total(builder.load(total)), at)
        return context.get_dummy_value()

    index = types.int64
    return types.void(packed, index, index, index, neighbor, types.float64, energies), codegen


@intrinsic
def changes_by_species(typingctx, packed, i, old, new, begin, end, neighbor, unit, known, changes, width, felt):
    """Change of the neighbours' energies as each of the three species, where i turns from old to new.

    For the k-th neighbour as species c into changes[c * width + k]. Which of the first `known` particles feel it,
    as numbers k, into felt, with room for eight more; returns how many.
    """

    def codegen(context, builder, signature, args):
        arguments = data(context, builder, signature, args)
        packed, i, old, new, begin, end, neighbor, unit, known, changes, width, felt = arguments
        v = Vectors(builder, LANES, F64)
        here, _ = particle(v, builder.load(builder.gep(packed, [i])))
        unit = v.splat(unit)

        def column(table, kind):
            """table[c, kind] for every c, as vectors."""
            chosen = []
            for c in range(GHOST):
                value = ir.Constant(F64, float(table[c, GHOST - 1]))
                for option in range(GHOST - 1):
                    here = builder.icmp_signed("==", kind, ir.Constant(I64, option))
                    value = builder.select(here, ir.Constant(F64, float(table[c, option])), value)
                chosen.append(v.splat(value))
            return chosen

        tables = _INVERSE_SIGMA2, _SIGMA6, STRENGTH
        before, after = ([column(table, kind) for table in tables] for kind in (old, new))
        count = cgutils.alloca_once_value(builder, ir.Constant(I64, 0))
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(I64, LANES), I64) as (k, _):
            r2 = _squared_distances(v, here, particles(v, packed, neighbor, k)[0], unit)
            inverse3 = _inverse_cube(v, r2)
            first = builder.sub(k, begin)
            differs = ir.Constant(ir.VectorType(I1, LANES), [0] * LANES)
            for c in range(GHOST):
                was, will = (
                    v.mul(strength[c], _pair_energy(v, v.mul(r2, scale[c]), v.mul(inverse3, sigma6[c])))
                    for scale, sigma6, strength in (before, after)
                )
                change = v.sub(will, was)
                differs = builder.or_(differs, builder.fcmp_unordered("!=", change, v.constant(0)))
                v.store(change, changes, builder.add(builder.mul(width, ir.Constant(I64, c)), first))
            among = builder.icmp_signed("<", v.load(neighbor, k, v.ints), v.splat(builder.trunc(known, I32)))
            bits = builder.bitcast(builder.and_(differs, among), ir.IntType(LANES))
            number = builder.load(count)
            for lane in range(LANES):  # without branches, which no processor would foresee
                builder.store(builder.add(first, ir.Constant(I64, lane)), builder.gep(felt, [number]))
                bit = builder.trunc(builder.lshr(bits, ir.Constant(bits.type, lane)), I1)
                number = builder.add(number, builder.zext(bit, I64))
            builder.store(number, count)
        return builder.load(count)

    index = types.int64
    arguments = (packed, index, index, index, index, index, neighbor, types.float64, index, changes, index, felt)
    return types.int64(*arguments), codegen


@njit(cache=True, error_model="numpy", nogil=True)
def all_energies(packed, unit, rows, energy):
    """Energies of the first particles, as many as `energy` has room for, under every species."""
    for i in range(len(energy)):
        energies_by_species(packed, i, rows[0][i], rows[0][i] + rows[1][i], rows[2], unit, energy)


@njit(cache=True, error_model="numpy", nogil=True)
def total_energy(x, y, species, unit, rows):
    """Potential energy (ε) of all particles, from rows that hold all their neighbours."""
    energy = np.empty((len(x) - 1, GHOST))
    all_energies(words(x, y, species), unit, rows, energy)
    total = 0.0
    for i in range(len(energy)):
        total += 0.5 * energy[i, species[i]]
    return total


@njit(cache=True, error_model="numpy", nogil=True)
def new_weights(particles):
    """Room for the weights of so many particles."""
    blocks = -(-particles // BLOCK)
    span = max(int(np.ceil(np.sqrt(blocks))), 1)
    sums = np.zeros((blocks, 6)), np.zeros((-(-blocks // span), 6)), np.zeros(6)
    group_of = np.arange(blocks) // span
    return Weights(np.zeros((particles, 3)), np.zeros((particles, 2)), *sums, np.array([span]), group_of)


@njit(cache=True, error_model="numpy", nogil=True)
def sum_weights(species, beta, weights):
    """Weights and all their sums from the energies."""
    energy, weight, block, group, total, span, _ = weights
    n = len(energy)
    arguments = np.zeros(2 * n + LANES)
    for i in range(n):
        a = species[i]
        arguments[2 * i] = -0.5 * beta * (energy[i, OTHERS[a, 0]] - energy[i, a])
        arguments[2 * i + 1] = -0.5 * beta * (energy[i, OTHERS[a, 1]] - energy[i, a])
    exponentials(arguments, 2 * n)
    block[:] = 0.0
    group[:] = 0.0
    total[:] = 0.0
    for i in range(n):
        for column in range(2):
            weight[i, column] = arguments[2 * i + column]
            block[i // BLOCK, 2 * species[i] + column] += weight[i, column]
    for kind in range(6):
        for k in range(len(block)):
            group[k // span[0], kind] += block[k, kind]
        for k in range(len(group)):
            total[kind] += group[k, kind]


@njit(cache=True, error_model="numpy", nogil=True)
def draw(weights, species, kind, share):
    """The particle in which the running sum of the weights of a kind, 2a + column, passes a share of the total.

    −1 where rounding has led to a block without any.
    """
    _, weight, block, group, total, span, _ = weights
    left = share * total[kind]
    chosen = 0
    while chosen < len(group) - 1 and left >= group[chosen, kind]:
        left -= group[chosen, kind]
        chosen += 1
    last = min((chosen + 1) * span[0], len(block)) - 1
    chosen *= span[0]
    while chosen < last and left >= block[chosen, kind]:
        left -= block[chosen, kind]
        chosen += 1
    found = -1
    for i in range(chosen * BLOCK, min((chosen + 1) * BLOCK, len(weight))):
        if species[i] == kind >> 1 and weight[i, kind & 1] > 0:
            found = i
            if left < weight[i, kind & 1]:
                break
            left -= weight[i, kind & 1]
    return found
