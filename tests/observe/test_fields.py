import numpy as np
import pytest
import xarray as xr

from glassviz.mixture import InvalidData
from glassviz.observe.chords import chord_length
from glassviz.observe.fields import fields, resampled
from glassviz.observe.structure_factor import structure_factor


def propensities(species=None, dims=("network", "state", "configuration", "particle"), sizes=(2, 3, 4, 5)):
    values = np.random.default_rng(0).normal(size=sizes)
    C = xr.DataArray(values, dims=dims)
    return C if species is None else C.assign_coords(species=(("configuration", "particle"), species))


def test_any_order_of_dimensions_gives_the_same_block():
    species = np.array([[0, 0, 1, 2, 0]] * 4)
    C = propensities(species).assign_coords(temperature=0.3, mean_propensity=("state", [0.9, 0.8, 0.7]))
    block, turned = fields(C), fields(C.transpose("particle", "network", "configuration", "state"))
    np.testing.assert_array_equal(block.values, turned.values)
    np.testing.assert_array_equal(block.of(1), C.values.reshape(6, 4, 5)[:, 1, [0, 1, 4]])
    labelled = block.label(np.arange(6.0), "x")
    assert labelled.dims == ("network", "state")
    assert set(labelled.coords) == {"temperature", "mean_propensity"}


def test_species_come_from_the_coordinate_then_from_the_dataset_then_from_nan():
    C = propensities(dims=("particle",), sizes=(5,))
    ds = xr.Dataset({"species": (("configuration", "particle"), [[0, 1, 0, 1, 2]])})
    assert fields(C.assign_coords(species=("particle", [2, 2, 0, 1, 1]))).selected.tolist() == [[0, 0, 1, 0, 0]]
    assert fields(C, ds).selected.tolist() == [[1, 0, 1, 0, 0]]
    C[[0, 3]] = np.nan
    assert fields(C).selected.tolist() == [[0, 1, 1, 0, 1]]


def test_configurations_are_matched_by_name():
    ds = xr.Dataset(
        {"species": (("configuration", "particle"), [[0, 1], [1, 0], [0, 0]])},
        coords={"configuration": ["a", "b", "c"]},
    )
    C = propensities(dims=("configuration", "particle"), sizes=(2, 2)).assign_coords(configuration=["c", "b"])
    assert fields(C, ds).selected.tolist() == [[True, True], [False, True]]
    with pytest.raises(InvalidData, match="not among those given"):
        fields(C.assign_coords(configuration=["c", "d"]), ds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda C: C.rename(particle="atom"), "dimension 'particle'"),
        (lambda C: C.assign_coords(species=("particle", [1, 2, 1, 2, 1])), "no particle of species 1"),
        (lambda C: C.assign_coords(species=("particle", [0] * 5)).where(C > -9).shift(particle=1), "not numbers"),
    ],
)
def test_unusable_propensities_are_refused(change, message):
    with pytest.raises(InvalidData, match=message):
        fields(change(propensities()))


def test_another_number_of_particles_or_structures_is_refused():
    ds = xr.Dataset({"species": (("configuration", "particle"), np.zeros((2, 5), int))})
    with pytest.raises(InvalidData, match="expected the 5"):
        fields(propensities(dims=("particle",), sizes=(4,)), ds)
    with pytest.raises(InvalidData, match="3 configurations"):
        fields(propensities(dims=("configuration", "particle"), sizes=(3, 5)), ds)


def box(**changes):
    """Three particles of species 1 in a box, as a Dataset of one configuration or, with none, of that alone."""
    position = np.array([[[1.0, 1.0], [2.0, 6.0], [7.0, 3.0]]])
    variables = {
        "position": (("configuration", "particle", "space"), position),
        "species": (("configuration", "particle"), np.zeros((1, 3), int)),
    }
    return xr.Dataset(variables, attrs={"box_length": 10.0}).assign(changes)


@pytest.mark.parametrize("observe", [chord_length, structure_factor])
def test_a_single_structure_needs_no_dimension_and_a_bad_one_is_refused(observe):
    C = xr.DataArray([0.1, 0.9, 0.5], dims="particle")
    whole = observe(C, box())
    xr.testing.assert_allclose(observe(C, box().isel(configuration=0)), whole)
    xr.testing.assert_allclose(observe(C, box(species=("particle", [0, 0, 0]))), whole)
    nowhere = box()["position"].copy()
    nowhere[0, 1, 0] = np.nan
    for ds, message in (
        (box().drop_vars("position"), "position"),
        (box().drop_vars("species"), "species"),
        (box(position=nowhere), "not finite"),
        (box(species=(("configuration", "particle"), [[1, 1, 7]])), "unknown species"),
        (box().assign_attrs(box_length=-1.0), "box length"),
        (box().drop_attrs(), "box length"),
    ):
        with pytest.raises(InvalidData, match=message):
            observe(C, ds)


def test_the_particles_of_a_part_are_found_in_any_order_of_dimensions():
    ds = xr.concat([box(), box().roll(particle=1)], "configuration", combine_attrs="override")
    C = xr.DataArray(
        [[0.1, 0.9], [0.5, 0.2]],
        dims=("configuration", "particle"),
        coords={"index": (("configuration", "particle"), [[0, 2], [1, 0]]), "species": ("particle", [0, 0])},
    )
    turned = C.transpose("particle", "configuration")
    turned = turned.assign_coords(index=C["index"].transpose("particle", "configuration"))
    for observe in (chord_length, structure_factor):
        xr.testing.assert_allclose(observe(turned, ds).drop_attrs(), observe(C, ds).drop_attrs())


def test_wave_numbers_without_end_are_refused():
    C = xr.DataArray([0.1, 0.9, 0.5], dims="particle")
    for q_max in (np.nan, np.inf, 0.1):
        with pytest.raises(InvalidData, match="q_max"):
            structure_factor(C, box(), q_max)


def test_bootstrap_weights_draw_as_many_structures_as_there_are():
    weights = resampled(7)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.mean(axis=0) == pytest.approx(np.full(7, 1 / 7), abs=0.04)
    np.testing.assert_array_equal(weights, resampled(7))


@pytest.mark.parametrize("observable", [chord_length, structure_factor])
def test_observables_of_species_1_alone_are_those_of_all(configurations_at, observable):
    """A field of one species knows by `index` where its particles are; without it, it is refused."""
    ds = configurations_at(0.4).isel(configuration=[0, 1])
    values = np.random.default_rng(0).random(ds["species"].shape).astype(np.float32)
    whole = xr.DataArray(values, dims=("configuration", "particle")).where(ds["species"] == 0)
    rows = np.stack([np.flatnonzero(kinds == 0) for kinds in ds["species"].values])
    along = ("configuration", "particle")
    part = xr.DataArray(np.take_along_axis(values, rows, axis=1), dims=along).assign_coords(
        species=(along, 0 * rows), index=(along, rows)
    )
    np.testing.assert_allclose(observable(part, ds), observable(whole, ds), rtol=1e-5)
    with pytest.raises(InvalidData, match="particles; expected the 1290"):
        observable(part.drop_vars("index"), ds)
