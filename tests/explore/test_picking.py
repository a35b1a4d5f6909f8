import numpy as np
import pytest

from glassviz.explore.picking import disc_at, inside, point_at, state_at
from glassviz.explore.raster import particle_ids, viewport


def test_a_tap_means_the_particle_that_the_raster_shows():
    generator = np.random.default_rng(2)
    length = 8.0
    position, radius = generator.uniform(0, length, (40, 2)), generator.uniform(0.3, 0.6, 40)
    raster = particle_ids(viewport(length, 60, (-5, 9), (-2, 12)), position, radius, length)["particle"]
    for row in range(0, 60, 3):
        for column in range(60):
            found = disc_at(float(raster["x"][column]), float(raster["y"][row]), position, radius, length)
            assert (-1 if found is None else found) == int(raster[row, column])


def test_a_square_across_the_border_of_the_box():
    position = np.array([[0.5, 0.5], [9.5, 0.5], [9.5, 9.5], [5.0, 5.0], [0.5, 9.5]])
    square = [(9, 9), (11, 9), (11, 11), (9, 11)]
    assert inside(square, position, 10.0).tolist() == [0, 1, 2, 4]
    assert inside(square, position).tolist() == [2]
    assert inside([(-30, -30), (30, -30), (30, 30), (-30, 30)], position, 10.0).tolist() == [0, 1, 2, 3, 4]


def test_an_outline_that_is_not_convex():
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (500, 2))
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    star = (0.6 + 0.3 * np.cos(5 * angle))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    direction = np.arctan2(points[:, 1], points[:, 0])
    margin = np.hypot(*points.T) - (0.6 + 0.3 * np.cos(5 * direction))
    clear = np.abs(margin) > 0.01
    found = np.isin(np.arange(500), inside(star, points))
    assert np.array_equal(found[clear], margin[clear] < 0)


@pytest.mark.parametrize(
    "outline", [[], [(0, 0), (1, 1)], [(0, 0), (1, np.nan), (1, 1)], [(0, 0), (0, np.inf), (1, 1)]]
)
def test_no_outline_holds_nothing(outline):
    for length in (None, 5.0):
        assert inside(outline, np.zeros((3, 2)), length).tolist() == []


def test_an_outline_far_away_or_far_too_large_is_taken_for_what_it_can_mean():
    """A browser may say anything: it must not keep the server of all others busy."""
    position = np.random.default_rng(1).uniform(0, 10, (5000, 2))
    square = np.array([(9.0, 9.0), (11.0, 9.0), (11.0, 11.0), (9.0, 11.0)])
    expected = inside(square, position, 10.0)
    assert 100 < len(expected) < 300
    np.testing.assert_array_equal(inside(square + np.array([1000, -70]), position, 10.0), expected)
    every = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    for size in (30.0, 1e7, 1e300):
        assert len(inside(size * every, position, 10.0)) == 5000
    angle = np.linspace(0, 2 * np.pi, 300_000)
    assert len(inside(5 + 20 * np.stack([np.cos(angle), np.sin(angle)], axis=1), position, 10.0)) == 5000


def test_a_tap_beside_the_cloud_means_nothing():
    points = np.array([[0.0, 0.0], [np.nan, 0.5], [100.0, 1.0]])
    window = (0, 1000), (0, 1)
    assert point_at(95.0, 0.99, points, window) == 2
    assert point_at(500.0, 0.5, points, window) is None
    assert point_at(0, 0, points[1:2], window) is None


def test_a_tap_on_a_curve_means_its_state():
    levels = np.array([0.9, 0.5, 0.1])
    curves = {
        0.4: (np.array([1.0, 10.0, 100.0]), np.array([1.0, 2.0, np.nan]), levels),
        0.2: (np.array([1e3, 1e4, 1e5]), np.array([1.0, 3.0, 2.0]), levels),
    }
    window = (1.0, 1e6), (0.0, 4.0)
    assert state_at(1.1e4, 3.02, curves, window) == (0.2, 0.5)
    assert state_at(9.0, 1.98, curves, window) == (0.4, 0.5)
    assert state_at(100.0, 0.1, curves, window) is None
    assert state_at(10.0, 2.0, {}, window) is None
