from dataclasses import replace

import numpy as np
import pytest
import torch

from glassviz.learn import architecture, training
from glassviz.learn.consistency import make_consistent
from glassviz.learn.plan import Plan
from tests.learn.test_learn_training import points

LEVELS = np.array([0.95, 0.8, 0.5])


@pytest.fixture(scope="module")
def moved():
    """Networks before and after, structures at two temperatures, and the errors that were reported."""
    data = [points(6, 80, (0.9, 0.7), temperature=t, seed=k) for k, t in enumerate((0.4, 0.25))]
    fitted = training.fit(data, 3, Plan(squared=((20, 1e-3),), full=(), folds=2), 0)
    before = fitted.net.table.clone()
    structures = [replace(p, levels=np.empty(0)) for p in data]
    chosen, *errors = make_consistent(fitted, [2, 0, 1], 2, structures, LEVELS)
    assert chosen == [0, 2]
    return fitted, before, structures, errors


def predicted(fitted, net, p):
    """Predictions of the plain network, (network, level, particle)."""
    columns = ((p.columns - fitted.mean) / fitted.std)[..., fitted.kept].reshape(1, -1, fitted.kept.sum())
    features = architecture.state_features(p.temperature, LEVELS)
    return net(
        torch.as_tensor(columns, dtype=torch.float32), torch.as_tensor(features, dtype=torch.float32)[None]
    ).numpy()


def errors(fitted, net, structures):
    """Largest |X̄ − ⟨C̄_B⟩| over states of the networks that are moved."""
    means = np.array([predicted(fitted, net, p)[[0, 2]].mean(axis=-1) for p in structures])
    return np.abs(means - LEVELS).max()


def test_the_mean_of_the_predictions_is_the_level_at_every_state(moved):
    fitted, before, structures, (first, last) = moved
    assert errors(fitted, fitted.net, structures) == pytest.approx(last, abs=1e-5)
    assert last < 1e-4 < first
    kept = type(fitted.net).of(before, fitted.net.columns)
    assert errors(fitted, kept, structures) == pytest.approx(first, abs=1e-5)


def test_only_what_follows_the_bottleneck_of_the_chosen_networks_changes(moved):
    fitted, before, _, _ = moved
    kept = type(fitted.net).of(before, fitted.net.columns)
    np.testing.assert_array_equal(fitted.net.table[1], before[1])
    for name, values in fitted.net.weights.items():
        same = torch.equal(values, kept.weights[name])
        assert same == (name.split(".")[0] in ("attention", "mlp1", "bottleneck")), name


def test_particles_keep_their_deviations_from_the_mean(moved):
    """Making all predictions the mean would make the mean right as well."""
    fitted, before, structures, _ = moved
    kept = type(fitted.net).of(before, fitted.net.columns)
    for p in structures:
        for network in (0, 2):
            pairs = zip(*(predicted(fitted, net, p)[network] for net in (fitted.net, kept)), strict=True)
            for after, as_trained in pairs:
                assert np.corrcoef(after, as_trained)[0, 1] > 0.98
                assert after.std() == pytest.approx(as_trained.std(), rel=0.1)
