import numpy as np
import pytest

from glassviz import mixture
from glassviz.simulate.dynamics import _wide_list, advance, positions, start_lanes
from glassviz.simulate.equilibration import random_start
from glassviz.simulate.lanes import LANES, UNITS, add_pair_forces, close_pairs
from glassviz.simulate.neighbors import REACH
from glassviz.simulate.potential import forces


@pytest.fixture(scope="module", params=[129, 1290])
def diverged(request):
    """Eight replicas that share nothing any more: hot, hundreds of steps from one lattice."""
    start = random_start(request.param, seed=3)
    species, length = start["species"].values[0], start.attrs["box_length"]
    lanes = start_lanes(start["position"].values[0], length, 4.0, 0.004, seed=5, replicas=range(LANES))
    advance(lanes, species, length, 600, 0.004)
    apart = positions(lanes, length) - positions(lanes, length)[:1]
    apart -= length * np.rint(apart / length)
    assert np.sqrt((apart[1:] ** 2).sum(axis=-1).mean()) > 1
    return lanes, species, length


def in_slots(lanes, length):
    """Positions of every replica in the order of the slots, (LANES, n, 2)."""
    return np.moveaxis(np.stack([lanes.x, lanes.y], axis=-1).view(np.uint32) * (length / UNITS), 1, 0)


def pairs_within(position, length, reach):
    """Pairs i < j closer than reach, (n, n) of bool, by the full distance matrix."""
    close = np.ones((len(position), len(position)), bool)
    square = np.zeros(close.shape)
    for axis in range(2):
        difference = position[:, None, axis] - position[None, :, axis]
        difference -= length * np.rint(difference / length)
        square += difference**2
    return np.triu(square < reach**2, 1)


def listed(start, neighbor):
    table = np.zeros((len(start) - 1,) * 2, bool)
    table[np.repeat(np.arange(len(start) - 1), np.diff(start)), neighbor] = True
    assert table.sum() == len(neighbor)
    return table


def test_the_wide_list_holds_the_pairs_near_in_any_lane_and_no_other(diverged):
    lanes, _, length = diverged
    for reach in (REACH.max() + 0.5, REACH.max() + 2.4):
        table = listed(*_wide_list(lanes.x, lanes.y, reach / length * UNITS))
        replicas = in_slots(lanes, length)
        assert np.all(table >= np.any([pairs_within(r, length, reach - 1e-5) for r in replicas], axis=0))
        assert np.all(table <= np.any([pairs_within(r, length, reach + 1e-5) for r in replicas], axis=0))


def test_the_narrow_list_holds_every_interacting_pair_of_every_lane(diverged):
    lanes, species, length = diverged
    wide = _wide_list(lanes.x, lanes.y, (REACH.max() + 1) / length * UNITS)
    reach2 = ((REACH / length * UNITS) ** 2).ravel().astype(np.float32)
    table = listed(*close_pairs(lanes.x, lanes.y, *wide, species, reach2))
    by_pair = REACH[species[:, None], species]
    replicas = in_slots(lanes, length)
    assert np.all(table >= np.any([pairs_within(r, length, by_pair - 1e-5) for r in replicas], axis=0))
    assert np.all(table <= np.any([pairs_within(r, length, by_pair + 1e-5) for r in replicas], axis=0))


def test_every_lane_feels_the_forces_of_its_own_positions(diverged):
    lanes, species, length = diverged
    wide = _wide_list(lanes.x, lanes.y, (REACH.max() + 0.2) / length * UNITS)
    unit = length / UNITS
    scale = (unit**2 / mixture.SIGMA**2).ravel().astype(np.float32)
    strength = (8 * mixture.EPSILON / mixture.SIGMA**2 * unit).ravel().astype(np.float32)
    fx, fy = (np.zeros(lanes.x.shape, np.float32) for _ in range(2))
    add_pair_forces(lanes.x, lanes.y, fx, fy, *wide, species, scale, strength)
    for lane, position in enumerate(in_slots(lanes, length)):
        expected = forces(position, species, length)
        np.testing.assert_allclose(fx[:, lane], expected[:, 0], rtol=2e-5, atol=2e-6 * np.abs(expected).max())
        np.testing.assert_allclose(fy[:, lane], expected[:, 1], rtol=2e-5, atol=2e-6 * np.abs(expected).max())
    np.testing.assert_allclose(fx.sum(axis=0), 0, atol=1e-3 * np.abs(fx).max())


def test_one_near_lane_is_enough_also_across_the_edge_of_the_box():
    x = np.zeros((2, LANES), np.int32)
    y = np.zeros((2, LANES), np.int32)
    x[0], x[1] = 2**31 - 5, 2**20
    x[1, LANES - 1] = -(2**31) + 7
    assert nearest_of(x, y) == 12**2
    x[1, LANES - 1] = 2**20
    y[1, 2] = -3
    x[1, 2] = 2**31 - 9
    assert nearest_of(x, y) == 4**2 + 3**2


def nearest_of(x, y):
    """Squared distance in the nearest lane: one less than the smallest reach² at which `close_pairs` takes them."""
    start, candidate = np.array([0, 1, 1]), np.array([1], np.int32)
    for reach2 in range(1, 400):
        table = np.full(9, reach2, np.float32)
        if len(close_pairs(x, y, start, candidate, np.zeros(2, np.int8), table)[1]):
            return reach2 - 1
    return None
