from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from glassviz.mixture import CUTOFF, SIGMA
from glassviz.simulate.neighbors import pair_list
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap import (
    CLASSES,
    REACH,
    _energies_by_species,
    _exchange,
    _make_trees,
    _tree_draw,
    balanced_swap,
    displace,
    plain_swap,
)

LENGTH = 16.0
# Three frozen clusters too far apart to interact: inside one, species change places by way of the others.
CLUSTERS = np.array(
    [
        [[2.0, 2.0], [3.02, 2.1], [2.4, 2.95]],
        [[9.0, 3.0], [9.9, 3.35], [9.1, 4.0]],
        [[5.5, 10.0], [6.4, 9.5], [7.3, 10.2]],
    ]
).reshape(-1, 2)
COMPACT = np.array([[5.0, 5.0], [6.0, 5.1], [5.4, 5.95], [4.45, 5.8], [6.4, 6.05], [5.9, 6.85], [4.9, 6.8]])


def arrays(position, species, length=LENGTH):
    """What the kernels take: float32 coordinates, int8 species, and the list of all neighbours."""
    x, y = np.ascontiguousarray(position.T, dtype=np.float32)
    species = np.array(species, dtype=np.int8)
    return x, y, species, pair_list(np.ascontiguousarray(position), species, length, reach=REACH)


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
    x, y, labels, neighbors = arrays(CLUSTERS, species)
    rng = np.random.default_rng(1)
    visited = np.empty(samples, int)
    shares = np.array(shares, dtype=float)
    tried = np.zeros((2, 3), int)
    for k in range(samples):
        tried += balanced_swap(x, y, labels, LENGTH, 1 / temperature, proposals, shares, *neighbors, rng)
        visited[k] = index[tuple(labels.tolist())]
    check_independent(energies[visited])
    check_frequencies(visited, probability)
    np.testing.assert_allclose(tried[0] / tried[0].sum(), shares, atol=0.003)
    assert np.all((tried[1] > 0) == (shares > 0))


@pytest.mark.parametrize("position", [CLUSTERS, COMPACT], ids=["clusters", "compact"])
def test_plain_swap_visits_all_labelings_as_often_as_boltzmann(position):
    temperature = 1.2
    species = (0, 0, 0, 0, 1, 1, 1, 2, 2)[-len(position) :]
    index, probability, energies = boltzmann(position, species, temperature)
    x, y, labels, neighbors = arrays(position, species)
    rng = np.random.default_rng(2)
    visited = np.empty(15_000, int)
    accepted = 0
    for k in range(len(visited)):
        accepted += plain_swap(x, y, labels, LENGTH, 1 / temperature, 150, *neighbors, rng)
        visited[k] = index[tuple(labels.tolist())]
    assert accepted > 0
    check_independent(energies[visited])
    check_frequencies(visited, probability)


def prepared(position, species, beta, length):
    """Energies of every particle under every species, and the sum trees, as `balanced_swap` sets out with."""
    x, y, species, neighbors = arrays(position, species, length)
    energies = np.empty((len(x), 3))
    for i in range(len(x)):
        _energies_by_species(x, y, i, species, length, *neighbors, energies[i])
    return x, y, species, neighbors, energies, _make_trees(energies, species, beta)


@pytest.fixture(scope="module")
def swappable(liquid):
    """The small liquid on a fine grid, so that the kernels' float32 coordinates and their differences are exact."""
    position, species, length = liquid
    return np.floor(position * 4096) / 4096, species, length


def test_energy_under_another_species_is_that_of_the_relabeled_box(swappable):
    position, species, length = swappable
    *_, energies, _ = prepared(position, species, 2.0, length)
    for i in range(0, len(species), 11):
        for c in range(3):
            relabeled = species.copy()
            relabeled[i] = c
            assert energies[i, c] == pytest.approx(2 * potential_energy(position, relabeled, length)[i], abs=1e-9)


