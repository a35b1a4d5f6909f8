import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz.simulate.fixed_point import GHOST
from glassviz.simulate.words import relabelled, word, words

COORDINATES = st.integers(-(2**31), 2**31 - 1)
KINDS = st.integers(0, GHOST)


@settings(deadline=None)
@given(x=COORDINATES, y=COORDINATES, kind=KINDS, other=KINDS)
def test_a_word_holds_even_coordinates_and_the_species(x, y, kind, other):
    packed = word(np.int32(x), np.int32(y), np.int32(kind))
    low, high = np.array([packed], np.int64).view(np.int32)
    assert (low & -2, high & -2) == (x & -2, y & -2)
    assert (low & 1) + 2 * (high & 1) == kind
    assert relabelled(packed, other) == word(np.int32(x), np.int32(y), np.int32(other))


@settings(deadline=None)
@given(st.lists(st.tuples(COORDINATES, COORDINATES, KINDS), min_size=1, max_size=5))
def test_particles_are_packed_one_by_one(particles):
    columns = [np.array(column, np.int32) for column in zip(*particles, strict=True)]
    np.testing.assert_array_equal(words(*columns), [word(*np.int32(values)) for values in particles])
