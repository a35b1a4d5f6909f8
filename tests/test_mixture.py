"""The mixture's numbers and the schema of its Dataset."""

import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz import mixture
from glassviz.mixture import InvalidData, MixtureWarning


def sample(samples=1, particles=43, **parts):
    generator = np.random.default_rng(0)
    length = mixture.box_length(particles)
    species = np.repeat([0, 1, 2], mixture.species_counts(particles))
    position = generator.random((samples, particles, 2)) * length
    return mixture.configurations(position, species, length, 0.3, **parts)


def change(dataset, name, values, dims=None):
    return dataset.assign({name: (dims or dataset[name].dims, np.asarray(values))})


# Numbers


@pytest.mark.parametrize(
    ("particles", "counts"), [(1290, [600, 330, 360]), (82560, [38400, 21120, 23040]), (43, [20, 11, 12])]
)
def test_the_papers_compositions(particles, counts):
    assert mixture.species_counts(particles).tolist() == counts


@given(st.integers(1, mixture.MAX_PARTICLES))
def test_any_composition_sums_up_and_is_the_closest(particles):
    counts = mixture.species_counts(particles)
    assert counts.sum() == particles
    assert counts.min() >= 0
    assert np.abs(counts - mixture.COMPOSITION * particles).max() <= 1


def test_the_papers_boxes():
    assert mixture.box_length(1290) == pytest.approx(32.8962, abs=1e-12)
    assert mixture.box_length(82560) == pytest.approx(263.17, abs=5e-3)
    assert pytest.approx(1.19206, abs=1e-5) == mixture.DENSITY


def test_interaction_tables_are_the_published_ones():
    np.testing.assert_array_equal(mixture.EPSILON, [[1.0, 1.5, 0.75], [1.5, 0.5, 1.5], [0.75, 1.5, 0.75]])
    np.testing.assert_array_equal(mixture.SIGMA, [[1.0, 0.8, 0.9], [0.8, 0.88, 0.8], [0.9, 0.8, 0.94]])
    np.testing.assert_array_equal(mixture.RADII, [0.5, 0.44, 0.47])


def test_pair_potential_vanishes_smoothly_at_the_cutoff():
    """V, V' and V'' of 4 [x⁻¹² − x⁻⁶ + C0 + C2 x² + C4 x⁴] are zero at x = 2.5."""
    x = mixture.CUTOFF
    c0, c2, c4 = mixture.C0, mixture.C2, mixture.C4
    assert x**-12 - x**-6 + c0 + c2 * x**2 + c4 * x**4 == pytest.approx(0, abs=1e-11)
    assert -12 * x**-13 + 6 * x**-7 + 2 * c2 * x + 4 * c4 * x**3 == pytest.approx(0, abs=1e-11)
    assert 156 * x**-14 - 42 * x**-8 + 2 * c2 + 12 * c4 * x**2 == pytest.approx(0, abs=1e-11)


@given(st.floats(-1e6, 1e6), st.floats(0.1, 1e3))
def test_wrapped_positions_lie_in_the_box_and_move_by_whole_boxes(x, length):
    wrapped = mixture.wrap([x], length)[0]
    assert 0 <= wrapped < length
    boxes = (x - wrapped) / length
    assert boxes == pytest.approx(round(boxes), abs=1e-6 + 1e-12 * abs(x) / length)


def test_wrap_of_a_hair_below_zero_and_of_one_number():
    np.testing.assert_array_equal(mixture.wrap([[-1e-20, 5.0], [-1.0, 4.0]], 5.0), [[0.0, 0.0], [4.0, 4.0]])
    assert mixture.wrap(7.5, 5.0) == 2.5


# The Dataset in normal form


def test_normal_form():
    dataset = sample(2, names=["a", "b"], seed=7, provenance="by hand")
    assert dataset["position"].dims == ("configuration", "particle", "space")
    assert dataset["species"].dims == ("configuration", "particle")
    assert dataset["species"].dtype == np.int8
    assert dataset["position"].dtype == np.float64
    assert dataset["configuration"].values.tolist() == ["a", "b"]
    assert dataset["space"].values.tolist() == ["x", "y"]
    assert dataset.attrs == {
        "box_length": mixture.box_length(43),
        "temperature": 0.3,
        "model": "KA2D",
        "seed": 7,
        "provenance": "by hand",
    }


