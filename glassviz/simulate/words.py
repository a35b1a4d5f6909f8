"""Particles in words of 64 bits, so that one load brings all that a neighbour must know of another.

The lower half is x in fixed point, the upper half y; both are even, and their last bits are the two of the species.
"""

import numpy as np
from llvmlite import ir
from numba import njit

from glassviz.simulate.vectors import I1, I32, I64

_EVEN = -2  # all bits but the last


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def word(x, y, kind):
    """The word of a particle with coordinates (int32), rounded down to even ones, and a species."""
    return (np.int64((y & _EVEN) | (kind >> 1)) << 32) | np.int64(np.uint32((x & _EVEN) | (kind & 1)))


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def relabelled(packed, kind):
    """The word of the same particle as another species."""
    return word(np.int32(packed), np.int32(packed >> 32), kind)


@njit(cache=True, error_model="numpy", nogil=True)
def words(x, y, species):
    """The words of all particles, (n,) int64."""
    packed = np.empty(len(x), np.int64)
    for i in range(len(x)):
        packed[i] = word(x[i], y[i], species[i])
    return packed


def particles(v, packed, index, first):
    """Instructions that read packed[index[first + lane]]: coordinates (x, y), and the bits of the species for `choose`.

    Parameters
    ----------
    v : glassviz.simulate.vectors.Vectors
        The vector operations.
    packed, index : llvmlite.ir.Value
        Pointers to words and to 32-bit indices.
    first : llvmlite.ir.Value
        Position in the index of the first lane.
    """
    halves = v.pick(packed, index, first)
    even, bit = ir.Constant(v.ints, [_EVEN] * v.lanes), ir.VectorType(I1, v.lanes)
    return [v.builder.and_(half, even) for half in halves], [v.builder.trunc(half, bit) for half in halves]


def particle(v, packed):
    """Instructions that read one word: coordinates (x, y), both in every lane, and the species, a 64-bit integer."""
    builder = v.builder
    halves = [builder.trunc(builder.lshr(packed, ir.Constant(I64, shift)), I32) for shift in (0, 32)]
    coordinates = [v.splat(builder.and_(half, ir.Constant(I32, _EVEN))) for half in halves]
    low, high = (builder.zext(builder.and_(half, ir.Constant(I32, 1)), I64) for half in halves)
    return coordinates, builder.or_(low, builder.shl(high, ir.Constant(I64, 1)))
