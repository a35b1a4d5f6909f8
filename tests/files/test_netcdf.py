"""`save` and `load` of any Dataset: attributes, encodings, and a file that is whole or absent."""

import os
import signal
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
import xarray as xr

from glassviz import files, mixture
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate.equilibration import random_start


@pytest.fixture
def propensities():
    generator = np.random.default_rng(5)
    return xr.Dataset(
        {
            "propensity": (("configuration", "time", "particle"), generator.random((1, 4, 3000))),
            "propensity_variance": (("configuration", "time", "particle"), 0.25 * generator.random((1, 4, 3000))),
            "mean_propensity": (("configuration", "time"), generator.random((1, 4))),
            "position": (("configuration", "particle", "space"), 50 * generator.random((1, 3000, 2))),
            "species": (("configuration", "particle"), generator.integers(0, 3, (1, 3000), dtype=np.int8)),
        },
        coords={"time": [0.1, 1.0, 10.0, 100.0], "configuration": ["c00001"]},
        attrs={"temperature": 0.3, "replicas": 8, "role": "train"},
    )


ATTRIBUTES = {
    "text": "⟨C̄_B⟩ ≤ 0.4",
    "empty": "",
    "with_nul": "a\0b",
    "surrogate": "\udc80",
    "whole": -3,
    "huge": 2**100,
    "number": 0.1,
    "infinite": -np.inf,
    "yes": True,
    "none": None,
    "list": [1, "two", None, [3.5]],
    "nested": {"verdict": {"level": "equilibrium", "drift": 1e-4}, "passed": False},
}


def test_attributes_return_as_plain_python(tmp_path):
    dataset = xr.Dataset({"x": ("particle", np.arange(3.0), ATTRIBUTES)}, attrs=ATTRIBUTES)
    netcdf.save(dataset, tmp_path / "attributes.nc")
    back = netcdf.load(tmp_path / "attributes.nc")
    for found in (back.attrs, back["x"].attrs):
        assert found == ATTRIBUTES
        assert {name: type(value) for name, value in found.items()} == {n: type(v) for n, v in ATTRIBUTES.items()}


def test_numpy_attributes(tmp_path):
    attributes = {
        "flag": np.bool_(True),
        "count": np.int32(7),
        "single": np.float32(0.5),
        "one": np.array([1.5]),
        "many": np.array([1.5, 2.5]),
        "square": np.eye(2),
        "inside": {"a": np.float64(2.0), "b": np.arange(2)},
    }
    netcdf.save(xr.Dataset(attrs=attributes), tmp_path / "attributes.nc")
    back = netcdf.load(tmp_path / "attributes.nc").attrs
    np.testing.assert_array_equal(back.pop("many"), [1.5, 2.5])
    assert back == {
        "flag": True,
        "count": 7,
        "single": 0.5,
        "one": [1.5],
        "square": [[1.0, 0.0], [0.0, 1.0]],
        "inside": {"a": 2.0, "b": [0, 1]},
    }


def test_attribute_that_cannot_be_stored(tmp_path):
    with pytest.raises(TypeError, match="attribute of type object"):
        netcdf.save(xr.Dataset(attrs={"thing": object()}), tmp_path / "attributes.nc")
    assert not list(tmp_path.iterdir())


def test_dataset_returns_identical_and_in_memory(tmp_path, propensities):
    netcdf.save(propensities, tmp_path / "propensities.nc")
    back = netcdf.load(tmp_path / "propensities.nc")
    (tmp_path / "propensities.nc").unlink()
    xr.testing.assert_identical(back, propensities)
    assert {name: v.dtype for name, v in back.variables.items()} == {
        n: v.dtype for n, v in propensities.variables.items()
    }


def test_some_variables_alone(tmp_path, propensities):
    path = tmp_path / "p.nc"
    netcdf.save(propensities, path)
    part = netcdf.load(path, ["time", "nothing"])
    assert set(part.variables) == {"time"}
    np.testing.assert_array_equal(part["time"], propensities["time"])


def test_time_in_reduced_units_stays_a_number(tmp_path, propensities):
    propensities["time"].attrs["units"] = "seconds"
    netcdf.save(propensities, tmp_path / "propensities.nc")
    assert netcdf.load(tmp_path / "propensities.nc")["time"].dtype == np.float64


