import numba
import numpy as np
import pytest

from glassviz import mixture
from glassviz.simulate.potential import potential_energy
from glassviz.structure.descriptors import LENGTHS, NEIGHBOR_SPECIES, OBSERVABLES, descriptors
from glassviz.structure.tessellation import perimeters

NAMES = [f"{name}/{length:g}/{near}" for name in OBSERVABLES for length in LENGTHS for near in NEIGHBOR_SPECIES]

pytestmark = pytest.mark.filterwarnings("ignore::glassviz.mixture.MixtureWarning")


def random_box(particles, length, seed=0, with_energy=True):
    """Positions without any order, and energies drawn at random: the potential of overlapping particles is huge."""
    rng = np.random.default_rng(seed)
    position = rng.random((particles, 2)) * length
    energy = rng.normal(-3.0, 0.5, particles) if with_energy else None
    return mixture.configurations(
        position, rng.integers(0, 3, particles), length, inherent_position=position, inherent_energy=energy
    )


def as_inherent(dataset):
    """Thermal positions taken for inherent ones, where a test needs many real configurations and no minimum."""
    return dataset.assign(inherent_position=dataset["position"])


def naive(dataset, cutoff, rows):
    """Equations 1–4 word for word in float64, (row, observable, length, neighbour species)."""
    one = dataset.isel(configuration=0)
    position, species, box = one["inherent_position"].values, one["species"].values, one.attrs["box_length"]
    energy, perimeter = one["inherent_energy"].values, perimeters(position, species, box)
    result = np.zeros((len(rows), 4, 11, 4))
    for row, i in enumerate(rows):
        offset = position - position[i]
        offset -= box * np.rint(offset / box)
        distance = np.hypot(*offset.T)
        for scale, length in enumerate(LENGTHS):
            weight = np.exp(-distance / length) if length else (np.arange(len(position)) == i).astype(float)
            weight[distance >= cutoff] = 0
            for near in range(4):
                w = weight * ((species == near) | (near == 3))
                if not w.any():
                    continue
                density = w.sum()
                mean = (w * energy).sum() / density
                variance = (w * (energy - mean) ** 2).sum() / density
                result[row, :, scale, near] = density, mean, (w * perimeter).sum() / density, variance
    return result


# Boxes smaller than the cutoff's disc, just too small for cells, and large enough for them.
@pytest.mark.parametrize(
    ("particles", "length", "cutoff"),
    [(1, 1.0, 16.0), (10, 3.0, 16.0), (200, 13.0, 16.0), (300, 16.0, 7.5), (300, 16.0, 3.0), (2000, 41.0, 16.0)],
)
def test_against_the_naive_sum(particles, length, cutoff):
    dataset = random_box(particles, length, particles)
    rows = np.arange(particles)[:: max(particles // 60, 1)]
    computed = descriptors(dataset, cutoff).values[0, rows]
    expected = naive(dataset, cutoff, rows)
    np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=3e-6)


def test_against_the_naive_sum_on_the_published_sample(reference_sample):
    dataset, _ = reference_sample
    one = dataset.isel(configuration=0)
    energy = potential_energy(one["inherent_position"].values, one["species"].values, dataset.attrs["box_length"])
    rows = np.arange(0, 1290, 43)
    computed = descriptors(dataset).values[0, rows]
    expected = naive(dataset.assign(inherent_energy=(("configuration", "particle"), energy[None])), 16.0, rows)
    np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=1e-6)


def test_labels(reference_sample):
    dataset, _ = reference_sample
    result = descriptors(dataset, 12.0, "plain")
    assert result.dims == ("configuration", "particle", "observable", "length", "neighbor_species")
    assert result.shape == (1, 1290, 4, 11, 4)
    assert result.dtype == np.float32
    assert tuple(result["observable"].values) == OBSERVABLES
    assert result.attrs == {
        "box_length": dataset.attrs["box_length"],
        "temperature": 0.23,
        "cutoff": 12.0,
        "tessellation": "plain",
    }
    np.testing.assert_array_equal(result["species"].values, dataset["species"].values)
    assert len(set(NAMES)) == 176
    column = result.sel(observable="perimeter", length=2.5, neighbor_species="3").values[0]
    np.testing.assert_array_equal(result.values.reshape(1290, 176)[:, NAMES.index("perimeter/2.5/3")], column)


def test_length_zero_is_the_particle_itself(reference_sample):
    dataset, _ = reference_sample
    species, position = dataset["species"].values[0], dataset["inherent_position"].values[0]
    own = descriptors(dataset).sel(length=0).values[0]
    energy = potential_energy(position, species, dataset.attrs["box_length"])
    perimeter = perimeters(position, species, dataset.attrs["box_length"])
    for near in range(4):
        same = (species == near) | (near == 3)
        expected = np.stack([same, energy * same, perimeter * same, 0 * energy], axis=1)
        np.testing.assert_allclose(own[:, :, near], expected, rtol=1e-6)
    assert own[:, 1, 3].mean() == pytest.approx(-2.9071, abs=1e-3)  # the published minimum


def test_the_constant_columns_of_species_1(reference_sample):
    dataset, _ = reference_sample
    columns = descriptors(dataset, species=0).values.reshape(600, 176)
    constant = {name for name, column in zip(NAMES, columns.T, strict=True) if np.ptp(column) == 0}
    expected = {f"{name}/0/{near}" for name in ("density", "energy_variance") for near in ("1", "2", "3", "all")}
    expected |= {f"{name}/0/{near}" for name in ("energy", "perimeter") for near in ("2", "3")}
    assert len(expected) == 12
    assert constant == expected


