"""An exponential function that gives the same bits on every machine, which those of the systems' libraries do not."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from glassviz.simulate.vectors import F64, I64, Vectors, data

LIMIT = 700.0  # arguments beyond are taken as ±LIMIT
LANES = 8

_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
_MAGIC = 1.5 * 2.0**52  # added to a number, it leaves the nearest integer in the lowest bits
_TERMS = [float(1 / np.prod(np.arange(1.0, k + 1))) for k in range(12)]  # 1/k!, relative error below 1e-14


def _exponential(v, x):
    """exp(x) = 2^n exp(r) with |r| ≤ ln 2/2, in every lane."""
    builder = v.builder
    low, high = v.constant(-LIMIT), v.constant(LIMIT)
    x = builder.select(v.below(x, low), low, x)
    x = builder.select(v.below(high, x), high, x)
    shifted = v.fma(x, v.constant(_LOG2_E), v.constant(_MAGIC))
    n = v.sub(shifted, v.constant(_MAGIC))
    r = v.fma(n, v.constant(-_LN2_LOW), v.fma(n, v.constant(-_LN2_HIGH), x))
    value = v.constant(_TERMS[-1])
    for term in _TERMS[-2::-1]:
        value = v.fma(value, r, v.constant(term))
    whole = ir.VectorType(I64, v.lanes)
    exponent = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [52] * v.lanes))
    return builder.bitcast(builder.add(builder.bitcast(value, whole), exponent), v.reals)


@intrinsic
def exponential(typingctx, x):
    """exp(x) of a float64."""

    def codegen(context, builder, signature, args):
        v = Vectors(builder, 1, F64)
        return builder.extract_element(_exponential(v, v.splat(args[0])), ir.Constant(ir.IntType(32), 0))

    return types.float64(types.float64), codegen


@intrinsic
def exponentials(typingctx, values, count):
    """Replace values[:count], and those behind that fill the last eight, by their exponentials."""

    def codegen(context, builder, signature, args):
        values, count = data(context, builder, signature, args)
        v = Vectors(builder, LANES, F64)
        zero, step = ir.Constant(I64, 0), ir.Constant(I64, LANES)
        with cgutils.for_range_slice(builder, zero, count, step, I64) as (k, _):
            v.store(_exponential(v, v.load(values, k)), values, k)
        return context.get_dummy_value()

    return types.void(values, types.int64), codegen
