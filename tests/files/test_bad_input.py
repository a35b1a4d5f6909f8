"""Everything that is not a configuration ends in one `InvalidData` sentence that names the file."""

import itertools
import os
import pickle
import socket
import zipfile

import gsd.fl
import gsd.hoomd
import h5py
import numpy as np
import pytest

from glassviz import files, mixture
from glassviz.files import netcdf
from glassviz.mixture import InvalidData

SUFFIXES = [".nc", ".gsd", ".npz"]


def refusal(path):
    """The sentence with which a file is refused."""
    with pytest.raises(InvalidData) as caught:
        files.read(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert os.path.basename(path).removesuffix("\0") in sentence
    assert "expected" in sentence
    return sentence


@pytest.fixture
def dataset(make_configurations):
    return make_configurations().drop_vars(["energy", "inherent_energy"])


# Things that are not files


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".xyz", ""])
def test_missing_file(tmp_path, suffix):
    assert "no such file" in refusal(tmp_path / f"absent{suffix}")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ""])
def test_folder(tmp_path, suffix):
    path = tmp_path / f"folder{suffix}"
    path.mkdir()
    assert "this is a folder" in refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pipe_is_refused_instead_of_waited_for(tmp_path, suffix):
    path = tmp_path / f"pipe{suffix}"
    os.mkfifo(path)
    assert "pipe" in refusal(path)


def test_socket(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.nc")
        assert "socket" in refusal("socket.nc")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_permission(tmp_path, dataset, suffix):
    path = tmp_path / f"secret{suffix}"
    files.write(dataset, path)
    path.chmod(0)
    assert "no permission" in refusal(path)


def test_no_permission_as_the_system_reports_it(tmp_path, monkeypatch):
    path = tmp_path / "secret.nc"
    path.write_bytes(b"anything")

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    assert "no permission" in refusal(path)


@pytest.mark.parametrize("name", ["nul\0.nc", "x" * 300 + ".nc"])
def test_impossible_name(tmp_path, name):
    with pytest.raises(InvalidData, match="cannot be opened"):
        files.read(tmp_path / name)


# Files of another kind


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "empty"),
        (pickle.dumps({"position": [1.0]}), "pickle, which is never read"),
        (pickle.dumps([1], protocol=2), "pickle"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"<html>", "web page"),
        (b"CDF\x01\0\0\0\0", "NetCDF-3"),
        (b"\x93NUMPY\x01\0", "NumPy array"),
        (b"PK\x05\x06" + bytes(18), "empty zip"),
        (b"1290\nProperties=species:S:1:pos:R:3\n", "text"),
        (b"\x80", "no known kind"),
        (bytes(2000), "no known kind"),
    ],
)
def test_content_of_another_kind(tmp_path, suffix, head, said):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(head)
    assert said in refusal(path)


@pytest.mark.parametrize(("true", "told"), list(itertools.permutations(SUFFIXES, 2)))
def test_suffix_that_lies(tmp_path, dataset, true, told):
    files.write(dataset, tmp_path / f"sample{true}")
    (tmp_path / f"sample{true}").rename(tmp_path / f"renamed{told}")
    assert f"name ending in {true}" in refusal(tmp_path / f"renamed{told}")


@pytest.mark.parametrize("suffix", [".txt", ".pkl", ""])
def test_unknown_suffix_tells_the_content(tmp_path, dataset, suffix):
    files.write(dataset, tmp_path / "sample.gsd")
    (tmp_path / "sample.gsd").rename(tmp_path / f"sample{suffix}")
    assert "GSD" in refusal(tmp_path / f"sample{suffix}")
    with pytest.raises(InvalidData, match="unknown file type"):
        files.write(dataset, tmp_path / f"new{suffix}")


