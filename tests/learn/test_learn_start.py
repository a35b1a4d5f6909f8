from dataclasses import replace

import numpy as np
import pytest
import torch

from glassviz.learn import architecture, baselines, reach, start, training
from glassviz.learn.batches import assign_folds, prepared, standardisation
from glassviz.learn.network import TGlassMLP
from glassviz.learn.plan import Plan
from glassviz.learn.trainer import Trainer
from tests.learn.test_learn_training import points

LATE = (0.9, 0.7, 0.4)
STILL = ((1, 1e-12),)


def early_and_late(structures=6, particles=60):
    """Labels that one hidden number decides at early levels and another at late ones."""
    p = points(structures, particles, LATE, masked=0)
    rng = np.random.default_rng(5)
    decide = rng.normal(size=(2, structures, particles))
    loadings = np.random.default_rng(6).normal(size=(2, 176))
    columns = p.columns + np.einsum("hsn,hk->snk", decide, loadings)
    labels = np.stack([c + 0.1 * decide[int(c < 0.6)] for c in LATE], axis=1)
    return replace(p, columns=columns.astype(np.float32), labels=labels.astype(np.float32)), decide


def test_the_nodes_start_as_regressions_of_early_and_of_late_levels():
    p, decide = early_and_late()
    fitted = training.fit([p], 2, Plan(squared=STILL, full=(), folds=2), 0)
    columns = torch.as_tensor((p.columns - fitted.mean) / fitted.std, dtype=torch.float32)[..., fitted.kept]
    features = torch.as_tensor(architecture.state_features(p.temperature, LATE), dtype=torch.float32)[None]
    nodes = fitted.net.bottleneck(columns.flatten(0, 1)[None], features)[0, 0].numpy()
    assert np.corrcoef(nodes[:, 0], decide[0].ravel())[0, 1] > 0.9
    assert np.corrcoef(nodes[:, 1], decide[1].ravel())[0, 1] > 0.9
    predicted = fitted.net.fast_forward(columns.flatten(0, 1).numpy(), features)[0]
    for k in range(len(LATE)):
        assert np.corrcoef(predicted[k], p.labels[:, k].ravel())[0, 1] > 0.85


def test_the_head_starts_as_amplitudes_times_nodes():
    net = TGlassMLP(1, 20, seed=1)
    net.weights["attention"].zero_()
    start.follow_the_level(net, width=0)
    mean, center = np.log([0.05, 0.02]), np.array([-0.2, 0.8, 0.6, 0.5])
    slopes = np.random.default_rng(2).normal(0, 0.3, (4, 2))
    polynomial, scale = np.array([0.5, -1.0, 0.4, 0.2]), np.array([1.5, -0.7])
    start.follow_the_nodes(net, 0, mean, slopes, center, polynomial, scale)
    temperature, level = np.array([0.4, 0.25]), np.array([0.8, 0.6])
    features = torch.as_tensor(architecture.state_features(temperature, level), dtype=torch.float32)[None]
    columns = torch.as_tensor(np.random.default_rng(3).normal(size=(1, 30, 20)), dtype=torch.float32)
    nodes = net.bottleneck(columns, features)[0].numpy()
    tau = 0.2 / temperature
    state = np.stack([reach.warmth(tau) - 1, level, level**2, level**3], axis=1)
    amplitude = np.exp(mean + (state - center) @ slopes)
    nodes = nodes - (np.polynomial.polynomial.polyval(tau, polynomial)[:, None] * scale)[:, None]
    expected = level[:, None] + (amplitude[:, None] * np.sinh(start.STEEPNESS * nodes) / start.STEEPNESS).sum(axis=-1)
    np.testing.assert_allclose(net(columns, features)[0], expected, atol=2e-4)


