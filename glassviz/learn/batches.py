"""What one training step takes: a structure at one temperature with its standardised columns and labels, in torch."""

from dataclasses import dataclass, field

import numpy as np
import torch

from glassviz.learn import architecture, loss
from glassviz.learn.fused import padded

CONSTANT = 1e-6  # a column whose spread is below this part of its size says nothing


@dataclass
class Batch:
    """One structure at one temperature.

    Attributes
    ----------
    columns : (n, K) ndarray of float32
        Standardised, masked ones left out, padded.
    temperature : float
    levels : (level,) ndarray
    labels : (level, n) Tensor
    signal : (level,) Tensor
        Share of the labels' variance that is not noise.
    position, box_length
        For the clusters in the full loss.
    fold : int
        Networks that keep this fold back do not learn from the structure.
    unlabelled : bool
        Whether only the mean over the particles is known; `labels` are that mean, (level, 1).
    transferred : bool
        Whether the labels are predictions of step 1 instead of simulated.
    features : (level, 6) Tensor
        What networks are told of the states.
    """

    columns: np.ndarray
    temperature: float
    levels: np.ndarray
    labels: torch.Tensor
    signal: torch.Tensor
    position: np.ndarray
    box_length: float
    fold: int
    unlabelled: bool = False
    transferred: bool = False
    features: torch.Tensor = field(init=False)
    _full: loss.FullLoss | None = field(default=None, init=False)

    def __post_init__(self):
        features = architecture.state_features(self.temperature, self.levels)
        self.features = torch.as_tensor(features, dtype=torch.float32)

    def loss(self, prediction, states, phase, plan):
        """Loss of every network (network,), from predictions (network, states, n) at the numbered levels.

        `states` is (1, states) where all networks predict the same levels, (network, 1) where each its own.
        """
        if self.unlabelled:
            return loss.squared_shift(prediction, self.labels[states][..., 0]).mean(dim=-1)
        level = self.features[states, 3]
        means = plan.weight_of_means(level)
        if phase == "squared":
            return loss.squared_error(prediction, self.labels[states], means).mean(dim=-1)
        if self._full is None:
            rings = loss.ring_averages(self.position, self.box_length) if plan.clusters else None
            noise = loss.noise_correlations(self.temperature, self.levels)
            self._full = loss.FullLoss(self.labels, rings, self.signal, torch.as_tensor(noise, dtype=torch.float32))
        clusters = plan.clusters * level**plan.fading if plan.clusters else 0
        return self._full(prediction, states, plan.absolute, clusters, means, plan.logarithm).mean(dim=-1)


def standardisation(points):
    """Mean, spread and usefulness of every column over all training structures.

    Parameters
    ----------
    points : list of StatePoints

    Returns
    -------
    mean, std : (K,) ndarray of float64
        std is 1 where the column is masked.
    kept : (K,) ndarray of bool
        False for columns that are constant.
    """
    count = sum(p.columns.shape[0] * p.columns.shape[1] for p in points)
    mean = sum(p.columns.sum(axis=(0, 1), dtype=np.float64) for p in points) / count
    std = np.sqrt(sum(np.square(p.columns - mean).sum(axis=(0, 1), dtype=np.float64) for p in points) / count)
    kept = std > CONSTANT * np.maximum(np.abs(mean), 1)
    return mean, np.where(kept, std, 1.0), kept


def assign_folds(points, folds):
    """Fold of every structure: the same name falls in the same fold at all temperatures; a cut box is dealt in runs.

    Parameters
    ----------
    points : list of StatePoints
    folds : int

    Returns
    -------
    list of (structure,) ndarray of int
    """
    names = sorted({name for p in points for name in p.names})
    assigned = []
    for p in points:
        chosen = np.array([names.index(name) % folds for name in p.names])
        for name in set(p.names):
            rows = np.flatnonzero(p.names == name)
            if len(rows) > 1:
                chosen[rows] = np.arange(len(rows)) * folds // len(rows)
        assigned.append(chosen)
    return assigned


def prepared(points, folds, mean, std, kept, stretch=0.0):
    """One Batch for every structure at every temperature.

    Parameters
    ----------
    points : list of StatePoints
    folds : list of (structure,) ndarray of int
        From `assign_folds`.
    mean, std, kept
        From `standardisation`.
    stretch : float, optional
        How much simulated labels are stretched, see `stretched`.

    Returns
    -------
    list of Batch
    """
    batches = []
    for p, assigned in zip(points, folds, strict=True):
        signal = torch.as_tensor(loss.signal_fraction(p.labels, p.noise, p.mean_noise), dtype=torch.float32)
        transferred = bool(np.isnan(p.times).any())
        labels = p.labels if transferred else stretched(p, stretch)
        for k in range(len(p)):
            batches.append(
                Batch(
                    padded(((p.columns[k] - mean) / std)[:, kept]),
                    p.temperature,
                    p.levels,
                    torch.from_numpy(np.ascontiguousarray(labels[k], dtype=np.float32)),
                    signal,
                    p.position[k],
                    p.box_length[k],
                    int(assigned[k]),
                    transferred=transferred,
                )
            )
    return batches


def stretched(points, stretch):
    """Labels in which the means of structures lie 1 + stretch (1 − C) / √C times as far from the level C as they do."""
    levels = points.levels[:, None]
    return points.labels + stretch * (1 - levels) / np.sqrt(levels) * (
        points.labels.mean(axis=-1, keepdims=True) - levels
    )


def mixed(points, levels, means, folds, mean, std, kept):
    """Batches of particles from all structures of a temperature, whose mean propensity is known and nothing else.

    Parameters
    ----------
    points : StatePoints
        Structures of one temperature.
    levels : (level,) ndarray
        ⟨C̄_B⟩ at which they have no labels.
    means : (level,) ndarray
        Mean propensity of their species there.
    folds : int
        Number of folds that the batches are dealt into.
    mean, std, kept
        From `standardisation`.

    Returns
    -------
    list of Batch
        As many as there are structures; each holds every so-manieth particle of all of them.
    """
    columns = ((points.columns - mean) / std)[..., kept]
    return [
        Batch(
            padded(np.concatenate([part[k :: len(points)] for part in columns])),
            points.temperature,
            np.asarray(levels, np.float32),
            torch.as_tensor(means, dtype=torch.float32)[:, None],
            torch.ones(len(levels)),
            points.position[0],
            points.box_length[0],
            k % folds,
            unlabelled=True,
        )
        for k in range(len(points))
    ]
