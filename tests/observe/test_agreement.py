import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from glassviz.mixture import InvalidData
from glassviz.observe.agreement import pearson


def field(shape, dims, seed):
    return xr.DataArray(np.random.default_rng(seed).normal(size=shape), dims=dims)


def test_equals_numpy_over_species_1_without_nan():
    truth = field((3, 40), ("configuration", "particle"), 0)
    species = np.random.default_rng(3).integers(0, 3, (3, 40))
    C = field((2, 5, 3, 40), ("network", "state", "configuration", "particle"), 1) + truth
    C[..., 1, 7] = np.nan
    r = pearson(C.assign_coords(species=(("configuration", "particle"), species)), truth)
    used = species == 0
    used[1, 7] = False
    assert r.dims == ("network", "state")
    for n in range(2):
        for s in range(5):
            expected = np.corrcoef(C.values[n, s][used], truth.values[used])[0, 1]
            assert float(r[n, s]) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0.01, 100), st.floats(-1e3, 1e3), st.booleans())
def test_knows_neither_scale_nor_offset(scale, offset, flip):
    truth = field((60,), ("particle",), 4)
    C = truth + field((60,), ("particle",), 5)
    sign = -1 if flip else 1
    assert float(pearson(sign * scale * C + offset, truth)) == pytest.approx(sign * float(pearson(C, truth)), abs=1e-9)


def test_states_of_both_are_matched_and_not_crossed():
    truth = field((4, 2, 30), ("state", "configuration", "particle"), 6)
    r = pearson(truth.expand_dims(network=2), truth)
    assert set(r.dims) == {"network", "state"}
    np.testing.assert_allclose(r, 1)
    np.testing.assert_allclose(r.error, 0, atol=1e-12)


def test_error_is_the_scatter_of_the_estimate():
    truth = field((200, 16, 50), ("sample", "configuration", "particle"), 7)
    C = truth + field((200, 16, 50), ("sample", "configuration", "particle"), 8)
    r = pearson(C, truth)
    assert float(r.error.mean()) == pytest.approx(float(r.std(ddof=1)), rel=0.25)
    assert float(r.mean()) == pytest.approx(np.sqrt(0.5), abs=0.01)


@pytest.mark.parametrize("structures", [3, 8])
def test_error_over_few_structures_is_not_too_small(structures):
    """Of structures that differ in their means; the bare bootstrap has 0.67 and 0.80 of the scatter."""
    shape = (600, structures, 40)
    dims = ("sample", "configuration", "particle")
    truth = field(shape, dims, 7) + 0.7 * field(shape[:2], dims[:2], 8)
    C = truth + field(shape, dims, 9) + 0.7 * field(shape[:2], dims[:2], 10)
    r = pearson(C, truth)
    assert 0.75 < float(np.sqrt((r.error**2).mean()) / r.std(ddof=1)) < 1.15


def test_a_constant_prediction_has_no_correlation():
    truth = field((30,), ("particle",), 9)
    assert np.isnan(float(pearson(truth * 0 + 0.5, truth)))


def test_different_particles_or_nothing_in_common_are_refused():
    truth = field((30,), ("particle",), 10)
    with pytest.raises(InvalidData, match="along 'particle'"):
        pearson(truth[:20], truth)
    with pytest.raises(InvalidData, match="no particle has both"):
        pearson(truth * np.nan, truth)
    states = truth.expand_dims(time=[1.0, 2.0])
    for other in (states.assign_coords(time=[1.0, 3.0]), states.isel(time=[0, 1, 1]).drop_vars("time")):
        with pytest.raises(InvalidData, match="along a dimension they share"):
            pearson(states if "time" in other.coords else states.drop_vars("time"), other)


def test_structures_are_paired_by_name():
    truth = field((5, 40), ("configuration", "particle"), 7).assign_coords(configuration=list("abcde"))
    C = truth + 0.1 * field((5, 40), ("configuration", "particle"), 8)
    expected = float(pearson(C, truth))
    assert float(pearson(C, truth.isel(configuration=[3, 1, 4, 0, 2]))) == pytest.approx(expected, abs=1e-12)
    assert float(pearson(C, truth.assign_coords(configuration=list("vwxyz")))) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InvalidData, match="some structures only"):
        pearson(C, truth.assign_coords(configuration=list("abcdz")))