def test_single_precision_when_asked(tmp_path, propensities):
    netcdf.save(propensities, tmp_path / "propensities.nc", encoding={"position": {"dtype": "float32"}})
    back = netcdf.load(tmp_path / "propensities.nc")
    np.testing.assert_array_equal(back["position"], propensities["position"].astype(np.float32))
    np.testing.assert_array_equal(back["propensity"], propensities["propensity"])


def test_compact_encoding_rounds_by_half_a_step_at_most(tmp_path, propensities):
    propensities["propensity"][0, 1, :3] = [0.0, 1.0, np.nan]
    propensities["propensity_variance"][0, 1, :3] = [0.0, 0.5, np.nan]
    netcdf.save(propensities, tmp_path / "full.nc")
    netcdf.save(propensities, tmp_path / "compact.nc", encoding=netcdf.compact(propensities))
    back = netcdf.load(tmp_path / "compact.nc")
    np.testing.assert_allclose(back["propensity"], propensities["propensity"], rtol=0, atol=0.5001 / 254)
    np.testing.assert_allclose(
        back["propensity_variance"], propensities["propensity_variance"], rtol=0, atol=0.2501 / 254
    )
    np.testing.assert_allclose(back["position"], propensities["position"], rtol=0, atol=0.5001 * 2.0**-14)
    np.testing.assert_array_equal(back["species"], propensities["species"])
    np.testing.assert_array_equal(back["mean_propensity"], propensities["mean_propensity"])
    np.testing.assert_array_equal(back["propensity"][0, 1, :3], [0.0, 1.0, np.nan])
    assert back["propensity"].max() <= 1
    with h5py.File(tmp_path / "compact.nc") as file:
        assert file["propensity"].dtype == np.uint8
        assert file["position"].dtype == np.int32
        assert file["propensity"].compression == "gzip"
    assert (tmp_path / "compact.nc").stat().st_size < 0.5 * (tmp_path / "full.nc").stat().st_size


def test_compact_configurations_are_configurations(tmp_path, make_configurations):
    dataset = make_configurations(samples=3, particles=430)
    netcdf.save(dataset, tmp_path / "compact.nc", encoding=netcdf.compact(dataset))
    back = files.read(tmp_path / "compact.nc")
    length = dataset.attrs["box_length"]
    for name in ("position", "inherent_position"):
        apart = np.abs(back[name] - dataset[name])
        assert np.minimum(apart, length - apart).max() < 1e-6 * length
        assert back[name].dtype == np.float64
    np.testing.assert_array_equal(back["species"], dataset["species"])
    with h5py.File(tmp_path / "compact.nc") as file:
        assert file["position"].dtype == np.float32


@pytest.mark.parametrize(("name", "value"), [("propensity", 1.01), ("propensity", -0.01), ("propensity_variance", 0.6)])
def test_compact_refuses_what_a_byte_cannot_hold(propensities, name, value):
    propensities[name][0, 0, 0] = value
    with pytest.raises(InvalidData, match=f"{name} lies outside"):
        netcdf.compact(propensities)


def test_loaded_data_forget_the_encoding_of_their_file(tmp_path, propensities):
    netcdf.save(propensities, tmp_path / "first.nc", encoding=netcdf.compact(propensities))
    changed = netcdf.load(tmp_path / "first.nc")
    changed["propensity"] = changed["propensity"] + 3.0  # would not fit into the byte it came from
    netcdf.save(changed, tmp_path / "second.nc")
    xr.testing.assert_identical(netcdf.load(tmp_path / "second.nc"), changed)


def test_configurations_without_names_are_named(tmp_path, make_configurations):
    for samples, names in ((1, ["nameless"]), (3, ["0", "1", "2"])):
        dataset = make_configurations(samples=samples)
        netcdf.save(dataset.drop_vars("configuration"), tmp_path / "nameless.nc")
        assert files.read(tmp_path / "nameless.nc")["configuration"].values.tolist() == names
    netcdf.save(dataset.isel(configuration=0, drop=True), tmp_path / "nameless.nc")
    assert files.read(tmp_path / "nameless.nc")["configuration"].values.tolist() == ["nameless"]
    netcdf.save(dataset.isel(configuration=1), tmp_path / "single.nc")
    xr.testing.assert_identical(files.read(tmp_path / "single.nc"), dataset.isel(configuration=[1]))


