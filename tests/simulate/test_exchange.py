from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from glassviz.mixture import InvalidData
from glassviz.simulate.exchange import SPACING, ReplicaExchange, ladder
from glassviz.simulate.harvest import account
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap_chain import SwapMonteCarlo

TEMPERATURES = np.array([0.4, 0.45, 0.5, 0.56])


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


def test_walkers_that_were_at_both_ends_are_counted(walkers):
    one = walkers()
    assert one.visited.sum(axis=1).tolist() == [1, 1]
    falling = np.arange(0.0, -400, -100)  # whatever is hot changes places with what is cold
    for _ in range(8):
        energies = np.empty(4)
        energies[one.walker] = falling
        one.exchange(energies)
    assert one.visited.all()
    told = account(one.exchanges, one.visited)
    assert told == "100 to 100 % of the exchanges between neighbours made, 4 of 4 walkers have been at both ends"
