from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from glassviz.files import netcdf, store
from glassviz.mixture import CUTOFF, SIGMA
from glassviz.simulate import swap, swap_chain
from glassviz.simulate.cell_groups import move_in_groups
from glassviz.simulate.checkerboard import cells_per_side
from glassviz.simulate.displacement import scale_table
from glassviz.simulate.exchange import ReplicaExchange
from glassviz.simulate.fixed_point import GHOST, UNITS, Rows, fixed_point, neighbor_rows, with_ghost
from glassviz.simulate.philox import new_key
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap import CLASSES, REACH, balanced_swap, plain_swap
from glassviz.simulate.swap_weights import BLOCK, OTHERS, draw, new_weights
from glassviz.simulate.words import words

LENGTH = 16.0
KEY = new_key(1)
# Three frozen clusters too far apart to interact: inside one, species change places by way of the others.
CLUSTERS = np.array(
    [
        [[2.0, 2.0], [3.02, 2.1], [2.4, 2.95]],
        [[9.0, 3.0], [9.9, 3.35], [9.1, 4.0]],
        [[5.5, 10.0], [6.4, 9.5], [7.3, 10.2]],
    ]
).reshape(-1, 2)
COMPACT = np.array([[5.0, 5.0], [6.0, 5.1], [5.4, 5.95], [4.45, 5.8], [6.4, 6.05], [5.9, 6.85], [4.9, 6.8]])


def arrays(position, species, length=LENGTH, skin=0.0):
    """What the kernels take: fixed-point coordinates and species with the ghost last, and all neighbours."""
    x, y = (with_ghost(values, 0) for values in fixed_point(position, length))
    return (
        x,
        y,
        with_ghost(species, GHOST),
        Rows(*neighbor_rows(x, y, len(position), (REACH + skin) / length, len(position))),
    )


def boltzmann(position, species, temperature, still=()):
    """Every distinct labeling with some particles kept still, its exact probability at frozen positions, and energy."""
    species = np.array(species)
    free = np.setdiff1d(np.arange(len(species)), still)
    orders = sorted(set(permutations(species[free].tolist())))
    labelings = np.tile(species, (len(orders), 1))
    labelings[:, free] = orders
    energies = np.array([potential_energy(position, labels, LENGTH).sum() for labels in labelings])
    weights = np.exp(-(energies - energies.min()) / temperature)
    index = {tuple(labels): k for k, labels in enumerate(labelings.tolist())}
    return index, weights / weights.sum(), energies


def check_frequencies(visited, probability):
    """Chi-square of independent visits; states expected fewer than ten times are taken together."""
    counts = np.bincount(visited, minlength=len(probability))
    expected = probability * counts.sum()
    rare = expected < 10
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
        if expected[-1] < 1:
            counts, expected = counts[:-1], expected[:-1] * counts[:-1].sum() / expected[:-1].sum()
    assert len(expected) > 10
    assert expected.max() > 10 * expected.min()  # far from uniform, so that the weights are put to the test
    assert stats.chisquare(counts, expected).pvalue > 0.01


def check_independent(values):
    centered = values - values.mean()
    assert abs((centered[1:] * centered[:-1]).mean() / centered.var()) < 0.04


MIXED = np.array([0.4, 0.35, 0.25])


@pytest.mark.parametrize(
    ("species", "still", "shares", "samples", "proposals"),
    [
        ((0, 0, 0, 0, 2, 2, 2, 2, 1), [8], (1, 0, 0), 12_000, 40),
        ((1, 1, 1, 1, 2, 2, 2, 2, 0), [8], (0, 1, 0), 12_000, 60),
        ((0, 0, 0, 0, 1, 1, 1, 1, 2), [8], (0, 0, 1), 12_000, 60),
        ((0, 0, 0, 0, 1, 1, 1, 2, 2), [], MIXED, 25_000, 80),
    ],
    ids=["1-3", "2-3", "1-2", "mixed"],
)
def test_balanced_swap_visits_all_labelings_as_often_as_boltzmann(species, still, shares, samples, proposals):
    temperature = 0.6
    index, probability, energies = boltzmann(CLUSTERS, species, temperature, still)
    x, y, labels, rows = arrays(CLUSTERS, species)
    weights = new_weights(len(CLUSTERS))
    visited = np.empty(samples, int)
    shares = np.array(shares, dtype=float)
    tried = np.zeros((2, 3), int)
    for k in range(samples):
        tried += balanced_swap(x, y, labels, 1 / temperature, LENGTH, proposals, shares, KEY, (1, k), rows, weights)
        visited[k] = index[tuple(labels[:-1].tolist())]
    check_independent(energies[visited])
    check_frequencies(visited, probability)
    np.testing.assert_allclose(tried[0] / tried[0].sum(), shares, atol=0.003)
    assert np.all((tried[1] > 0) == (shares > 0))


