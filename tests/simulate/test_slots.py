import numpy as np
import pytest

from glassviz import mixture
from glassviz.simulate.dynamics import Lanes, _wide_list, advance, by_particle, displacements, positions, start_lanes
from glassviz.simulate.lanes import LANES, UNITS
from glassviz.simulate.neighbors import REACH
from glassviz.simulate.slots import GAIN, share_slots


def scattered(lanes, species, seed=0):
    """The same replicas with the particles of all lanes but the first in slots drawn at random."""
    rng = np.random.default_rng(seed)
    fields = [field.copy() for field in lanes]
    for lane in range(1, LANES):
        for kind in range(3):
            members = np.flatnonzero(species == kind)
            drawn = rng.permutation(members)
            for field in fields:
                field[members, lane] = field[drawn, lane]
    return Lanes(*fields)


def pairs(lanes, length):
    """Pairs within reach in at least one lane."""
    return len(_wide_list(lanes.x, lanes.y, (REACH.max() + 0.7) / length * UNITS)[1])


@pytest.fixture
def replicas(liquid):
    """Eight replicas after a while, and what they are made of."""
    position, species, length = liquid
    lanes = start_lanes(position, length, 0.8, 0.01, 3, range(LANES))
    advance(lanes, species, length, 2000)
    return lanes, species, length


def test_nothing_but_the_slots_changes(replicas):
    lanes, species, length = replicas
    moved = scattered(lanes, species)
    assert share_slots(*moved, species, length / UNITS) > 100
    assert not np.array_equal(moved.particle, lanes.particle)
    np.testing.assert_array_equal(moved.particle[:, 0], lanes.particle[:, 0])
    np.testing.assert_array_equal(np.sort(moved.particle, axis=0), np.sort(lanes.particle, axis=0))
    np.testing.assert_array_equal(species[moved.particle], species[:, None].repeat(LANES, 1))
    for one, other in zip(lanes[:6], moved[:6], strict=True):
        np.testing.assert_array_equal(by_particle(lanes, one), by_particle(moved, other))


def test_paths_do_not_depend_on_the_slots(replicas):
    lanes, species, length = replicas
    moved = scattered(lanes, species)
    before = displacements(lanes, length)
    for one in (lanes, moved):
        advance(one, species, length, 150)
    assert np.abs(displacements(lanes, length) - before).max() > 0.3
    np.testing.assert_allclose(displacements(moved, length), displacements(lanes, length), atol=5e-4)
    apart = positions(moved, length) - positions(lanes, length)
    np.testing.assert_allclose(apart - length * np.rint(apart / length), 0, atol=5e-4)


def test_replicas_that_have_forgotten_each_other_share_their_pairs_again(replicas):
    lanes, species, length = replicas
    moved = scattered(lanes, species)
    kept, lost = pairs(lanes, length), pairs(moved, length)
    share_slots(*moved, species, length / UNITS)
    assert lost > 2 * kept
    assert pairs(moved, length) - kept < 0.3 * (lost - kept)


def test_hardly_a_pair_is_left_that_would_gain(replicas):
    """All pairs of a lane, naively, for particles that are not near their place already."""
    lanes, species, length = replicas
    moved = scattered(lanes, species, seed=4)
    share_slots(*moved, species, length / UNITS)
    place = mixture.wrap(np.stack([moved.x, moved.y], axis=-1).view(np.uint32) * (length / UNITS), length)
    for lane in range(1, LANES):
        apart = place[:, lane, None] - place[None, :, 0]
        squared = ((apart - length * np.rint(apart / length)) ** 2).sum(axis=-1)
        own = np.diag(squared)
        gain = own[:, None] + own[None] - squared - squared.T
        left = (gain > GAIN) & (species[:, None] == species) & (squared < 1.5**2)
        assert np.triu(left, 1).sum() < 0.1 * len(species)


def test_the_first_lane_and_replicas_that_are_alike_are_left_alone(liquid):
    position, species, length = liquid
    lanes = start_lanes(position, length, 0.4, 0.01, 3, range(LANES))
    assert share_slots(*lanes, species, length / UNITS) == 0
