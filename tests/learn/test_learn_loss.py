import numpy as np
import pytest
import torch

from glassviz.learn import loss

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


def test_full_loss_is_the_sum_of_its_three_terms(position):
    truth, guess = clustered(position, 2, 1), clustered(position, 2, 2)
    rings = loss.ring_averages(position, LENGTH)
    signal = torch.tensor([1.0, 0.5])
    full = loss.FullLoss(torch.as_tensor(truth, dtype=torch.float32), rings, signal)
    found = full(torch.as_tensor(guess, dtype=torch.float32)[None])[0]
    for k in range(2):
        c, c_hat = ([naive_correlation(f[k], position, r) for r in loss.RINGS] for f in (truth, guess))
        share = float(signal[k])
        c = (np.array(c) - (1 - share) * np.array(loss.NOISE_CORRELATIONS)) / share  # what the noise hides
        variance = truth[k].var() * share
        expected = (
            np.abs(truth[k] - guess[k]).mean() / truth[k].std()
            + 0.5 * np.abs(np.subtract(c, c_hat)).sum() / (c[0] - c[2])
            + abs(variance - guess[k].var()) / variance
        )
        assert float(found[k]) == pytest.approx(expected, rel=1e-3)


def test_full_loss_vanishes_for_a_perfect_prediction(position):
    truth = torch.as_tensor(clustered(position, 3), dtype=torch.float32)
    full = loss.FullLoss(truth, loss.ring_averages(position, LENGTH), torch.ones(3))
    assert float(full(truth[None]).abs().max()) < 1e-5
    assert float(full(truth[None] * 0.5).min()) > 0.5  # a field of half the spread does not pass


def test_signal_fraction_recovers_the_variance_under_binomial_noise():
    rng = np.random.default_rng(0)
    truth = rng.beta(8, 2, (12, 1, 600))
    replicas = 8
    draws = rng.binomial(6, truth[..., None], (*truth.shape, replicas)) / 6
    labels, noise = draws.mean(axis=-1), draws.var(axis=-1, ddof=1).mean(axis=-1) / replicas
    found = loss.signal_fraction(labels, noise) * labels.var(axis=-1).mean(axis=0)
    assert found[0] == pytest.approx(truth.var(), rel=0.03)
    assert labels.var() / truth.var() > 1.15  # what would have been taken for signal
    assert loss.signal_fraction(labels, np.full((12, 1), np.nan))[0] == 1
    assert loss.signal_fraction(labels, np.full((12, 1), 9.0))[0] == loss.SMALLEST_SIGNAL