@pytest.mark.slow
def test_swaps_in_cells_visit_all_labelings_as_often_as_boltzmann():
    """The clusters are cut by every grid in another way, and brought together by some only."""
    temperature, length = 0.6, 88.0
    species = (0, 0, 0, 0, 1, 1, 1, 2, 2)
    index, probability, energies = boltzmann(CLUSTERS, species, temperature)
    apart = np.array([[0, 0], [22, 22], [44, 66]])  # so that they often are in cells of one colour
    position = (CLUSTERS.reshape(3, 3, 2) + apart[:, None]).reshape(-1, 2)
    x, y, labels, _ = arrays(position, species, length)
    unit = length / UNITS
    chain = (1 / temperature, unit, 0, scale_table(length), REACH / unit, 1 / unit, MIXED)  # displacements by nothing
    visited = np.empty(12_000, int)
    phase = 0
    for k in range(len(visited)):
        for _ in range(24):
            move_in_groups(x, y, labels, chain, (1, 1, 3.0), KEY, phase, cells_per_side(length))
            phase += 1
        visited[k] = index[tuple(labels[:-1].tolist())]
    check_independent(energies[visited])
    check_frequencies(visited, probability)


@pytest.mark.parametrize("position", [CLUSTERS, COMPACT], ids=["clusters", "compact"])
def test_plain_swap_visits_all_labelings_as_often_as_boltzmann(position):
    temperature = 1.2
    species = (0, 0, 0, 0, 1, 1, 1, 2, 2)[-len(position) :]
    index, probability, energies = boltzmann(position, species, temperature)
    x, y, labels, rows = arrays(position, species)
    visited = np.empty(15_000, int)
    accepted = 0
    for k in range(len(visited)):
        accepted += plain_swap(x, y, labels, 1 / temperature, LENGTH, 150, KEY, (1, k), rows)
        visited[k] = index[tuple(labels[:-1].tolist())]
    assert accepted > 0
    check_independent(energies[visited])
    check_frequencies(visited, probability)


def test_replica_exchange_visits_all_labelings_as_often_as_boltzmann_at_every_temperature():
    """Particles that do not move; swaps would make each visit independent of the one before, but for the exchanges."""
    temperatures = (0.8, 1.0, 1.2, 1.6)
    species = (0, 0, 0, 1, 1, 2, 2)
    position, labels = np.stack([COMPACT] * 4), np.tile(species, (4, 1))
    visited = np.empty((12_000, 4), int)
    with (
        patch.multiple(swap_chain, STEP=0.0, PLAIN_SHARE=0.9),
        ThreadPoolExecutor(1) as pool,
    ):
        walkers = ReplicaExchange(position, labels, LENGTH, temperatures, seed=1, swap="plain")
        known = [boltzmann(COMPACT, species, temperature) for temperature in temperatures]
        index = known[0][0]
        for row in visited:
            walkers.run(3, pool)
            row[:] = [index[tuple(walkers.chains[k].species.tolist())] for k in walkers.walker]
    for column, (_, probability, energies) in zip(visited.T, known, strict=True):
        check_independent(energies[column])
        check_frequencies(column, probability)
    tried, made = walkers.exchanges
    assert np.all((0.05 * tried < made) & (made < 0.95 * tried))


def prepared(position, species, beta, length):
    """Energies and weights of all particles, as a phase of balanced swaps sets out with."""
    x, y, species, rows = arrays(position, species, length)
    weights = new_weights(len(position))
    swap.all_energies(words(x, y, species), length / UNITS, rows, weights.energy)
    swap.sum_weights(species, beta, weights)
    return x, y, species, rows, weights


@pytest.fixture(scope="module")
def swappable(liquid):
    """The small liquid on the kernels' own grid, so that their coordinates and those of the reference are the same."""
    position, species, length = liquid
    return np.rint(position * UNITS / 2 / length) * 2 * length / UNITS, species, length


