"""Moves in groups of cells: who sees whom, and the same result, whoever shares the work."""

import numba
import numpy as np
import pytest

from glassviz.mixture import CUTOFF, SIGMA
from glassviz.simulate.cell_groups import CELLS, move_in_groups
from glassviz.simulate.checkerboard import cells_of, cells_per_side, lay_out, with_surroundings
from glassviz.simulate.displacement import scale_table
from glassviz.simulate.fixed_point import GHOST, UNITS, fixed_point, with_ghost
from glassviz.simulate.philox import new_key
from glassviz.simulate.swap import REACH

LENGTH = 88.0  # eight cells along a side, so that a colour has two groups of them
KEY = new_key(1)
SHARES = np.array([0.4, 0.35, 0.25])


def kernel_arrays(position, species, length):
    x, y = (with_ghost(values, 0) for values in fixed_point(position, length))
    return x, y, with_ghost(species, GHOST)


@pytest.fixture(scope="module")
def wide(liquid):
    """The small liquid side by side with itself until there is room for two groups: (position, species, length)."""
    position, species, length = liquid
    copies = int(np.ceil(LENGTH / length))
    corners = np.stack(np.meshgrid(*[np.arange(copies) * length] * 2), axis=-1).reshape(-1, 1, 2)
    return (position + corners).reshape(-1, 2), np.tile(species, copies**2), copies * length


def test_a_group_knows_all_within_its_reach_once(wide):
    position, species, length = wide
    x, y, kinds = kernel_arrays(position, species, length)
    side = cells_per_side(length)
    board, colours = lay_out(x, y, side, KEY, 3)
    assert sorted(colours) == [0, 1, 2, 3]
    unit = length / UNITS
    cells = cells_of(colours[0], side)[[0, 1, 5]]
    whom, members, near_x, near_y, near_kinds = with_surroundings(x, y, kinds, cells, board, REACH / unit)
    own = np.concatenate([board.order[board.first[c] : board.first[c + 1]] for c in cells])
    np.testing.assert_array_equal(whom[:members], own)
    assert len(np.unique(whom)) == len(whom) < len(species) / 3
    for near, values in ((near_x, x), (near_y, y), (near_kinds, kinds)):
        np.testing.assert_array_equal(near[:-1], values[whom])
    assert near_kinds[-1] == GHOST
    away = position[None] - position[own][:, None]
    away -= length * np.rint(away / length)
    assert set(np.flatnonzero((np.hypot(*away.T) < CUTOFF * SIGMA.max()).any(axis=1))) <= set(whom)


def test_cells_of_one_colour_do_not_interact(wide):
    """What lets them work at the same time: particles of different cells of a colour are out of reach of each other."""
    position, species, length = wide
    x, y, _ = kernel_arrays(position, species, length)
    side = cells_per_side(length)
    board, colours = lay_out(x, y, side, KEY, 4)
    seen = []
    for colour in colours:
        cells = cells_of(colour, side)
        cell = np.repeat(np.arange(len(cells)), [board.first[c + 1] - board.first[c] for c in cells])
        members = np.concatenate([board.order[board.first[c] : board.first[c + 1]] for c in cells])
        seen.append(members)
        apart = position[members][:, None] - position[members][None]
        apart -= length * np.rint(apart / length)
        assert np.hypot(*np.moveaxis(apart, -1, 0))[cell[:, None] != cell].min() > 2 * REACH
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(len(species)))


def test_the_number_of_threads_does_not_change_the_moves(wide):
    position, species, length = wide
    side, before, unit = cells_per_side(length), numba.get_num_threads(), length / UNITS
    assert side**2 // 4 // CELLS > 1
    chain = (2.0, unit, round(0.1 / unit), scale_table(length), (REACH + 1) / unit, 0.4 / unit, SHARES)
    results = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        x, y, labels = kernel_arrays(position, species, length)
        counts = [move_in_groups(x, y, labels, chain, (7, 3, 0.5), KEY, phase, side) for phase in range(3)]
        displaced, swapped = (np.sum(each, axis=0) for each in zip(*counts, strict=True))
        results.append((x, y, labels, displaced, swapped))
    numba.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    x, y, labels, displaced, swapped = results[0]
    np.testing.assert_array_equal(np.bincount(labels[:-1]), np.bincount(species))
    assert displaced[0] == 3 * 7 * len(species)
    assert 0.05 * displaced[0] < displaced[1] < displaced[0]
    assert swapped[0].sum() == pytest.approx(3 * 0.5 * (7 / 3) * len(species), rel=0.01)
    assert (labels[:-1] != species).mean() > 0.05


def test_nobody_leaves_the_cell(wide):
    """Where hot particles fly about, those of a board's cells are still the same at the end."""
    position, species, length = wide
    side, unit = cells_per_side(length), length / UNITS
    x, y, labels = kernel_arrays(position, species, length)
    board, _ = lay_out(x, y, side, KEY, 6)
    chain = (0.02, unit, round(0.4 / unit), scale_table(length), (REACH + 2) / unit, 0.7 / unit, SHARES)
    displaced, _ = move_in_groups(x, y, labels, chain, (20, 5, 0.0), KEY, 6, side)
    assert displaced[1] > 0.1 * displaced[0]
    assert np.abs(x[:-1] - fixed_point(position, length)[0]).max() * unit > 1.0
    after = lay_out(x, y, side, KEY, 6)[0]
    np.testing.assert_array_equal(after.first, board.first)
    np.testing.assert_array_equal(after.order, board.order)
