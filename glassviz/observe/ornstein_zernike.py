r"""The Ornstein–Zernike form with a cubic term, fitted to ring-averaged periodograms by maximum likelihood.

|W(q)|² of one wave vector is distributed exponentially about S(q) = χ/g(q), g = 1 + (ξq)² + A(ξq)³. With m independent
wave vectors in a ring the negative log-likelihood is Σ m (S g/χ − ln g + ln χ); the best amplitude χ = Σ m S g / Σ m is
put in, and ln ξ and ln A are left to vary.
"""

import numpy as np
from numba import njit, prange

from glassviz.threads import SIDE_BY_SIDE

FEWEST_RINGS = 5
# Bounds of the search; ξ is also bounded by half the box. A fit that ends on one of them, A = 0 apart, has run away.
XI_LEAST = 0.05
A_LEAST, A_MOST = 1e-3, 30.0
_STARTS = 16
_STEPS = 200


def model(q, parameters):
    """S(q) of parameters (..., 3) = (ξ, A, χ) at wave numbers q (n,), shape (..., n)."""
    xi, a, chi = (parameters[..., k, None] for k in range(3))
    return chi / (1 + (xi * q) ** 2 + a * (xi * q) ** 3)


def fit(s4, q, modes, longest, cubic):
    """Fit every curve.

    Parameters
    ----------
    s4 : (..., n) ndarray
        Ring averages of |W(q)|².
    q, modes : (n,) ndarray
        Wave numbers (1/σ) and numbers of independent wave vectors.
    longest : float
        Upper bound of ξ (σ).
    cubic : bool
        Whether A varies; else A = 0.

    Returns
    -------
    parameters : (..., 3) ndarray
        ξ (σ), A, χ; NaN for a curve that is not positive.
    ran_away : (...) ndarray of bool
        The search ended on a bound.
    """
    curves = np.ascontiguousarray(s4, dtype=np.float64).reshape(-1, len(q))
    lower, upper = np.log([XI_LEAST, A_LEAST]), np.log([longest, A_MOST])
    found = _maximize(curves, q, modes.astype(np.float64), lower, upper, cubic)
    close = 1.01
    ran_away = (found[:, 0] < XI_LEAST * close) | (found[:, 0] > longest / close) | (found[:, 1] > A_MOST / close)
    return found.reshape(*s4.shape[:-1], 3), ran_away.reshape(s4.shape[:-1])


@njit(cache=True, error_model="numpy")
def _cost(curve, q, modes, log_xi, log_a, cubic):
    """Negative log-likelihood per mode with the best amplitude, and that amplitude."""
    xi = np.exp(log_xi)
    a = np.exp(log_a) if cubic else 0.0
    weighted, logs, total = 0.0, 0.0, 0.0
    for k in range(len(q)):
        x = xi * q[k]
        g = 1 + x * x * (1 + a * x)
        weighted += modes[k] * curve[k] * g
        logs += modes[k] * np.log(g)
        total += modes[k]
    chi = weighted / total
    return np.log(chi) - logs / total, chi


@njit(cache=True, error_model="numpy", parallel=True, nogil=SIDE_BY_SIDE)
def _maximize(curves, q, modes, lower, upper, cubic):
    """Best of a grid, then damped Fisher scoring in (ln ξ, ln A) within bounds, for each curve."""
    result = np.empty((len(curves), 3))
    for c in prange(len(curves)):
        curve = curves[c]
        if not np.all(np.isfinite(curve)) or curve.min() < 0 or curve.max() == 0:
            result[c] = np.nan
            continue
        best, log_xi, log_a = np.inf, 0.0, lower[1]
        for i in range(_STARTS):
            for j in range(_STARTS if cubic else 1):
                u = lower[0] + (upper[0] - lower[0]) * (i + 0.5) / _STARTS
                v = lower[1] + (upper[1] - lower[1]) * (j + 0.5) / _STARTS
                cost, _ = _cost(curve, q, modes, u, v, cubic)
                if cost < best:
                    best, log_xi, log_a = cost, u, v
        damping = 1e-3
        for _ in range(_STEPS):
            du, dv = _step(curve, q, modes, log_xi, log_a, cubic, damping)
            u = min(max(log_xi + du, lower[0]), upper[0])
            v = min(max(log_a + dv, lower[1]), upper[1])
            cost, _ = _cost(curve, q, modes, u, v, cubic)
            if cost < best:
                moved = abs(u - log_xi) + abs(v - log_a)
                best, log_xi, log_a = cost, u, v
                damping *= 0.2
                if moved < 1e-7:
                    break
            else:
                damping = max(damping * 10, 1e-9)
                if damping > 1e8:
                    break
        _, chi = _cost(curve, q, modes, log_xi, log_a, cubic)
        result[c, 0], result[c, 1], result[c, 2] = np.exp(log_xi), np.exp(log_a) if cubic else 0.0, chi
    return result


@njit(cache=True, error_model="numpy")
def _step(curve, q, modes, log_xi, log_a, cubic, damping):
    """One Levenberg-damped Fisher-scoring step with the amplitude eliminated."""
    xi = np.exp(log_xi)
    a = np.exp(log_a) if cubic else 0.0
    _, chi = _cost(curve, q, modes, log_xi, log_a, cubic)
    total, mu, mv = 0.0, 0.0, 0.0
    for k in range(len(q)):
        x = xi * q[k]
        g = 1 + x * x * (1 + a * x)
        total += modes[k]
        mu += modes[k] * x * x * (2 + 3 * a * x) / g
        mv += modes[k] * a * x * x * x / g
    mu /= total
    mv /= total
    gu, gv, huu, huv, hvv = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(q)):
        x = xi * q[k]
        g = 1 + x * x * (1 + a * x)
        u = x * x * (2 + 3 * a * x) / g - mu
        v = a * x * x * x / g - mv
        excess = curve[k] * g / chi - 1
        gu -= modes[k] * excess * u
        gv -= modes[k] * excess * v
        huu += modes[k] * u * u
        huv += modes[k] * u * v
        hvv += modes[k] * v * v
    huu *= 1 + damping
    hvv *= 1 + damping
    if not cubic or hvv == 0.0:
        return gu / huu, 0.0
    determinant = huu * hvv - huv * huv
    return (hvv * gu - huv * gv) / determinant, (huu * gv - huv * gu) / determinant