@pytest.mark.parametrize("kept", [9, 100, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated(tmp_path, dataset, suffix, kept):
    path = tmp_path / f"cut{suffix}"
    files.write(dataset, path)
    size = path.stat().st_size
    os.truncate(path, kept if kept > 1 else int(kept * size))
    refusal(path)


# NetCDF


def change(dataset, **variables):
    return dataset.assign({name: (dataset[name].dims, np.asarray(values)) for name, values in variables.items()})


def spoiled(values, value):
    values = np.array(values)
    values.flat[7] = value
    return values


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: change(d, position=spoiled(d.position, np.nan)), "1 values of position are not finite"),
        (lambda d: change(d, position=spoiled(d.position, np.inf)), "1 values of position are not finite"),
        (lambda d: change(d, inherent_position=spoiled(d.position, np.nan)), "inherent_position are not finite"),
        (lambda d: change(d, position=spoiled(d.position, d.box_length + 0.01)), "1 particles lie outside the box"),
        (lambda d: change(d, position=spoiled(d.position, -0.01)), "1 particles lie outside the box"),
        (lambda d: change(d, position=d.position.astype(str)), "expected real numbers"),
        (lambda d: change(d, species=spoiled(d.species, 3)), "unknown species 4"),
        (lambda d: change(d, species=spoiled(d.species, -1)), "unknown species 0"),
        (lambda d: change(d, species=d.species + 0.5), "species are not whole numbers"),
        (lambda d: change(d, species=d.species.astype(str)), "species are not whole numbers"),
        (lambda d: d.drop_vars("position"), "no variable 'position'"),
        (lambda d: d.drop_vars("species"), "no variable 'species'"),
        (lambda d: d.drop_attrs(), "box length is missing"),
        (lambda d: d.assign_attrs(box_length=-1.0), "box length is missing or not a positive number"),
        (lambda d: d.assign_attrs(box_length="wide"), "box length is missing or not a positive number"),
        (lambda d: d.assign_attrs(temperature=-0.3), "the temperature is -0.3"),
        (lambda d: d.assign_attrs(temperature="cold"), "the temperature is 'cold'"),
        (lambda d: d.isel(configuration=slice(0, 0)), "no configuration in it"),
        (lambda d: d.isel(space=[0]), "expected 2"),
        (lambda d: d.isel(space=0), "dimensions"),
        (lambda d: d.rename(particle="atom"), "dimensions"),
        (lambda d: d.isel(particle=slice(0, 0)), "0 particles"),
    ],
)
def test_bad_configurations_in_netcdf(tmp_path, dataset, spoil, said):
    path = tmp_path / "bad.nc"
    netcdf.save(spoil(dataset), path)
    assert said in refusal(path)


def test_too_many_particles_are_refused_before_they_are_loaded(tmp_path):
    path = tmp_path / "many.nc"
    particles = mixture.MAX_PARTICLES + 1
    sizes = {"configuration": 1, "particle": particles, "space": 2}
    with h5py.File(path, "w") as file:
        for dim, size in sizes.items():
            file[dim] = np.arange(size)
            file[dim].make_scale(dim)
        for name in ("position", "species"):
            dims = mixture.DIMENSIONS[name]
            variable = file.create_dataset(name, [sizes[dim] for dim in dims], "f8", chunks=True)
            for axis, dim in enumerate(dims):
                variable.dims[axis].attach_scale(file[dim])
    assert f"{particles} particles" in refusal(path)


@pytest.mark.parametrize("room", [files.read, netcdf.load])
@pytest.mark.parametrize(("columns", "dtype"), [(2**20, "i1"), (2, "S1000000")])
def test_small_file_that_unpacks_to_gigabytes(tmp_path, dataset, room, columns, dtype):
    path = tmp_path / "bomb.nc"
    netcdf.save(dataset, path)
    with h5py.File(path, "r+") as file:
        bomb = file.create_dataset("bomb", (2**10, columns), dtype, chunks=True)  # declared, never stored
        for axis, name in enumerate(("time", "lag")):
            file[name] = np.zeros(bomb.shape[axis], np.int8)
            file[name].make_scale(name)
            bomb.dims[axis].attach_scale(file[name])
    with pytest.raises(InvalidData, match="MiB; expected at most 1024 MiB"):
        room(path)


def test_hdf5_of_something_else(tmp_path):
    with h5py.File(tmp_path / "other.nc", "w") as file:
        file["spectrum"] = np.arange(5)
    assert "no variable 'position'" in refusal(tmp_path / "other.nc")


def test_hdf5_without_content(tmp_path):
    h5py.File(tmp_path / "bare.nc", "w").close()
    assert "no variable 'position'" in refusal(tmp_path / "bare.nc")


