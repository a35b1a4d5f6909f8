"""May networks trained on one box size speak about another? The test that comes before any ξ₄ of a large box.

Descriptors of long range differ between box sizes where a disc is cut by the minimum image, and few small boxes leave
the weights of these columns poorly determined. So three things are asked of the same state in two sizes: that the
descriptors have the same means, that the predictions have the same variance, and that the mean constraint converges.
"""

from dataclasses import dataclass

import numpy as np

from glassviz.learn.inference import CONSTRAINED_SPECIES
from glassviz.learn.tables import Table
from glassviz.mixture import InvalidData

LARGEST_SHIFT = 1.0  # of a column's mean, in standard deviations over the training structures
SHIFTED_COLUMNS = 0.05  # share of the columns that may be shifted further
VARIANCE_RATIO = (2 / 3, 3 / 2)  # of the predictions, large box over small boxes
LEVELS = (0.95, 0.8, 0.5)  # ⟨C̄_B⟩ to compare at
SMALLEST_VARIANCE = 1e-5  # a ratio of variances below it says nothing


@dataclass(frozen=True)
class SizeTransfer:
    """What `size_transfer` found.

    Attributes
    ----------
    temperature : float
    levels : (state,) ndarray
    shift : (K,) ndarray
        Mean over species 1 in the large box less that in the small ones, in training standard deviations; 0 where
        masked.
    shifted_share : float
        Share of the columns that count with |shift| > 1.
    variance_ratio : (network, state) ndarray
        Variance of the predicted propensity of species 1, large box over small boxes taken together.
    converged : (network, state) ndarray of bool
        Whether the mean constraint converged in both sizes.
    """

    temperature: float
    levels: np.ndarray
    shift: np.ndarray
    shifted_share: float
    variance_ratio: np.ndarray
    converged: np.ndarray

    @property
    def passed(self):
        """Whether predictions for the large box may be shown.

        At most 5 % of the columns shifted by more than one standard deviation, the mean over networks of the variance
        ratio within [2/3, 3/2] at every level, the constraint converged everywhere.
        """
        ratio = np.nanmean(self.variance_ratio, axis=0)
        within = (ratio >= VARIANCE_RATIO[0]) & (ratio <= VARIANCE_RATIO[1])
        return bool(self.shifted_share <= SHIFTED_COLUMNS and within.all() and self.converged.all())

    def __str__(self):
        ratio = np.nanmean(self.variance_ratio, axis=0)
        verdict = "passed" if self.passed else "FAILED"
        return (
            f"Size transfer at T = {self.temperature:g} {verdict}: {100 * self.shifted_share:.1f} % of the columns "
            f"shifted by more than one standard deviation (largest {np.abs(self.shift).max():.2f}), variance ratio "
            f"{ratio.min():.2f} to {ratio.max():.2f}, constraint converged in {100 * self.converged.mean():.0f} %."
        )


def size_transfer(ensemble, small, large, temperature, levels=LEVELS):
    """Compare two box sizes at the same temperature.

    Parameters
    ----------
    ensemble : Ensemble
    small, large : DataArray ([configuration,] particle, observable, length, neighbor_species)
        Descriptors of many small boxes and of one or more large ones, from `glassviz.descriptors`.
    temperature : float
        Of both (ε/k_B).
    levels : sequence of float, optional
        ⟨C̄_B⟩ to compare at.

    Returns
    -------
    SizeTransfer

    Raises
    ------
    InvalidData
        Where there is no level, the ensemble has no networks for species 1, or the descriptors are not those that it
        was trained on.
    """
    levels = np.atleast_1d(np.asarray(levels, np.float64))
    branch = ensemble.branches.get(CONSTRAINED_SPECIES)
    if not levels.size:
        raise InvalidData("size test: there is no level to compare at; expected at least one.")
    if branch is None:
        raise InvalidData(f"{ensemble.name}: there are no networks for species 1; expected them for the size test.")
    means, variances, converged = [], [], []
    for descriptors in (small, large):
        table = Table(ensemble.name, ensemble.header, descriptors, float(temperature), levels)
        columns = table.columns[table.species == CONSTRAINED_SPECIES]
        kinds = np.full(len(columns), CONSTRAINED_SPECIES)
        predicted, report = ensemble.propensity(columns, kinds, float(temperature), levels)
        means.append(columns.mean(axis=0, dtype=np.float64))
        variances.append(predicted.var(axis=-1, dtype=np.float64))
        converged.append(report["converged"])
    shift = np.where(branch.kept, (means[1] - means[0]) / branch.std, 0.0)
    ratio = (variances[1] + SMALLEST_VARIANCE) / (variances[0] + SMALLEST_VARIANCE)
    share = float((np.abs(shift[branch.kept]) > LARGEST_SHIFT).mean())
    return SizeTransfer(float(temperature), levels, shift, share, ratio, converged[0] & converged[1])