@settings(max_examples=20, deadline=None)
@given(st.permutations(["configuration", "particle", "space"]), st.permutations(["configuration", "particle"]))
def test_any_order_of_dimensions_is_brought_to_normal_form(vector, scalar):
    dataset = sample(2)
    dataset["propensity"] = ("configuration", "time", "particle"), np.zeros((2, 3, 43))
    shuffled = dataset.assign(
        position=dataset["position"].transpose(*vector), species=dataset["species"].transpose(*scalar)
    )
    xr.testing.assert_identical(mixture.check(shuffled), dataset)


def test_check_is_idempotent_and_leaves_its_argument_alone():
    dataset = sample(2)
    single = dataset.astype(np.float32)
    single["species"] = dataset["species"].astype(float)
    before = single.copy(deep=True)
    checked = mixture.check(single)
    xr.testing.assert_identical(single, before)
    xr.testing.assert_identical(mixture.check(checked), checked)
    assert checked["position"].dtype == np.float64


def test_a_missing_configuration_dimension_is_added():
    dataset = sample()
    xr.testing.assert_identical(mixture.check(dataset.isel(configuration=0)), dataset)
    bare = mixture.check(dataset.isel(configuration=0, drop=True))
    assert bare["position"].dims == ("configuration", "particle", "space")
    assert bare["species"].dims == ("configuration", "particle")


def test_species_common_to_all_configurations_are_spread():
    dataset = sample(3)
    common = dataset.assign(species=dataset["species"].isel(configuration=0, drop=True))
    xr.testing.assert_identical(mixture.check(common), dataset)


def test_a_rounding_error_outside_the_box_is_folded_back():
    dataset = sample()
    length = dataset.attrs["box_length"]
    values = dataset["position"].values.copy()
    values[0, :3, 0] = [-0.5 * mixture.ROUNDING, length, length + 0.5 * mixture.ROUNDING]
    folded = mixture.check(change(dataset, "position", values))["position"].values[0, :3, 0]
    np.testing.assert_allclose(folded, [length - 0.5 * mixture.ROUNDING, 0, 0.5 * mixture.ROUNDING], atol=1e-12)


def test_other_variables_are_carried_along():
    dataset = sample().assign(propensity=(("configuration", "time", "particle"), np.full((1, 2, 43), np.nan)))
    xr.testing.assert_identical(mixture.check(dataset), dataset)


# What is refused


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d.drop_vars("position"), "no variable 'position'"),
        (lambda d: d.drop_vars("species"), "no variable 'species'"),
        (lambda d: d.isel(space=0), "position has dimensions"),
        (lambda d: d.rename(space="direction"), "position has dimensions"),
        (lambda d: d.isel(space=[0]), "1 components; expected 2"),
        (lambda d: change(d, "species", d["position"], d["position"].dims), "species has dimensions"),
        (lambda d: change(d, "energy", np.zeros(43), ("particle",)), "energy has dimensions"),
        (lambda d: change(d, "inherent_position", np.zeros((43, 2)), ("particle", "space")), "inherent_position has"),
        (lambda d: d.isel(configuration=[]), "no configuration"),
        (lambda d: d.isel(particle=[]), "0 particles"),
        (lambda d: change(d, "position", d["position"] * np.nan), "86 values of position are not finite"),
        (lambda d: change(d, "position", d["position"].astype(complex)), "expected real numbers"),
        (lambda d: change(d, "position", d["position"].astype(object)), "expected real numbers"),
        (lambda d: change(d, "position", d["position"] + 100), "43 particles lie outside the box"),
        (
            lambda d: change(d, "energy", np.full((1, 43), np.inf), ("configuration", "particle")),
            "energy are not finite",
        ),
        (lambda d: change(d, "energy", np.full((1, 43), "x"), ("configuration", "particle")), "expected real numbers"),
        (lambda d: change(d, "species", d["species"] + 1), "unknown species 4"),
        (lambda d: change(d, "species", np.full((1, 43), np.inf)), "unknown species inf"),
        (lambda d: change(d, "species", np.full((1, 43), np.nan)), "not whole numbers"),
        (lambda d: change(d, "species", np.full((1, 43), 0.5)), "not whole numbers"),
        (lambda d: change(d, "species", np.full((1, 43), "A")), "not whole numbers"),
    ],
)
def test_refused(spoil, said):
    with pytest.raises(InvalidData) as caught:
        mixture.check(spoil(sample()), "sample.nc")
    assert said in str(caught.value)
    assert str(caught.value).startswith("sample.nc: ")
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("length", [None, 0, -1.0, np.nan, np.inf, "wide", [1, 2], 10**400, {}])
def test_bad_box_length(length):
    with pytest.raises(InvalidData, match="box length"):
        mixture.check(sample().assign_attrs(box_length=length))


