import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.mixture import InvalidData
from glassviz.simulate.verdict import (
    Comparison,
    assess,
    blocking_error,
    chance_bonds,
    compare_energies,
    decorrelations,
    drift,
    enough,
    half_life,
    independent,
    level,
    statement,
)

BLOCKS = 200
TIME = np.arange(1, BLOCKS + 1) / BLOCKS


def correlated(rng, memory, n=BLOCKS):
    """A stationary series of unit variance whose correlation decays as exp(−k/memory)."""
    a = np.exp(-1 / memory)
    values = [rng.normal()]
    for kick in rng.normal(0, np.sqrt(1 - a * a), n - 1):
        values.append(a * values[-1] + kick)
    return np.array(values)


def record(energies, bonds, temperature=0.4):
    """Runs with these series."""
    samples = len(energies)
    rng = np.random.default_rng(0)
    species = np.repeat(np.arange(3), mixture.species_counts(129))
    length = mixture.box_length(129)
    ds = mixture.configurations(rng.uniform(0, length, (samples, 129, 2)), species, length, temperature)
    return ds.assign(
        energy_series=(("configuration", "block"), np.array(energies)),
        bond_series=(("configuration", "block"), np.array(bonds)),
        sweeps=("configuration", np.full(samples, 1000)),
    )


@pytest.mark.parametrize("memory", [0.2, 3.0])
def test_blocking_knows_the_error_of_a_correlated_mean(memory):
    rng = np.random.default_rng(1)
    series = [correlated(rng, memory) for _ in range(400)]
    true = np.std([one.mean() for one in series])
    estimated = np.array([blocking_error(one) for one in series])
    assert 0.85 * true < np.sqrt((estimated**2).mean()) < 1.5 * true


def test_a_settled_energy_is_rarely_called_falling_and_a_falling_one_always():
    rng = np.random.default_rng(2)
    noise = 1e-3 * np.array([correlated(rng, 2.0) for _ in range(300)])
    z = np.array([change / error for change, error in map(drift, noise)])
    assert (z < -3).mean() < 0.02
    falling = noise - 0.02 * TIME
    assert all(change < -3 * error for change, error in map(drift, falling))
    fell_early = noise + np.where(TIME < 0.5, 0.3, 0.0)
    np.testing.assert_allclose([drift(one) for one in fell_early], [drift(one) for one in noise], atol=1e-12)


def test_a_linear_fall_has_the_drift_of_its_slope():
    assert drift(-4.0 * TIME)[0] == pytest.approx(-1.0)


