r"""What the networks minimise: the mean squared error first, then spread and spatial correlation as well.

The full loss of one state and structure, with δ_i = C_i − C̄ and hats for predictions, is

    ⟨|C − Ĉ|⟩ / std(C) + ½ Σ_{r0 = 2, 5, 8} |c(r0) − ĉ(r0)| / (c(2) − c(8)) + |Var − Var̂| / Var,

    c(r0) = Σ_i δ_i (Σ_j K_ij δ_j / Σ_j K_ij) / Σ_i δ_i²,    K_ij = exp(−(r_ij − r0)²/2), j ≠ i.

The pair i = j is left out: its weight at r0 = 2 would bring the labels' noise into c. That is the paper's loss and the
preset "paper"; the networks that ship have the squared error of phase 1 in its first term, and its second one weighs
less at late levels (`plan.Plan`).

Labels from few replicas are noisy, and it matters: of the variance of 8-replica labels at T = 0.40 and ⟨C̄_B⟩ = 0.8 only
43 % is signal (72 % with 24 replicas). So Var is the labels' variance times the share φ that is signal, as pooled over
the structures of a state. The noise has clusters of its own, c_n, because bonds break together: labels show
c = φ c_true + (1 − φ) c_n, from which c_true follows with the c_n of `noise_correlations`.
"""

import numpy as np
import torch

EQUATION = (
    r"\mathcal{L} = \frac{\langle|\mathcal{C}-\hat{\mathcal{C}}|\rangle}{\mathrm{std}(\mathcal{C})} + \frac12"
    r"\sum_{r_0=2,5,8}\frac{|c(r_0)-\hat c(r_0)|}{c(2)-c(8)}"
    r" + \frac{|\mathrm{Var}-\widehat{\mathrm{Var}}|}{\mathrm{Var}}"
)
CAPTION = (
    "The second phase of the training asks for the right spread and the right clusters, not only for small errors."
)

RINGS = (2.0, 5.0, 8.0)
FAINT = 1e-6  # weights below it count as none: denormal numbers would slow the products a hundred times
SMALLEST_SIGNAL = 0.1  # share of the labels' variance that is taken for signal at least
SMALLEST_SIGNAL_IN_CLUSTERS = 0.3  # a smaller share would blow up the scatter between structures
SMALLEST_VARIANCE = 1e-5
SMALLEST_RATIO = 1e-4  # of variances, of which the logarithm is taken
SMALLEST_CONTRAST = 0.05  # c(2) − c(8) below it says nothing about clusters


def ring_averages(position, box_length):
    """Matrices of the quadratic forms Σ_i δ_i (Σ_j K_ij δ_j / Σ_j K_ij), symmetrised.

    Parameters
    ----------
    position : (n, 2) ndarray
        Positions (σ).
    box_length : float
        Side of the periodic box (σ).

    Returns
    -------
    (3, n, n) Tensor of float32
    """
    position = torch.as_tensor(np.asarray(position, dtype=np.float32))
    apart = position[:, None] - position
    apart -= box_length * torch.round(apart / box_length)
    distance = apart.square().sum(dim=-1).sqrt()
    rings = torch.stack([torch.exp(-0.5 * (distance - radius).square()) for radius in RINGS])
    rings[rings < FAINT] = 0
    rings.diagonal(dim1=1, dim2=2).zero_()
    rings /= rings.sum(dim=-1, keepdim=True)
    return (rings + rings.mT) / 2


class _QuadraticForms(torch.autograd.Function):
    """δᵀ M δ of fields (m, n) for symmetric matrices (3, n, n); the gradient 2 M δ is there after the forward pass."""

    @staticmethod
    def forward(ctx, field, matrices):
        products = torch.mm(field, matrices.flatten(0, 1).T).view(len(field), len(matrices), -1)
        ctx.save_for_backward(products)
        return torch.bmm(products, field[:, :, None])[..., 0]

    @staticmethod
    def backward(ctx, gradient):
        (products,) = ctx.saved_tensors
        return 2 * torch.bmm(gradient[:, None], products)[:, 0], None


def correlations(field, rings):
    """c(r0) of fields (..., n), from `ring_averages`: (..., 3)."""
    deviation = (field - field.mean(dim=-1, keepdim=True)).flatten(0, -2)
    forms = _QuadraticForms.apply(deviation, rings)
    power = deviation.square().sum(dim=-1, keepdim=True).clamp_min(1e-12)
    return (forms / power).unflatten(0, field.shape[:-1])


