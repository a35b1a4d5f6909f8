r"""Four-point susceptibility χ₄: how strongly the mean propensity differs from one structure to the next (Eq. 9)."""

import numpy as np

from glassviz.mixture import InvalidData
from glassviz.observe.fields import fields, resampled, summarize, widened

EQUATION = r"\chi_4 = N_1 \left( \langle \bar{\mathcal{C}}_B^2 \rangle - \langle \bar{\mathcal{C}}_B \rangle^2 \right)"
CAPTION = (
    "How much the propensity, averaged over the particles of species 1 of one structure and over replicas, "
    "varies between structures."
)


def chi4(C, ds=None, *, unbiased=False, noise=None):
    r"""Four-point susceptibility of replica-averaged propensities, Eq. 9.

    .. math:: \chi_4 = N_1 (\langle \bar{C}_B^2 \rangle - \langle \bar{C}_B \rangle^2)

    Parameters
    ----------
    C : DataArray (..., configuration, particle)
        Propensities of several structures, measured or predicted, with any leading dims (network, state, time).
        Species 1 is taken by the coordinate `species`, else from `ds`; without both, all particles that are not NaN.
    ds : Dataset, optional
        The configurations that C belongs to, or the propensity file it comes from.
    unbiased : bool, optional
        Multiply by n/(n − 1), the estimate of the ensemble's variance from n structures. Eq. 9 as it stands is low
        by that factor, which matters where the numbers of structures of two temperatures differ.
    noise : DataArray (..., configuration), optional
        Variance of each structure's mean propensity that finitely many replicas leave, from
        `glassviz.observe.propensity.replica_noise`. It adds N₁ Var_rep/R to χ₄ of measured propensities, and is
        subtracted where it is given; so corrected, χ₄ does not depend on the number of replicas, and may come out
        below zero where structures hardly differ.

    Returns
    -------
    DataArray (...)
        χ₄ averaged over the networks, with the coordinates `error` (standard deviation over the networks; over
        structures where there are not two networks) and `structure_error` (bootstrap over structures). NaN where
        there is one structure only.

    Raises
    ------
    InvalidData
        Where C is not a field of propensities with a value for every particle of species 1, or `noise` is not a
        number for each of its structures.
    """
    block = fields(C, ds)
    particles = block.selected.sum(axis=1).mean()
    means = np.stack([block.of(c).mean(axis=1, dtype=np.float64) for c in range(len(block.selected))], axis=1)
    scale = particles
    if unbiased:
        scale *= means.shape[1] / max(means.shape[1] - 1, 1)
    value, replicates = variance_over_structures(means, None if noise is None else _fitted(noise, C, means))
    return summarize(block.label(scale * value, "chi4"), block.label(scale * replicates, "chi4"), "chi4")


def _fitted(noise, C, means):
    """The noise as (field, configuration), in the order of the fields of C."""
    order = [dim for dim in C.dims if dim not in ("configuration", "particle")]
    if set(noise.dims) != {*order, "configuration"} or noise.size != means.size or not np.isfinite(noise).all():
        raise InvalidData(
            f"replica noise: {dict(noise.sizes)}; expected a number for each structure of {dict(C.sizes)}."
        )
    return noise.transpose(*order, "configuration").values.reshape(means.shape)


def variance_over_structures(means, noise=None):
    """Variance of (field, configuration) means over the structures, and the same on bootstrap resamples.

    Parameters
    ----------
    means : (field, configuration) ndarray
        Mean propensities.
    noise : (field, configuration) ndarray, optional
        Variance that each of them has by itself, subtracted.

    Returns
    -------
    variance : (field,) ndarray
        ⟨c²⟩ − ⟨c⟩²; NaN for one structure.
    replicates : (resample, field) ndarray
        The variance of each bootstrap resample, about that of all, put so much further from it that their own variance
        is right for normally distributed means, however few: by the square root of n³/((n − 1)(n² − 2n + 3)). NaN for
        one structure.
    """
    n = means.shape[1]
    weights = resampled(n)
    if n == 1:
        return np.full(len(means), np.nan), np.full((len(weights), len(means)), np.nan)
    centred = means - means.mean(axis=1, keepdims=True)
    replicates = weights @ centred.T**2 - (weights @ centred.T) ** 2
    value = (centred**2).mean(axis=1)
    if noise is not None:
        # The variance of n values about their own mean holds (n − 1)/n of what each has by itself.
        share = 1 - 1 / n
        value, replicates = value - share * noise.mean(axis=1), replicates - share * weights @ noise.T
    widening = np.sqrt(n**3 / ((n - 1) * (n**2 - 2 * n + 3)))
    return value, widened(replicates, widening, about=value)
