import json
import pickle

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from glassviz.learn.checkpoint import Checkpoint
from glassviz.learn.networkfile import available_networks, load_networks
from glassviz.mixture import InvalidData


def test_round_trip_keeps_predictions_and_record(random_networks, random_descriptors, tmp_path):
    _, ensemble = random_networks(networks=3, species=(0, 1))
    ensemble.header["training"] = {"command": "glassviz train", "seed": 4}
    path = ensemble.save(tmp_path / "kept.safetensors")
    back = load_networks(path)
    X = random_descriptors()
    np.testing.assert_array_equal(back.predict(X, 0.2, 0.6).values, ensemble.predict(X, 0.2, 0.6).values)
    assert back.name == "kept"
    assert back.species == (0, 1)
    assert back.networks == 3
    assert back.header["training"] == ensemble.header["training"]
    assert back.temperatures is None
    assert back.untrained_at(0.3) == ""
    assert back.header["reference_temperature"] == 0.2
    assert [p.name for p in tmp_path.iterdir()] == ["kept.safetensors"]


def test_networks_are_found_by_name(random_networks, tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSVIZ_DATA", str(tmp_path))
    assert available_networks() == []
    _, ensemble = random_networks()
    for name in ("second", "first"):
        ensemble.save(tmp_path / "networks" / f"{name}.safetensors")
    assert available_networks() == ["first", "second"]
    assert load_networks("first").networks == 2
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first").mkdir()
    assert load_networks("first").networks == 2
    with pytest.raises(InvalidData, match=r"third.*first, second"):
        load_networks("third")


@pytest.fixture
def spoil(random_networks, tmp_path):
    """Factory: a network file with its tensors or its header changed."""

    def build(tensors=None, header=None, metadata=True):
        _, ensemble = random_networks()
        path = ensemble.save(tmp_path / "bad.safetensors")
        content = load_file(path)
        content.update(tensors or {})
        content = {name: values for name, values in content.items() if values is not None}
        written = {"format": 1, "layers": {"mlp1": [6, 6, 6, 2], "mlp2": [6, 7, 7, 4], "head": [6, 10, 10, 1]}}
        written.update(ensemble.header)
        written.update(header or {})
        save_file(content, path, metadata={"glassviz": json.dumps(written)} if metadata else None)
        return path

    return build


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("format", {"header": {"format": 2}}),
        ("other layers", {"header": {"layers": {"mlp1": [6, 6, 2]}}}),
        ("header", {"metadata": False}),
        ("missing or unknown", {"tensors": {"species1/mean": None}}),
        ("unknown tensors", {"tensors": {"species7/mean": np.zeros(3)}}),
        ("not finite", {"tensors": {"species1/mean": np.full(176, np.nan)}}),
        ("std > 0", {"tensors": {"species1/std": np.zeros(176)}}),
        ("shape", {"tensors": {"species1/mlp1.0.bias": np.zeros((2, 5), np.float32)}}),
        ("columns are unusable", {"header": {"columns": [1, 2]}}),
        ("columns are unusable", {"header": {"columns": {"observable": ["rho"], "length": [1.0], "kind": [1]}}}),
        ("header is unusable", {"header": {"reference_temperature": 0}}),
        ("header is unusable", {"header": {"cutoff": "far"}}),
        ("header is unusable", {"header": {"training": []}}),
        ("record of training", {"header": {"training": {"species1": {"states": 5}}}}),
        ("record of training", {"header": {"training": {"species1": {"states": [{"temperature": "0.2"}]}}}}),
        ("record of training", {"header": {"training": {"species1": {"states": [{"temperature": 0.2, "names": 1}]}}}}),
        ("plan of training", {"header": {"training": {"species1": {"plan": "quick"}}}}),
        ("plan of training", {"header": {"training": {"species1": {"plan": {"stretch": "far"}}}}}),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_sentence(reason, change, spoil):
    with pytest.raises(InvalidData, match=reason) as caught:
        load_networks(spoil(**change))
    assert str(caught.value).startswith("bad.safetensors:")


def test_a_full_disk_is_said_and_leaves_nothing(random_networks, tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr("glassviz.learn.networkfile.save_file", full)
    with pytest.raises(OSError, match=r"kept\.safetensors: No space left"):
        random_networks()[1].save(tmp_path / "kept.safetensors")
    monkeypatch.setattr("glassviz.learn.checkpoint.save_file", full)
    with pytest.raises(OSError, match=r"half\.safetensors: No space left"):
        Checkpoint(tmp_path / "half.safetensors", "key").save({}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_and_a_truncated_file_are_refused(random_networks, tmp_path):
    path = tmp_path / "evil.safetensors"
    path.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))
    with pytest.raises(InvalidData, match=r"evil\.safetensors: not a readable"):
        load_networks(path)
    _, ensemble = random_networks()
    whole = ensemble.save(tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidData, match=r"half\.safetensors: not a readable"):
        load_networks(tmp_path / "half.safetensors")
    with pytest.raises(InvalidData, match="ending so"):
        ensemble.save(tmp_path / "networks.pkl")
