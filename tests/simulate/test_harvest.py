from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

from glassviz import files, mixture
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate import cooling, exchanged
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.comparison import between_coolings
from glassviz.simulate.equilibration import BLOCKS, BLOCKS_BETWEEN_CHECKPOINTS, equilibrate
from glassviz.simulate.exchange import one_box
from glassviz.simulate.harvest import harvest
from glassviz.simulate.history import protocols, together
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.verdict import independent

TEMPERATURES = np.array([0.4, 0.45, 0.5, 0.56])


class Interruption(Exception):
    pass


@pytest.fixture
def starts(liquid_dataset):
    return [liquid_dataset.assign_coords(configuration=[f"a{k}"]) for k in range(len(TEMPERATURES))]


def test_samples_are_recorded_and_assessed(starts):
    (found,) = harvest(starts, TEMPERATURES, 2000, seed=5)
    for temperature, ds in zip(TEMPERATURES, found, strict=True):
        mixture.check(ds)
        assert ds.attrs["temperature"] == temperature
        assert "exchanges at least every 20 sweeps between T = 0.4 0.45 0.5 0.56" in ds.attrs["moves"]
        assert ds["energy_series"].shape == ds["bond_series"].shape == (1, BLOCKS)
        assert ds["energy_series"].values[0, -1] == pytest.approx(
            potential_energy(ds["position"].values[0], ds["species"].values[0], ds.attrs["box_length"]).mean()
        )
        assert ds["sweeps"].item() == 2000
        assert ds["cooling_temperature"].values[0, -1] == temperature
        assert np.isnan(ds["bonds_shared"].item())
        assert ds["verdict"].item() in ("glass", "nearly", "equilibrium")
    energies = [ds["energy_series"].values[:, 100:].mean() for ds in found]
    assert np.all(np.diff(energies) > 0)
    assert len({ds["configuration"].item() for ds in found}) == len(found), "a walker is in two places"


