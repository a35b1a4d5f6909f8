"""Where the shipped files are and how they are listed."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import glassviz
from glassviz.files import netcdf, store


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSVIZ_DATA", str(tmp_path))
    for kind in store.KINDS:
        (tmp_path / kind).mkdir()
    return tmp_path


def test_the_store_lies_beside_the_package(monkeypatch):
    monkeypatch.delenv("GLASSVIZ_DATA", raising=False)
    assert store.precomputed("networks") == Path(glassviz.__file__).parents[1] / "precomputed" / "networks"


def test_another_folder_by_the_environment(monkeypatch):
    monkeypatch.setenv("GLASSVIZ_DATA", "~/glass")
    assert store.precomputed("configurations") == Path.home() / "glass" / "configurations"


def test_unknown_kind():
    with pytest.raises(ValueError, match="no precomputed 'movies'; expected one of networks, configurations"):
        store.precomputed("movies")


def test_empty_and_absent_stores(shelf):
    assert store.available_configurations() == []
    (shelf / "configurations").rmdir()
    assert store.available_configurations() == []


def test_configurations_by_size_and_temperature(shelf, make_configurations):
    for particles, temperature, samples in ((86, 0.4, 1), (43, 0.15, 2), (43, 0.4, 3)):
        dataset = make_configurations(samples, particles).assign_attrs(temperature=temperature)
        netcdf.save(dataset, shelf / "configurations" / f"N{particles}_T{temperature:.2f}.nc")
    rows = store.available_configurations()
    assert [(row.particles, row.temperature, row.names) for row in rows] == [
        (43, 0.40, ("c00000", "c00001", "c00002")),
        (43, 0.15, ("c00000", "c00001")),
        (86, 0.40, ("c00000",)),
    ]
    assert rows[0].path == shelf / "configurations" / "N43_T0.40.nc"


def test_propensities_tell_their_role(shelf, make_configurations):
    for name, role, replicas in (("c00007", "test", 20), ("c00002", "train", 8)):
        dataset = make_configurations(names=[name]).assign_attrs(role=role, replicas=replicas)
        dataset["propensity"] = ("configuration", "time", "particle"), np.ones((1, 2, 43))
        netcdf.save(dataset, shelf / "propensities" / f"T0.30_{name}.nc", encoding=netcdf.compact(dataset))
    rows = store.available_propensities()
    assert [(row.names, row.role, row.replicas, row.temperature, row.particles) for row in rows] == [
        (("c00002",), "train", 8, 0.3, 43),
        (("c00007",), "test", 20, 0.3, 43),
    ]


def test_a_bad_file_is_left_out_with_a_warning(shelf, make_configurations):
    netcdf.save(make_configurations(), shelf / "configurations" / "good.nc")
    (shelf / "configurations" / "page.nc").write_text("<html>")
    netcdf.save(make_configurations().drop_vars("species"), shelf / "configurations" / "other.nc")
    netcdf.save(make_configurations().assign_attrs(temperature="cold"), shelf / "configurations" / "text.nc")
    odd = make_configurations().assign(temperature=0.3)
    odd.attrs.pop("temperature")
    netcdf.save(odd, shelf / "configurations" / "variable.nc")
    (shelf / "configurations" / ".half-written.nc").write_bytes(b"\x89HDF")
    with pytest.warns(UserWarning, match="expected") as caught:
        rows = store.available_configurations()
    assert [row.path.name for row in rows] == ["good.nc"]
    assert sorted(str(warning.message).split(":")[0] for warning in caught) == [
        "other.nc",
        "page.nc",
        "text.nc",
        "variable.nc",
    ]


def test_the_shipped_store_is_sound(recwarn, monkeypatch):
    monkeypatch.delenv("GLASSVIZ_DATA", raising=False)
    configurations, propensities = store.available_configurations(), store.available_propensities()
    if not configurations and not propensities:
        pytest.fail("the store precomputed/ is still empty")
    assert not recwarn.list
    for row in configurations:
        assert row.path.stem.split("_s")[0] == f"N{row.particles}_T{row.temperature:.2f}"
    for row in propensities:
        assert row.path.stem.startswith(f"N{row.particles}_T{row.temperature:.2f}_{row.role}_{row.replicas}x")
        assert row.role in ("train", "test")


def test_shipped_labels_are_small_whole_and_of_one_role(monkeypatch):
    """Under 10 MB in uint8, with what errors need; a sample is a training or a test structure at all temperatures."""
    monkeypatch.delenv("GLASSVIZ_DATA", raising=False)
    files = store.available_propensities()
    if not files:
        pytest.fail("the store holds no propensities")
    assert sum(row.path.stat().st_size for row in files) < 10e6
    roles, runs = {}, []
    for row in files:
        with h5py.File(row.path) as file:
            assert file["propensity"].dtype == np.uint8
            assert file["propensity_variance"].shape == file["propensity"].shape
            assert file.attrs["dynamics_command"]
        for name in row.names:
            roles.setdefault((row.particles, name), set()).add(row.role)
            runs.append((row.particles, row.temperature, name))
    assert {len(found) for found in roles.values()} == {1}
    assert len(runs) == len(set(runs))
