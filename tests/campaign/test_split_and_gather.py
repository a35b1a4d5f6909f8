import numpy as np
import pytest
import xarray as xr

from glassviz.campaign.dynamics import roles, split
from glassviz.campaign.equilibration import cooling_jobs
from glassviz.campaign.gather import gather, gather_propensities, holds_propensities
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate import cooling
from glassviz.simulate.comparison import against_shipped
from glassviz.simulate.equilibration import equilibrate
from glassviz.simulate.verdict import compare_energies

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


def propensity(folder, name, role="train", temperature=0.40, times=(1.0, 10.0), seed=1):
    """A file of the propensities of one structure."""
    random = np.random.default_rng(seed)
    names = "configuration", "time", "particle"
    ds = xr.Dataset(
        {
            "position": ((names[0], names[2], "space"), random.uniform(0, 5, (1, 5, 2))),
            "species": ((names[0], names[2]), np.zeros((1, 5), np.int8)),
            "propensity": (names, random.integers(0, 255, (1, 3, 5))[:, : len(times)] / 254),
        },
        coords={"configuration": [name], "time": list(times)},
        attrs={
            **{"role": role, "temperature": temperature, "replicas": 8, "dynamics_seed": seed, "seed": seed},
            "box_length": 5.0 + 1e-5 * seed,
            **{"dynamics_command": f"run {name}", "command": "cool", "verdict": "nearly"},
        },
    )
    netcdf.save(ds, folder / f"T{temperature:.2f}_{name}.nc", encoding=netcdf.compact(ds))
    return ds


def test_roles_come_from_the_files_of_every_temperature(tmp_path):
    propensity(tmp_path, "a", "test", 0.40)
    propensity(tmp_path, "a", "test", 0.35)
    propensity(tmp_path, "b", "train", 0.40)
    propensity(tmp_path, "c", "train", 0.40)
    assert roles(tmp_path, 5) == {"a": "test", "b": "train", "c": "train"}
    gather_propensities([tmp_path], tmp_path / "out", nothing)
    assert roles(tmp_path / "out", 5) == roles(tmp_path, 5)
    assert roles(tmp_path, 6) == roles(tmp_path / "missing", 5) == {}
    propensity(tmp_path, "b", "test", 0.30)
    with pytest.raises(InvalidData, match="expected one role"):
        roles(tmp_path, 5)


def test_runs_alike_are_put_together_and_longer_ones_take_their_place(tmp_path):
    runs, first, second = (tmp_path / name for name in ("runs", "first", "second"))
    runs.mkdir()
    made = [propensity(runs, name, seed=k) for k, name in enumerate("ab")]
    propensity(runs, "t", "test", seed=2)
    assert holds_propensities(runs)
    gather_propensities([runs], first, nothing)
    assert sorted(path.name for path in first.iterdir()) == [
        "N5_T0.40_test_8x2_t10.nc",
        "N5_T0.40_train_8x2_t10.nc",
    ]
    together = netcdf.load(first / "N5_T0.40_train_8x2_t10.nc")
    assert together["configuration"].values.tolist() == ["a", "b"]
    assert together["dynamics_seed"].values.tolist() == [0, 1]
    assert together.attrs["dynamics_command"] == "run a; run b"
    assert (together.attrs["command"], together.attrs["seed"]) == ("cool", -1)
    assert together.attrs["box_length"] == 5.00001  # the longest
    assert {"verdict", "dynamics_device"}.isdisjoint(together.attrs)
    for k, ds in enumerate(made):
        np.testing.assert_allclose(together["propensity"][k], ds["propensity"][0], atol=1e-6)

    for path in runs.iterdir():
        path.unlink()
    longer = propensity(runs, "b", times=(1.0, 10.0, 100.0), seed=1)
    gather_propensities([first, runs], second, nothing)
    alone = netcdf.load(second / "N5_T0.40_train_8x3_t100.nc")
    np.testing.assert_allclose(alone["propensity"], longer["propensity"], atol=1e-6)
    assert netcdf.load(second / "N5_T0.40_train_8x2_t10.nc")["configuration"].values.tolist() == ["a"]
    before = {path: path.read_bytes() for path in second.iterdir()}
    propensity(runs, "a", times=(1.0, 10.0, 100.0), seed=0)
    with pytest.raises(InvalidData, match=r"train_8x2_t10\.nc: it holds a, which is put together anew"):
        gather_propensities([second, runs], second, nothing)
    assert {path: path.read_bytes() for path in second.iterdir()} == before


def test_a_file_whose_structures_are_not_all_put_together_anew_is_not_replaced(tmp_path):
    first, second, out = (tmp_path / name for name in ("first", "second", "out"))
    for folder, name in ((first, "a"), (second, "b")):
        folder.mkdir()
        propensity(folder, name)
    gather_propensities([first], out, nothing)
    before = (out / "N5_T0.40_train_8x2_t10.nc").read_bytes()
    with pytest.raises(InvalidData, match=r"train_8x2_t10\.nc: it would be replaced and holds a, which is in none"):
        gather_propensities([second], out, nothing)
    assert (out / "N5_T0.40_train_8x2_t10.nc").read_bytes() == before
    gather_propensities([first, second], out, nothing)
    assert netcdf.load(out / "N5_T0.40_train_8x2_t10.nc")["configuration"].values.tolist() == ["a", "b"]


