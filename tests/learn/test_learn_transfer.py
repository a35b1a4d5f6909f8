import numpy as np
import pytest

from glassviz import mixture
from glassviz.learn.inference import Ensemble
from glassviz.learn.transfer import SizeTransfer, size_transfer
from glassviz.mixture import InvalidData
from glassviz.structure.descriptors import descriptors

LEVELS = [0.6, 0.4]


def test_a_larger_sample_of_the_same_columns_passes(random_networks, random_descriptors):
    _, ensemble = random_networks()
    small = random_descriptors(configurations=20, particles=100)
    large = random_descriptors(configurations=1, particles=4000, seed=2)
    found = size_transfer(ensemble, small, large, 0.3, LEVELS)
    assert found.passed
    assert "passed" in str(found)
    assert found.variance_ratio.shape == (2, 2)
    np.testing.assert_allclose(found.variance_ratio, 1, atol=0.25)
    assert np.abs(found.shift).max() < 0.3


def test_shifted_columns_fail(random_networks, random_descriptors):
    _, ensemble = random_networks()
    small = random_descriptors(configurations=20, particles=100)
    large = random_descriptors(configurations=1, particles=4000, seed=2)
    large[:, :, 0, 7:] += 50
    found = size_transfer(ensemble, small, large, 0.3, LEVELS)
    assert not found.passed
    assert found.shifted_share == pytest.approx(16 / 164, abs=0.03)
    assert "FAILED" in str(found)


def test_another_variance_fails(random_networks, random_descriptors):
    _, ensemble = random_networks()
    small = random_descriptors(configurations=20, particles=100)
    wide = random_descriptors(configurations=1, particles=4000, seed=2) * 3
    found = size_transfer(ensemble, small, wide, 0.3, LEVELS)
    assert found.shifted_share < 0.05
    assert not found.passed
    assert found.variance_ratio.mean() > 1.5


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        ({}, True),
        ({"shifted_share": 0.05}, True),
        ({"shifted_share": 0.06}, False),
        ({"variance_ratio": np.array([[0.5, 1.0], [0.9, 1.0]])}, True),  # the mean over networks counts
        ({"variance_ratio": np.array([[0.5, 1.0], [0.8, 1.0]])}, False),
        ({"variance_ratio": np.array([[1.0, 1.4], [1.0, 1.55]])}, True),
        ({"variance_ratio": np.array([[1.0, 1.5], [1.0, 1.6]])}, False),
        ({"converged": np.array([[True, True], [True, False]])}, False),
    ],
)
def test_what_passes(change, passed):
    agreeing = {"shifted_share": 0.0, "variance_ratio": np.ones((2, 2)), "converged": np.ones((2, 2), bool)}
    found = SizeTransfer(0.3, np.array(LEVELS), np.zeros(176), **(agreeing | change))
    assert found.passed is passed


@pytest.mark.parametrize("lost", [0, 1])
def test_a_mean_that_is_missed_in_one_of_the_sizes_fails(random_networks, random_descriptors, monkeypatch, lost):
    _, ensemble = random_networks()
    propensity, calls = ensemble.propensity, []

    def missed(*args):
        values, report = propensity(*args)
        report["converged"][1, 0] &= len(calls) != lost
        calls.append(args)
        return values, report

    monkeypatch.setattr(ensemble, "propensity", missed)
    small, large = (random_descriptors(configurations=10, particles=200, seed=k) for k in (1, 2))
    found = size_transfer(ensemble, small, large, 0.3, LEVELS)
    np.testing.assert_array_equal(found.converged, [[True, True], [False, True]])
    assert not found.passed


def test_without_a_level_nothing_is_compared(random_networks, random_descriptors):
    _, ensemble = random_networks()
    with pytest.raises(InvalidData, match="no level"):
        size_transfer(ensemble, random_descriptors(), random_descriptors(), 0.3, levels=())


def test_networks_without_species_1_cannot_be_judged(random_networks, random_descriptors):
    _, ensemble = random_networks(species=(1,))
    with pytest.raises(InvalidData, match="species 1"):
        size_transfer(ensemble, random_descriptors(), random_descriptors(), 0.3, LEVELS)


def replicated(ds):
    """The configuration and its three images: the same liquid in a box of twice the side."""
    length = ds.attrs["box_length"]
    shifts = length * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    position = (ds["position"].values[0][None] + shifts[:, None]).reshape(-1, 2)
    return mixture.configurations(
        position, np.tile(ds["species"].values[0], 4), 2 * length, 0.40, inherent_position=position
    )


def test_a_replicated_box_has_the_same_descriptors(random_networks, configurations_at):
    """With one cutoff inside half the small box, no descriptor may know the size of the box."""
    ds = configurations_at(0.40).isel(configuration=[0])
    ds["inherent_position"] = ds["position"]
    _, ensemble = random_networks()
    found = size_transfer(ensemble, descriptors(ds), descriptors(replicated(ds)), 0.40, LEVELS)
    np.testing.assert_allclose(found.variance_ratio, 1, rtol=1e-3)
    assert np.abs(found.shift).max() < 1e-3
    cut = size_transfer(
        Ensemble(ensemble.branches, {**ensemble.header, "cutoff": 20.0}),
        descriptors(ds, cutoff=20.0),
        descriptors(replicated(ds), cutoff=20.0),
        0.40,
        LEVELS,
    )
    assert np.abs(cut.shift).max() > 1  # the trap: at R_c = 20 the small box cuts the disc
