r"""How far a particle's surroundings count at each temperature: where the attention starts from.

On cooling, structure further away counts for more: in the paper's networks attention moves to larger coarse-graining
lengths L (Fig. 9). Gradient descent is slow to find this, since the columns are much alike. Here every length has one
factor that changes with the temperature, which a regression of all labels finds at once:

    y = Σ_L (α_L + β_L (u(τ) − ū)) Σ_{k in L} p_k S^k,    u = e^(−3 (τ − τ₀)),    τ = T_ref / T

with p the ridge regressions that the bottleneck starts from. Attention then starts as ln w_k = (β_L / α_L) (u − ū) plus
a constant, and what it extrapolates saturates on cooling as u does.
"""

from dataclasses import dataclass

import numpy as np

SATURATION = 3.0
FROM = 0.5  # τ₀, of T = 0.40
EVEN = 1e-3  # how much, of the labels' variance, holds α at 1 for all lengths
SMOOTH = 1e-3  # and makes β a smooth function of the length
STEADY = 1e-4  # and holds it at 0, where the labels say little
SMALLEST = 0.5  # α


def warmth(inverse_temperature):
    """u = exp(−3 (τ − τ₀)): 1 at T = 0.40, 0.08 at T = 0.15; `inverse_temperature` is τ = T_ref / T."""
    return np.exp(-SATURATION * (np.asarray(inverse_temperature, np.float64) - FROM))


@dataclass(frozen=True)
class Reach:
    """Attention that depends on a column's length and on the temperature alone.

    Attributes
    ----------
    slopes : (columns,) ndarray
        Of ln w against u.
    center : float
        ū, where attention is even.
    """

    slopes: np.ndarray
    center: float

    def weights(self, inverse_temperature):
        """Weights (columns,) at τ, of mean 1."""
        found = np.exp(self.slopes * (warmth(inverse_temperature) - self.center))
        return found / found.mean()


def even(columns):
    """Attention that is the same for all columns at all temperatures."""
    return Reach(np.zeros(columns), 0.0)


def fitted(lengths, sums):
    """The reach that fits labels best.

    Parameters
    ----------
    lengths : (columns,) ndarray
        L of every column (σ).
    sums : sequence of (inverse_temperature, weights, gram, product, rows)
        For each structure and bottleneck node: τ, the node's regression weights (columns,), XᵀX, Xᵀy and how many
        particles these are sums over.

    Returns
    -------
    Reach
    """
    groups = (np.asarray(lengths)[:, None] == np.unique(lengths)).astype(np.float64)
    count, total = groups.shape[1], sum(rows for *_, rows in sums)
    center = sum(rows * float(warmth(inverse)) for inverse, *_, rows in sums) / total
    left, right = np.zeros((2 * count, 2 * count)), np.zeros(2 * count)
    for inverse, weights, gram, product, _ in sums:
        shares = weights[:, None] * groups
        state = np.array([1.0, float(warmth(inverse)) - center])
        left += np.kron(np.outer(state, state), shares.T @ gram @ shares)
        right += np.kron(state, shares.T @ product)
    rough = np.diff(np.eye(count), 2, axis=0)
    left[:count, :count] += EVEN * total * np.eye(count)
    left[count:, count:] += total * (SMOOTH * rough.T @ rough + STEADY * np.eye(count))
    right[:count] += EVEN * total
    factor, change = np.linalg.solve(left, right).reshape(2, count)
    return Reach(groups @ (change / np.maximum(factor, SMALLEST)), center)
