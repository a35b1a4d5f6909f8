"""What is written is what is read, in every format."""

import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz import files, mixture

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
ATTRIBUTES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def random_configurations(draw):
    """Configurations with everything a Dataset may carry, coordinates down to the last bit below the box length."""
    samples, particles = draw(st.integers(1, 3)), 43 * draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    length = mixture.box_length(particles)
    edges = [0.0, np.nextafter(length, 0), length / 2, np.nextafter(length / 2, 0), 5e-324]

    def positions():
        values = generator.random((samples, particles, 2)) * length
        values[0, : len(edges), 0] = edges
        return values

    numbers = generator.normal(size=(2, samples, particles))
    dataset = mixture.configurations(
        positions(),
        np.stack([generator.permutation(np.repeat([0, 1, 2], mixture.species_counts(particles)))] * samples),
        length,
        draw(st.floats(1e-3, 10.0) | st.just(np.nan)),
        names=draw(st.lists(NAMES, min_size=samples, max_size=samples, unique=True)),
        inherent_position=positions() if draw(st.booleans()) else None,
        energy=numbers[0] if draw(st.booleans()) else None,
        inherent_energy=numbers[1] if draw(st.booleans()) else None,
        seed=draw(st.integers(-1, 2**63 - 1)),
        provenance=draw(st.text(max_size=40)),
    )
    return dataset.assign_attrs({"verdict": draw(ATTRIBUTES)})


@pytest.mark.parametrize("suffix", [".nc", ".gsd"])
@settings(max_examples=25, deadline=None)
@given(dataset=random_configurations())
def test_every_bit_returns(tmp_path_factory, suffix, dataset):
    path = tmp_path_factory.mktemp("round_trip") / f"configurations{suffix}"
    files.write(dataset, path)
    xr.testing.assert_identical(files.read(path), dataset)


@settings(max_examples=25, deadline=None)
@given(dataset=random_configurations(), replicas=st.integers(0, 3))
def test_glassbench_returns_what_it_can_hold(tmp_path_factory, dataset, replicas):
    dataset = dataset.isel(configuration=[0]).drop_vars(["energy", "inherent_energy"], errors="ignore")
    if replicas:
        shape = (1, replicas, dataset.sizes["particle"], 2)
        unwrapped = np.random.default_rng(replicas).normal(0, 100, shape)
        dataset["replica_position"] = mixture.DIMENSIONS["replica_position"], unwrapped
    path = tmp_path_factory.mktemp("round_trip") / "sample.npz"
    files.write(dataset, path)
    back = files.read(path)
    assert set(back.data_vars) == set(dataset.data_vars)
    for name in dataset.data_vars:
        np.testing.assert_array_equal(back[name], dataset[name])
    assert back.attrs["box_length"] == dataset.attrs["box_length"]
    np.testing.assert_equal(back.attrs["temperature"], dataset.attrs["temperature"])
    assert back["configuration"].item() == "sample"


@pytest.mark.parametrize("suffix", [".nc", ".gsd", ".npz"])
def test_published_sample_through_every_format(tmp_path, reference_sample, suffix):
    dataset, _ = reference_sample
    files.write(dataset, tmp_path / f"published{suffix}")
    back = files.read(tmp_path / f"published{suffix}")
    for name in dataset.data_vars:
        np.testing.assert_array_equal(back[name], dataset[name])


@pytest.mark.parametrize("suffix", [".nc", ".gsd", ".npz"])
def test_largest_sample_through_every_format(tmp_path, configurations_at, suffix):
    dataset = configurations_at(0.40, 82560)
    files.write(dataset, tmp_path / f"large{suffix}")
    back = files.read(tmp_path / f"large{suffix}")
    np.testing.assert_array_equal(back["position"], dataset["position"])
    np.testing.assert_array_equal(back["species"], dataset["species"])


@pytest.mark.parametrize(
    ("suffix", "lost"), [(".gsd", "replica_position"), (".npz", "inherent_energy"), (".extxyz", "replica_position")]
)
def test_what_a_format_cannot_hold_is_left_out_with_a_warning(tmp_path, make_configurations, suffix, lost):
    dataset = make_configurations(replicas=2)
    with pytest.warns(UserWarning, match=lost):
        files.write(dataset, tmp_path / f"sample{suffix}")
    assert lost not in files.read(tmp_path / f"sample{suffix}")


def test_netcdf_keeps_every_variable_without_a_warning(tmp_path, make_configurations):
    dataset = make_configurations(samples=2, replicas=3)
    dataset["propensity"] = ("configuration", "time", "particle"), np.linspace(0, 1, 2 * 4 * 43).reshape(2, 4, 43)
    dataset = dataset.assign_coords(time=[1.0, 10.0, 100.0, 1000.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files.write(dataset, tmp_path / "all.nc")
    xr.testing.assert_identical(files.read(tmp_path / "all.nc"), dataset)


@pytest.mark.parametrize("suffix", [".nc", ".gsd", ".npz"])
def test_suffix_in_capitals(tmp_path, make_configurations, suffix):
    dataset = make_configurations().drop_vars(["energy", "inherent_energy"])
    files.write(dataset, tmp_path / f"SAMPLE{suffix.upper()}")
    np.testing.assert_array_equal(files.read(tmp_path / f"SAMPLE{suffix.upper()}")["position"], dataset["position"])


@pytest.mark.parametrize("suffix", [".nc", ".gsd", ".npz"])
def test_writing_leaves_the_dataset_alone(tmp_path, make_configurations, suffix):
    dataset = make_configurations().drop_vars(["energy", "inherent_energy"]).assign_attrs(verdict={"level": None})
    dataset["position"].attrs["units"] = "σ"
    before = dataset.copy(deep=True)
    files.write(dataset, tmp_path / f"sample{suffix}")
    xr.testing.assert_identical(dataset, before)


@pytest.mark.parametrize("suffix", [".nc", ".gsd", ".npz"])
def test_another_mixture_loads_with_a_warning(tmp_path, suffix):
    generator = np.random.default_rng(1)
    with pytest.warns(mixture.MixtureWarning):
        dataset = mixture.configurations(generator.random((20, 2)) * 9.0, np.arange(20) % 3, 9.0)
    with pytest.warns(mixture.MixtureWarning):
        files.write(dataset, tmp_path / f"other{suffix}")
    with pytest.warns(mixture.MixtureWarning) as caught:
        back = files.read(tmp_path / f"other{suffix}")
    messages = sorted(str(warning.message) for warning in caught)
    assert [message.split(" ")[:3] for message in messages] == [
        [f"other{suffix}:", "the", "composition"],
        [f"other{suffix}:", "the", "density"],
    ]
    np.testing.assert_array_equal(back["position"], dataset["position"])
