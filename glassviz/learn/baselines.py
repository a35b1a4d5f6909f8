"""What tGlassMLP is measured against: a GlassMLP of one state, and a ridge regression.

Both are told of the state point only through the mean: X_i = ⟨C⟩ + h(S_i) with h learned once and the same at every
temperature and level. They are written as tGlassMLP networks whose attention is even and whose MLP2 hands the level on
through one hidden node of its own, so that they are kept, loaded and evaluated as the others are.
"""

from dataclasses import replace

import numpy as np
import torch

from glassviz.learn import start, training
from glassviz.learn.batches import assign_folds, prepared, standardisation
from glassviz.learn.inference import Ensemble
from glassviz.learn.network import TGlassMLP
from glassviz.mixture import InvalidData

LINEAR_FROM = 16.0  # standard deviations of the regression above which the unit's ELU is the identity
SINGLE_STATE = 0.8  # ⟨C̄_B⟩
NETWORKS = 4  # regressions, each without one fold of the structures


def trained_state(points, temperature=None, level=None):
    """The state a single-state network learns: as told, or the lowest temperature whose labels reach ⟨C̄_B⟩ = 0.8 there.

    Earlier levels of lower temperatures say less of what happens at all other states. Where no labels reach 0.8, it is
    the lowest level of the lowest temperature.

    Parameters
    ----------
    points : list of StatePoints
    temperature, level : float, optional

    Returns
    -------
    StatePoints
        With one level.

    Raises
    ------
    InvalidData
        Where there are no labels for it.
    """
    training.check_structures(points)
    points = [p for p in points if len(p) > 1]
    if temperature is None:
        far = [p.temperature for p in points if level is None and np.isclose(p.levels, SINGLE_STATE).any()]
        temperature, level = (min(far), SINGLE_STATE) if far else (min(p.temperature for p in points), level)
    at = [p for p in points if np.isclose(p.temperature, temperature)]
    reached = [c for p in at for c in p.levels]
    level = min(reached, default=None) if level is None else level
    if level is None or not np.isclose(reached, level).any():
        raise InvalidData(f"training data: there are no labels at T = {temperature:g} and that level.")
    return next(p.at_levels([level]) for p in at if np.isclose(p.levels, level).any())


def glassmlp(points, preset, *, species=0, temperature=None, level=None, seed=0, threads=1, record=None, progress=None):
    """GlassMLP of one state, to be transferred to all others.

    Parameters
    ----------
    points : list of StatePoints
        All labels.
    preset : Preset
        Its `final` plan, seeds and how many to keep.
    species : int, optional
        0-based.
    temperature, level : float, optional
        The state; by default as in `trained_state`.
    seed, threads, record, progress : optional
        As in `training.train`.

    Returns
    -------
    Ensemble
    """
    own = [trained_state(points, temperature, level)]
    plan = replace(preset.final, state=False).of(species)
    fitted = training.fit(own, preset.seeds, plan, seed + 100 * species, threads=threads, progress=progress)
    chosen = training.best_of_each_fold(fitted)[: preset.keep]
    header = training.described(own[0]) | {"kind": "glassmlp", "minimum_temperature": own[0].temperature}
    header["training"] = {f"species{species + 1}": training.recorded(own, fitted, chosen, seed) | (record or {})}
    return Ensemble({species: fitted.branch(chosen)}, header)


def ridge(points, *, species=0, seed=0, record=None):
    """Ridge regression of the normalised labels of all states, with the amplitude that fits all of them best.

    Parameters
    ----------
    points : list of StatePoints
    species, seed, record : optional
        As in `glassmlp`.

    Returns
    -------
    Ensemble
        Four regressions, each without one fold of the structures and on a resample of the others.
    """
    training.check_structures(points)
    mean, std, kept = standardisation(points)
    folds = min(NETWORKS, max(len(p) for p in points))
    batches = prepared(points, assign_folds(points, folds), mean, std, kept)
    net = TGlassMLP(NETWORKS, int(kept.sum()), seed)
    linear = start.LinearStart(batches, net.columns)
    linear.apply(net, torch.arange(NETWORKS) % folds, seed)
    start.only_the_mean(net)
    for network in range(NETWORKS):
        weights = net.weights["bottleneck.0.weight"][network]
        weights *= _amplitude(linear, weights[:, 0].numpy(), network % folds)
        weights[:, 1] = 0
    _make_linear(net)
    header = training.described(points[0]) | {"kind": "ridge"}
    header["minimum_temperature"] = min(p.temperature for p in points)
    header["training"] = {
        f"species{species + 1}": {
            "states": training.state_records(points),
            "seed": seed,
            "seeds": NETWORKS,
            "chosen": list(range(NETWORKS)),
            "ridge": start.RIDGE,
            **(record or {}),
        }
    }
    return Ensemble({species: net.branch(mean, std, kept)}, header)


def _amplitude(linear, weights, held_back):
    """Least-squares factor from the regression's value to propensity, over all states but a fold.

    Of the value about its mean at the temperature, as the mean of predictions is constrained.
    """
    covariance = power = 0.0
    for batch, columns in zip(linear.batches, linear.centered, strict=True):
        if batch.fold != held_back:
            node = columns @ weights
            covariance += float((batch.labels.numpy() - batch.levels[:, None]) @ node @ np.ones(len(batch.levels)))
            power += float(node @ node) * len(batch.levels)
    return covariance / power


def _make_linear(net):
    """X = C + the first bottleneck node: the second hidden unit of the head is kept where its ELU is the identity."""
    for layer in range(3):
        net.weights[f"head.{layer}.bias"][:, 1:] = 0
        net.weights[f"head.{layer}.weight"][:, 1:, 1:] = 0
    net.weights["head.0.weight"][:, 0, 1] = 1
    net.weights["head.0.bias"][:, 1] = LINEAR_FROM
    net.weights["head.1.weight"][:, 1, 1] = 1
    net.weights["head.2.weight"][:, 1:] = 0
    net.weights["head.2.weight"][:, 1, 0] = 1
    net.weights["head.2.bias"].fill_(-LINEAR_FROM)
