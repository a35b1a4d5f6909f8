import numba
import numpy as np
import pytest
from scipy import stats

from glassviz.mixture import CUTOFF, SIGMA, InvalidData
from glassviz.simulate.displacement import STRENGTH, displace, energy_change, scale_table
from glassviz.simulate.equilibration import random_start
from glassviz.simulate.fixed_point import GHOST, UNITS, Rows, fixed_point, neighbor_rows, with_ghost
from glassviz.simulate.philox import new_key, random_words
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap import REACH
from glassviz.simulate.swap_chain import SwapMonteCarlo
from glassviz.simulate.words import word, words

KEY = new_key(5)
EVERYWHERE = (np.int32(0), np.int32(0), 1 << 32, 1 << 32)


@numba.njit
def change_of(x, y, species, i, to, rows, scale):
    packed, there = words(x, y, species), word(to[0], to[1], species[i])
    return energy_change(packed, packed[i], there, rows[0][i], rows[0][i + 1], rows[2], scale, STRENGTH)


def test_random_words_are_those_of_the_reference():
    """Known answers of Philox4x32-10 (Random123)."""
    for key, counter, expected in (
        ([0, 0], [0] * 4, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 2, [0xFFFFFFFF] * 4, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ):
        found = random_words(np.array(key, dtype=np.uint64), *counter)
        assert " ".join(f"{int(word):08x}" for word in found) == expected


def test_a_move_and_its_reverse_balance_in_detail(liquid):
    """Energy changes are those of the whole box, and the way back costs exactly what the way there gained."""
    position, species, length = liquid
    n = len(species)
    x, y = (with_ghost(values, 0) for values in fixed_point(position, length))
    kinds, scale = with_ghost(species, GHOST), scale_table(length)
    rows = Rows(*neighbor_rows(x, y, n, (REACH + 1) / length, n))
    rng = np.random.default_rng(1)
    unit = length / UNITS

    def energy():
        steps = np.stack([x[:-1], y[:-1]], axis=-1).view(np.uint32)
        return potential_energy(steps * unit, species, length).sum()

    for i in rng.choice(n, 30, replace=False):
        before = energy()
        here = x[i], y[i]
        to = tuple(np.int32(c + 2 * round(rng.uniform(-0.05, 0.05) / unit)) for c in here)
        there = change_of(x, y, kinds, i, to, rows, scale)
        x[i], y[i] = to
        assert there == pytest.approx(energy() - before, rel=1e-4, abs=1e-4)
        assert change_of(x, y, kinds, i, here, rows, scale) == -there
        x[i], y[i] = here


@pytest.mark.parametrize("pair", [(0, 1), (2, 2)])
def test_two_particles_are_as_far_apart_as_boltzmann_says(pair):
    """Displacements in a small box: distances against an integral over it."""
    length, temperature, moves = 6.0, 0.5, 60
    grid = (np.arange(600) + 0.5) / 600 * length
    separation = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    separation -= length * np.rint(separation / length)
    r = np.maximum(np.hypot(*separation.T), 0.3) / SIGMA[pair]
    table = np.linspace(0.3, 2.6, 4000)
    energies = np.array([2 * potential_energy([[0, 0], [t * SIGMA[pair], 0]], pair, length)[0] for t in table])
    weight = np.exp(-np.where(r < CUTOFF, np.interp(r, table, energies), 0) / temperature)
    edges = np.append(np.linspace(0.7, 3.0, 24), length)
    probability = np.histogram(np.hypot(*separation.T), np.append(0, edges), weights=weight)[0] / weight.sum()

    x, y = (with_ghost(values, 0) for values in fixed_point([[1.0, 1.0], [2.2, 1.0]], length))
    start, neighbor = np.array([0, 16, 32]), np.full(32, 2, np.int32)
    neighbor[[0, 16]] = 1, 0
    rows = Rows(start, np.array([1, 1]), neighbor)
    found = np.empty(15_000)
    step = round(0.9 / length * UNITS)
    for k in range(len(found)):
        state = (
            x,
            y,
            with_ghost(pair, GHOST),
            1 / temperature,
            step,
            (0, 2),
            EVERYWHERE,
            (0, moves),
            KEY,
            (0, k),
            rows,
        )
        assert displace(*state, scale_table(length), x.copy(), y.copy(), 1e12)[0] == moves
        found[k] = np.hypot(np.int32(np.int64(x[0]) - x[1]), np.int32(np.int64(y[0]) - y[1])) * length / UNITS
    counts, expected = np.histogram(found, np.append(0, edges))[0], probability * len(found)
    enough = expected > 5
    assert enough.sum() > 15
    scaled = expected[enough] * counts[enough].sum() / expected[enough].sum()
    assert stats.chisquare(counts[enough], scaled).pvalue > 0.01
    assert counts[~enough].sum() <= expected[~enough].sum() + 10


@pytest.fixture(scope="module")
def large():
    """A box with room for a checkerboard, melted."""
    start = random_start(2400, seed=1)
    box = start["position"].values[0], start["species"].values[0], start.attrs["box_length"]
    chain = SwapMonteCarlo(*box, 1.0, seed=2)
    chain.run(200)
    return chain.position, chain.species, box[2]


def test_the_number_of_threads_does_not_change_a_checkerboard(large):
    runs = []
    for threads in (1, 2):
        chain = SwapMonteCarlo(*large, 0.6, seed=3, threads=threads)
        chain.run(60)
        runs.append((chain.position, chain.species, chain.displacements))
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert runs[0][2][0] == 60 * 2400


def test_a_chain_goes_on_from_its_checkpoint_bit_for_bit(large):
    for threads, swap in ((None, "balanced"), (1, "balanced"), (1, "plain")):
        chain = SwapMonteCarlo(*large, 0.6, seed=3, swap=swap, threads=threads)
        chain.run(20)
        chain.renew_neighbors()
        saved = {name: np.array(values) for name, (_, values) in chain.checkpoint().items()}
        chain.run(40)
        other = SwapMonteCarlo(*large, 0.6, seed=4, swap=swap, threads=threads)
        other.restore(saved)
        other.run(40)
        np.testing.assert_array_equal(other.position, chain.position)
        np.testing.assert_array_equal(other.species, chain.species)


@pytest.mark.slow
def test_a_checkerboard_samples_the_same_liquid(large):
    """Mean energy and its fluctuations with displacements in cells against those anywhere, errors from batches."""
    results = []
    for threads in (None, 1):
        chain = SwapMonteCarlo(*large, 0.8, seed=6, threads=threads)
        chain.run(300)
        energies = np.empty(160)
        for k in range(len(energies)):
            chain.run(20)
            energies[k] = potential_energy(chain.position, chain.species, large[2]).mean()
        batches = energies.reshape(16, 10).mean(axis=1)
        results.append((batches.mean(), batches.std(ddof=1) / 4, energies.std()))
    (one, one_error, one_spread), (other, other_error, other_spread) = results
    assert one_error < 2e-3
    assert abs(one - other) < 3.5 * np.hypot(one_error, other_error)
    assert 0.6 < one_spread / other_spread < 1.6


def test_small_boxes_have_no_room_for_a_checkerboard(liquid):
    with pytest.raises(InvalidData, match="threads"):
        SwapMonteCarlo(*liquid, 0.5, threads=2)
