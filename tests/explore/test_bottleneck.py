"""The cloud of the bottleneck as an image: where points lie, what overlapping ones show, what is left out."""

import numpy as np
import pytest

from glassviz.explore.colors import LEVELS, palette
from glassviz.explore.views.bottleneck import DENSE, shade

WINDOW = {"x_range": (0, 4), "y_range": (0, 2), "size": (80, 40)}  # 20 pixels per unit


def channels(image):
    """Red, green, blue and opacity (height, width, 4)."""
    return image.view(np.uint8).reshape(*image.shape, 4)


def color(propensity):
    return palette()[round(propensity * (LEVELS - 1))]


def test_a_point_is_a_disc_in_its_colour_where_it_lies():
    image = channels(shade(np.array([[3.0, 0.5]]), np.array([0.25]), **WINDOW))
    rows, columns = np.nonzero(image[..., 3])
    assert (rows.mean(), columns.mean()) == (10, 60)
    assert rows.max() - rows.min() == columns.max() - columns.min() == 6
    assert (image[rows, columns, :3] == color(0.25)).all()


def test_overlapping_points_show_their_mean_and_are_more_opaque():
    nodes = np.array([[1.0, 1.0], [1.0, 1.0], [3.0, 1.0]])
    image = channels(shade(nodes, np.array([0.2, 0.6, 0.9]), **WINDOW))
    assert (image[20, 20, :3] == color(0.4)).all()
    assert (image[20, 60, :3] == color(0.9)).all()
    assert image[20, 20, 3] > image[20, 60, 3]


def test_what_has_no_bottleneck_or_lies_outside_is_left_out():
    nodes = np.array([[np.nan, 1.0], [5.0, 1.0], [1.0, -3.0]])
    for left in (nodes, nodes[:0]):
        assert not channels(shade(left, np.full(len(left), 0.5), **WINDOW))[..., 3].any()


def test_a_point_at_the_border_does_not_come_back_on_the_other_side():
    image = channels(shade(np.array([[3.99, 1.0]]), np.array([0.5]), **WINDOW))
    assert not image[:, :40, 3].any()
    assert image[:, 79, 3].any()


@pytest.mark.parametrize("particles", [300, DENSE + 1])
def test_every_particle_of_a_cloud_is_seen(particles):
    generator = np.random.default_rng(0)
    nodes = generator.uniform([0, 0], [4, 2], (particles, 2))
    opacity = channels(shade(nodes, generator.uniform(size=particles), **WINDOW))[..., 3]
    column, row = (nodes * 20).astype(int).T
    assert (opacity[row, column] > 0).all()
