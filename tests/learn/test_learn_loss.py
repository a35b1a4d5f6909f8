import numpy as np
import pytest
import torch

from glassviz.files import netcdf, store
from glassviz.learn import loss
from glassviz.learn.batches import Batch
from glassviz.learn.plan import PRESETS
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.dynamics import advance, displacements, start_lanes

LENGTH = 20.0


@pytest.fixture
def position():
    return np.random.default_rng(0).uniform(0, LENGTH, (150, 2))


def naive_correlation(field, position, radius):
    apart = position[:, None] - position
    apart -= LENGTH * np.round(apart / LENGTH)
    weight = np.exp(-((np.hypot(*np.moveaxis(apart, -1, 0)) - radius) ** 2) / 2)
    np.fill_diagonal(weight, 0)
    deviation = field - field.mean()
    return (deviation * (weight @ deviation) / weight.sum(axis=1)).sum() / (deviation**2).sum()


def clustered(position, states, seed=1):
    """Smooth random fields between 0 and 1."""
    rng = np.random.default_rng(seed)
    waves = 2 * np.pi / LENGTH * rng.integers(-2, 3, (states, 6, 2))
    phase = rng.uniform(0, 2 * np.pi, (states, 6, 1))
    return 0.5 + np.cos(np.einsum("swd,nd->swn", waves, position) + phase).mean(axis=1) / 2


def test_correlations_are_the_naive_ones(position):
    field = clustered(position, 3)
    found = loss.correlations(torch.as_tensor(field, dtype=torch.float32), loss.ring_averages(position, LENGTH))
    expected = [[naive_correlation(f, position, radius) for radius in loss.RINGS] for f in field]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
    assert found[:, 0].min() > 0.1


def test_gradient_of_correlations(position):
    rings = loss.ring_averages(position, LENGTH).double()
    field = torch.as_tensor(clustered(position, 2), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: loss.correlations(f, rings), field, atol=1e-6)


def test_what_all_particles_miss_together_weighs_as_told():
    labels = torch.as_tensor(np.random.default_rng(2).normal(size=(1, 50)), dtype=torch.float32)
    apart = torch.as_tensor(np.random.default_rng(3).normal(size=(1, 1, 50)), dtype=torch.float32)
    apart -= apart.mean()
    variance = float(labels.var(correction=0))
    for means in (1.0, 0.2):
        found = float(loss.squared_error(labels + 0.3 + apart, labels, means)[0, 0])
        assert found == pytest.approx((means * 0.09 + float(apart.square().mean())) / variance, rel=1e-4)


def naive_loss(truth, guess, position, share, noise, absolute=True, clusters=0.5, means=1.0, logarithm=False):
    """The three terms for one state, of whose variance a share is signal and the rest noise with its own clusters."""
    c, c_hat = ([naive_correlation(field, position, radius) for radius in loss.RINGS] for field in (truth, guess))
    c = (np.array(c) - (1 - share) * np.array(noise)) / share  # what the noise hides
    variance, error = truth.var() * share, guess - truth
    squared = (error.var() + means * error.mean() ** 2) / truth.var()
    first = np.abs(error).mean() / truth.std() if absolute else squared
    second = clusters * np.abs(c - c_hat).sum() / (c[0] - c[2])
    third = np.log(guess.var() / variance) if logarithm else (guess.var() - variance) / variance
    return first + second + abs(third)


@pytest.fixture
def two_states(position):
    """Labels, predictions of two networks that miss the mean, and the share of the labels that is signal."""
    return clustered(position, 2, 1), np.stack([clustered(position, 2, k) + 0.1 * k for k in (2, 3)]), [0.8, 0.5]


def single(values):
    return torch.as_tensor(np.array(values), dtype=torch.float32)


@pytest.mark.parametrize("given", [{}, {"clusters": [[0.3, 0.1]], "means": [[0.2, 0.7]]}], ids=["paper", "by state"])
@pytest.mark.parametrize("absolute", [True, False])
def test_full_loss_is_the_sum_of_its_three_terms(position, two_states, absolute, given):
    truth, guess, share = two_states
    noise = [[0.3, 0.1, 0.0], [0.2, 0.0, 0.1]]
    full = loss.FullLoss(single(truth), loss.ring_averages(position, LENGTH), single(share), single(noise))
    found = full(single(guess), absolute=absolute, **{name: single(values) for name, values in given.items()})
    for k in range(2):
        weights = {name: values[0][k] for name, values in given.items()}
        expected = [naive_loss(truth[k], g[k], position, share[k], noise[k], absolute, **weights) for g in guess]
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-3)


