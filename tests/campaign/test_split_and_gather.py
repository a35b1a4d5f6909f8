import numpy as np
import pytest
import xarray as xr

from glassviz.campaign.dynamics import roles, split
from glassviz.campaign.gather import gather
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate import cooling

RECORD = {"command": "a test", "version": "0"}
NAMES = [f"s31-{k}" for k in range(32)]


def nothing(*_):
    pass


def test_the_split_is_by_name_and_seed_alone():
    shares = split(NAMES, 8, 0)
    assert sorted(shares) == sorted(NAMES)
    assert list(shares.values()).count("test") == 8
    assert split(NAMES[::-1], 8, 0) == shares
    assert split(NAMES, 8, 1) != shares
    larger = split([*NAMES, *(f"s32-{k}" for k in range(10))], 8, 0)
    assert all(shares[name] == "test" for name in NAMES if larger[name] == "test")


def test_a_role_once_given_is_kept():
    known = {"s31-0": "test", "s31-1": "train", "other": "test"}
    shares = split(NAMES, 8, 0, known)
    assert (shares["s31-0"], shares["s31-1"]) == ("test", "train")
    assert list(shares.values()).count("test") == 8
    assert split(NAMES, 0, 0, known)["s31-0"] == "test"
    everyone = dict.fromkeys(NAMES, "train")
    assert set(split(NAMES, 8, 0, everyone).values()) == {"train"}
    for tests in (-1, 33):
        with pytest.raises(InvalidData, match="expected 0 to 32"):
            split(NAMES, tests, 0)


def test_roles_come_from_the_files_of_every_temperature(tmp_path):
    def propensity(name, role, temperature):
        ds = xr.Dataset(
            {
                "species": (("configuration", "particle"), np.zeros((1, 5), np.int8)),
                "propensity": (("configuration", "time", "particle"), np.ones((1, 2, 5))),
            },
            coords={"configuration": [name]},
            attrs={"role": role},
        )
        netcdf.save(ds, tmp_path / f"T{temperature}_{name}.nc")

    propensity("a", "test", "0.40")
    propensity("a", "test", "0.35")
    propensity("b", "train", "0.40")
    assert roles(tmp_path, 5) == {"a": "test", "b": "train"}
    assert roles(tmp_path, 6) == roles(tmp_path / "missing", 5) == {}
    propensity("b", "test", "0.30")
    with pytest.raises(InvalidData, match="expected one role"):
        roles(tmp_path, 5)


@pytest.fixture(scope="module")
def coolings(tmp_path_factory):
    """Two coolings of two samples, of different seeds and lengths."""
    folders = []
    for seed, sweeps in ((1, 400), (2, 800)):
        folders.append(tmp_path_factory.mktemp(f"seed{seed}"))
        arguments = (folders[-1], [1.2, 0.8], [sweeps], 2, 80, None, "balanced", seed, RECORD, nothing)
        list(cooling.cool(*arguments))
    return folders


def test_different_coolings_are_put_together_and_compared(coolings, tmp_path):
    cold = gather(coolings, tmp_path / "new" / "out", nothing)[tmp_path / "new" / "out" / "N80_T0.80.nc"]
    assert cold["configuration"].values.tolist() == ["s1-0", "s1-1", "s2-0", "s2-1"]
    assert cold["seed"].values.tolist() == [1, 1, 2, 2]
    assert cold.attrs["seed"] == -1
    assert cold["sweeps"].values.tolist() == [400, 400, 800, 800]
    (comparison,) = cold.attrs["energy_comparisons"]
    assert comparison.startswith("2 samples of seed 1 against 2 of seed 2: ")
    assert cold["cooling_temperature"].values.tolist() == [[1.2, 0.8]] * 4


def test_files_of_the_first_version_are_taken_too(coolings, tmp_path):
    """Twenty blocks, no cooling, no order: what was not recorded is assembled or measured."""
    old = tmp_path / "old"
    old.mkdir()
    for path in coolings[0].iterdir():
        ds = netcdf.load(path)
        unknown = [name for name in ds if name.startswith("cooling_") or name.startswith("energy_drift")]
        ds = ds.drop_vars([*unknown, "hexatic_order", "demixing", "decorrelations", "seed"])
        netcdf.save(ds.isel(block=slice(9, None, 10)), old / path.name)
    hot, cold = gather([old, coolings[1]], tmp_path / "out", nothing).values()
    assert cold["cooling_temperature"].values.tolist() == [[1.2, 0.8]] * 4
    assert cold.sizes["block"] == 20
    recorded = netcdf.load(coolings[1] / "N80_T0.80.nc")
    np.testing.assert_allclose(cold["bond_series"][2:], recorded["bond_series"][:, 9::10])
    np.testing.assert_allclose(cold["energy_series"][2:, 0], recorded["energy_series"][:, :10].mean("block"))
    np.testing.assert_allclose(cold["cooling_energy"][:2, 0], hot["energy_series"][:2])
    assert np.isfinite(cold["hexatic_order"]).all()


def test_what_cannot_be_gathered_is_refused(coolings, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InvalidData, match="no samples in it"):
        gather([tmp_path], out, nothing)
    with pytest.raises(InvalidData, match="s1-0 occurs more than once"):
        gather([coolings[0], coolings[0]], out, nothing)
    bare = tmp_path / "bare"
    bare.mkdir()
    netcdf.save(netcdf.load(coolings[0] / "N80_T0.80.nc").drop_vars("bond_series"), bare / "N80_T0.80.nc")
    with pytest.raises(InvalidData, match="no record of a run"):
        gather([bare], out, nothing)
    assert not out.exists()
