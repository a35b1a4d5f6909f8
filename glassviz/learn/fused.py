r"""The heavy part of a training step in compiled code: many networks, one structure, forward and back.

With e_k = exp(S^k f_1^k) and g_k = exp(m_1 f_2^k + m_2 f_3^k + f_4^k) a particle's bottleneck is the quotient of
Σ_k e_k g_k S^k W^k and Σ_k e_k g_k. One row of columns stays in the first-level cache while all states and sums are
formed, and the exponentials are computed anew on the way back instead of being stored, so that nothing of the size
networks × particles × columns is ever written. A network's numbers do not depend on the number of threads.
"""

import numpy as np
import torch
from numba import njit, prange

from glassviz.learn.kernels import EXCLUSIVE, ONE, ZERO, elu, exponential

LANES = 16  # columns are padded to a multiple, as a remainder would be computed one by one


def padded(columns):
    """Columns (…, K) as float32 with zeros appended up to a multiple of 16."""
    missing = -columns.shape[-1] % LANES
    width = [(0, 0)] * (columns.ndim - 1) + [(0, missing)]
    return np.ascontiguousarray(np.pad(np.asarray(columns, np.float32), width))


@njit(cache=True, error_model="numpy", fastmath=True, nogil=True, parallel=True)
def _forward(columns, slope, factors, encoder, offset, head, norm, nodes, out):
    """Fill softmax denominators (B, s, n), bottleneck (B, s, 2, n) and predictions (B, s, n)."""
    entry, constant, hidden, hidden_bias, last, last_bias = head
    networks, states, width = factors.shape
    particles, units = len(columns), hidden.shape[1]
    for b in prange(networks):
        powers = np.empty(width, np.float32)
        for i in range(particles):
            for k in range(width):
                powers[k] = exponential(columns[i, k] * slope[b, k])
            for level in range(states):
                total, first, second = ZERO, ZERO, ZERO
                for k in range(width):
                    weight = powers[k] * factors[b, level, k]
                    value = weight * columns[i, k]
                    total += weight
                    first += value * encoder[b, 0, k]
                    second += value * encoder[b, 1, k]
                norm[b, level, i] = total
                nodes[b, level, 0, i] = first / total + offset[b, 0]
                nodes[b, level, 1, i] = second / total + offset[b, 1]
        one, two = np.empty((units, particles), np.float32), np.empty((units, particles), np.float32)
        for level in range(states):
            _decode(nodes[b, level], entry[b], constant[b, level], hidden[b], hidden_bias[b], one, two)
            total = np.full(particles, last_bias[b, 0])
            for h in range(units):
                w = last[b, h]
                for i in range(particles):
                    total[i] += two[h, i] * w
            out[b, level] = total


@njit(cache=True, error_model="numpy", fastmath=True, nogil=True)
def _decode(nodes, entry, constant, hidden, hidden_bias, one, two):
    """Fill the activations (h, n) of the two hidden layers from the bottleneck (2, n)."""
    units, particles = one.shape
    for h in range(units):
        a, b, c = entry[0, h], entry[1, h], constant[h]
        for i in range(particles):
            one[h, i] = elu(nodes[0, i] * a + nodes[1, i] * b + c)
    for h in range(units):
        two[h] = hidden_bias[h]
        for j in range(units):
            w = hidden[j, h]
            for i in range(particles):
                two[h, i] += one[j, i] * w
        for i in range(particles):
            two[h, i] = elu(two[h, i])


@njit(cache=True, error_model="numpy", fastmath=True, nogil=True, parallel=True)
def _backward(columns, slope, factors, encoder, offset, head, norm, nodes, upstream, gradients):
    """Add to the gradients of slope, log factors, encoder, offset and head, given that of the predictions."""
    entry, constant, hidden, hidden_bias, last, _ = head
    of_slope, of_exponent, of_encoder, of_offset, of_head = gradients
    networks, states, width = factors.shape
    particles, units = len(columns), hidden.shape[1]
    for b in prange(networks):
        one, two = np.empty((units, particles), np.float32), np.empty((units, particles), np.float32)
        back = np.empty((states, 2, particles), np.float32)
        for level in range(states):
            _decode(nodes[b, level], entry[b], constant[b, level], hidden[b], hidden_bias[b], one, two)
            _head_gradients(
                b, level, upstream[b, level], nodes[b, level], entry[b], hidden[b], last[b], one, two, back, of_head
            )
            for node in range(2):
                total = ZERO
                for i in range(particles):
                    total += back[level, node, i]
                of_offset[b, node] += total
        powers, summed = np.empty(width, np.float32), np.empty(width, np.float32)
        for i in range(particles):
            for k in range(width):
                powers[k] = exponential(columns[i, k] * slope[b, k])
                summed[k] = ZERO
            for level in range(states):
                first = back[level, 0, i] / norm[b, level, i]
                second = back[level, 1, i] / norm[b, level, i]
                base = -first * (nodes[b, level, 0, i] - offset[b, 0]) - second * (nodes[b, level, 1, i] - offset[b, 1])
                for k in range(width):
                    weight = powers[k] * factors[b, level, k]
                    s = columns[i, k]
                    term = weight * (base + s * (first * encoder[b, 0, k] + second * encoder[b, 1, k]))
                    of_exponent[b, level, k] += term
                    summed[k] += term
                    of_encoder[b, 0, k] += weight * s * first
                    of_encoder[b, 1, k] += weight * s * second
            for k in range(width):
                of_slope[b, k] += columns[i, k] * summed[k]