def test_energy_under_another_species_is_that_of_the_relabeled_box(swappable):
    position, species, length = swappable
    energy = prepared(position, species, 2.0, length)[-1].energy
    for i in range(0, len(species), 11):
        for c in range(3):
            relabeled = species.copy()
            relabeled[i] = c
            assert energy[i, c] == pytest.approx(2 * potential_energy(position, relabeled, length)[i], abs=1e-9)


def check_sums(weights, species, rtol=1e-9):
    """Every level sums what is below it."""
    _, weight, block, group, total, span, _ = weights
    for a in range(3):
        for column in range(2):
            own = np.where(species == a, weight[:, column], 0)
            blocks = np.add.reduceat(own, np.arange(0, len(species), BLOCK))
            groups = np.add.reduceat(blocks, np.arange(0, len(blocks), span[0]))
            np.testing.assert_allclose(block[:, 2 * a + column], blocks, rtol=rtol, atol=1e-13)
            np.testing.assert_allclose(group[:, 2 * a + column], groups, rtol=rtol, atol=1e-13)
            np.testing.assert_allclose(total[2 * a + column], groups.sum(), rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("kind", range(3))
def test_a_swap_and_its_reverse_balance_in_detail(swappable, kind):
    """π(s) q(s→s′) acc(s→s′) = π(s′) q(s′→s) acc(s′→s) for swaps anywhere in the box, with π from the whole energy."""
    position, species, length = swappable
    there_and_back = CLASSES[kind]
    a, b = there_and_back // 2
    to_b, to_a = there_and_back % 2
    assert OTHERS[a, to_b] == b
    assert OTHERS[b, to_a] == a
    beta = 1 / 0.4
    x, y, labels, rows, weights = prepared(position, species, beta, length)
    scratch = swap.new_scratch(rows)
    packed = words(x, y, labels)
    exchange = (packed, labels, beta, length / UNITS, rows, weights)
    before_energy = potential_energy(position, species, length).sum()
    generator = np.random.default_rng(3)
    checked = 0
    for i in generator.choice(np.flatnonzero(species == a), 6, replace=False):
        for j in generator.choice(np.flatnonzero(species == b), 6, replace=False):
            separation = position[i] - position[j]
            separation -= length * np.rint(separation / length)
            if np.hypot(*separation) < CUTOFF * SIGMA.max():
                assert swap.interact(x, y, i, j, length / UNITS)
                continue
            saved = [values.copy() for values in weights]
            before = weights.total[there_and_back].prod()
            forward = weights.weight[i, to_b] * weights.weight[j, to_a] / before
            count = swap.exchange(*exchange, i, j, scratch)
            np.testing.assert_array_equal(packed, words(x, y, labels))
            after = weights.total[there_and_back].prod()
            backward = weights.weight[j, to_b] * weights.weight[i, to_a] / after
            change = potential_energy(position, labels[:-1], length).sum() - before_energy
            there = np.log(forward) + min(0, np.log(before / after))
            back = np.log(backward) + min(0, np.log(after / before)) - beta * change
            assert there == pytest.approx(back, abs=1e-9)

            fresh = prepared(position, labels[:-1], beta, length)[-1]
            swap.confirm(labels, weights, scratch, count)
            np.testing.assert_allclose(weights.energy, fresh.energy, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(weights.weight, fresh.weight, rtol=1e-8, atol=1e-12)
            check_sums(weights, labels[:-1])
            for values, old in zip(weights, saved, strict=True):
                values[:] = old
            labels[[i, j]] = a, b
            packed[:] = words(x, y, labels)
            count = swap.exchange(*exchange, i, j, scratch)
            swap.take_back(packed, labels, weights, scratch, count, saved[4])
            np.testing.assert_array_equal(labels[:-1], species)
            np.testing.assert_array_equal(packed, words(x, y, labels))
            for values, old in zip(weights, saved, strict=True):
                np.testing.assert_array_equal(values, old)
            checked += 1
    assert checked > 10


def test_kept_weights_stay_those_of_the_positions(swappable):
    """After thousands of proposals energies, weights and sums are what a fresh start finds, and species are kept."""
    position, species, length = swappable
    x, y, labels, rows, weights = prepared(position, species, 2.5, length)
    proposed, accepted = balanced_swap(x, y, labels, 2.5, length, 5000, MIXED, KEY, (1, 0), rows, weights)
    assert proposed.sum() == 5000
    assert 0.25 < accepted.sum() / 5000 < 0.5
    np.testing.assert_array_equal(np.bincount(labels[:-1]), np.bincount(species))
    fresh = prepared(position, labels[:-1], 2.5, length)[-1]
    np.testing.assert_allclose(weights.energy, fresh.energy, rtol=1e-7, atol=1e-7)
    check_sums(weights, labels[:-1], rtol=1e-7)


@pytest.mark.parametrize(("temperature", "expected"), [(0.40, 0.94), (0.23, 0.87), (0.15, 0.72)])
def test_most_balanced_swaps_of_1_and_3_are_accepted(temperature, expected):
    """As physics.md has it; its 0.77 at T = 0.15 is that of one sample, of 16 that scatter by 0.06 the mean is 0.72."""
    ds = netcdf.load(store.precomputed("configurations") / f"N1290_T{temperature:.2f}.nc")
    length, made = ds.attrs["box_length"], []
    for k in range(16):
        x, y, labels, rows = arrays(ds["position"].values[k], ds["species"].values[k], length)
        chain = (1 / temperature, length, 2000, np.array([1.0, 0.0, 0.0]), KEY, (1, k))
        made.append(balanced_swap(x, y, labels, *chain, rows, new_weights(len(labels) - 1))[1][0] / 2000)
    assert np.mean(made) == pytest.approx(expected, abs=0.02)


def test_energies_kept_for_some_particles_are_those_of_the_whole_box(swappable):
    """Swaps among half of the particles leave their energies and sums what a fresh start finds."""
    position, species, length = swappable
    half = len(species) // 2
    x, y, labels, rows = arrays(position, species, length)
    weights = new_weights(half)
    some = Rows(rows.start[: half + 1], rows.count[:half], rows.neighbor)
    accepted = balanced_swap(x, y, labels, 2.5, length, 4000, MIXED, KEY, (1, 0), some, weights)[1]
    assert accepted.sum() > 100
    np.testing.assert_array_equal(labels[half:-1], species[half:])
    np.testing.assert_array_equal(np.bincount(labels[:half]), np.bincount(species[:half]))
    fresh = prepared(position, labels[:-1], 2.5, length)[-1]
    np.testing.assert_allclose(weights.energy, fresh.energy[:half], rtol=1e-7, atol=1e-7)
    check_sums(weights, labels[:half], rtol=1e-7)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e3)), min_size=1, max_size=90).filter(sum))