@pytest.mark.parametrize("temperature", [None, 0, -0.3, np.inf, "cold", 10**400])
def test_bad_temperature(temperature):
    with pytest.raises(InvalidData, match="the temperature is"):
        mixture.check(sample().assign_attrs(temperature=temperature))


def test_unknown_temperature_is_nan():
    dataset = sample()
    del dataset.attrs["temperature"]
    assert np.isnan(mixture.check(dataset).attrs["temperature"])


def test_too_many_particles():
    particles = mixture.MAX_PARTICLES + 1
    with pytest.raises(InvalidData, match=f"{particles} particles; expected 1 to 90000"):
        mixture.configurations(np.zeros((particles, 2)), np.zeros(particles, int), 1.0)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"position": np.zeros((43, 3))}, "positions have shape"),
        ({"position": np.zeros(43)}, "positions have shape"),
        ({"species": np.zeros(42, int)}, "species has shape"),
        ({"inherent_position": np.zeros((2, 43))}, "inherent_position has shape"),  # as many numbers, scrambled
        ({"inherent_position": np.zeros((42, 2))}, "inherent_position has shape"),
        ({"energy": np.zeros((43, 1))}, "energy has shape"),
        ({"replica_position": np.zeros((43, 2))}, "replica_position has shape"),
        ({"replica_position": np.zeros((5, 42, 2))}, "replica_position has shape"),
        ({"replica_position": np.full((1, 5, 43, 2), np.nan)}, "replica_position are not finite"),
        ({"names": ["a", "b"]}, "2 names for 1 configurations"),
        ({"position": np.zeros((2, 43, 2)), "names": ["a", "a"]}, "a is the name of several configurations"),
    ],
)
def test_arrays_that_do_not_fit(parts, said):
    species = np.repeat([0, 1, 2], mixture.species_counts(43))
    arrays = {"position": np.zeros((43, 2)), "species": species, "length": mixture.box_length(43)} | parts
    with pytest.raises(InvalidData, match=said):
        mixture.configurations(**arrays)


# What is loaded with a warning


def test_the_mixture_itself_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample(3, 430)


def test_configurations_without_names_are_numbered():
    names = mixture.check(sample(3, 43).drop_vars("configuration"))["configuration"]
    assert names.values.tolist() == ["0", "1", "2"]


def test_another_density():
    dataset = sample()
    with pytest.warns(MixtureWarning, match=r"the density 1\.\d+ is not the mixture's 1\.19"):
        mixture.check(dataset.assign_attrs(box_length=1.01 * dataset.attrs["box_length"]))


@pytest.mark.parametrize("length", [1e-200, 1e200])
def test_an_absurd_density_is_a_warning_and_no_arithmetic_error(length):
    dataset = sample().assign_attrs(box_length=length)
    with pytest.warns(MixtureWarning, match="density"):
        mixture.check(change(dataset, "position", np.zeros((1, 43, 2))))


def test_one_configuration_of_another_composition_among_many():
    dataset = sample(40, 430)
    species = dataset["species"].values.copy()
    species[3, np.flatnonzero(species[3] == 2)[:10]] = 0  # 2 % of this one, 0.06 % of all
    with pytest.warns(MixtureWarning, match=r"bad\.nc: the composition 0\.488 : 0\.256 : 0\.256 is not"):
        mixture.check(change(dataset, "species", species), "bad.nc")


def test_the_prototype_configurations_are_the_mixture(configurations_at):
    for temperature in (0.40, 0.15):
        assert configurations_at(temperature).sizes["particle"] == 1290
    assert configurations_at(0.40, 82560).attrs["box_length"] == pytest.approx(263.1696)


def test_no_two_temperatures_share_a_name():
    names = [mixture.temperature_name(t) for t in (0.23, 0.225, 0.2251, 0.3, 1, 0.1 + 0.2)]
    assert names == ["0.23", "0.225", "0.2251", "0.30", "1.00", "0.30"]
