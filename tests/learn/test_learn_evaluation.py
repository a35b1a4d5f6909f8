import numpy as np
import pytest
import xarray as xr

from glassviz.learn import evaluation, labels
from glassviz.mixture import InvalidData
from glassviz.observe.agreement import pearson


def fields(structures=5, n=80, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(structures, n)) + rng.normal(size=(structures, 1))
    return truth + rng.normal(size=truth.shape), truth


def test_correlation_is_pearsons_over_all_particles():
    x, y = fields()
    assert evaluation.correlation(x, y)[0] == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1])
    weights = np.array([[2, 0, 1, 1, 1]])
    rows = [0, 0, 2, 3, 4]
    resampled = np.corrcoef(x[rows].ravel(), y[rows].ravel())[0, 1]
    assert evaluation.correlation(x, y, weights)[0] == pytest.approx(resampled)
    assert np.isnan(evaluation.correlation(x, np.ones_like(y))[0])


def test_evaluation_against_an_ensemble_whose_predictions_are_the_labels(random_networks, monkeypatch):
    """Labels made from the networks' own predictions plus replica noise: ρ_P reaches the ceiling, the spread is 1."""
    _, ensemble = random_networks(networks=1)
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(4, 150, 176)).astype(np.float32)
    levels = np.array([0.8, 0.5])
    predicted, _ = ensemble.propensity(columns.reshape(-1, 176), np.zeros(600, int), 0.3, levels)
    exact = predicted[0].reshape(2, 4, 150).swapaxes(0, 1)
    noise = exact.var(axis=-1).mean() / 2
    noisy = exact + rng.normal(0, np.sqrt(noise), exact.shape)

    def made(datasets, species, levels, **_):
        return [
            labels.StatePoints(
                0.3,
                np.array([0.8, 0.5]),
                np.array([10.0, 100.0]),
                np.array(list("abcd")),
                columns,
                noisy.astype(np.float32),
                np.full((4, 2), noise),
                np.full((4, 2), np.nan),
                np.zeros((4, 150, 2)),
                np.full(4, 10.0),
                16.0,
                "radical",
            )
        ]

    class Structure:
        attrs = {"role": "test"}  # noqa: RUF012
        sizes = {"particle": 300}  # noqa: RUF012

    monkeypatch.setattr(labels, "structures", lambda datasets: list(datasets))
    monkeypatch.setattr(labels, "state_points", made)
    table = evaluation.evaluate(ensemble, [Structure()] * 4)
    np.testing.assert_allclose(table.pearson, table.ceiling, atol=0.05)
    assert (table.ceiling < 0.95).all()
    np.testing.assert_allclose(table.spread, 1, atol=0.15)
    np.testing.assert_allclose(table.mean_propensity, [0.8, 0.5])
    np.testing.assert_allclose(table.time, [10, 100])
    assert table.converged.all()
    for state in range(2):  # another bootstrap of the same structures
        fields = (
            xr.DataArray(values, dims=("configuration", "particle")) for values in (exact[:, state], noisy[:, state])
        )
        assert float(table.error[state]) == pytest.approx(float(pearson(*fields).error), rel=0.2)
    with pytest.raises(InvalidData, match="networks for species 2"):
        evaluation.evaluate(ensemble, [Structure()], species=1)
    monkeypatch.setattr(labels, "state_points", lambda *_arguments, **_options: [])
    with pytest.raises(InvalidData, match=r"none of the levels \(0\.1\)"):
        evaluation.evaluate(ensemble, [Structure()], levels=(0.1,))
    with pytest.raises(InvalidData, match="role 'train'"):
        evaluation.evaluate(ensemble, [Structure()], role="train")
