"""GSD as other programs write and read it."""

import gsd.hoomd
import numpy as np
import pytest

from glassviz import files, mixture


def write_frames(path, *frames, **options):
    with gsd.hoomd.open(str(path), "w", **options) as trajectory:
        trajectory.extend(frames)
    return path


@pytest.fixture
def hoomd_frame(make_configurations):
    """Factory: a frame as HOOMD-blue writes it, single precision, coordinates in [−L/2, L/2)."""

    def make(sample, types=("A", "B", "C"), **parts):
        length = sample.attrs["box_length"]
        frame = gsd.hoomd.Frame()
        frame.configuration.box = parts.get("box", [length, length, 0, 0, 0, 0])
        frame.particles.N = sample.sizes["particle"]
        frame.particles.types = list(types)
        order = np.argsort(np.argsort(types))
        frame.particles.typeid = order[sample["species"].values]
        position = np.zeros((frame.particles.N, 3))
        position[:, :2] = sample["position"].values
        position[position > length / 2] -= length
        frame.particles.position = position
        return frame

    return make


@pytest.mark.parametrize("types", [("A", "B", "C"), ("1", "2", "3"), ("C", "A", "B"), ("3", "2", "1")])
def test_types_are_known_by_name(tmp_path, make_configurations, hoomd_frame, types):
    dataset = make_configurations()
    sample = dataset.isel(configuration=0)
    frame = hoomd_frame(sample)
    frame.particles.types = list(types)
    named = np.array(["ABC".find(name) if name in "ABC" else int(name) - 1 for name in types])
    frame.particles.typeid = np.argsort(named)[sample["species"].values]
    back = files.read(write_frames(tmp_path / "hoomd.gsd", frame))
    np.testing.assert_array_equal(back["species"], dataset["species"])


def test_trajectory_of_hoomd(tmp_path, make_configurations, hoomd_frame):
    dataset = make_configurations(samples=3)
    frames = [hoomd_frame(dataset.isel(configuration=index)) for index in range(3)]
    back = files.read(write_frames(tmp_path / "run.gsd", *frames))
    length = dataset.attrs["box_length"]
    apart = np.abs(back["position"].values - dataset["position"].values)
    assert np.minimum(apart, length - apart).max() < 1e-6
    np.testing.assert_array_equal(back["species"], dataset["species"])
    assert back.attrs["box_length"] == pytest.approx(length, rel=1e-7)
    assert np.isnan(back.attrs["temperature"])
    assert back["configuration"].values.tolist() == ["0", "1", "2"]


def test_one_frame_is_named_after_its_file(tmp_path, make_configurations, hoomd_frame):
    back = files.read(write_frames(tmp_path / "cold.gsd", hoomd_frame(make_configurations().isel(configuration=0))))
    assert back["configuration"].values.tolist() == ["cold"]
    assert back.attrs["provenance"] == "GSD file cold.gsd"


def test_two_dimensional_box_of_older_programs_may_have_a_depth(tmp_path, make_configurations, hoomd_frame):
    dataset = make_configurations()
    length = dataset.attrs["box_length"]
    frame = hoomd_frame(dataset.isel(configuration=0), box=[length, length, 1, 0, 0, 0])
    frame.configuration.dimensions = 2
    back = files.read(write_frames(tmp_path / "old.gsd", frame))
    np.testing.assert_array_equal(back["species"], dataset["species"])


def test_one_component_without_type_ids(tmp_path):
    frame = gsd.hoomd.Frame()
    frame.configuration.box = [4, 4, 0, 0, 0, 0]
    frame.particles.N = 4
    frame.particles.position = [[-1, -1, 0], [1, -1, 0], [-1, 1, 0], [1, 1, 0]]
    with pytest.warns(mixture.MixtureWarning):
        back = files.read(write_frames(tmp_path / "one.gsd", frame))
    np.testing.assert_array_equal(back["species"], [[0, 0, 0, 0]])
    np.testing.assert_array_equal(back["position"][0], [[3, 3], [1, 3], [3, 1], [1, 1]])


def test_what_hoomd_and_ovito_find_in_our_file(tmp_path, make_configurations):
    dataset = make_configurations(samples=2)
    length = dataset.attrs["box_length"]
    files.write(dataset, tmp_path / "ours.gsd")
    with gsd.hoomd.open(str(tmp_path / "ours.gsd"), "r") as trajectory:
        assert len(trajectory) == 2
        for index, frame in enumerate(trajectory):
            assert frame.configuration.dimensions == 2
            np.testing.assert_array_equal(frame.configuration.box, np.float32([length, length, 0, 0, 0, 0]))
            assert frame.particles.types == ["1", "2", "3"]
            position = frame.particles.position
            assert np.abs(position).max() <= length / 2
            np.testing.assert_array_equal(position[:, 2], 0)
            np.testing.assert_array_equal(mixture.wrap(position[:, :2], length), dataset["position"][index])
            np.testing.assert_array_equal(frame.particles.typeid, dataset["species"][index])
            np.testing.assert_array_equal(frame.log["particles/glassviz/energy"], dataset["energy"][index])
    log = gsd.hoomd.read_log(str(tmp_path / "ours.gsd"))
    assert '"temperature": 0.3' in log["log/glassviz/dataset"][0].tobytes().decode()


def test_every_number_per_particle_is_kept(tmp_path, make_configurations):
    dataset = make_configurations(samples=2)
    per_particle = ("configuration", "particle")
    dataset["propensity_at_tau"] = per_particle, np.linspace(0, 1, 86).reshape(2, 43).astype(np.float32)
    dataset["cluster"] = per_particle, np.arange(86).reshape(2, 43)
    dataset["velocity"] = (*per_particle, "space"), np.random.default_rng(0).normal(size=(2, 43, 2))
    files.write(dataset, tmp_path / "all.gsd")
    back = files.read(tmp_path / "all.gsd")
    for name in ("propensity_at_tau", "cluster", "velocity"):
        np.testing.assert_array_equal(back[name], dataset[name])
        assert back[name].dtype == dataset[name].dtype


def test_frames_appended_by_another_program(tmp_path, make_configurations, hoomd_frame):
    dataset = make_configurations()
    sample = dataset.isel(configuration=0).drop_vars(["energy", "inherent_energy", "inherent_position"])
    files.write(sample.drop_vars("configuration"), tmp_path / "ours.gsd")
    with gsd.hoomd.open(str(tmp_path / "ours.gsd"), "r+") as trajectory:
        later = trajectory[0]
        later.particles.position = later.particles.position * 0.5
        trajectory.append(later)
    with pytest.raises(mixture.InvalidData, match="frames were added to it; expected 1 frames, not 2"):
        files.read(tmp_path / "ours.gsd")
