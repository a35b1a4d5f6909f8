"""Choices the paper leaves open, compared by cross-validation over the training structures; writes `ablation.csv`.

Four networks of species 1 are trained in one step for each variation, each keeping back a fourth of the structures, and
judged on what it kept back; that from two seeds, as the networks of one seed to the next differ by as much as many
variations do. Early and late levels of ⟨C̄_B⟩ are judged apart. No test structure is touched, but the large boxes: one
variation adds half of each (its patches at x < L/2) to the training, judged on the small boxes as the others are.
"""

import csv
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from glassviz.files import netcdf, store
from glassviz.files.integrity import replacing
from glassviz.learn import labels, training
from glassviz.learn.batches import assign_folds, standardisation
from glassviz.learn.factorised import Field
from glassviz.learn.plan import Plan

HERE = Path(__file__).parent
NETWORKS = 4
SEEDS = (2, 3)
PAPER = {"absolute": True, "logarithm": False, "clusters": 0.5, "fading": 0.0}
LATE = 0.6  # levels of ⟨C̄_B⟩ below it are late
CHOSEN = "as in step 1: R_c = 16, radical cells, linear start, squared error and spread in phase 2"
VARIATIONS = {
    CHOSEN: {},
    "R_c = 20": {"cutoff": 20.0},
    "plain Voronoi cells": {"tessellation": "plain"},
    "noise of the labels' variance not corrected": {"noisy": True},
    "constant columns not masked": {"unmasked": True},
    "half of the large boxes as well": {"large": True},
    "each network learns from half of the structures": {"plan": {"folds": 2}},
    "random start, one rate for all": {"plan": {"linear": False, "attention": 1.0, "encoder": 1.0, "decay": 0.0}},
    "no decay of long-range columns": {"plan": {"decay": 0.0}},
    "attention starts even": {"plan": {"reach": False}},
    "attention at twenty times the head's rate": {"plan": {"attention": 20.0}},
    "encoder at the head's rate": {"plan": {"encoder": 1.0}},
    "means of structures weigh as their particles do": {"plan": {"means": 1.0, "late": 0.0}},
    "late means weigh as little as early ones": {"plan": {"late": 0.0}},
    "means of structures not stretched": {"plan": {"stretch": 0.0}},
    "means of structures stretched twice as much": {"plan": {"stretch": 2 * Plan.stretch}},
    "weights not averaged": {"plan": {"averaged": False}},
    "phase 1 only": {"plan": {"full": ()}},
    "variances compared by their difference": {"plan": {"logarithm": False}},
    "clusters in phase 2, as in step 2": {"plan": {"clusters": 0.5}},
    "clusters in phase 2, late ones as much": {"plan": {"clusters": 0.5, "fading": 0.0}},
    "the paper's loss in phase 2": {"plan": PAPER},
    "the paper's loss in phase 2, encoder trained": {"plan": PAPER | {"encode": 1.0}},
}


def state_points(cutoff=16.0, tessellation="radical", noisy=False, large=False):
    """Training structures of the store; the patches of half of the large boxes as further state points."""
    rows = store.available_propensities()
    datasets = [netcdf.load(row.path) for row in rows if row.role == "train"]
    settings = {"cutoff": cutoff, "tessellation": tessellation}
    points = labels.state_points(datasets, **settings)
    if noisy:
        points = [replace(p, noise=np.zeros_like(p.noise)) for p in points]
    if large:
        boxes = [netcdf.load(row.path) for row in rows if row.particles > labels.SMALL_BOX]
        for p in labels.state_points(boxes, **settings):
            left = p.position[..., 0].mean(axis=1) < p.box_length / 2
            points.append(p.structures(left & (p.position[..., 0].max(axis=1) < p.box_length / 2 + 5)))
    return points


def unmasked(points):
    """Standardisation in which columns that are constant, zero then, count as the others do."""
    mean, std, kept = standardisation(points)
    return mean, std, np.ones_like(kept)


def cross_validated(points, plan, seed):
    """`judged` by temperature, the mean over early levels and over late ones: (2, 5), NaN where labels end before."""
    fitted = training.fit(points, NETWORKS, plan, seed)
    branch = fitted.branch(range(NETWORKS))
    found = {}
    for p, folds in zip(points, assign_folds(points, fitted.plan.folds), strict=True):
        if len(set(p.names)) < len(p):
            continue  # patches of the large box
        predicted, found[p.temperature] = np.empty(p.labels.shape), found.get(p.temperature, ([], []))
        for network in range(NETWORKS):
            for k in np.flatnonzero(folds == int(fitted.fold[network])):
                field = Field(branch, network, p.columns[k], fitted.reference_temperature)
                predicted[k] = field.propensity(np.full(len(p.levels), p.temperature), p.levels)
        for k in np.flatnonzero(p.levels < 0.98):
            truth, guess = p.labels[:, k].astype(np.float64), predicted[:, k]
            found[p.temperature][int(p.levels[k] < LATE)].append(judged(truth, guess, p.noise[:, k].mean(), folds))
    return {t: [np.mean(v or [[np.nan] * 5], axis=0) for v in values] for t, values in sorted(found.items())}


def judged(truth, guess, noise, folds):
    """How well a state is predicted, from propensities (structure, n), the labels' noise variance and folds.

    Returns
    -------
    tuple of float
        ρ_P, ρ_P over its ceiling, predicted spread over the true one; of the means of structures, within the folds that
        one network kept back, the predicted variance over that of the labels and their correlation.
    """
    signal = max(1 - noise / truth.var(), 0.05) if noise else np.nan
    rho = np.corrcoef(truth.ravel(), guess.ravel())[0, 1]
    means = np.stack([truth.mean(axis=1), guess.mean(axis=1)])
    for fold in np.unique(folds):
        means[:, folds == fold] -= means[:, folds == fold].mean(axis=1, keepdims=True)
    (of_truth, both), (_, of_guess) = means @ means.T
    spread = guess.std() / truth.std() / np.sqrt(signal)
    return rho, rho / np.sqrt(signal), spread, of_guess / of_truth, both / np.sqrt(of_guess * of_truth)


if __name__ == "__main__":
    measures = "rho_P", "rho_P over ceiling", "spread", "variance of means", "correlation of means"
    with replacing(HERE / "ablation.csv") as unfinished, unfinished.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("variation", "T", "levels", measures[0], "of seeds", *measures[1:]))
        for name, changes in VARIATIONS.items():
            settings = {key: changes[key] for key in ("cutoff", "tessellation", "noisy", "large") if key in changes}
            points, plan = state_points(**settings), replace(Plan(), **changes.get("plan", {}))
            with mock.patch.object(training, "standardisation", unmasked if "unmasked" in changes else standardisation):
                runs = [cross_validated(points, plan, seed) for seed in SEEDS]
            for temperature in runs[0]:
                for late, levels in enumerate((f"above {LATE}", f"below {LATE}")):
                    values = np.array([run[temperature][late] for run in runs])
                    if np.isnan(values[:, 0]).any():
                        continue
                    rho, *others = values.mean(axis=0)
                    row = (rho, values[:, 0].std(ddof=1), *others)
                    table.writerow((name, f"{temperature:.2f}", levels, *(f"{value:.3f}" for value in row)))
                    file.flush()
                    print(name, temperature, levels, *(f"{value:.3f}" for value in row), flush=True)