@pytest.mark.parametrize("way", ["link", "soft", "storage", "virtual"])
def test_data_that_lie_in_another_file_of_the_machine(tmp_path, dataset, way):
    secret = tmp_path / "secret"
    secret.write_bytes(np.full(43 * 2, 0.5).tobytes())
    path = tmp_path / "spy.nc"
    netcdf.save(dataset, path)
    with h5py.File(path, "r+") as file:
        del file["position"]
        shape = (1, 43, 2)
        if way == "link":
            file["position"] = h5py.ExternalLink("secret", "position")
        elif way == "soft":
            file["position"] = h5py.SoftLink("/elsewhere")
        elif way == "storage":
            file.create_dataset("position", shape, "f8", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        else:
            layout = h5py.VirtualLayout(shape, "f8")
            layout[:] = h5py.VirtualSource(str(secret), "position", shape)
            file.create_virtual_dataset("position", layout)
    assert "'position' lies outside the file" in refusal(path)


# GSD


def frame_of(dataset, **changes):
    length = dataset.attrs["box_length"]
    particles = dataset.sizes["particle"]
    frame = gsd.hoomd.Frame()
    frame.configuration.box = changes.get("box", [length, length, 0, 0, 0, 0])
    frame.particles.N = particles
    position = np.zeros((particles, 3))
    position[:, :2] = dataset["position"].values[0] - length / 2
    frame.particles.position = changes.get("position", lambda p: p)(position)
    frame.particles.types = changes.get("types", ["A", "B", "C"])
    frame.particles.typeid = changes.get("typeid", dataset["species"].values[0])
    return frame


def write_frames(path, *frames):
    with gsd.hoomd.open(str(path), "w") as trajectory:
        trajectory.extend(frames)
    return path


def set_value(index, value):
    def change(position):
        position[index] = value
        return position

    return change


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"box": [6, 6, 6, 0, 0, 0]}, "3-dimensional"),
        ({"box": [6, 7, 0, 0, 0, 0]}, "6 by 7; expected a square"),
        ({"box": [6, 6, 0, 0.1, 0, 0]}, "tilted"),
        ({"box": [0, 0, 0, 0, 0, 0]}, "expected a square"),
        ({"box": [np.nan, np.nan, 0, 0, 0, 0]}, "has no box"),
        ({"position": set_value((3, 0), np.nan)}, "not finite"),
        ({"position": set_value((3, 1), 3.1)}, "1 particles of frame 0 lie outside the box"),
        ({"position": set_value((3, 2), 0.5)}, "leave the plane"),
        ({"types": ["A", "B", "D"]}, "unknown particle type 'D'"),
        ({"types": ["0", "1", "2"]}, "unknown particle type '0'"),
        ({"types": ["A", "B"]}, "type id 2 has no name"),
    ],
)
def test_bad_gsd(tmp_path, dataset, changes, said):
    assert said in refusal(write_frames(tmp_path / "bad.gsd", frame_of(dataset, **changes)))


def test_gsd_without_frames(tmp_path):
    assert "no frame" in refusal(write_frames(tmp_path / "none.gsd"))


def test_gsd_of_another_schema(tmp_path):
    gsd.fl.open(str(tmp_path / "other.gsd"), "w", application="test", schema="spectra", schema_version=[1, 0]).close()
    assert "schema is 'spectra'" in refusal(tmp_path / "other.gsd")


def test_gsd_without_particles(tmp_path):
    frame = gsd.hoomd.Frame()
    frame.configuration.box = [6, 6, 0, 0, 0, 0]
    assert "0 particles" in refusal(write_frames(tmp_path / "void.gsd", frame))


def test_gsd_of_changing_number_or_box(tmp_path, dataset, make_configurations):
    first, larger = frame_of(dataset), frame_of(make_configurations(particles=86))
    assert "frame 1 has another number of particles" in refusal(write_frames(tmp_path / "number.gsd", first, larger))
    wider = frame_of(dataset, box=[7, 7, 0, 0, 0, 0])
    assert "frame 1 has another box" in refusal(write_frames(tmp_path / "box.gsd", frame_of(dataset), wider))


def test_gsd_that_claims_more_particles_than_memory_holds(tmp_path):
    path = tmp_path / "claim.gsd"
    with gsd.fl.open(str(path), "w", application="test", schema="hoomd", schema_version=[1, 4]) as file:
        file.write_chunk("particles/N", np.array([2**32 - 1], np.uint32))
        file.write_chunk("configuration/box", np.array([6, 6, 0, 0, 0, 0], np.float32))
        file.end_frame()
    assert "4294967295 particles" in refusal(path)


# GlassBench


