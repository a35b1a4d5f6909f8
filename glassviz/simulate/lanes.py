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

LANES = 8
UNITS = 2.0**32  # integer steps along the box

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_FLOATS, _INTS = ir.VectorType(_F32, LANES), ir.VectorType(_I32, LANES)
_FAST = ("fast",)


class _Vectors:
    """The few vector operations the kernels need, on an LLVM builder."""

    def __init__(self, builder):
        self.builder = builder

    def constant(self, value):
        return ir.Constant(_FLOATS, [float(value)] * LANES)

    def load(self, base, particle, kind):
        return self.builder.load(self._lanes_of(base, particle, kind), align=4)

    def store(self, value, base, particle):
        self.builder.store(value, self._lanes_of(base, particle, value.type), align=4)

    def _lanes_of(self, base, particle, kind):
        first = self.builder.mul(particle, ir.Constant(_I64, LANES))
        return self.builder.bitcast(self.builder.gep(base, [first]), kind.as_pointer())

    def element(self, base, index):
        return self.builder.load(self.builder.gep(base, [index]))

    def index(self, base, position):
        return self.builder.sext(self.element(base, position), _I64)

    def splat(self, scalar):
        empty = ir.Constant(_FLOATS, ir.Undefined)
        vector = self.builder.insert_element(empty, scalar, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(vector, empty, ir.Constant(_INTS, [0] * LANES))

    def add(self, a, b):
        return self.builder.fadd(a, b, flags=_FAST)

    def sub(self, a, b):
        return self.builder.fsub(a, b, flags=_FAST)

    def mul(self, a, b):
        return self.builder.fmul(a, b, flags=_FAST)

    def separation(self, a, b):
        """Nearest-image difference of fixed-point coordinates."""
        return self.builder.sitofp(self.builder.sub(a, b), _FLOATS)


def _data(context, builder, signature, args):
    """Array arguments as pointers to their data, scalars as they are."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]


@intrinsic
def _row_forces(typingctx, x, y, fx, fy, i, begin, end, neighbor, species, scale, strength):
    """Add the forces between particle i and neighbor[begin:end], on both sides, in every lane."""

    def codegen(context, builder, signature, args):
        x, y, fx, fy, i, begin, end, neighbor, species, scale, strength = _data(context, builder, signature, args)
        v = _Vectors(builder)
        xi, yi = v.load(x, i, _INTS), v.load(y, i, _INTS)
        fxi, fyi = cgutils.alloca_once(builder, _FLOATS), cgutils.alloca_once(builder, _FLOATS)
        builder.store(v.load(fx, i, _FLOATS), fxi)
        builder.store(v.load(fy, i, _FLOATS), fyi)
        row = builder.mul(v.index(species, i), ir.Constant(_I64, 3))
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(_I64, 1), _I64) as (k, _):
            j = v.index(neighbor, k)
            pair = builder.add(row, v.index(species, j))
            dx = v.separation(xi, v.load(x, j, _INTS))
            dy = v.separation(yi, v.load(y, j, _INTS))
            s = v.mul(v.add(v.mul(dx, dx), v.mul(dy, dy)), v.splat(v.element(scale, pair)))
            inverse = builder.fdiv(v.constant(1), s, flags=_FAST)
            inverse3 = v.mul(v.mul(inverse, inverse), inverse)
            steep = v.mul(v.mul(inverse, inverse3), v.sub(v.mul(v.constant(6), inverse3), v.constant(3)))
            push = v.sub(v.sub(steep, v.constant(mixture.C2)), v.mul(v.constant(2 * mixture.C4), s))
            push = v.mul(push, v.splat(v.element(strength, pair)))
            inside = builder.fcmp_ordered("<", s, v.constant(mixture.CUTOFF**2))
            push = builder.select(inside, push, v.constant(0))
            px, py = v.mul(push, dx), v.mul(push, dy)
            builder.store(v.add(builder.load(fxi), px), fxi)
            builder.store(v.add(builder.load(fyi), py), fyi)
            v.store(v.sub(v.load(fx, j, _FLOATS), px), fx, j)
            v.store(v.sub(v.load(fy, j, _FLOATS), py), fy, j)
        v.store(builder.load(fxi), fx, i)
        v.store(builder.load(fyi), fy, i)
        return context.get_dummy_value()

    index = types.int64
    return types.void(x, y, fx, fy, index, index, index, neighbor, species, scale, strength), codegen


@intrinsic
def near_in_a_lane(typingctx, x, y, i, j, reach2):
    """Whether particles i and j are within reach in at least one lane (squared reach in fixed-point units)."""

    def codegen(context, builder, signature, args):
        x, y, i, j, reach2 = _data(context, builder, signature, args)
        v = _Vectors(builder)
        dx = v.separation(v.load(x, i, _INTS), v.load(x, j, _INTS))
        dy = v.separation(v.load(y, i, _INTS), v.load(y, j, _INTS))
        squared = v.add(v.mul(dx, dx), v.mul(dy, dy))
        near = builder.bitcast(builder.fcmp_ordered("<", squared, v.splat(reach2)), ir.IntType(LANES))
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
