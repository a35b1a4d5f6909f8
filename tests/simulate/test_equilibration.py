from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate import cooling, swap_chain
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.equilibration import BLOCKS, BLOCKS_BETWEEN_CHECKPOINTS, equilibrate, random_start
from glassviz.simulate.fixed_point import UNITS
from glassviz.simulate.order import CRYSTALLINE
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap import REACH
from glassviz.simulate.swap_chain import SKIN, STEP, SwapMonteCarlo, allowed_travel
from glassviz.simulate.verdict import assess


class Interruption(Exception):
    pass


def test_a_random_start_is_the_mixture():
    start = random_start(1290, seed=1)
    assert start.attrs["box_length"] == pytest.approx(32.8962)
    np.testing.assert_array_equal(np.bincount(start["species"].values[0]), [600, 330, 360])
    separation = start["position"].values[0, :, None] - start["position"].values[0]
    separation -= start.attrs["box_length"] * np.rint(separation / start.attrs["box_length"])
    assert np.hypot(*np.moveaxis(separation, -1, 0))[np.triu_indices(1290, 1)].min() > 0.85
    other = random_start(1290, seed=2)
    assert np.any(other["species"] != start["species"])
    xr.testing.assert_identical(random_start(1290, seed=1), start)


@pytest.mark.parametrize("swap", ["balanced", "plain"])
def test_a_chain_keeps_composition_and_repeats_from_its_seed(liquid, swap):
    position, species, length = liquid

    def run(seed):
        chain = SwapMonteCarlo(position, species, length, 0.5, seed=seed, swap=swap)
        chain.run(300)
        return chain

    chain, again, other = run(7), run(7), run(8)
    np.testing.assert_array_equal(chain.position, again.position)
    np.testing.assert_array_equal(chain.species, again.species)
    assert np.any(chain.position != other.position)
    np.testing.assert_array_equal(np.bincount(chain.species), np.bincount(species))
    assert np.any(chain.species != species)
    np.testing.assert_array_equal(chain.displacements, again.displacements)
    assert chain.displacements[0] == 300 * len(species)
    assert 0.2 < chain.displacements[1] / chain.displacements[0] < 0.9
    assert 0 < chain.swaps[1] <= chain.swaps[0]
    assert chain.position.min() >= 0
    assert chain.position.max() < length