@pytest.mark.parametrize("stretch", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("half", [0.02, 0.3, 0.9, 3.0, 20.0])
def test_half_life_of_a_stretched_exponential(half, stretch):
    bonds = np.exp(-np.log(2) * (TIME / half) ** stretch)
    assert half_life(bonds) == pytest.approx(half, rel=0.05)


def test_bonds_near_by_accident_do_not_count():
    bonds = 0.2 + 0.8 * np.exp(-np.log(2) * TIME / 0.5)
    assert half_life(bonds, 0.2) == pytest.approx(0.5, rel=0.01)
    rng = np.random.default_rng(3)
    species = np.repeat([0, 1, 2], [200, 110, 120])
    length = 12.0
    position = rng.uniform(0, length, (430, 2))
    separation = np.abs(position[:200, None] - position[None])
    separation = np.minimum(separation, length - separation)
    near = np.hypot(*np.moveaxis(separation, -1, 0)) < 1.8 * mixture.SIGMA[0][species]
    assert chance_bonds(species, length) == pytest.approx((near.sum() - 200) / (200 * 429), rel=0.05)


def test_a_run_that_loses_no_bond_has_not_begun():
    assert half_life(np.ones(BLOCKS)) == np.inf
    assert decorrelations(record([-TIME], [np.ones(BLOCKS)])) == [0.0]


@pytest.mark.parametrize(
    ("change", "times", "order", "mixing", "expected"),
    [
        (0.0, 1.5, 0.4, 0.01, "equilibrium"),
        (+9.0, 1.5, 0.4, 0.01, "nearly"),
        (+2.9, 1.5, 0.4, 0.01, "equilibrium"),
        (0.0, 0.4, 0.4, 0.01, "nearly"),
        (0.0, 0.05, 0.4, 0.01, "glass"),
        (-9.0, 1.5, 0.4, 0.01, "glass"),
        (0.0, 1.5, 0.9, 0.01, "crystal"),
        (0.0, 1.5, 0.4, 0.9, "demixed"),
    ],
)
def test_levels(change, times, order, mixing, expected):
    assert level(change, 1.0, times, order, mixing) == expected


def test_assess_can_be_repeated_by_anyone():
    noise = np.random.default_rng(4).normal(0, 1e-3, (3, BLOCKS))
    bonds = [np.exp(-np.log(2) * TIME * n) for n in (3, 0.5, 0.01)]
    ds = assess(record(noise - 2.5, bonds))
    assert ds["verdict"].values.tolist() == ["equilibrium", "nearly", "glass"]
    xr.testing.assert_identical(assess(ds), ds)
    assert statement(ds.isel(configuration=[1])).startswith("nearly: ")
    assert statement(ds).startswith("equilibrium (1 of 3): ")
    with pytest.raises(InvalidData, match="expected energy_series"):
        assess(ds.drop_vars("bond_series"))


@pytest.mark.parametrize("samples", [(1, 12), (2, 12), (3, 12), (5, 12), (6, 12), (12, 2), (12, 12)])
def test_ensembles_of_short_and_long_runs_seldom_disagree_by_chance(samples):
    """Energies of one distribution, forgotten four times sooner in the long ones."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(400):
        one, other = (
            record([1e-2 * correlated(rng, memory) for _ in range(count)], np.ones((count, BLOCKS)))
            for count, memory in zip(samples, (4.0, 1.0), strict=True)
        )
        found.append(compare_energies(one, other).agrees)
    assert np.mean(found) > 0.975


@pytest.mark.parametrize("blocks", [1, 2, 3, 7])
def test_a_record_of_a_few_numbers_is_refused(blocks):
    """It would go on for ever, or know no error."""
    with pytest.raises(InvalidData, match="expected at least 8 numbers"):
        assess(record(np.linspace(-2.5, -2.6, blocks)[None], np.ones((1, blocks))))


@pytest.mark.parametrize("series", ["energy_series", "bond_series"])
def test_a_record_that_is_no_number_is_refused(series):
    ds = record(-2.5 + 1e-3 * np.random.default_rng(0).normal(size=(1, BLOCKS)), np.full((1, BLOCKS), 0.2))
    assess(ds)
    ds[series].values[0, 5] = np.nan
    with pytest.raises(InvalidData, match="not finite"):
        assess(ds)


def test_samples_of_one_ladder_count_as_one():
    rng = np.random.default_rng(7)
    energies = np.repeat(rng.normal(0, 1e-3, (8, 1)), BLOCKS, axis=1) + rng.normal(0, 1e-6, (8, BLOCKS))
    alone = record(energies[:4], np.ones((4, BLOCKS)))
    shared = record(np.repeat(energies[4:6], 3, axis=0), np.ones((6, BLOCKS)))
    shared = shared.assign(ladder=("configuration", [7.0, 7, 7, 9, 9, 9]))
    expected = compare_energies(alone, record(energies[4:6], np.ones((2, BLOCKS))))
    assert compare_energies(alone, shared) == pytest.approx(expected)
    assert enough(alone.isel(configuration=[0]), shared)
    assert not enough(alone.isel(configuration=[0]), shared.isel(configuration=slice(3)))
    mixed = xr.concat([alone, shared], "configuration")
    assert len(independent(mixed["sweeps"].values, mixed)) == 6


def test_energies_of_two_ensembles():
    rng = np.random.default_rng(5)
    bonds = np.ones((12, BLOCKS))

    def ensemble(mean, samples, temperature=0.4):
        energies = mean + rng.normal(0, 1e-3, (samples, 1)) + rng.normal(0, 1e-4, (samples, BLOCKS))
        return record(energies, bonds[:samples], temperature)

    same = compare_energies(ensemble(-2.5, 8), ensemble(-2.5, 6))
    assert same.agrees
    assert same.error == pytest.approx(1e-3 * np.sqrt(1 / 8 + 1 / 6), rel=0.5)
    other = compare_energies(ensemble(-2.5, 8), ensemble(-2.51, 1))
    assert not other.agrees
    assert other.difference == pytest.approx(0.01, abs=4e-3)
    for few in range(1, 8):  # of which more never say less
        assert str(compare_energies(ensemble(-2.5, 12), ensemble(-2.51, few))).startswith("does not agree")
    assert str(Comparison(4e-3, 1e-3, 2)).startswith("too few samples to tell: +0.00400")
    assert str(Comparison(4e-3, 1e-3, 50)).startswith("does not agree")
    assert str(Comparison(2e-3, 1e-3, 2)).startswith("agrees")
    with pytest.raises(InvalidData, match="one temperature"):
        compare_energies(ensemble(-2.5, 4), ensemble(-2.5, 4, 0.35))
    with pytest.raises(InvalidData, match="there are none"):
        compare_energies(ensemble(-2.5, 4), ensemble(-2.5, 4).drop_vars(["energy_series"]))
    with pytest.raises(InvalidData, match="at least three"):
        compare_energies(ensemble(-2.5, 1), ensemble(-2.5, 1))