def test_particles_are_drawn_by_their_weights(values):
    """Evenly spaced shares hit every particle in proportion, and never one of weight zero or of another species."""
    n = 2 * len(values)
    weights = new_weights(n)
    species = np.tile([0, 1], len(values)).astype(np.int32)
    weights.weight[0::2, 0] = values
    weights.weight[1::2, 0] = 7.0
    own = np.where(species == 0, weights.weight[:, 0], 0)
    weights.block[:, 0] = blocks = np.add.reduceat(own, np.arange(0, n, BLOCK))
    weights.group[:, 0] = np.add.reduceat(blocks, np.arange(0, len(blocks), weights.span[0]))
    weights.total[0] = own.sum()
    shares = (np.arange(4000) + 0.5) / 4000
    drawn = np.bincount([draw(weights, species, 0, share) for share in shares], minlength=n)
    np.testing.assert_allclose(drawn / 4000, own / own.sum(), atol=1.5 / 4000)
    assert not np.any(drawn[own == 0])
    for extreme in (0.0, 1.0, np.nextafter(1.0, 0)):
        found = draw(weights, species, 0, extreme)
        assert found < 0 or own[found] > 0


def test_interacting_pairs_and_absent_species_are_not_swapped():
    x, y, labels, rows = arrays(COMPACT, (0, 0, 0, 2, 2, 2, 1))
    near = np.hypot(*(COMPACT[:, None] - COMPACT[None]).T) < CUTOFF * SIGMA.max()
    assert near.all()
    random = KEY, (1, 0)
    proposed, accepted = balanced_swap(x, y, labels, 1.0, LENGTH, 500, MIXED, *random, rows, new_weights(7))
    assert proposed.sum() == 500
    assert accepted.sum() == 0
    np.testing.assert_array_equal(labels[:-1], (0, 0, 0, 2, 2, 2, 1))
    x, y, labels, rows = arrays(CLUSTERS, (0,) * 9)
    assert balanced_swap(x, y, labels, 1.0, LENGTH, 500, MIXED, *random, rows, new_weights(9))[1].sum() == 0
    assert plain_swap(x, y, labels, 1.0, LENGTH, 500, *random, rows) == 0