@pytest.mark.parametrize("moves", [1, 7, 10_000])
def test_the_neighbor_list_holds_what_any_trial_may_meet(liquid, moves):
    """However the moves are portioned out: nobody goes further than the skin allows, nothing in reach is missing."""
    position, species, length = liquid
    chain = SwapMonteCarlo(position, species, length, 3.0, seed=9)
    n, made_at = len(species), set()
    for _ in range(max(40_000 // moves, 60)):
        chain._displace(moves)
        made_at.add(chain._from[0].tobytes())
        travel = np.hypot(chain.x - chain._from[0], chain.y - chain._from[1]) * length / UNITS
        assert travel.max() < allowed_travel(SKIN, STEP)
    assert len(made_at) > 3
    start, count, neighbor = chain.rows
    known = np.eye(n, dtype=bool)
    for i in range(n):
        known[i, neighbor[start[i] : start[i] + count[i]]] = True
    position = chain.position[np.argsort(chain.rank)]
    separation = position[:, None] - position[None]
    separation -= length * np.rint(separation / length)
    assert known[np.hypot(*np.moveaxis(separation, -1, 0)) < REACH].all()


def test_what_a_run_records(liquid_dataset):
    seen = []
    result = equilibrate(
        liquid_dataset, temperature=0.45, sweeps=400, seed=3, progress=lambda *state: seen.append(state)
    )
    assert seen == [(k + 1, BLOCKS) for k in range(BLOCKS)]
    species, length = result["species"].values[0], result.attrs["box_length"]
    assert result.attrs["temperature"] == 0.45
    assert result["energy_series"].shape == (1, BLOCKS)
    last = potential_energy(result["position"].values[0], species, length).mean()
    assert result["energy_series"].values[0, -1] == pytest.approx(last)
    start = liquid_dataset["species"].values[0]
    bonds = initial_bonds(liquid_dataset["position"].values[0], start, length)
    assert result["bond_series"].shape == (1, BLOCKS)
    kept = surviving_fraction(*bonds, result["position"].values[0], start, length)[start == 0].mean()
    assert result["bond_series"].values[0, -1] == pytest.approx(kept)
    assert result["species_changed"].item() == pytest.approx((species != start).mean())
    assert result["sweeps"].item() == 400
    again = assess(result.drop_vars(["verdict", "energy_drift", "energy_drift_error", "decorrelations"]))
    xr.testing.assert_identical(again, result)
    assert result["cooling_temperature"].values.tolist() == [[0.45]]
    assert result["hexatic_order"].item() < CRYSTALLINE
    assert f"±{STEP:g} σ" in result.attrs["moves"]
    assert "balanced" in result.attrs["moves"]


@pytest.mark.parametrize("swap", ["balanced", "plain"])
@pytest.mark.parametrize("stop", [BLOCKS_BETWEEN_CHECKPOINTS, 133])
def test_an_interrupted_run_goes_on_bit_for_bit(liquid_dataset, tmp_path, swap, stop):
    options = {"temperature": 0.6, "sweeps": 500, "seed": 4, "swap": swap}
    expected = equilibrate(liquid_dataset, **options)
    checkpoint = tmp_path / "chain.nc"

    def progress(done, _):
        if done == stop + 1:
            raise Interruption

    with pytest.raises(Interruption):
        equilibrate(liquid_dataset, **options, checkpoint=checkpoint, progress=progress)
    seen = []
    resumed = equilibrate(liquid_dataset, **options, checkpoint=checkpoint, progress=lambda done, _: seen.append(done))
    xr.testing.assert_identical(resumed, expected)
    kept = stop - stop % BLOCKS_BETWEEN_CHECKPOINTS
    assert seen == list(range(kept + 1, BLOCKS + 1))
    seen.clear()
    again = equilibrate(liquid_dataset, **options, checkpoint=checkpoint, progress=lambda done, _: seen.append(done))
    xr.testing.assert_identical(again, expected)
    assert seen == [], "a finished run is not run again"
    assert list(tmp_path.iterdir()) == [checkpoint]


@pytest.mark.parametrize(
    "other",
    [{"temperature": 0.7}, {"sweeps": 600}, {"seed": 5}, {"swap": "plain"}],
    ids=lambda other: "-".join(other),
)
def test_a_checkpoint_of_another_run_is_refused(liquid_dataset, tmp_path, other):
    options = {"temperature": 0.6, "sweeps": 500, "seed": 4, "checkpoint": tmp_path / "chain.nc"}

    def progress(done, _):
        if done > BLOCKS_BETWEEN_CHECKPOINTS:
            raise Interruption

    with pytest.raises(Interruption):
        equilibrate(liquid_dataset, **options, progress=progress)
    with pytest.raises(InvalidData, match=r"chain\.nc.*another run"):
        equilibrate(liquid_dataset, **{**options, **other})
    with (
        patch.object(swap_chain, "STEP", 0.5 * STEP),  # as where the defaults of another version differ
        pytest.raises(InvalidData, match=r"chain\.nc.*another run"),
    ):
        equilibrate(liquid_dataset, **options)
    turned = liquid_dataset["position"].copy(data=liquid_dataset["position"].values[..., ::-1])
    with pytest.raises(InvalidData, match=r"chain\.nc.*another run"):
        equilibrate(liquid_dataset.assign(position=turned), **options)
    assert options["checkpoint"].exists()


def test_bad_input_is_refused(liquid, liquid_dataset, tmp_path):
    for options in (
        {"temperature": 0.0, "sweeps": 200},
        {"temperature": np.nan, "sweeps": 200},
        {"temperature": 1e-310, "sweeps": 200},
        {"temperature": np.inf, "sweeps": 200},
        {"temperature": "hot", "sweeps": 200},
        {"temperature": 0.4, "sweeps": BLOCKS - 1},
        {"temperature": 0.4, "sweeps": 200.5},
        {"temperature": 0.4, "sweeps": np.inf},
    ):
        with pytest.raises(InvalidData, match=r"equilibrate: .*temperature"):
            equilibrate(liquid_dataset, **options)
    for particles in (-1, 0, 10.5):
        with pytest.raises(InvalidData, match="a whole number, 1 to"):
            equilibrate(temperature=0.4, sweeps=200, particles=particles)
    second = liquid_dataset.assign(species=liquid_dataset["species"] * 0 + 1)
    with pytest.warns(mixture.MixtureWarning), pytest.raises(InvalidData, match="no particle of species 1"):
        equilibrate(second, temperature=0.4, sweeps=200)
    with pytest.raises(InvalidData, match="balanced or plain"):
        equilibrate(liquid_dataset, temperature=0.4, sweeps=200, swap="both")
    two = mixture.configurations(np.stack([liquid[0]] * 2), *liquid[1:], 0.4)
    with pytest.raises(InvalidData, match="one at a time"):
        equilibrate(two, temperature=0.4, sweeps=200, checkpoint=tmp_path / "chain.nc")


def test_configurations_take_their_own_streams(liquid):
    two = mixture.configurations(np.stack([liquid[0]] * 2), *liquid[1:], 0.4)
    result = equilibrate(two, temperature=0.4, sweeps=200, seed=1)
    assert result["verdict"].shape == (2,)
    assert np.any(result["position"][0].values != result["position"][1].values)


def test_a_fresh_quench_is_a_glass_and_a_hot_liquid_is_not():
    hot = equilibrate(temperature=2.0, sweeps=16_000, particles=129, seed=2)
    assert hot["verdict"].item() == "equilibrium"
    quenched = equilibrate(hot, temperature=0.15, sweeps=200, seed=3)
    assert quenched["verdict"].item() == "glass"
    assert quenched["energy_series"].values[0, -1] < hot["energy_series"].values[0, -1] - 0.3


@pytest.fixture(scope="module")
def chains(liquid):
    """Energies and pair histograms along a plain and a balanced chain at T = 0.40, from the same equilibrated start."""
    position, species, length = liquid
    edges = np.array([0.0, 0.85, 0.95, 1.05, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 3.5, 4.2, 5.0])
    one, other = np.triu_indices(len(species), 1)

    def record(swap, sweeps):
        chain = SwapMonteCarlo(position, species, length, 0.40, seed=11, swap=swap)
        chain.run(4000)
        rows = np.empty((900, 1 + 9 * (len(edges) + 1)))
        for row in rows:
            chain.run(sweeps)
            row[0] = potential_energy(chain.position, chain.species, length).mean()
            x, y = (c[one] - c[other] for c in chain.position.T)
            shell = np.searchsorted(edges, np.hypot(x - length * np.rint(x / length), y - length * np.rint(y / length)))
            low, high = np.sort([chain.species[one], chain.species[other]], axis=0)
            kind = (3 * low + high) * (len(edges) + 1) + shell
            row[1:] = np.bincount(kind, minlength=row.size - 1)
        return rows

    return record("plain", 60), record("balanced", 60)


@pytest.mark.slow
def test_plain_and_balanced_chains_sample_the_same_liquid(chains):
    """Mean energy and every g_ab(r) agree within errors from batches, which include the chains' memory."""

    def mean_and_error(rows):
        batches = rows[: len(rows) // 15 * 15].reshape(15, -1, rows.shape[1]).mean(axis=1)
        return batches.mean(axis=0), batches.std(axis=0, ddof=1) / np.sqrt(15)

    (plain, plain_error), (balanced, balanced_error) = map(mean_and_error, chains)
    error = np.hypot(plain_error, balanced_error)
    assert error[0] < 0.005
    assert abs(plain[0] - balanced[0]) < 3 * error[0]
    filled = (plain + balanced > 0.5) & (np.arange(len(plain)) > 0)
    z = (plain - balanced)[filled] / error[filled]
    assert filled.sum() > 40
    assert np.abs(z).max() < 5
    assert (z**2).mean() < 2


@pytest.mark.slow
def test_plain_and_balanced_chains_have_the_same_distribution_of_energy(chains):
    """How often the energy is below each decile of both, within errors from batches, which include the memory."""
    plain, balanced = (rows[:, 0] for rows in chains)
    deciles = np.quantile(np.concatenate([plain, balanced]), np.arange(0.1, 0.95, 0.1))
    batches = [(one[:, None] < deciles).reshape(15, -1, 9).mean(axis=1) for one in (plain, balanced)]
    error = np.sqrt(sum(one.var(axis=0, ddof=1) / 15 for one in batches))
    z = (batches[0] - batches[1]).mean(axis=0) / error
    assert np.all(error < 0.1)
    assert np.abs(z).max() < 4
    assert (z**2).mean() < 4  # neighbouring deciles go together


def test_a_run_killed_before_its_file_is_written_is_not_run_again(liquid_dataset, tmp_path):
    """Inherent structures of a large box take minutes: hours of sweeps must not be lost in them."""
    target = tmp_path / "N200_T0.60.nc"
    record = {"command": "glassviz equilibrate", "version": "0"}
    arguments = (target, liquid_dataset, "s0-0", (0.6, 400), (0, 0, 0), "balanced", record)
    with (
        patch.object(cooling, "inherent_structures", side_effect=Interruption),
        pytest.raises(Interruption),
    ):
        cooling.cool_sample(*arguments)
    blocks = []
    cooling.cool_sample(*arguments, lambda done, _: blocks.append(done))
    assert blocks == []
    assert list(tmp_path.iterdir()) == [target]
    assert netcdf.load(target)["sweeps"].item() == 400