def test_files_of_several_structures_open_together(tmp_path, make_configurations):
    samples = [make_configurations(seed=seed, names=[f"s{seed}"]) for seed in range(3)]
    for seed, sample in enumerate(samples):
        netcdf.save(sample, tmp_path / f"{seed}.nc")
    with (
        xr.open_dataset(tmp_path / "0.nc", engine="h5netcdf") as first,
        xr.open_dataset(tmp_path / "2.nc", engine="h5netcdf") as last,
    ):
        together = xr.concat([first, last], "configuration")
        assert together["configuration"].values.tolist() == ["s0", "s2"]


def test_header_reads_no_array(tmp_path, make_configurations):
    dataset = make_configurations(samples=2).assign_attrs(verdict={"level": "glass"})
    netcdf.save(dataset, tmp_path / "sample.nc")
    attributes, shapes, names = netcdf.header(tmp_path / "sample.nc")
    assert attributes == dataset.attrs
    assert shapes["position"] == (2, 43, 2)
    assert names == ["c00000", "c00001"]


def test_a_killed_writer_leaves_the_old_file(tmp_path, make_configurations):
    """A process that is killed while the new content is written, but not yet in place, changes nothing."""
    dataset = make_configurations()
    path = tmp_path / "sample.nc"
    netcdf.save(dataset, path)
    script = textwrap.dedent(f"""
        import os, time
        from glassviz.files import netcdf
        dataset = netcdf.load({str(path)!r})
        def wait(descriptor):
            print("written", flush=True)
            time.sleep(60)
        os.fsync = wait
        netcdf.save(dataset.roll(particle=1), {str(path)!r})
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    xr.testing.assert_identical(netcdf.load(path), dataset)
    visible = [entry.name for entry in tmp_path.glob("[!.]*.nc")]
    assert visible == ["sample.nc"]


def test_permissions_follow_the_umask(tmp_path, make_configurations):
    previous = os.umask(0o027)
    try:
        netcdf.save(make_configurations(), tmp_path / "sample.nc")
    finally:
        os.umask(previous)
    assert (tmp_path / "sample.nc").stat().st_mode & 0o777 == 0o640


def test_repacked_file_holds_what_it_held_in_fewer_bytes(tmp_path, propensities):
    """Files of earlier versions: h5netcdf's own layout, chunks and, for the large box, another step of the variance."""
    path = tmp_path / "old.nc"
    compact = {"zlib": True, "complevel": 1, "dtype": "uint8", "_FillValue": np.uint8(255)}
    encoding = {
        "propensity": {**compact, "scale_factor": 1 / 254, "chunksizes": (1, 1, 300)},
        "propensity_variance": {**compact, "scale_factor": 1 / 254, "chunksizes": (1, 1, 300)},
    }
    propensities["propensity"][0, 1, :3] = [0.0, 1.0, np.nan]
    propensities.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    before, size = netcdf.load(path), path.stat().st_size
    netcdf.repack(path)
    xr.testing.assert_identical(netcdf.load(path), before)
    assert path.stat().st_size < size - 8000
    with h5py.File(path) as file:
        assert file["propensity"].dtype == np.uint8
        assert file["propensity_variance"].attrs["scale_factor"] == 1 / 254
        assert file["position"].dtype == np.float64


def test_overhead_of_a_compact_file_is_small(tmp_path, propensities):
    netcdf.save(propensities, tmp_path / "compact.nc", encoding=netcdf.compact(propensities))
    with h5py.File(tmp_path / "compact.nc") as file:
        content = sum(file[name].id.get_storage_size() for name in file)
    assert (tmp_path / "compact.nc").stat().st_size - content < 18_000


@pytest.mark.parametrize("names", [None, [7, 8], ["a", "b"]])
def test_the_header_has_the_names_that_reading_gives(tmp_path, names):
    ds = mixture.check(random_start(43, 1)).isel(configuration=[0, 0]).drop_vars("configuration")
    path = tmp_path / "two.nc"
    netcdf.save(ds if names is None else ds.assign_coords(configuration=names), path)
    _, shapes, found = netcdf.header(path)
    assert shapes["position"] == (2, 43, 2)
    assert found == (["0", "1"] if names is None else [str(name) for name in names])
    assert netcdf.read(path)["configuration"].values.tolist() == found
