r"""Displacements: a random particle moves uniformly in a square, and Metropolis decides.

The energy change is one pass over the particle's neighbours, sixteen at a time. Coordinates are fixed-point and a step
is an even number of their units, so a move and its reverse are exactly as likely to be proposed.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from glassviz import mixture
from glassviz.simulate.exponential import exponential
from glassviz.simulate.fixed_point import GHOST, LANES, UNITS
from glassviz.simulate.philox import UNIT, below, random_words
from glassviz.simulate.vectors import F32, I64, Vectors, data
from glassviz.simulate.words import particle, particles, word, words

EQUATION = r"p_\mathrm{acc} = \min\left(1, e^{-\beta\,\Delta E}\right)"
CAPTION = "A particle is moved a little, and Metropolis decides."

SPECIES = GHOST + 1  # rows of the tables: the ghost too
_FAR = np.inf  # times any squared distance, this is beyond the cutoff (0 ∞ compares as such too)

STRENGTH = np.zeros((SPECIES, SPECIES), np.float32)
STRENGTH[:GHOST, :GHOST] = 4 * mixture.EPSILON


def scale_table(box_length):
    """(L/2³²)²/σ_ab²: squared distances in fixed-point units to (r/σ_ab)², far beyond the cutoff for the ghost."""
    scale = np.full((SPECIES, SPECIES), _FAR)
    scale[:GHOST, :GHOST] = (box_length / UNITS / mixture.SIGMA) ** 2
    return scale.astype(np.float32)


@intrinsic
def energy_change(typingctx, packed, here, there, begin, end, neighbor, scale, strength):
    """Energy change of moving a particle from one word to another, from its neighbor[begin:end] among those packed."""

    def codegen(context, builder, signature, args):
        packed, here, there, begin, end, neighbor, scale, strength = data(context, builder, signature, args)
        v = Vectors(builder, LANES, F32)
        one = v.constant(1)

        def row(base, kind):
            first = builder.mul(kind, ir.Constant(I64, SPECIES))
            at = [builder.gep(base, [builder.add(first, ir.Constant(I64, b))]) for b in range(SPECIES)]
            return [v.splat(builder.load(address)) for address in at]

        def energy(s, inverse):
            inverse3 = v.mul(v.mul(inverse, inverse), inverse)
            smooth = v.fma(s, v.fma(v.constant(mixture.C4), s, v.constant(mixture.C2)), v.constant(mixture.C0))
            value = v.fma(inverse3, v.sub(inverse3, one), smooth)
            return builder.select(v.below(s, v.constant(mixture.CUTOFF**2)), value, v.constant(0))

        origin, kind = particle(v, here)
        target, _ = particle(v, there)
        scales, strengths = row(scale, kind), row(strength, kind)
        total = cgutils.alloca_once(builder, v.reals)
        builder.store(v.constant(0), total)
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(I64, LANES), I64) as (k, _):
            other, bits = particles(v, packed, neighbor, k)
            unit = v.choose(bits, scales)

            def squared(at, other=other, unit=unit):
                dx, dy = (v.number(builder.sub(a, b)) for a, b in zip(at, other, strict=True))
                return v.mul(v.fma(dx, dx, v.mul(dy, dy)), unit)

            before, after = squared(origin), squared(target)
            both = v.div(one, v.mul(before, after))  # one division serves both
            change = v.sub(energy(after, v.mul(before, both)), energy(before, v.mul(after, both)))
            builder.store(v.fma(v.choose(bits, strengths), change, builder.load(total)), total)
        return v.total(builder.load(total))

    whole = types.int64
    return types.float32(packed, whole, whole, whole, whole, neighbor, scale, strength), codegen


@njit(cache=True, error_model="numpy", nogil=True)
def displace(x, y, species, beta, step, mobile, area, moves, key, counter, rows, scale, from_x, from_y, travel):
    """Displacement moves until `moves` are done or a particle has left its neighbour list.

    Parameters
    ----------
    x, y, species : (n + 1,) ndarray of int32
        Fixed-point coordinates, changed in place, and species, the ghost last.
    beta : float
        Inverse temperature.
    step : int
        Half-width of the square of a move (fixed-point units).
    mobile : tuple of int
        First of the particles that move, and the one behind the last of them.
    area : tuple of int
        Left and lower edge, width and height of where they must stay (fixed-point units); 2³² is the whole box.
    moves : tuple of int
        First move to make, and where to stop; they number the random words.
    key, counter : (2,) ndarray of uint64, tuple of two int
        Of the random words; see `random_words`.
    rows : Rows
        Neighbours of every mobile particle.
    scale : (4, 4) ndarray of float32
        From `scale_table`.
    from_x, from_y : ndarray of int32
        Coordinates the rows were made at.
    travel : float
        How far from there a particle may be (fixed-point units).

    Returns
    -------
    stopped, accepted : int
        The move to go on with, and how many were accepted.
    left : bool
        Whether a particle has left its list, so that the rows must be renewed.
    """
    left, lower, width, height = area
    travel2 = np.float32(travel * travel)
    step //= 2
    choices = 2 * step + 1
    packed = words(x, y, species)
    accepted = 0
    for move in range(moves[0], moves[1]):
        chosen, first, second, decision = random_words(key, move, move >> 32, counter[0], counter[1])
        i = mobile[0] + below(chosen, mobile[1] - mobile[0])
        to_x = np.int32(x[i] + 2 * (below(first, choices) - step))
        to_y = np.int32(y[i] + 2 * (below(second, choices) - step))
        if np.int64(np.uint32(to_x - left)) >= width or np.int64(np.uint32(to_y - lower)) >= height:
            continue
        there = word(to_x, to_y, species[i])
        change = energy_change(packed, packed[i], there, rows[0][i], rows[0][i + 1], rows[2], scale, STRENGTH)
        if change <= 0 or decision * UNIT < exponential(-beta * change):
            accepted += 1
            x[i] = to_x
            y[i] = to_y
            packed[i] = there
            dx, dy = np.float32(np.int32(to_x - from_x[i])), np.float32(np.int32(to_y - from_y[i]))
            if dx * dx + dy * dy > travel2:
                return move + 1, accepted, True
    return moves[1], accepted, False
