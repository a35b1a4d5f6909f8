"""Speed of the structural description at N = 82560: seconds are printed, ratios in one run are asserted."""

from time import perf_counter

import freud
import numpy as np
import pytest
from numba import njit, prange

from glassviz.simulate.neighbors import sort_into_cells
from glassviz.simulate.potential import potential_energy
from glassviz.structure.descriptors import CUTOFF, LENGTHS, descriptors
from glassviz.structure.tessellation import perimeters

pytestmark = pytest.mark.benchmark

EVERY = 8  # the plain way describes one particle in so many


@pytest.fixture(scope="module")
def large_box(configurations_at):
    dataset = configurations_at(0.40, 82560)
    position, species = dataset["position"].values[0], dataset["species"].values[0]
    energy = potential_energy(position, species, dataset.attrs["box_length"])
    return dataset.assign(
        inherent_position=dataset["position"], inherent_energy=(("configuration", "particle"), energy[None])
    )


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True)
def plain_sums(position, species, energy, perimeter, length, cutoff, scales, every):
    """Σw, Σw E, Σw p and Σw E² of every so many particles: cell lists, one exponential per pair and length."""
    side = int(length / cutoff)
    cell, first, order = sort_into_cells(position, length, side)
    total = np.zeros((len(position) // every, 3, len(scales), 4))
    for row in prange(len(total)):
        i = row * every
        for ox in range(-1, 2):
            for oy in range(-1, 2):
                c = (cell[i] // side + ox) % side * side + (cell[i] % side + oy) % side
                for k in range(first[c], first[c + 1]):
                    j = order[k]
                    dx, dy = position[j, 0] - position[i, 0], position[j, 1] - position[i, 1]
                    dx -= length * np.rint(dx / length)
                    dy -= length * np.rint(dy / length)
                    r = np.sqrt(dx * dx + dy * dy)
                    if r < cutoff:
                        for scale in range(len(scales)):
                            weight = np.exp(-r / scales[scale])
                            total[row, species[j], scale, 0] += weight
                            total[row, species[j], scale, 1] += weight * energy[j]
                            total[row, species[j], scale, 2] += weight * perimeter[j]
                            total[row, species[j], scale, 3] += weight * energy[j] ** 2
    return total


def best(call, repeats=5):
    call()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def test_descriptors(large_box, capsys):
    """Bar: 2 s, 4 s with the tessellation, on two free cores; here both against the plain sums alone."""
    one = large_box.isel(configuration=0)
    position, species = one["inherent_position"].values, one["species"].values
    energy, perimeter = one["inherent_energy"].values, perimeters(position, species, one.attrs["box_length"])
    arrays = (position, species, energy, perimeter, one.attrs["box_length"], CUTOFF, np.array(LENGTHS[1:]), EVERY)
    plain = EVERY * best(lambda: plain_sums(*arrays), 2)
    ours = best(lambda: descriptors(large_box))
    with capsys.disabled():
        print(f"\ndescriptors with tessellation {ours:.2f} s, {plain / ours:.0f} × the plain sums (bar 6 ×)")
    assert plain / ours >= 6

    density = descriptors(large_box).sel(observable="density").values[0, ::EVERY, 1:, :3]
    expected = plain_sums(*arrays)[..., 0].transpose(0, 2, 1)
    np.testing.assert_allclose(density, expected, rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("kind", ["radical", "plain"])
def test_tessellation(large_box, kind, capsys):
    """Against freud's Voronoi diagram."""
    one = large_box.isel(configuration=0)
    length, species = one.attrs["box_length"], one["species"].values
    position = one["inherent_position"].values
    centered = np.c_[position - length / 2, np.zeros(len(position))]
    box = freud.box.Box.square(length)
    other = best(lambda: freud.locality.Voronoi().compute((box, centered)), 2)
    ours = best(lambda: perimeters(position, species, length, kind))
    with capsys.disabled():
        print(f"\n{kind} cells {ours:.3f} s, {other / ours:.0f} × freud (bar 6 ×)")
    assert other / ours >= 6