def arrays_of(dataset, **changes):
    arrays = {
        "positions": dataset["position"].values.repeat(4, axis=0),
        "initial_positions": dataset["position"].values[0],
        "initial_positions_inherent": np.empty(0),
        "box": dataset.attrs["box_length"],
        "types": dataset["species"].values[0] + 1,
    } | changes
    return {name: values for name, values in arrays.items() if values is not None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"initial_positions": None}, "no array 'initial_positions'"),
        ({"types": None}, "no array 'types'"),
        ({"box": None}, "no array 'box'"),
        ({"initial_positions": np.zeros((43, 3))}, "initial_positions has shape (43, 3)"),
        ({"initial_positions": np.zeros((42, 2))}, "initial_positions has shape (42, 2); expected (43, 2)"),
        ({"initial_positions": np.zeros((2, 43))}, "initial_positions has shape (2, 43)"),
        ({"initial_positions": np.full((43, 2), np.nan)}, "not finite"),
        ({"initial_positions": np.full((43, 2), "0.5")}, "expected real numbers"),
        ({"initial_positions": np.zeros((43, 2), complex)}, "expected real numbers"),
        ({"initial_positions": np.empty(0)}, "initial_positions has shape (0,)"),
        ({"initial_positions_inherent": np.zeros((2, 43))}, "initial_positions_inherent has shape (2, 43)"),
        ({"positions": np.zeros((43, 2))}, "positions has shape (43, 2)"),
        ({"positions": np.zeros((4, 41, 2))}, "positions has shape (4, 41, 2); expected (replica, 43, 2)"),
        ({"positions": np.full((4, 43, 2), np.inf)}, "replica_position are not finite"),
        ({"types": np.zeros(43, int)}, "unknown species 0"),
        ({"types": np.full(43, 4)}, "unknown species 4"),
        ({"types": np.full(43, 2**64 - 1, np.uint64)}, "unknown species"),
        ({"types": np.full(43, np.inf)}, "unknown species inf"),
        ({"types": np.full(43, 1.5)}, "species are not whole numbers"),
        ({"types": np.full(43, "A")}, "expected real numbers"),
        ({"types": np.full(43, {})}, "types holds pickled objects, which are never read"),
        ({"box": 0.0}, "expected one positive side"),
        ({"box": np.array([6.0, 7.0])}, "expected one positive side"),
        ({"box": "wide"}, "expected one positive side"),
        ({"box": np.eye(2) * 6}, "the box is [[6. 0.] [0. 6.]]; expected"),
        ({"temperature": "cold"}, "the temperature is 'cold'"),
        ({"temperature": -1.0}, "the temperature is -1"),
        ({"temperature": True}, "the temperature is True"),
        ({"types": np.ones(90_001, np.int8)}, "90001 particles"),
        ({"notes": np.array([{"a": 1}], dtype=object)}, "notes holds pickled objects"),
    ],
)
def test_bad_glassbench(tmp_path, dataset, changes, said):
    np.savez(tmp_path / "bad.npz", **arrays_of(dataset, **changes))
    assert said in refusal(tmp_path / "bad.npz")


def test_zip_that_is_no_npz(tmp_path):
    with zipfile.ZipFile(tmp_path / "letter.npz", "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    assert "the archive holds 'word/document.xml'" in refusal(tmp_path / "letter.npz")


def test_npz_that_hides_a_pickle(tmp_path):
    class Explosive:
        def __reduce__(self):
            return os._exit, (1,)

    with zipfile.ZipFile(tmp_path / "trap.npz", "w") as archive:
        archive.writestr("types.npy", pickle.dumps(Explosive()))
    assert "cannot be read" in refusal(tmp_path / "trap.npz")


def test_array_that_promises_more_than_the_archive_holds(tmp_path, dataset):
    np.savez(tmp_path / "honest.npz", **arrays_of(dataset))
    with zipfile.ZipFile(tmp_path / "honest.npz") as honest, zipfile.ZipFile(tmp_path / "liar.npz", "w") as liar:
        for name in honest.namelist():
            content = honest.read(name)
            if name == "positions.npy":
                content = content.replace(b"(4, 43, 2), }", b"(9, 43, 2), }")
            liar.writestr(name, content)
    assert "expected" in refusal(tmp_path / "liar.npz")
    assert "for shape (9, 43, 2)" in refusal(tmp_path / "liar.npz")


# Writing


def test_what_is_no_configuration_is_not_written(tmp_path, dataset):
    for suffix in SUFFIXES:
        with pytest.raises(InvalidData, match=f"^new{suffix}: there is no variable 'species'"):
            files.write(dataset.drop_vars("species"), tmp_path / f"new{suffix}")
    assert not list(tmp_path.iterdir())


def test_glassbench_holds_one_configuration(tmp_path, make_configurations):
    with pytest.raises(InvalidData, match=r"one configuration, not 2; expected .nc, .gsd or .extxyz"):
        files.write(make_configurations(samples=2), tmp_path / "two.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_writing_into_a_folder_that_is_not_there(tmp_path, dataset, suffix):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        files.write(dataset, tmp_path / "absent" / f"sample{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_write_keeps_the_old_file(tmp_path, dataset, suffix, monkeypatch):
    path = tmp_path / f"sample{suffix}"
    files.write(dataset, path)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        files.write(dataset.roll(particle=1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