def signal_fraction(labels, noise, mean_noise):
    """Share of the labels' variance within a structure that is not replica noise, pooled over structures.

    Parameters
    ----------
    labels : (structure, level, n) ndarray
    noise : (structure, level) ndarray
        Noise variance of the labels; NaN where unknown, which counts as none.
    mean_noise : (structure, level) ndarray
        That of their mean, in which a structure does not vary; NaN as in `noise`.

    Returns
    -------
    (level,) ndarray
        At least 0.1.
    """
    variance = labels.var(axis=-1).mean(axis=0)
    within = (np.nan_to_num(noise) - np.nan_to_num(mean_noise)).mean(axis=0)
    return np.clip(1 - within / np.maximum(variance, 1e-12), SMALLEST_SIGNAL, 1.0)


def noise_correlations(temperature, levels):
    """c_n on the rings: how the replica noise of labels of species 1 clusters.

    Measured on replicas about their mean, at T = 0.40 to 0.25. A single broken bond concerns two neighbours, so noise
    clusters less before bonds break together, and more the colder it is.

    Parameters
    ----------
    temperature : float
        T (ε/k_B).
    levels : (level,) array_like
        ⟨C̄_B⟩.

    Returns
    -------
    (level, 3) ndarray
    """
    broken, cold = 1 - np.asarray(levels, dtype=np.float64), 1 / temperature - 2.5
    near = (0.21 + 0.18 * cold) * broken / (broken + 0.015)
    farther = (0.05 + 0.156 * cold) * broken / (broken + 0.1)
    return np.stack([near, farther, np.zeros_like(broken)], axis=-1)


def squared_error(prediction, labels, means=1.0):
    """Phase 1: mean squared error of (network, states, n) over the variance of the labels, by network and state.

    Over the variance, so that the early levels, where little varies, are learned as well. The square of the mean error,
    which all particles of the structure share, weighs `means` times as much as the rest.
    """
    variance = labels.var(dim=-1, correction=0).clamp_min(SMALLEST_VARIANCE)
    error = prediction - labels
    return (error.square().mean(dim=-1) - (1 - means) * error.mean(dim=-1).square()) / variance


def squared_shift(prediction, means):
    """Square of what the mean of (network, states, n) misses known ones by, over a typical variance C (1 − C) / 5."""
    typical = (means * (1 - means) / 5).clamp_min(SMALLEST_VARIANCE)
    return (prediction.mean(dim=-1) - means).square() / typical


class FullLoss:
    """Phase 2 for the states of one structure; what the labels alone determine is computed once.

    Parameters
    ----------
    labels : (states, n) Tensor
        Propensities.
    rings : (3, n, n) Tensor, or None
        From `ring_averages`; not needed where clusters have no weight.
    signal : (states,) Tensor
        From `signal_fraction`.
    noise : (states, 3) Tensor
        From `noise_correlations`.
    """

    def __init__(self, labels, rings, signal, noise):
        self.labels, self.rings = labels, rings
        self.variance = (labels.var(dim=-1, correction=0) * signal).clamp_min(1e-6)
        self.deviation = labels.std(dim=-1, correction=0).clamp_min(1e-3)
        if rings is None:
            return
        share = signal.clamp_min(SMALLEST_SIGNAL_IN_CLUSTERS)[:, None]
        shown = correlations(labels, rings)
        self.correlations = (shown - (1 - share) * noise) / share
        self.contrast = (self.correlations[:, 0] - self.correlations[:, -1]).clamp_min(SMALLEST_CONTRAST)

    def __call__(self, prediction, states=slice(None), absolute=True, clusters=0.5, means=1.0, logarithm=False):
        """Loss of predictions (network, states, n) at some of the states, one value per network and state.

        `absolute` takes the mean absolute error, else the squared one of phase 1; `clusters` and `means` weigh the
        second term and the mean error, of all states or (network, states) of each. The third term is the logarithm of
        the predicted variance over the labels', or the paper's relative difference of the two.
        """
        labels, variance = self.labels[states], self.variance[states]
        if absolute:
            total = (prediction - labels).abs().mean(dim=-1) / self.deviation[states]
        else:
            total = squared_error(prediction, labels, means)
        if self.rings is not None:
            apart = (correlations(prediction, self.rings) - self.correlations[states]).abs().sum(dim=-1)
            total = total + clusters * apart / self.contrast[states]
        ratio = prediction.var(dim=-1, correction=0) / variance
        return total + (ratio.clamp_min(SMALLEST_RATIO).log() if logarithm else ratio - 1).abs()