@njit(cache=True, error_model="numpy", fastmath=True, nogil=True)
def _head_gradients(b, level, upstream, nodes, entry, hidden, last, one, two, back, of_head):
    """Gradients of the decoding layers of one network and state; `back` is that of the bottleneck."""
    of_entry, of_constant, of_hidden, of_hidden_bias, of_last, of_last_bias = of_head
    units, particles = one.shape
    slopes = np.zeros((units, particles), np.float32)
    for h in range(units):
        weight, bias, w = ZERO, ZERO, last[h]
        for i in range(particles):
            weight += upstream[i] * two[h, i]
            two[h, i] = upstream[i] * w * (min(two[h, i], ZERO) + ONE)
            bias += two[h, i]
        of_last[b, h] += weight
        of_hidden_bias[b, h] += bias
        for j in range(units):
            weight, w_jh = ZERO, hidden[j, h]
            for i in range(particles):
                weight += one[j, i] * two[h, i]
                slopes[j, i] += w_jh * two[h, i]
            of_hidden[b, j, h] += weight
    total = ZERO
    for i in range(particles):
        total += upstream[i]
        back[level, 0, i] = ZERO
        back[level, 1, i] = ZERO
    of_last_bias[b, 0] += total
    for h in range(units):
        first, second, bias = ZERO, ZERO, ZERO
        for i in range(particles):
            value = slopes[h, i] * (min(one[h, i], ZERO) + ONE)
            bias += value
            first += value * nodes[0, i]
            second += value * nodes[1, i]
            back[level, 0, i] += value * entry[0, h]
            back[level, 1, i] += value * entry[1, h]
        of_constant[b, level, h] += bias
        of_entry[b, 0, h] += first
        of_entry[b, 1, h] += second


class Predict(torch.autograd.Function):
    """Predictions (network, states, n) of many networks, with the gradient written by hand.

    Arguments of `apply`: columns (n, K) padded, slope f_1 (network, K), exponent ln g (network, states, K), encoder
    (network, 2, K) with the factor M_S, offset (network, 2), then of the head the first layer's weights of the
    bottleneck nodes (network, 2, h), the rest of that layer (network, states, h), the second layer's weights
    (network, h, h) and bias (network, h), the last layer's weights (network, h) and bias (network, 1).
    """

    @staticmethod
    def forward(ctx, columns, slope, exponent, encoder, offset, *head):
        """Predictions; what the way back needs is kept."""
        factors = torch.exp(exponent - exponent.amax(dim=-1, keepdim=True))
        arrays = [_array(v) for v in (columns, slope, factors, encoder, offset)]
        layers = tuple(_array(v) for v in head)
        shape = (*factors.shape[:2], len(columns))
        norm, out = np.empty(shape, np.float32), np.empty(shape, np.float32)
        nodes = np.empty((*shape[:2], 2, shape[2]), np.float32)
        with EXCLUSIVE:
            _forward(*arrays, layers, norm, nodes, out)
        ctx.kept = (*arrays, layers, norm, nodes)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, upstream):
        """Gradients of all arguments but the columns."""
        _, slope, factors, encoder, offset, layers, _, _ = ctx.kept
        body = tuple(np.zeros_like(v) for v in (slope, factors, encoder, offset))
        head = tuple(np.zeros_like(v) for v in layers)
        with EXCLUSIVE:
            _backward(*ctx.kept, _array(upstream), (*body, head))
        return (None, *map(torch.from_numpy, body), *map(torch.from_numpy, head))


def _array(tensor):
    return np.ascontiguousarray(tensor.detach().numpy() if isinstance(tensor, torch.Tensor) else tensor)
