from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

from glassviz import files, mixture
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate import cooling, exchanged
from glassviz.simulate.equilibration import BLOCKS, BLOCKS_BETWEEN_CHECKPOINTS, equilibrate
from glassviz.simulate.exchange import SPACING, ReplicaExchange, exchange, ladder, one_box
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap_chain import SwapMonteCarlo

TEMPERATURES = np.array([0.4, 0.45, 0.5, 0.56])


class Interruption(Exception):
    pass


@pytest.fixture
def walkers(liquid):
    """Factory: walkers that all begin with the same liquid."""

    def make(seed=1, **options):
        position, species, length = liquid
        copies = ([values] * len(TEMPERATURES) for values in (position, species))
        return ReplicaExchange(*copies, length, TEMPERATURES, seed, **options)

    return make


@pytest.mark.parametrize("swap", ["balanced", "plain"])
def test_a_chain_knows_its_energy(liquid, swap):
    position, species, length = liquid
    chain = SwapMonteCarlo(position, species, length, 0.5, seed=3, swap=swap)
    for _ in range(5):
        chain.run(7)
        assert chain.energy == pytest.approx(potential_energy(chain.position, chain.species, length).sum(), abs=1e-9)


def test_neighbours_exchange_as_often_as_their_weights_say(walkers):
    """At given energies; the pairs (0, 1), (2, 3) and then (1, 2) have their turns."""
    rounds, tried = 4000, walkers()
    energies = np.array([-100.0, -101.0, -97.0, -99.5])
    made = np.zeros(3)
    for k in range(rounds):
        tried.rung = np.arange(4)
        before = tried.exchanges[1].copy()
        tried.rounds = 2 * k + k % 2
        tried.exchange(energies)
        made += tried.exchanges[1] - before
    beta = 1 / TEMPERATURES
    expected = np.minimum(1, np.exp((beta[:-1] - beta[1:]) * (energies[:-1] - energies[1:])))
    assert np.sum(expected < 1) == 1
    error = np.sqrt(expected * (1 - expected) / (rounds / 2))
    assert np.all(np.abs(made / (rounds / 2) - expected) <= 4 * error)


def test_walkers_keep_what_they_are_made_of_and_repeat_on_any_threads(walkers, liquid):
    found = []
    for threads, seed in ((1, 1), (3, 1), (1, 2)):
        one = walkers(seed)
        with ThreadPoolExecutor(threads) as pool:
            one.run(400, pool)
        found.append(one)
    once, again, other = found
    for a, b in zip(once.chains, again.chains, strict=True):
        np.testing.assert_array_equal(a.position, b.position)
        np.testing.assert_array_equal(a.species, b.species)
        np.testing.assert_array_equal(np.bincount(a.species), np.bincount(liquid[1]))
    np.testing.assert_array_equal(once.rung, again.rung)
    np.testing.assert_array_equal(np.sort(once.rung), np.arange(4))
    np.testing.assert_array_equal(once.walker[once.rung], np.arange(4))
    np.testing.assert_array_equal([one.beta for one in once.chains], once.beta[once.rung])
    assert np.any(once.chains[0].position != other.chains[0].position)
    assert np.all(once.exchanges[0] == 10)
    assert 0 < once.exchanges[1].sum() < once.exchanges[0].sum()


