"""Pair forces of many replicas at once: one replica in each SIMD lane.

The replicas of an isoconfigurational ensemble start from the same structure, so they share a pair list for a long time.
Coordinates are stored as `x[particle, lane]`, and one vector instruction then treats a pair in all `LANES` replicas.
Compilers do not find this form by themselves (they guard every pair against overlapping arrays, which costs more than
the pair), so the two inner loops are written in LLVM's vector types.

Coordinates are fixed-point: the box is the range of a 32-bit integer, and a wrapping difference of two coordinates *is*
the vector to the nearest image, exact to L/2³².
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from glassviz import mixture
from glassviz.simulate.vectors import F32, I64, Vectors, data

LANES = 8
UNITS = 2.0**32  # integer steps along the box


class _Replicas(Vectors):
    """Vectors of one value for each lane, from arrays (particle, lane)."""

    def __init__(self, builder):
        super().__init__(builder, LANES, F32, fast=True)

    def first(self, particle):
        """Index of a particle's first value."""
        return self.builder.mul(particle, ir.Constant(I64, LANES))

    def separation(self, a, b):
        """Nearest-image difference of fixed-point coordinates."""
        return self.number(self.builder.sub(a, b))

    def element(self, base, index):
        """The scalar base[index]."""
        return self.builder.load(self.builder.gep(base, [index]))


@intrinsic
def _row_forces(typingctx, x, y, fx, fy, i, begin, end, neighbor, species, scale, strength):
    """Add the forces between particle i and neighbor[begin:end], on both sides, in every lane."""

    def codegen(context, builder, signature, args):
        x, y, fx, fy, i, begin, end, neighbor, species, scale, strength = data(context, builder, signature, args)
        v = _Replicas(builder)
        own = v.first(i)
        xi, yi = v.load(x, own, v.ints), v.load(y, own, v.ints)
        fxi, fyi = cgutils.alloca_once(builder, v.reals), cgutils.alloca_once(builder, v.reals)
        builder.store(v.load(fx, own), fxi)
        builder.store(v.load(fy, own), fyi)
        row = builder.mul(builder.sext(v.element(species, i), I64), ir.Constant(I64, 3))
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(I64, 1), I64) as (k, _):
            j = builder.sext(v.element(neighbor, k), I64)
            other = v.first(j)
            pair = builder.add(row, builder.sext(v.element(species, j), I64))
            dx = v.separation(xi, v.load(x, other, v.ints))
            dy = v.separation(yi, v.load(y, other, v.ints))
            s = v.mul(v.add(v.mul(dx, dx), v.mul(dy, dy)), v.splat(v.element(scale, pair)))
            inverse = v.div(v.constant(1), s)
            inverse3 = v.mul(v.mul(inverse, inverse), inverse)
            steep = v.mul(v.mul(inverse, inverse3), v.sub(v.mul(v.constant(6), inverse3), v.constant(3)))
            push = v.sub(v.sub(steep, v.constant(mixture.C2)), v.mul(v.constant(2 * mixture.C4), s))
            push = v.mul(push, v.splat(v.element(strength, pair)))
            push = builder.select(v.below(s, v.constant(mixture.CUTOFF**2)), push, v.constant(0))
            px, py = v.mul(push, dx), v.mul(push, dy)
            builder.store(v.add(builder.load(fxi), px), fxi)
            builder.store(v.add(builder.load(fyi), py), fyi)
            v.store(v.sub(v.load(fx, other), px), fx, other)
            v.store(v.sub(v.load(fy, other), py), fy, other)
        v.store(builder.load(fxi), fx, own)
        v.store(builder.load(fyi), fy, own)
        return context.get_dummy_value()

    index = types.int64
    return types.void(x, y, fx, fy, index, index, index, neighbor, species, scale, strength), codegen


@intrinsic
def near_in_a_lane(typingctx, x, y, i, j, reach2):
    """Whether particles i and j are within reach in at least one lane (squared reach in fixed-point units)."""

    def codegen(context, builder, signature, args):
        x, y, i, j, reach2 = data(context, builder, signature, args)
        v = _Replicas(builder)
        one, other = v.first(i), v.first(j)
        dx = v.separation(v.load(x, one, v.ints), v.load(x, other, v.ints))
        dy = v.separation(v.load(y, one, v.ints), v.load(y, other, v.ints))
        squared = v.add(v.mul(dx, dx), v.mul(dy, dy))
        near = builder.bitcast(v.below(squared, v.splat(reach2)), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", near, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(x, y, types.int64, types.int64, types.float32), codegen


@njit(error_model="numpy", fastmath=True)
def add_pair_forces(x, y, fx, fy, start, neighbor, species, scale, strength):
    """Add the pair forces of every replica.

    Parameters
    ----------
    x, y : (n, LANES) ndarray of int32
        Fixed-point coordinates.
    fx, fy : (n, LANES) ndarray of float32
        Forces, added to; their unit is set by `strength`.
    start, neighbor : ndarray
        Half pair list shared by the lanes.
    species : (n,) ndarray of int8
        Species, 0-based.
    scale : (9,) ndarray of float32
        (L/2³²)²/σ_ab² by 3a + b: squared separation in fixed-point units to (r/σ_ab)².
    strength : (9,) ndarray of float32
        Factor of the force vector by 3a + b.
    """
    for i in range(len(x)):
        _row_forces(x, y, fx, fy, i, start[i], start[i + 1], neighbor, species, scale, strength)


@njit(error_model="numpy", fastmath=True)
def close_pairs(x, y, start, candidate, species, reach2):
    """Pairs of a half list that are within reach in at least one lane.

    Parameters
    ----------
    x, y : (n, LANES) ndarray of int32
        Fixed-point coordinates.
    start, candidate : ndarray
        Half pair list to choose from.
    species : (n,) ndarray of int8
        Species, 0-based.
    reach2 : (9,) ndarray of float32
        Squared range of each species pair by 3a + b (fixed-point units).

    Returns
    -------
    start, neighbor : ndarray
        The pairs chosen, in the same form.
    """
    n = len(x)
    chosen = np.empty(len(candidate), np.int32)
    first = np.zeros(n + 1, np.int64)
    count = 0
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            j = candidate[k]
            chosen[count] = j
            count += near_in_a_lane(x, y, i, np.int64(j), reach2[3 * species[i] + species[j]])
        first[i + 1] = count
    return first, chosen[:count]