@pytest.mark.parametrize("kind", range(3))
def test_a_swap_and_its_reverse_balance_in_detail(swappable, kind):
    """π(s) q(s→s′) acc(s→s′) = π(s′) q(s′→s) acc(s′→s) for swaps anywhere in the box, with π from the whole energy."""
    position, species, length = swappable
    a, b = CLASSES[kind]
    beta = 1 / 0.4
    x, y, labels, neighbors, energies, trees = prepared(position, species, beta, length)
    half = trees.shape[2] // 2
    before_energy = potential_energy(position, labels, length).sum()
    generator = np.random.default_rng(3)
    checked = 0
    for i in generator.choice(np.flatnonzero(species == a), 6, replace=False):
        for j in generator.choice(np.flatnonzero(species == b), 6, replace=False):
            separation = position[i] - position[j]
            separation -= length * np.rint(separation / length)
            if np.hypot(*separation) < CUTOFF * SIGMA.max():
                continue
            before = trees[a, b, 1] * trees[b, a, 1]
            forward = trees[a, b, half + i] * trees[b, a, half + j] / before
            saved = energies.copy(), trees.copy()
            _exchange(x, y, labels, length, beta, *neighbors, energies, trees, i, j)
            after = trees[a, b, 1] * trees[b, a, 1]
            backward = trees[a, b, half + j] * trees[b, a, half + i] / after
            change = potential_energy(position, labels, length).sum() - before_energy
            there = np.log(forward) + min(0, np.log(before / after))
            back = np.log(backward) + min(0, np.log(after / before)) - beta * change
            assert there == pytest.approx(back, abs=1e-9)

            fresh = prepared(position, labels, beta, length)
            np.testing.assert_allclose(energies, fresh[4], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(trees, fresh[5], rtol=1e-8, atol=1e-12)
            _exchange(x, y, labels, length, beta, *neighbors, energies, trees, i, j)
            np.testing.assert_array_equal(labels, species)
            np.testing.assert_allclose(energies, saved[0], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(trees, saved[1], rtol=1e-8, atol=1e-12)
            checked += 1
    assert checked > 10


@settings(max_examples=30, deadline=None)
@given(weights=st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e3)), min_size=1, max_size=40).filter(sum))
def test_leaves_are_drawn_by_their_weights(weights):
    """Evenly spaced targets hit every leaf in proportion, and never one of weight zero."""
    half = 1
    while half < len(weights):
        half *= 2
    tree = np.zeros(2 * half)
    tree[half : half + len(weights)] = weights
    for node in range(half - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    targets = (np.arange(4000) + 0.5) / 4000 * tree[1]
    drawn = np.bincount([_tree_draw(tree, target) for target in targets], minlength=half)
    np.testing.assert_allclose(drawn[: len(weights)] / 4000, np.array(weights) / tree[1], atol=1.5 / 4000)
    assert not np.any(drawn[: len(weights)][np.array(weights) == 0])
    for extreme in (0.0, tree[1], np.nextafter(tree[1], 0)):
        assert weights[_tree_draw(tree, extreme)] > 0


def test_interacting_pairs_and_absent_species_are_not_swapped():
    x, y, species, neighbors = arrays(COMPACT, (0, 0, 0, 2, 2, 2, 1))
    near = np.hypot(*(COMPACT[:, None] - COMPACT[None]).T) < CUTOFF * SIGMA.max()
    assert near.all()
    rng = np.random.default_rng(4)
    proposed, accepted = balanced_swap(x, y, species, LENGTH, 1.0, 500, MIXED, *neighbors, rng)
    assert proposed.sum() == 500
    assert accepted.sum() == 0
    np.testing.assert_array_equal(species, (0, 0, 0, 2, 2, 2, 1))
    x, y, species, neighbors = arrays(CLUSTERS, (0,) * 9)
    assert balanced_swap(x, y, species, LENGTH, 1.0, 500, MIXED, *neighbors, rng)[1].sum() == 0
    assert plain_swap(x, y, species, LENGTH, 1.0, 500, *neighbors, rng) == 0


@pytest.mark.parametrize("pair", [(0, 1), (2, 2)])
def test_two_particles_are_as_far_apart_as_boltzmann_says(pair):
    """Displacements in a small box: distances and mean energy against integrals over it."""
    length, temperature, moves = 6.0, 0.5, 60
    grid = (np.arange(600) + 0.5) / 600 * length
    separation = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    separation -= length * np.rint(separation / length)
    x = np.maximum(np.hypot(*separation.T), 0.3) / SIGMA[pair]
    reference = potential_energy(np.array([[0.0, 0.0], [1.0, 0.0]]), pair, length)  # the potential is proven elsewhere
    table = np.linspace(0.3, 2.6, 4000)
    energies = np.array([2 * potential_energy([[0, 0], [t * SIGMA[pair], 0]], pair, length)[0] for t in table])
    assert np.isfinite(reference).all()
    energy = np.where(x < CUTOFF, np.interp(x, table, energies), 0)
    weight = np.exp(-energy / temperature)
    edges = np.concatenate([np.linspace(0.7, 3.0, 24), [length]])
    probability = np.histogram(np.hypot(*separation.T), np.append(0, edges), weights=weight)[0] / weight.sum()

    position = np.array([[1.0, 1.0], [2.2, 1.0]])
    px, py = np.ascontiguousarray(position.T, dtype=np.float32)
    start, neighbor = np.array([0, 1, 2]), np.array([1, 0], np.int32)
    rng = np.random.default_rng(5)
    found = np.empty(15_000)
    state = (px, py, np.array(pair, np.int32), np.float32(length), 1 / temperature)
    for k in range(len(found)):
        done, _ = displace(*state, 0.9, moves, start, neighbor, px.copy(), py.copy(), 1e6, rng)
        assert done == moves
        d = np.array([px[0] - px[1], py[0] - py[1]], dtype=float)
        found[k] = np.hypot(*(d - length * np.rint(d / length)))
    check_independent(found)
    counts = np.histogram(found, np.append(0, edges))[0]
    expected = probability * len(found)
    enough = expected > 5
    assert enough.sum() > 15
    counts = np.append(counts[enough], counts[~enough].sum())
    expected = np.append(expected[enough], max(expected[~enough].sum(), 1e-9))
    assert stats.chisquare(counts[:-1], expected[:-1] * counts[:-1].sum() / expected[:-1].sum()).pvalue > 0.01
    assert counts[-1] <= expected[-1] + 5 * np.sqrt(expected[-1]) + 3


def test_displacements_stop_when_a_particle_leaves_its_list(swappable):
    position, species, length = swappable
    x, y, labels, _ = arrays(position, species, length)
    skin, step = 0.7, 0.11
    start, neighbor = pair_list(position, labels, length, skin=skin, reach=REACH)
    from_x, from_y = x.copy(), y.copy()
    row = labels.astype(np.int32)
    rng = np.random.default_rng(6)
    done, accepted = displace(
        x, y, row, np.float32(length), 2.5, step, 10**7, start, neighbor, from_x, from_y, skin, rng
    )
    assert 0 < accepted < done < 10**7
    moved = np.hypot(x - from_x, y - from_y)
    limit = (skin - step * np.sqrt(2)) / 2
    assert np.count_nonzero(moved > limit) == 1
    assert moved.max() < limit + step * np.sqrt(2)