def test_attention_starts_as_the_regression_finds_it():
    net = TGlassMLP(2, 20, seed=1)
    net.weights["attention"].zero_()
    slopes, temperature = np.linspace(1.0, -1.5, 20), np.array([0.4, 0.25, 0.15])
    start.follow_the_reach(net, 1, reach.Reach(slopes, 0.6))
    features = torch.as_tensor(architecture.state_features(temperature, 0.8), dtype=torch.float32)[None]
    columns = torch.as_tensor(np.random.default_rng(3).normal(size=(1, 5, 20)), dtype=torch.float32)
    found = 20 * net.attention(columns, features).numpy()
    np.testing.assert_array_equal(found[0], 1)
    tilt = slopes * (np.exp(-3 * (0.2 / temperature - 0.5)) - 0.6)[:, None]
    np.testing.assert_allclose(found[1], np.exp(tilt)[:, None].repeat(5, 1) / np.exp(tilt).mean(1)[:, None, None], 1e-4)


def test_surroundings_further_away_count_more_on_cooling_where_labels_say_so():
    """Two lengths decide together at T = 0.40, the longer one alone at low T; a plan may start even all the same."""
    rng = np.random.default_rng(8)
    data = []
    for temperature, near in ((0.4, 1.0), (0.3, 0.6), (0.25, 0.3)):
        p = points(6, 60, LATE, temperature=temperature, masked=0)
        decide = rng.normal(size=(2, 6, 60))
        columns = 0.3 * p.columns.reshape(6, 60, *training._column_shape())
        columns[:, :, :, 1] += decide[0][..., None, None]
        columns[:, :, :, -1] += decide[1][..., None, None]
        labels = np.stack([c + 0.05 * (near * decide[0] + decide[1]) for c in LATE], axis=1)
        data.append(replace(p, columns=columns.reshape(6, 60, -1), labels=labels.astype(np.float32)))
    weights = {}
    for tilted in (True, False):
        fitted = training.fit(data, 1, Plan(squared=STILL, full=(), folds=2, reach=tilted), 0)
        at = torch.as_tensor(architecture.state_features([0.4, 0.25], 0.7), dtype=torch.float32)[None]
        found = fitted.net.attention(torch.zeros(1, 1, 176), at)[0, :, 0].numpy()
        weights[tilted] = found.reshape(2, *training._column_shape()).mean(axis=(1, 3))
    hot, cold = weights[True] / weights[False]
    assert cold[-1] / cold[1] > 1.5 * hot[-1] / hot[1]
    np.testing.assert_allclose(weights[False] * 176, 1, atol=0.1)


def test_the_mean_starts_alike_at_every_temperature():
    """On cooling the descriptors move along a direction that decides; without the offset the mean moves by 0.3."""
    hot, decide = early_and_late()
    toward = np.random.default_rng(6).normal(size=(2, 176))[0].astype(np.float32)
    cold = replace(hot, temperature=0.3, columns=hot.columns + 2 * toward)
    without = replace(hot, temperature=0.2, columns=hot.columns + 3 * toward)
    levels = np.array(LATE)
    plan = Plan(squared=STILL, full=(), folds=2)
    fitted = training.fit([hot, cold], 2, plan, 0, known=[(without, levels, levels)])
    means = []
    for p in (hot, cold, without):
        columns = ((p.columns - fitted.mean) / fitted.std)[..., fitted.kept].reshape(-1, fitted.kept.sum())
        features = torch.as_tensor(architecture.state_features(p.temperature, levels), dtype=torch.float32)[None]
        predicted = fitted.net.fast_forward(columns.astype(np.float32), features).numpy()
        assert np.corrcoef(predicted[0, 0], decide[0].ravel())[0, 1] > 0.75
        means.append(predicted.mean(axis=-1))
    assert np.ptp(means, axis=0)[:, :2].max() < 0.12  # the levels at which that direction decides


