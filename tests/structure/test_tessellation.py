import freud
import numpy as np
import pytest
from scipy.spatial import ConvexHull

from glassviz import mixture
from glassviz.structure.tessellation import cells, perimeters


def random_box(particles, length, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((particles, 2)) * length, rng.integers(0, 3, particles)


def hull_perimeters(position, radius, length):
    """Power cells as the dual of the lower convex hull of (x, y, x² + y² − r²), over 3 × 3 periodic copies."""
    shifts = [(a * length, b * length) for a in (0, -1, 1) for b in (0, -1, 1)]
    copies = np.concatenate([position + shift for shift in shifts])
    lift = (copies**2).sum(axis=1) - np.tile(radius, 9) ** 2
    hull = ConvexHull(np.c_[copies, lift])
    normal = hull.equations[:, :3]
    lower = normal[:, 2] < -1e-12
    center = -normal[:, :2] / (2 * np.where(lower, normal[:, 2], -1.0)[:, None])
    perimeter = np.zeros(len(copies))
    for facet, (corners, neighbors) in enumerate(zip(hull.simplices, hull.neighbors, strict=True)):
        for corner, neighbor in enumerate(neighbors):
            if facet < neighbor and lower[facet] and lower[neighbor]:
                perimeter[np.delete(corners, corner)] += np.linalg.norm(center[facet] - center[neighbor])
    return perimeter[: len(position)]


@pytest.mark.parametrize(
    ("kind", "means"), [("radical", (3.632, 3.118, 3.423)), ("plain", (3.538, 3.305, 3.459))], ids=["radical", "plain"]
)
def test_species_means_of_the_published_sample(reference_sample, kind, means):
    dataset, _ = reference_sample
    species = dataset["species"].values[0]
    perimeter = perimeters(dataset["inherent_position"].values[0], species, dataset.attrs["box_length"], kind)
    assert [perimeter[species == s].mean() for s in range(3)] == pytest.approx(means, abs=6e-4)


@pytest.mark.parametrize("seed", range(5))
def test_radical_cells_are_the_dual_of_the_lifted_hull(seed):
    position, species = random_box(200, 13.0, seed)
    position[1], species[:2] = position[0] + 0.01, (0, 1)  # a swallowed cell
    expected = hull_perimeters(position, mixture.RADII[species], 13.0)
    np.testing.assert_allclose(perimeters(position, species, 13.0), expected, atol=1e-9)
    assert expected[1] == 0


def test_plain_cells_are_freuds():
    position, species = random_box(500, 20.0)
    voronoi = freud.locality.Voronoi().compute((freud.box.Box.square(20.0), np.c_[position - 10.0, np.zeros(500)]))
    edges = voronoi.nlist
    expected = np.bincount(edges.query_point_indices, edges.weights, minlength=500)
    np.testing.assert_allclose(perimeters(position, species, 20.0, "plain"), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["radical", "plain"])
@pytest.mark.parametrize(("particles", "length"), [(1, 1.0), (2, 3.0), (10, 3.0), (333, 20.0), (40, 500.0)])
def test_areas_sum_to_the_box(particles, length, kind):
    position, species = random_box(particles, length, particles)
    perimeter, area = cells(position, species, length, kind)
    assert area.sum() == pytest.approx(length**2, rel=1e-10)
    assert (perimeter**2 >= 4 * np.pi * area).all(), "a cell beats the circle"


def test_one_particle_fills_the_box_alone():
    perimeter, area = cells([[0.3, 2.9]], [1], 3.0)
    assert (perimeter[0], area[0]) == pytest.approx((12.0, 9.0))


def test_square_lattice():
    position = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    perimeter, area = cells(position, np.zeros(36, int), 6.0)
    np.testing.assert_allclose(perimeter, 4.0)
    np.testing.assert_allclose(area, 1.0)


def test_a_swallowed_cell_has_no_perimeter():
    position, species = random_box(50, 8.0)
    position[1], species[:2] = position[0] + np.array([0.01, 0.0]), (0, 1)
    perimeter, area = cells(position, species, 8.0)
    assert perimeter[1] == area[1] == 0
    assert area.sum() == pytest.approx(64.0)


def test_a_cell_with_very_many_edges():
    angle = np.linspace(0, 2 * np.pi, 201)[:-1]
    position = np.concatenate([[[5.0, 5.0]], 5.0 + 3.0 * np.c_[np.cos(angle), np.sin(angle)]])
    perimeter, _ = cells(position, np.zeros(201, int), 10.0)
    assert perimeter[0] == pytest.approx(200 * 2 * 1.5 * np.tan(np.pi / 200))


@pytest.mark.parametrize("kind", ["radical", "plain"])
def test_translation_and_permutation_change_nothing(kind):
    position, species = random_box(400, 18.0)
    perimeter = perimeters(position, species, 18.0, kind)
    np.testing.assert_allclose(perimeters(position + np.array([7.3, -40.1]), species, 18.0, kind), perimeter, atol=1e-9)
    order = np.random.default_rng(1).permutation(400)
    np.testing.assert_allclose(perimeters(position[order], species[order], 18.0, kind), perimeter[order], atol=1e-9)


def test_an_unknown_kind_is_refused():
    with pytest.raises(mixture.InvalidData, match="unknown kind 'voro'"):
        perimeters([[0.0, 0.0]], [0], 1.0, "voro")
