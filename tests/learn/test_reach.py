import numpy as np
import pytest

from glassviz.learn import reach

LENGTHS = np.repeat([0.0, 1.0, 2.0, 4.0, 6.0], 4)
TAU = (0.5, 0.57, 0.67, 0.8)


def sums(change, particles=4000, noise=0.5, seed=0, faint=1.0):
    """Of labels y = Σ p_k S^k (1 + β_L (u − ū)) + noise at four temperatures; p of the longest L times `faint`."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=len(LENGTHS)) * np.where(LENGTHS.max() == LENGTHS, faint, 1)
    center = np.mean([reach.warmth(tau) for tau in TAU])
    found = []
    for tau in TAU:
        x = rng.normal(size=(particles, len(LENGTHS)))
        factor = 1 + change * (reach.warmth(tau) - center)
        y = x @ (weights * factor) + noise * rng.normal(size=particles)
        found.append((tau, weights, x.T @ x, x.T @ y, particles))
    return found


def test_the_change_of_every_length_with_temperature_is_found():
    change = 0.8 - 0.3 * LENGTHS
    found = reach.fitted(LENGTHS, sums(change))
    np.testing.assert_allclose(found.slopes, change, atol=0.1)
    assert found.center == pytest.approx(np.mean([reach.warmth(tau) for tau in TAU]))


def test_weights_have_mean_one_and_move_to_the_lengths_that_gain_on_cooling():
    found = reach.fitted(LENGTHS, sums(0.8 - 0.3 * LENGTHS))
    mean_length = [np.mean(found.weights(0.2 / T) * LENGTHS) for T in (0.4, 0.3, 0.2, 0.15)]
    assert np.all(np.diff(mean_length) > 0.05)
    assert mean_length[3] - mean_length[2] < mean_length[2] - mean_length[1]  # it saturates as u does
    for T in (0.4, 0.15):
        assert found.weights(0.2 / T).mean() == pytest.approx(1)


def test_a_length_that_says_little_follows_its_neighbors_and_not_its_noise():
    change = np.where(LENGTHS == 6, 5.0, -1.0)
    clear, faint = (reach.fitted(LENGTHS, sums(change, faint=share)).slopes for share in (1.0, 3e-3))
    np.testing.assert_allclose(clear, change, atol=0.2)
    np.testing.assert_allclose(faint, -1, atol=0.2)


@pytest.mark.parametrize("tau", TAU)
def test_labels_at_one_temperature_leave_attention_even(tau):
    one = [row for row in sums(0 * LENGTHS + 1) if row[0] == tau]
    np.testing.assert_allclose(reach.fitted(LENGTHS, one).weights(1.3), 1, atol=1e-6)


def test_even_attention_weighs_all_columns_alike():
    np.testing.assert_array_equal(reach.even(7).weights(0.9), np.ones(7))
