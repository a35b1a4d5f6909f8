"""GlassBench files: the published ones, and the rules by which unwrapped positions become a configuration."""

import numpy as np
import pytest

from glassviz import files, mixture


@pytest.fixture
def published(shared):
    return shared / "reference" / "glassbench"


def test_sample_at_temperature_0_23(published):
    path = published / "N1290T0.23_151_tc20.npz"
    dataset = files.read(path)
    with np.load(path, allow_pickle=False) as raw:
        raw = dict(raw)
    assert dict(dataset.sizes) == {"configuration": 1, "replica": 20, "particle": 1290, "space": 2}
    assert dataset.attrs["temperature"] == 0.23
    assert dataset.attrs["box_length"] == 32.8962
    assert dataset["configuration"].values.tolist() == ["N1290T0.23_151_tc20"]
    assert np.bincount(dataset["species"].values.ravel()).tolist() == [600, 330, 360]
    np.testing.assert_array_equal(dataset["species"][0], raw["types"] - 1)

    for name, key in (("position", "initial_positions"), ("inherent_position", "initial_positions_inherent")):
        values = dataset[name].values[0]
        assert values.min() >= 0
        assert values.max() < 32.8962
        boxes = (values - raw[key]) / 32.8962
        np.testing.assert_allclose(boxes, np.rint(boxes), atol=1e-9)

    displacement = dataset["replica_position"] - dataset["position"]
    np.testing.assert_allclose(displacement.values[0], raw["positions"] - raw["initial_positions"], atol=1e-12)
    square = (displacement**2).sum("space").mean()
    assert square.item() == pytest.approx(0.0232, abs=5e-5)  # the published mean square displacement at t = 122.47


def test_sample_at_temperature_0_30_is_wrapped_and_has_no_inherent_positions(published):
    dataset = files.read(published / "N1290T0.30_3_tc01.npz")
    assert dataset.attrs["temperature"] == 0.30
    assert "inherent_position" not in dataset
    square = ((dataset["replica_position"] - dataset["position"]) ** 2).sum("space").mean()
    assert square.item() == pytest.approx(0.00502, abs=5e-6)


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        (0.18, "sample.npz", 0.18),
        ("0.18", "sample.npz", 0.18),
        (0.18, "N1290T0.23_151_tc20.npz", 0.18),
        (None, "N1290T0.23_151_tc20.npz", 0.23),
        (None, "sample.npz", np.nan),
    ],
)
def test_temperature_from_the_key_else_from_the_published_name(tmp_path, make_configurations, key, name, expected):
    dataset = make_configurations()
    arrays = {} if key is None else {"temperature": key}
    np.savez(
        tmp_path / name,
        positions=np.empty(0),
        initial_positions=dataset["position"][0],
        box=np.full(2, dataset.attrs["box_length"]),
        types=dataset["species"][0] + 1,
        **arrays,
    )
    np.testing.assert_equal(files.read(tmp_path / name).attrs["temperature"], expected)


def test_a_written_file_has_the_published_arrays(tmp_path, make_configurations):
    dataset = make_configurations(replicas=3).drop_vars(["energy", "inherent_energy", "inherent_position"])
    files.write(dataset, tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as ours:
        np.testing.assert_array_equal(ours["positions"], dataset["replica_position"][0])
        np.testing.assert_array_equal(ours["initial_positions"], dataset["position"][0])
        assert ours["initial_positions_inherent"].size == 0
        assert ours["box"] == mixture.box_length(43)
        np.testing.assert_array_equal(ours["types"], dataset["species"][0] + 1)
        assert ours["temperature"] == 0.3