def test_means_of_structures_need_not_weigh_in_the_regression():
    p = points(structures=6, particles=40)
    standard = standardisation([p])
    batches = prepared([p], assign_folds([p], 2), *standard)
    columns = int(standard[2].sum())
    parted = start.LinearStart(batches, columns, means=0.0)
    for batch, x, gram, product in zip(batches, parted.centered, parted.grams, parted.products, strict=True):
        apart = x - x.mean(axis=0)
        labels = batch.labels.numpy()
        spread = labels.std(axis=1, keepdims=True)
        np.testing.assert_allclose(gram, apart.T @ apart, atol=1e-2)
        np.testing.assert_allclose(product, (labels - labels.mean(axis=1, keepdims=True)) / spread @ apart, atol=1e-2)


def test_means_of_structures_are_stretched_around_the_level_and_nothing_else():
    p = points(structures=6, particles=40)
    given = replace(p, times=np.full(len(p.levels), np.nan))
    batches = prepared([p, given], assign_folds([p, given], 2), *standardisation([p]), 8.0)
    found, transferred = (np.stack([b.labels.numpy() for b in part]) for part in (batches[:6], batches[6:]))
    mean, far = p.labels.mean(axis=-1, keepdims=True), found.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(found - far, p.labels - mean, atol=1e-5)
    levels = p.levels[:, None]
    assert np.abs(mean - levels).max() > 1e-3
    stretch = 1 + 8 * (1 - levels) / np.sqrt(levels)
    np.testing.assert_allclose(far - levels, stretch * (mean - levels), atol=1e-5)
    np.testing.assert_array_equal(transferred, p.labels)
    assert Plan().of(0).stretch > Plan().of(1).stretch == 0


def test_transferred_labels_weigh_less_and_do_not_enter_the_start():
    simulated = points()
    given = replace(points(temperature=0.3, seed=1), times=np.full(2, np.nan))
    standard = standardisation([simulated, given])
    batches = prepared([simulated, given], assign_folds([simulated, given], 2), *standard)
    assert [b.transferred for b in batches] == [False] * 4 + [True] * 4
    assert len(start.LinearStart(batches, 171).batches) == 4
    net, fold = TGlassMLP(1, 171, 0), torch.zeros(1, dtype=int)
    losses = {}
    for weight in (1.0, 0.1):
        trainer = Trainer(net, batches, Plan(transferred=weight), fold, np.zeros(171), 0)
        states = torch.arange(2)[None]
        losses[weight] = [float(trainer._losses(k, net, states, "squared")[0]) for k in (0, 4)]
    assert losses[1.0][0] == losses[0.1][0]
    assert np.isclose(losses[0.1][1], 0.1 * losses[1.0][1])


def test_the_single_state_is_the_lowest_temperature_that_reaches_the_level():
    data = [points(), points(levels=(0.99, 0.8)), points(levels=(0.99, 0.8), temperature=0.3)]
    data.append(points(levels=(0.99,), temperature=0.25))
    chosen = baselines.trained_state(data)
    assert (chosen.temperature, chosen.levels.tolist()) == (0.3, [0.8])
    assert baselines.trained_state([data[0], data[3]]).levels.tolist() == [0.99]


def test_late_means_weigh_more_and_late_clusters_less():
    """The full loss is linear in both weights, at every level."""
    p = points(structures=2, particles=60)
    batch, _ = prepared([p], assign_folds([p], 2), *standardisation([p]))
    prediction = torch.rand(1, 60, generator=torch.Generator().manual_seed(2)).expand(1, len(p.levels), 60)

    def full(state, **changed):
        plan = replace(Plan(), **{"means": 0.0, "late": 0.0, "clusters": 0.5} | changed)
        return float(batch.loss(prediction[:, state : state + 1], torch.tensor([[state]]), "full", plan))

    for state, level in enumerate(p.levels):
        least = full(state)
        late = full(state, late=1.0) - least
        assert late == pytest.approx((1 - level) ** 4 * (full(state, means=1.0) - least), rel=1e-3, abs=1e-5)
        without = full(state, clusters=0.0)
        assert least - without == pytest.approx(level * (full(state, fading=0.0) - without), rel=1e-3, abs=1e-5)
