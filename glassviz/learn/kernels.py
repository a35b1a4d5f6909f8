"""Compiled kernels of the fast inference: the particles' exponentials and the decoding layers.

Both run on all cores over particles, in float32, with an exponential that LLVM can vectorise without a vector math
library. Parallel kernels are entered one at a time, so that any thread may ask for a prediction.
"""

import math
import threading

import numpy as np
from numba import njit, prange

from glassviz.threads import SIDE_BY_SIDE

BLOCK = 512
EXCLUSIVE = threading.Lock()  # numba's workqueue layer, the one without OpenMP, dies of concurrent callers

_LOG2E = np.float32(1.44269504088896341)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_LOWEST = np.float32(-87.0)
_HIGHEST = np.float32(87.0)
_HALF, ONE, ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)
_P0 = np.float32(1.9875691500e-4)
_P1 = np.float32(1.3981999507e-3)
_P2 = np.float32(8.3334519073e-3)
_P3 = np.float32(4.1665795894e-2)
_P4 = np.float32(1.6666665459e-1)
_BIAS = np.int32(127)
_MANTISSA = np.int32(23)
_TINY = np.float32(1e-37)  # keeps a softmax finite whose weights have all underflowed


@njit(inline="always", error_model="numpy")
def exponential(x):
    """exp(x) in float32 to 2e-7 of itself; arguments are clamped to ±87 (Cephes' polynomial)."""
    x = min(max(x, _LOWEST), _HIGHEST)
    n = np.float32(math.floor(x * _LOG2E + _HALF))
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = ((((_P0 * r + _P1) * r + _P2) * r + _P3) * r + _P4) * r + _HALF
    power = np.int32((np.int32(n) + _BIAS) << _MANTISSA).view(np.float32)
    return (p * r * r + r + ONE) * power


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True, nogil=SIDE_BY_SIDE)
def exponentials(raw, kept, mean, scale, slope, first, second):
    """Fill E = exp(S f_1 − max_k S^k f_1^k) and S E for standardised columns S.

    The row's maximum is subtracted: a factor common to all columns of a particle drops out of the softmax.

    Parameters
    ----------
    raw : (n, K) ndarray of float32
        Descriptors as computed.
    kept : (M,) ndarray of int64
        The columns that are not masked.
    mean, scale : (M,) ndarray of float32
        Standardisation: S = (raw − mean) · scale.
    slope : (M,) ndarray of float32
        f_1 of the kept columns.
    first, second : (n, M) ndarray of float32
        Filled with E and S E.
    """
    columns = len(kept)
    for i in prange(len(raw)):
        highest = _LOWEST * _HIGHEST
        for k in range(columns):
            s = (raw[i, kept[k]] - mean[k]) * scale[k]
            second[i, k] = s
            highest = max(highest, s * slope[k])
        for k in range(columns):
            s = second[i, k]
            e = exponential(s * slope[k] - highest)
            first[i, k] = e
            second[i, k] = s * e


@njit(inline="always", error_model="numpy")
def elu(x):
    """The exponential linear unit in float32, without a branch."""
    return max(x, ZERO) + exponential(min(x, ZERO)) - ONE


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True, nogil=SIDE_BY_SIDE)
def decode(moments, offset, entry, constant, weight, bias, last, last_bias, out):
    """Bottleneck values from the attention's moments, then the two hidden layers and the output.

    Parameters
    ----------
    moments : (3, states, n) ndarray of float32
        Softmax denominators, and the numerators of the two bottleneck nodes.
    offset : (2,) ndarray of float32
        Biases of the bottleneck.
    entry : (2, h) ndarray of float32
        First layer's weights of the bottleneck nodes.
    constant : (states, h) ndarray of float32
        The rest of the first layer: bias and what MLP2 contributes.
    weight, bias : (h, h) and (h,) ndarray of float32
        Second layer.
    last, last_bias : (h,) ndarray and float of float32
        Output layer.
    out : (states, n) ndarray of float32
        Filled with the propensities.
    """
    states, particles = out.shape
    hidden = len(bias)
    blocks = (particles + BLOCK - 1) // BLOCK
    for task in prange(states * blocks):
        state, start = task // blocks, (task % blocks) * BLOCK
        size = min(BLOCK, particles - start)
        stop = start + size
        x = np.empty(size, np.float32)
        y = np.empty(size, np.float32)
        for i in range(size):
            norm = ONE / max(moments[0, state, start + i], _TINY)
            x[i] = moments[1, state, start + i] * norm + offset[0]
            y[i] = moments[2, state, start + i] * norm + offset[1]
        z = np.empty((hidden, size), np.float32)
        for h in range(hidden):
            a, b, c = entry[0, h], entry[1, h], constant[state, h]
            for i in range(size):
                z[h, i] = elu(x[i] * a + y[i] * b + c)
        total = np.full(size, last_bias)
        layer = np.empty(size, np.float32)
        for h in range(hidden):
            layer[:] = bias[h]
            for j in range(hidden):
                w = weight[j, h]
                for i in range(size):
                    layer[i] += z[j, i] * w
            w = last[h]
            for i in range(size):
                total[i] += elu(layer[i]) * w
        out[state, start:stop] = total