@pytest.mark.slow
def test_every_temperature_keeps_its_energy(walkers):
    """Mean energies of walkers against those of chains that stay where they are, with errors from batches."""
    rounds, every = 900, 20

    def batches(energies):
        found = np.array(energies)[rounds // 10 :].reshape(15, -1, len(TEMPERATURES)).mean(axis=1)
        return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(15)

    exchanging, alone = walkers(1), walkers(2)
    with ThreadPoolExecutor(1) as pool:
        series = []
        for _ in range(rounds):
            exchanging.run(every, pool)
            series.append(exchanging.energies()[exchanging.walker])
        mean, error = batches(series)
        series = []
        for _ in range(rounds):
            for one in alone.chains:
                one.run(every)
            series.append(alone.energies())
    expected, scatter = batches(series)
    assert np.all(np.abs(mean - expected) < 4 * np.hypot(error, scatter))
    assert np.all(np.hypot(error, scatter) < 0.2 * np.diff(expected).min())
    tried, made = exchanging.exchanges
    assert np.all(made > 0.2 * tried)


def test_a_ladder_holds_the_given_temperatures_and_its_rungs_are_as_far_apart_as_energies_scatter():
    given = np.array([0.15, 0.18, 0.25])
    rungs = ladder(given, 1.25 * given - 3, 1290)
    assert set(given) <= set(rungs)
    assert np.all(np.diff(rungs) > 0)
    spacing = 1290 * 1.25 * (np.diff(rungs) / rungs[1:]) ** 2
    np.testing.assert_allclose(spacing, SPACING, rtol=0.35)
    np.testing.assert_array_equal(ladder([0.3, 0.31], [-2.6, -2.59], 10), [0.3, 0.31])


@pytest.mark.parametrize(
    ("given", "energies", "sentence"),
    [([0.3], [-2.6], "at least two"), ([0.3, 0.4], [-2.6, -2.7], "near equilibrium")],
)
def test_a_ladder_needs_two_temperatures_and_energies_that_rise(given, energies, sentence):
    with pytest.raises(InvalidData, match=sentence):
        ladder(given, energies, 100)


@pytest.fixture
def starts(liquid_dataset):
    return [liquid_dataset.assign_coords(configuration=[f"a{k}"]) for k in range(len(TEMPERATURES))]


def test_samples_are_recorded_and_assessed(starts):
    found = exchange(starts, TEMPERATURES, 2000, seed=5)
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
        assert ds["verdict"].item() in ("glass", "nearly", "equilibrium")
    energies = [ds["energy_series"].values[:, 100:].mean() for ds in found]
    assert np.all(np.diff(energies) > 0)
    assert len({ds["configuration"].item() for ds in found}) == len(found), "a walker is in two places"


@pytest.mark.parametrize("stop", [BLOCKS_BETWEEN_CHECKPOINTS, 3 * BLOCKS_BETWEEN_CHECKPOINTS + 7])
def test_an_interrupted_run_goes_on_bit_for_bit(starts, tmp_path, stop):
    expected = exchange(starts, TEMPERATURES, 1200, seed=5)
    options = {"seed": 5, "checkpoint": tmp_path / "walkers.nc", "threads": 2}

    def progress(done, _):
        if done == stop:
            raise Interruption

    with pytest.raises(Interruption):
        exchange(starts, TEMPERATURES, 1200, **options, progress=progress)
    seen = []
    resumed = exchange(starts, TEMPERATURES, 1200, **options, progress=lambda done, _: seen.append(done))
    for one, other in zip(resumed, expected, strict=True):
        xr.testing.assert_identical(one, other)
    assert seen[0] == stop - stop % BLOCKS_BETWEEN_CHECKPOINTS + 1
    for other in ({"seed": 6}, {"swap": "plain"}):
        with pytest.raises(InvalidData, match=r"walkers\.nc.*another run"):
            exchange(starts, TEMPERATURES, 1200, **options | other)
    with pytest.raises(InvalidData, match=r"walkers\.nc.*another run"):
        exchange(starts, TEMPERATURES * 1.01, 1200, **options)
    with pytest.raises(InvalidData, match=r"walkers\.nc.*another run"):
        exchange([*starts[1:], equilibrate(starts[0], temperature=1, sweeps=200)], TEMPERATURES, 1200, **options)


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


def made(folder, paths, samples=2, sweeps=400, seed=3, swap="balanced", **more):
    progress = more.get("progress", lambda *_: None)
    return list(exchanged.run(folder, paths, samples, sweeps, seed, swap, 1, RECORD, progress))


def test_files_of_two_ladders(source_files, tmp_path):
    folder, told = tmp_path / "out", []
    paths = made(folder, source_files, progress=lambda *state: told.append(state))
    assert sorted(path.name for path in paths) == sorted(path.name for path in folder.iterdir())
    assert [path.name for path in paths] == [f"N129_T0.{t}0_x3-{k}.nc" for k in (0, 1) for t in (4, 5)]
    fractions = [done / total for done, total in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    for path in paths:
        ds = files.read(path)
        assert "inherent_position" in ds
        assert ds.attrs["provenance"] == "balanced swap Monte Carlo with replica exchange: glassviz exchange"
        assert ds["configuration"].item() == path.stem[-4:]
        assert ds.attrs["exchanges"].endswith("walkers have been at both ends")
    before = [files.read(path) for path in paths]
    paths[2].unlink()
    assert made(folder, source_files) == paths
    for path, ds in zip(paths, before, strict=True):
        xr.testing.assert_identical(files.read(path), ds)
    for other in ({"seed": 4, "samples": 1}, {"sweeps": 500}, {"swap": "plain"}):
        target = folder / "N129_T0.40_x4-0.nc"
        paths[0].replace(target) if "seed" in other else None
        with pytest.raises(InvalidData, match=r"N129_T0\.40_x\d-0\.nc: .* is asked for"):
            made(folder, source_files, **other)
        target.replace(paths[0]) if "seed" in other else None


def test_files_of_another_ladder_or_of_other_beginnings_are_not_passed_off(source_files, tmp_path):
    folder = tmp_path / "out"
    before = {path: path.read_bytes() for path in made(folder, source_files, samples=1)}
    between, backwards = tmp_path / "between.nc", tmp_path / "backwards.nc"
    cold = files.read(source_files[0])
    files.write(equilibrate(cold.isel(configuration=[0]), temperature=0.45, sweeps=2000, seed=9), between)
    files.write(cold.isel(configuration=slice(None, None, -1)), backwards)
    for paths in ([source_files[0], between, source_files[1]], [backwards, source_files[1]]):
        with pytest.raises(InvalidData, match=r"N129_T0\.40_x3-0\.nc: ladder and beginnings .* is asked for"):
            made(folder, paths, samples=1)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_walkers_that_were_at_both_ends_are_counted(walkers):
    one = walkers()
    assert one.visited.sum(axis=1).tolist() == [1, 1]
    falling = np.arange(0.0, -400, -100)  # whatever is hot changes places with what is cold
    for _ in range(8):
        energies = np.empty(4)
        energies[one.walker] = falling
        one.exchange(energies)
    assert one.visited.all()
    assert one.account == "100 to 100 % of the exchanges between neighbours made; 4 of 4 walkers have been at both ends"


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
        made(folder, source_files, samples=1)
    told = []
    paths = made(folder, source_files, samples=1, progress=lambda *state: told.append(state))
    assert told == [(1, 1)]
    assert sorted(folder.iterdir()) == sorted(paths)
