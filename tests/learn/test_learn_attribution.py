import numpy as np
import pytest

from glassviz.learn.attribution import _Network, attribution
from glassviz.mixture import InvalidData

STATE = 0.23, 0.7


@pytest.fixture
def predicted(random_networks, random_descriptors):
    """An ensemble, descriptors of one configuration, its predictions and the constrained inputs."""
    _, ensemble = random_networks(networks=3, species=(0, 1, 2))
    X = random_descriptors()
    C = ensemble.predict(X, *STATE)
    return ensemble, X.isel(configuration=0), C.isel(configuration=0), C["state_input"].values


def test_predictions_are_those_of_the_ensemble(predicted):
    ensemble, X, C, inputs = predicted
    found = attribution(ensemble, X, STATE[0], inputs)
    np.testing.assert_allclose(found["prediction"], C, atol=1e-5)
    assert np.array_equal(found["species"], X["species"])


def test_contributions_add_up_to_the_difference_from_average_surroundings(predicted):
    ensemble, X, _, inputs = predicted
    found = attribution(ensemble, X, STATE[0], inputs)
    total = found["contribution"].sum(("observable", "length", "neighbor_species"))
    difference = found["prediction"] - found["average"]
    assert np.abs(difference).max() > 0.01
    np.testing.assert_allclose(total, difference, atol=1e-3)
    average = found["average"].values
    for species in range(3):
        assert np.ptp(average[:, X["species"].values == species], axis=1).max() < 1e-12


def test_the_gradient_is_that_of_finite_differences(predicted):
    ensemble, X, _, inputs = predicted
    branch = ensemble.branches[0]
    columns = X.values.reshape(-1, 176)[:4, branch.index].astype(float)
    standard = (columns - branch.mean[branch.index]) / branch.std[branch.index]
    network = _Network(branch, 1, 0.2, STATE[0], inputs[1])
    _, gradient = network(standard)
    step = 1e-5
    for k in range(0, standard.shape[1], 7):
        up, down = standard.copy(), standard.copy()
        up[:, k] += step
        down[:, k] -= step
        numerical = (network(up)[0] - network(down)[0]) / (2 * step)
        np.testing.assert_allclose(gradient[:, k], numerical, rtol=1e-5, atol=1e-9)


def test_masked_columns_contribute_nothing(predicted):
    ensemble, X, _, inputs = predicted
    found = attribution(ensemble, X, STATE[0], inputs)["contribution"].values.reshape(3, -1, 176)
    assert (found[..., ~ensemble.branches[0].kept] == 0).all()
    assert (found[..., ensemble.branches[0].kept] != 0).any(axis=(0, 1)).all()


def test_what_cannot_be_attributed_is_refused(predicted, random_networks, random_descriptors):
    ensemble, X, _, inputs = predicted
    with pytest.raises(InvalidData, match="3 configurations"):
        attribution(ensemble, random_descriptors(), STATE[0], inputs)
    with pytest.raises(InvalidData, match="a number for each of 3"):
        attribution(ensemble, X, STATE[0], inputs[:2])
    for temperature in (-0.25, 0.0, np.nan):
        with pytest.raises(InvalidData, match="positive temperatures"):
            attribution(ensemble, X, temperature, inputs)
    with pytest.raises(InvalidData, match="a number for each of 3"):
        attribution(ensemble, X, STATE[0], np.full(3, np.nan))
    with pytest.raises(InvalidData, match="no particle"):
        attribution(ensemble, X.isel(particle=slice(0)), STATE[0], inputs)
    _, first = random_networks(networks=3, species=(0,))
    with pytest.raises(InvalidData, match="no networks for species 2"):
        attribution(first, X, STATE[0], inputs)
