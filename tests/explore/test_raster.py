import numpy as np
import pytest

from glassviz.explore.raster import BACKGROUND, particle_ids, viewport
from glassviz.mixture import RADII

ROUNDING = 1e-5


def naive_power(x, y, position, radius, length):
    """Smallest power distance over the periodic images of every disc at one point, (particle,)."""
    shift = np.array([-2, -1, 0, 1, 2]) * length
    dx = x - position[:, 0, None] - shift
    dy = y - position[:, 1, None] - shift
    return (dx**2).min(axis=1) + (dy**2).min(axis=1) - radius**2


@pytest.mark.parametrize(
    ("x_range", "y_range"),
    [((0, 8), (0, 8)), ((-3, 5), (6, 11)), ((2.2, 3.1), (7.5, 8.4)), ((-8, 16), (-8, 16))],
    ids=["box", "across the border", "zoom", "images"],
)
def test_every_pixel_shows_the_disc_of_smallest_power_distance(x_range, y_range):
    generator = np.random.default_rng(1)
    length, side = 8.0, 61
    position = generator.uniform(0, length, (40, 2))
    radius = generator.choice(RADII, 40)
    raster = particle_ids(viewport(length, side, x_range, y_range), position, radius, length)
    assert raster["particle"].dtype == np.int32
    for row in range(side):
        for column in range(side):
            power = naive_power(float(raster["x"][column]), float(raster["y"][row]), position, radius, length)
            found = int(raster["particle"][row, column])
            if found == BACKGROUND:
                assert power.min() > -ROUNDING
            else:
                assert power[found] < ROUNDING
                assert power[found] - power.min() < ROUNDING


def test_discs_have_their_true_radius():
    raster = particle_ids(viewport(10.0, 1000), [[5.0, 5.0]], [0.94], 10.0)
    covered = (raster["particle"].values == 0).sum() / 1000**2 * 10.0**2
    assert covered == pytest.approx(np.pi * 0.94**2, rel=2e-3)


def test_edge_is_the_distance_to_the_rim_and_to_the_neighbour():
    raster = particle_ids(viewport(10.0, 200), [[4.6, 5.0], [5.4, 5.0]], [0.5, 0.5], 10.0)
    edge = raster["edge"].sel(y=5.0, method="nearest")
    assert float(edge.sel(x=4.2, method="nearest")) == pytest.approx(20 * 0.1, abs=0.8)
    assert float(edge.sel(x=4.99, method="nearest")) < 1
    assert float(edge.sel(x=3.0, method="nearest")) == 0


def test_density_of_a_real_sample(configurations_at):
    ds = configurations_at(0.23)
    species, position, length = ds["species"].values[0], ds["position"].values[0], ds.attrs["box_length"]
    raster = particle_ids(viewport(length, 1200), position, RADII[species], length)
    shown = np.unique(raster["particle"].values)
    assert set(range(len(species))) <= set(shown.tolist())
    free = (raster["particle"].values == BACKGROUND).mean()
    # The discs of the mixture overlap, so at least what is free of their summed area must be left.
    assert 1 - np.pi * (RADII[species] ** 2).sum() / length**2 <= free + 1e-3 < 0.25


def test_the_picture_does_not_depend_on_the_number_of_threads(configurations_at):
    import numba

    ds = configurations_at(0.23)
    arguments = ds["position"].values[0], RADII[ds["species"].values[0]], ds.attrs["box_length"]
    many = particle_ids(viewport(arguments[2], 333), *arguments)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = particle_ids(viewport(arguments[2], 333), *arguments)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(many["particle"], one["particle"])