def test_one_species_is_the_rows_of_all(reference_sample):
    dataset, _ = reference_sample
    every = descriptors(dataset)
    for s in range(3):
        only = descriptors(dataset, species=s)
        np.testing.assert_array_equal(only.values[0], every.values[0][dataset["species"].values[0] == s])
        np.testing.assert_array_equal(only["index"].values[0], np.flatnonzero(dataset["species"].values[0] == s))


def test_all_is_made_of_the_species(reference_sample):
    dataset, _ = reference_sample
    result = descriptors(dataset).astype(float).isel(configuration=0)
    species, every = result.isel(neighbor_species=slice(3)), result.isel(neighbor_species=3)
    density = species.sel(observable="density")
    np.testing.assert_allclose(density.sum("neighbor_species"), every.sel(observable="density"), rtol=1e-6)
    for name in ("energy", "perimeter"):
        total = (density * species.sel(observable=name)).sum("neighbor_species")
        np.testing.assert_allclose(total / every.sel(observable="density"), every.sel(observable=name), rtol=1e-5)


def test_translation_and_permutation_change_nothing(reference_sample):
    dataset, _ = reference_sample
    result = descriptors(dataset).values
    inherent = dataset["inherent_position"]
    moved = mixture.wrap(inherent.values + np.array([11.7, 25.3]), dataset.attrs["box_length"])
    moved = dataset.assign(inherent_position=(inherent.dims, moved))
    np.testing.assert_allclose(descriptors(moved).values, result, rtol=3e-5, atol=3e-6)
    order = np.random.default_rng(0).permutation(1290)
    permuted = descriptors(dataset.isel(particle=order)).values
    np.testing.assert_allclose(permuted, result[:, order], rtol=3e-5, atol=3e-6)


def test_a_replicated_box_looks_the_same(reference_sample):
    dataset, _ = reference_sample
    length = dataset.attrs["box_length"]
    shifts = np.array([(0, 0), (length, 0), (0, length), (length, length)])
    position = (dataset["inherent_position"].values[0] + shifts[:, None]).reshape(-1, 2)
    fourfold = mixture.configurations(
        position, np.tile(dataset["species"].values[0], 4), 2 * length, inherent_position=position
    )
    expected = np.tile(descriptors(dataset).values[0], (4, 1, 1, 1))
    np.testing.assert_allclose(descriptors(fourfold).values[0], expected, rtol=3e-5, atol=3e-6)


def test_system_size_and_cutoff(configurations_at):
    """The mean of the longest-ranged density: cut by the small box at R_c = 20, alike in both sizes at 16."""
    small, large = as_inherent(configurations_at(0.40)), as_inherent(configurations_at(0.40, 82560))

    def density(dataset, cutoff):
        found = descriptors(dataset, cutoff).sel(observable="density", length=9, neighbor_species="all")
        return found.values.astype(float)

    assert density(small, 20.0).mean() == pytest.approx(361.5, abs=0.2)
    assert density(large, 20.0).mean() == pytest.approx(394.8, abs=0.2)
    at_16 = density(large, 16.0)
    assert density(small, 16.0).mean() == pytest.approx(at_16.mean(), abs=0.05 * at_16.std())


def test_several_configurations_with_progress(configurations_at):
    dataset = as_inherent(configurations_at(0.30)).isel(configuration=slice(3))
    seen = []
    result = descriptors(dataset, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal(result["configuration"].values, dataset["configuration"].values)
    alone = descriptors(dataset.isel(configuration=2))
    np.testing.assert_array_equal(alone.values[0], result.values[2])


def test_the_number_of_threads_changes_nothing():
    dataset = random_box(3000, 50.0)
    expected = descriptors(dataset).values
    threads = numba.get_num_threads()
    if threads == 1:
        pytest.skip("one thread only")
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(descriptors(dataset).values, expected)
    finally:
        numba.set_num_threads(threads)


def test_variance_survives_a_large_energy():
    dataset = random_box(400, 18.0)
    shifted = dataset.assign(inherent_energy=dataset["inherent_energy"] + 1e6)
    variance = descriptors(dataset).sel(observable="energy_variance")
    np.testing.assert_allclose(descriptors(shifted).sel(observable="energy_variance"), variance, rtol=1e-5, atol=1e-7)


def test_energies_are_computed_where_absent(reference_sample):
    dataset, _ = reference_sample
    one = dataset.isel(configuration=0)
    energy = potential_energy(one["inherent_position"].values, one["species"].values, dataset.attrs["box_length"])
    given = dataset.assign(inherent_energy=(("configuration", "particle"), energy[None]))
    np.testing.assert_array_equal(descriptors(given).values, descriptors(dataset).values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cutoff": 0.0}, "cutoff is 0.0"),
        ({"cutoff": 36.0}, "cutoff is 36.0"),
        ({"cutoff": float("nan")}, "cutoff is nan"),
        ({"tessellation": "square"}, "unknown kind 'square'"),
        ({"species": 3}, "species is 3"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(mixture.InvalidData, match=message):
        descriptors(random_box(20, 4.0), **arguments)


def test_a_missing_inherent_structure_is_named():
    dataset = random_box(20, 4.0).drop_vars("inherent_position")
    with pytest.raises(mixture.InvalidData, match="inherent_structures"):
        descriptors(dataset)


def test_unequal_numbers_of_a_species_are_refused():
    position = np.random.default_rng(0).random((2, 3, 2)) * 2
    dataset = mixture.configurations(position, [[0, 1, 2], [0, 0, 2]], 2.0, inherent_position=position)
    with pytest.raises(mixture.InvalidData, match="1 to 2 particles of species 1"):
        descriptors(dataset, species=0)
