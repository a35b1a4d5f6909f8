import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz.simulate.neighbors import REACH, cells_per_side, pair_list, sort_into_cells


def as_set(start, neighbor):
    return {(i, int(j)) for i in range(len(start) - 1) for j in neighbor[start[i] : start[i + 1]]}


@pytest.fixture(scope="session")
def brute_force(nearest_images):
    def pairs(position, species, length, reach):
        close = nearest_images(position, length)[1] < reach[species[:, None], species]
        np.fill_diagonal(close, False)
        return {(int(i), int(j)) for i, j in np.argwhere(close)}

    return pairs


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    particles=st.integers(1, 80),
    length=st.one_of(st.floats(0.5, 40.0), st.sampled_from([7.5, 10.0, 9.0])),
    skin=st.sampled_from([0.0, 0.3, 1.0]),
    scale=st.sampled_from([1.0, 0.56]),
)
def test_equals_brute_force(brute_force, seed, particles, length, skin, scale):
    """Boxes of one cell and of many, particles on the edges, the interaction's range and that of bonds."""
    generator = np.random.default_rng(seed)
    position = generator.uniform(0, length, (particles, 2))
    edge = generator.integers(0, 8, position.shape)
    position = np.where(edge == 0, 0.0, np.where(edge == 1, np.nextafter(length, 0), position))
    species = generator.integers(0, 3, particles).astype(np.int8)
    expected = brute_force(position, species, length, scale * REACH + skin)
    start, neighbor = pair_list(position, species, length, skin, scale * REACH)
    assert start[-1] == len(neighbor) == len(expected)
    assert as_set(start, neighbor) == expected
    start, neighbor = pair_list(position, species, length, skin, scale * REACH, half=True)
    assert len(neighbor) == len(expected) // 2
    assert as_set(start, neighbor) == {(i, j) for i, j in expected if i < j}


def test_a_list_longer_than_its_first_buffer(brute_force):
    position = np.random.default_rng(0).uniform(0, 3.0, (300, 2))
    species = np.zeros(300, np.int8)
    start, neighbor = pair_list(position, species, 3.0)
    assert len(neighbor) > 2 * (64 * 300 + 64)
    assert as_set(start, neighbor) == brute_force(position, species, 3.0, REACH)


def test_the_skin_keeps_a_list_complete_until_a_particle_has_moved_by_half_of_it(liquid, brute_force):
    position, species, length = liquid
    listed = as_set(*pair_list(position, species, length, skin=0.6))
    generator = np.random.default_rng(1)
    for _ in range(20):
        angle = generator.uniform(0, 2 * np.pi, len(position))
        moved = (position + 0.3 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)) % length
        assert brute_force(moved, species, length, REACH) <= listed


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), particles=st.integers(1, 100), side=st.integers(1, 9))
def test_particles_are_sorted_into_their_cells(seed, particles, side):
    position = np.random.default_rng(seed).uniform(0, 5.0, (particles, 2))
    position[0] = np.nextafter(5.0, 0)
    cell, first, order = sort_into_cells(position, 5.0, side)
    column, row = np.floor(position / 5.0 * side).astype(int).T
    np.testing.assert_array_equal(cell, column * side + row)
    assert first[0] == 0
    assert first[-1] == particles
    for c in range(side * side):
        inside = order[first[c] : first[c + 1]]
        np.testing.assert_array_equal(inside, np.flatnonzero(cell == c))


def test_cells_are_as_wide_as_the_reach_or_there_is_one():
    assert cells_per_side(7.4, 2.5) == 1
    assert cells_per_side(7.5, 2.5) == 3
    assert cells_per_side(32.9, 2.5) == 13