def test_networks_that_ship_are_trained_on_the_squared_error_by_levels(position, two_states):
    """Phase 2 of a batch: clusters weigh ½ C, a structure's mean 0.4 + (1 − C)⁴/2; variances are compared by ratio."""
    truth, guess, share = two_states
    levels = np.array([0.9, 0.4])
    batch = Batch(np.empty((150, 0)), 0.3, levels, single(truth), single(share), position, LENGTH, fold=0)
    noise = loss.noise_correlations(0.3, levels)
    found = batch.loss(single(guess), torch.tensor([[0, 1]]), "full", PRESETS["precomputed"].final)
    weights = [{"clusters": 0.5 * c, "means": 0.4 + (1 - c) ** 4 / 2} for c in levels]
    weights = [{"absolute": False, "logarithm": True, **one} for one in weights]
    expected = [
        np.mean([naive_loss(truth[k], g[k], position, share[k], noise[k], **weights[k]) for k in range(2)])
        for g in guess
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("temperature", "times"), [(0.40, (30, 170)), (0.30, (100, 300))])
def test_the_noise_of_labels_has_clusters_of_its_own(temperature, times):
    """Replicas around their mean are noise and nothing else."""
    ds = netcdf.load(store.precomputed("configurations") / f"N1290_T{temperature:.2f}_s61.nc")
    length, steps = ds.attrs["box_length"], np.diff([0, *times]) * 100
    found, levels = np.zeros((2, len(times), 3)), np.zeros((2, len(times)))
    for k in range(2):
        position, species = ds["position"].values[k], ds["species"].values[k]
        lanes = start_lanes(position, length, temperature, 0.01, k, range(8))
        bonds = initial_bonds(position, species, length)
        rings = loss.ring_averages(position[species == 0], length)
        for at, more in enumerate(steps):
            advance(lanes, species, length, more)
            moved = position + displacements(lanes, length)
            noise = np.array([surviving_fraction(*bonds, p, species, length) for p in moved])[:, species == 0]
            levels[k, at] = noise.mean()
            noise -= noise.mean(axis=0)
            found[k, at] = np.average(loss.correlations(single(noise), rings), axis=0, weights=noise.var(axis=1))
    assert levels[:, 0].min() > levels[:, 1].max() > 0.85
    expected = loss.noise_correlations(temperature, levels)
    assert expected[:, 0, 0].mean() < 0.8 * expected[:, 1, 0].mean()
    np.testing.assert_allclose(found.mean(axis=0), expected.mean(axis=0), atol=0.07)


def test_full_loss_vanishes_for_a_perfect_prediction(position):
    truth = torch.as_tensor(clustered(position, 3), dtype=torch.float32)
    full = loss.FullLoss(truth, loss.ring_averages(position, LENGTH), torch.ones(3), torch.zeros(3, 3))
    assert float(full(truth[None]).abs().max()) < 1e-5
    assert float(full(truth[None] * 0.5).min()) > 0.5  # a field of half the spread does not pass


def test_signal_fraction_recovers_the_variance_under_binomial_noise():
    rng = np.random.default_rng(0)
    truth = rng.beta(8, 2, (12, 1, 600))
    replicas = 8
    draws = rng.binomial(6, truth[..., None], (*truth.shape, replicas)) / 6
    labels, noise = draws.mean(axis=-1), draws.var(axis=-1, ddof=1).mean(axis=-1) / replicas
    unknown = np.full((12, 1), np.nan)
    found = loss.signal_fraction(labels, noise, unknown) * labels.var(axis=-1).mean(axis=0)
    assert found[0] == pytest.approx(truth.var(), rel=0.03)
    assert labels.var() / truth.var() > 1.15  # what would have been taken for signal
    assert loss.signal_fraction(labels, unknown, unknown)[0] == 1
    assert loss.signal_fraction(labels, np.full((12, 1), 9.0), unknown)[0] == loss.SMALLEST_SIGNAL


def test_what_particles_of_a_replica_share_is_not_in_the_variance_within_structures():
    rng = np.random.default_rng(1)
    truth, replicas = rng.normal(0.6, 0.1, (400, 1, 100)), 8
    shared, own = rng.normal(0, 0.1, (400, 1, 1, replicas)), rng.normal(0, 0.1, (400, 1, 100, replicas))
    draws = truth[..., None] + shared + own
    labels, noise = draws.mean(axis=-1), draws.var(axis=-1, ddof=1).mean(axis=-1) / replicas
    found = loss.signal_fraction(labels, noise, draws.mean(axis=2).var(axis=-1, ddof=1) / replicas)
    assert found[0] == pytest.approx(1 / (1 + 1 / replicas), abs=0.005)