def test_structures_of_files_with_and_without_a_variable_of_seeds_are_put_together(tmp_path):
    propensity(tmp_path, "a", seed=3)
    other = propensity(tmp_path, "b", seed=4).assign(seed=("configuration", [7]))
    netcdf.save(other, tmp_path / "T0.40_b.nc", encoding=netcdf.compact(other))
    (ds,) = gather_propensities([tmp_path], tmp_path / "out", nothing).values()
    assert ds["seed"].values.tolist() == [3, 7]


def test_propensities_that_cannot_be_put_together_are_refused(tmp_path):
    one, other, out = (tmp_path / name for name in ("one", "other", "out"))
    for folder in (one, other):
        folder.mkdir()
    with pytest.raises(InvalidData, match="no propensities in it"):
        gather_propensities([one], out, nothing)
    assert not holds_propensities(one)
    propensity(one, "a", seed=1)
    propensity(other, "a", "test", seed=1)
    with pytest.raises(
        InvalidData, match=r"one/T0\.40_a\.nc, .*other/T0\.40_a\.nc: there is another run of a at T = 0\.40"
    ):
        gather_propensities([one, other], out, nothing)
    propensity(other, "a", seed=1)
    propensity(other, "b", times=(1.0, 10.2))
    with pytest.raises(InvalidData, match="other output times"):
        gather_propensities([one, other], out, nothing)
    netcdf.save(netcdf.load(one / "T0.40_a.nc").drop_vars("propensity"), one / "T0.40_a.nc")
    with pytest.raises(InvalidData, match=r"T0\.40_a\.nc: there are no propensities"):
        gather_propensities([one], out, nothing)
    assert not out.exists()


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


def test_a_cooled_file_knows_the_particles_it_started_from(coolings, tmp_path):
    def cool(start):
        return list(cooling.cool(tmp_path, [0.8], [200], None, None, start, "balanced", 5, RECORD, nothing))

    def jobs(start):
        stages = cooling.protocol([0.8, 0.6], [200])
        return cooling_jobs(tmp_path / "jobs", stages, cooling.beginnings(start, None, None, 5), "balanced", 5, RECORD)

    (tmp_path / "jobs").mkdir()
    start, edited = coolings[0] / "N80_T1.20.nc", tmp_path / "edited.nc"
    ds = netcdf.load(start)
    ds["species"][0] = ds["species"][0, ::-1]
    netcdf.save(ds, edited)
    (made,) = cool(start)
    written = made.stat().st_mtime_ns
    assert cool(start) == [made]
    first = jobs(start)[0]
    first.function(first.target, *first.arguments, nothing)
    jobs(start)
    for again in (cool, jobs):
        with pytest.raises(InvalidData, match=r"N80_T0\.80.*nc: s1-0 started from other particles"):
            again(edited)
    assert made.stat().st_mtime_ns == written


def test_boxes_of_fewer_digits_are_put_together_with_longer_ones(coolings, tmp_path):
    """The longest holds every particle."""
    short = tmp_path / "short"
    short.mkdir()
    for path in coolings[0].iterdir():
        ds = netcdf.load(path)
        length = ds.attrs["box_length"]
        netcdf.save(ds.assign_attrs(box_length=length * (1 - 1e-6)), short / path.name)
    for ds in gather([short, coolings[1]], tmp_path / "out", nothing).values():
        assert ds.attrs["box_length"] == length


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


def test_what_is_cooled_is_compared_with_samples_of_the_store_that_were_cooled_differently(
    coolings, tmp_path, monkeypatch
):
    """Those of the same cooling, of another composition or without a record do not count."""
    store = tmp_path / "configurations"
    store.mkdir()
    shipped = netcdf.load(coolings[1] / "N80_T0.80.nc")
    netcdf.save(shipped, store / "other.nc")
    netcdf.save(netcdf.load(coolings[0] / "N80_T0.80.nc"), store / "same.nc")
    netcdf.save(shipped.assign(species=shipped["species"] * 0), store / "mixture.nc")
    monkeypatch.setenv("GLASSVIZ_DATA", str(tmp_path))
    out = tmp_path / "out"
    *_, cold = cooling.cool(out, [1.2, 0.8], [400], 2, 80, None, "balanced", 1, RECORD, nothing)
    (line,) = netcdf.load(cold).attrs["energy_comparisons"]
    verdict = shipped["verdict"].values[0]
    expected = compare_energies(netcdf.load(cold), shipped)
    assert line == f"2 samples against 2 of other.nc ({verdict}): {expected}"
    assert netcdf.load(out / "N80_T1.20.nc").attrs["energy_comparisons"] == []


def test_files_that_cannot_be_compared_are_left_out(coolings, tmp_path, monkeypatch):
    """What the samples were run on from, a file without names or verdict, a damaged one."""
    store = tmp_path / "configurations"
    store.mkdir()
    before, other = (netcdf.load(cooling / "N80_T0.80.nc") for cooling in coolings)
    ds = equilibrate(before, temperature=0.8, sweeps=400, seed=5)
    netcdf.save(before, store / "before.nc")
    netcdf.save(other.isel(configuration=0, drop=True), store / "single.nc")
    netcdf.save(other.drop_vars(["verdict", "decorrelations"]), store / "unassessed.nc")
    netcdf.save(other, store / "damaged.nc")
    monkeypatch.setenv("GLASSVIZ_DATA", str(tmp_path))
    content = bytearray((store / "damaged.nc").read_bytes())
    content[len(content) // 2] ^= 255
    (store / "damaged.nc").write_bytes(content)
    with pytest.warns(UserWarning, match=r"not compared with those of damaged\.nc"):
        lines = against_shipped(ds)
    assert [line.split()[5] for line in lines] == ["single.nc", "unassessed.nc"]