def test_later_samples_tell_the_whole_run_and_what_they_share_with_earlier_ones(starts):
    first, second, third = harvest(starts, TEMPERATURES, 400, seed=5, samples=3)
    for ds in third:
        assert ds["sweeps"].item() == 1200
        assert ds["energy_series"].shape == ds["bond_series"].shape == (1, BLOCKS)
        energy = potential_energy(ds["position"].values[0], ds["species"].values[0], ds.attrs["box_length"]).mean()
        assert ds["energy_series"].values[0, -1] == pytest.approx(energy)
    for cold, colder in zip(first, second, strict=True):
        np.testing.assert_array_equal(colder["energy_series"][0, BLOCKS // 2 - 1], cold["energy_series"][0, -1])
        surviving = []
        for before in (*first, *second):
            kinds, length = before["species"].values[0].astype(np.int8), ds.attrs["box_length"]
            bonds = initial_bonds(before["position"].values[0], kinds, length)
            surviving.append(surviving_fraction(*bonds, ds["position"].values[0], kinds, length)[kinds == 0].mean())
        assert ds["bonds_shared"].item() == pytest.approx(max(surviving), abs=1e-9)
    ladders = {ds["ladder"].item() for ds in (*first, *second, *third)}
    (other,) = harvest(starts, TEMPERATURES, 200, seed=6)
    assert len(ladders) == 1
    assert other[0]["ladder"].item() not in ladders


def test_samples_of_ladders_are_told_from_plain_ones_and_count_as_one_run(starts):
    runs = [
        ds
        for seed in (5, 6, 7)
        for at_each in harvest(starts, TEMPERATURES, 200, seed, rungs=[0], samples=2)
        for ds in at_each
    ]
    plain = equilibrate(starts[0], temperature=TEMPERATURES[0], sweeps=200)
    names = [f"a{k}" for k in range(7)]
    samples = [ds.assign(seed=("configuration", [1])) for ds in (*runs, plain)]
    joined = together([ds.assign_coords(configuration=[name]) for ds, name in zip(samples, names, strict=True)])
    assert list(protocols(joined)) == ["0.4:exchanged"] * 6 + ["0.4:200"]
    assert len(independent(joined["sweeps"].values, joined)) == 4
    (line,) = between_coolings(joined)
    assert line.startswith("6 samples of seed 1 against 1 of seed 1")


@pytest.mark.parametrize("stop", [BLOCKS_BETWEEN_CHECKPOINTS, BLOCKS + 3 * BLOCKS_BETWEEN_CHECKPOINTS + 7])
def test_an_interrupted_run_goes_on_bit_for_bit(starts, tmp_path, stop):
    expected = list(harvest(starts, TEMPERATURES, 600, seed=5, samples=2, rungs=[0, 2]))
    options = {"seed": 5, "checkpoint": tmp_path / "walkers.nc", "rungs": [0, 2]}

    def progress(done, _):
        if done == stop:
            raise Interruption

    with pytest.raises(Interruption):
        list(harvest(starts, TEMPERATURES, 600, **options, samples=2, threads=2, progress=progress))
    seen = []
    resumed = list(harvest(starts, TEMPERATURES, 600, **options, samples=2, progress=lambda done, _: seen.append(done)))
    for number, results in enumerate(expected):
        for one, other in zip(resumed[number], results, strict=True):
            xr.testing.assert_identical(one, other)
    assert seen[0] == stop - stop % BLOCKS_BETWEEN_CHECKPOINTS + 1
    for other in ({"seed": 6}, {"swap": "plain"}, {"rungs": [0, 1]}):
        with pytest.raises(InvalidData, match=r"walkers\.nc.*another run"):
            list(harvest(starts, TEMPERATURES, 600, **options | other))
    with pytest.raises(InvalidData, match=r"walkers\.nc.*another run"):
        list(harvest(starts, TEMPERATURES * 1.01, 600, **options))
    with pytest.raises(InvalidData, match=r"walkers\.nc.*another run"):
        list(harvest([*starts[1:], equilibrate(starts[0], temperature=1, sweeps=200)], TEMPERATURES, 600, **options))


@pytest.fixture
def source_files(liquid_dataset, tmp_path):
    """Files of three samples at two temperatures."""
    paths = []
    for temperature in (0.4, 0.5):
        parts = [equilibrate(liquid_dataset, temperature=temperature, sweeps=2000, seed=k) for k in range(3)]
        ds = xr.concat(parts, "configuration", combine_attrs="override").assign_coords(configuration=["a", "b", "c"])
        paths.append(tmp_path / f"T{temperature}.nc")
        files.write(ds, paths[-1])
    return paths


RECORD = {"command": "glassviz exchange", "version": "0"}


def made(folder, paths, ladders=2, samples=1, sweeps=400, seed=3, swap="balanced", **more):
    progress = more.get("progress", lambda *_: None)
    return list(exchanged.run(folder, paths, ladders, samples, sweeps, seed, swap, 1, RECORD, progress))


def shown(folder):
    """Files of a folder but for the checkpoints."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def test_files_of_two_ladders(source_files, tmp_path):
    folder, told = tmp_path / "out", []
    paths = made(folder, source_files, progress=lambda *state: told.append(state))
    assert sorted(paths) == shown(folder)
    assert [path.name for path in paths] == [f"N129_T0.{t}0_x3-{k}-0.nc" for k in (0, 1) for t in (4, 5)]
    fractions = [done / total for done, total in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    for path in paths:
        ds = files.read(path)
        assert "inherent_position" in ds
        assert ds.attrs["provenance"] == "balanced swap Monte Carlo with replica exchange: glassviz exchange"
        assert ds["configuration"].item() == path.stem[-6:]
        assert ds.attrs["exchanges"].endswith("walkers have been at both ends")
    before = [files.read(path) for path in paths]
    paths[2].unlink()
    assert made(folder, source_files) == paths
    for path, ds in zip(paths, before, strict=True):
        xr.testing.assert_identical(files.read(path), ds)
    for other in ({"seed": 4, "ladders": 1}, {"sweeps": 500}, {"swap": "plain"}):
        target = folder / "N129_T0.40_x4-0-0.nc"
        paths[0].replace(target) if "seed" in other else None
        with pytest.raises(InvalidData, match=r"N129_T0\.40_x\d-0-0\.nc: .* is asked for"):
            made(folder, source_files, **other)
        target.replace(paths[0]) if "seed" in other else None


def test_a_finished_ladder_goes_on_to_more_samples(source_files, tmp_path):
    once, later = tmp_path / "once", tmp_path / "later"
    expected = made(once, source_files, ladders=1, samples=3)
    assert [path.name for path in expected] == [f"N129_T0.{t}0_x3-0-{j}.nc" for j in (0, 1, 2) for t in (4, 5)]
    early = made(later, source_files, ladders=1, samples=1)
    told = []
    paths = made(later, source_files, ladders=1, samples=3, progress=lambda *state: told.append(state))
    assert told[0] == (BLOCKS + 1, 3 * BLOCKS), "what was done is run again"
    assert paths[:2] == early
    for path, other in zip(paths, expected, strict=True):
        xr.testing.assert_identical(files.read(path), files.read(other))
    paths[2].unlink()
    assert made(later, source_files, ladders=1, samples=3) == paths
    xr.testing.assert_identical(files.read(paths[2]), files.read(expected[2]))


def test_files_of_another_ladder_or_of_other_beginnings_are_not_passed_off(source_files, tmp_path):
    folder = tmp_path / "out"
    before = {path: path.read_bytes() for path in made(folder, source_files, ladders=1)}
    between, backwards = tmp_path / "between.nc", tmp_path / "backwards.nc"
    cold = files.read(source_files[0])
    files.write(equilibrate(cold.isel(configuration=[0]), temperature=0.45, sweeps=2000, seed=9), between)
    files.write(cold.isel(configuration=slice(None, None, -1)), backwards)
    for paths in ([source_files[0], between, source_files[1]], [backwards, source_files[1]]):
        with pytest.raises(InvalidData, match=r"N129_T0\.40_x3-0-0\.nc: ladder and beginnings .* is asked for"):
            made(folder, paths, ladders=1)
    assert {path: path.read_bytes() for path in shown(folder)} == before


def test_each_rung_begins_with_a_configuration_of_its_own(source_files):
    datasets = exchanged.sources(source_files[::-1])
    assert [ds.attrs["temperature"] for ds in datasets] == [0.4, 0.5]
    temperatures = exchanged.rungs(datasets)
    starts = exchanged.begin(datasets, temperatures, 0)
    assert len(temperatures) == len(starts) > 2
    digests = [one["position"].values.tobytes() for one in starts]
    assert len(set(digests)) == len(digests)
    others = exchanged.begin(datasets, temperatures, 1)
    assert others[0]["configuration"].item() != starts[0]["configuration"].item()


def test_bad_sources_are_refused(source_files, liquid_dataset, tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(InvalidData, match="at least two"):
        made(folder, source_files[:1])
    with pytest.raises(InvalidData, match=r"T0\.4\.nc: another file is of T = 0\.4 too"):
        made(folder, [source_files[0], *source_files])
    unknown = tmp_path / "unknown.nc"
    netcdf.save(liquid_dataset.assign_attrs(temperature=np.nan), unknown)
    with pytest.raises(InvalidData, match="temperature is unknown"):
        made(folder, [unknown, source_files[1]])
    wide = liquid_dataset.assign_attrs(box_length=1.001 * liquid_dataset.attrs["box_length"])
    with pytest.raises(InvalidData, match="expected one size"):
        one_box([liquid_dataset, wide])
    with pytest.raises(InvalidData, match="200"):
        made(folder, source_files, sweeps=100)


def test_a_run_killed_before_its_files_are_written_is_not_run_again(source_files, tmp_path):
    folder = tmp_path / "out"
    with patch.object(cooling, "inherent_structures", side_effect=Interruption), pytest.raises(Interruption):
        made(folder, source_files, ladders=1)
    told = []
    paths = made(folder, source_files, ladders=1, progress=lambda *state: told.append(state))
    assert told == [(1, 1)]
    assert shown(folder) == sorted(paths)
