import numpy as np
import pytest
import xarray as xr

from glassviz.mixture import InvalidData
from glassviz.observe.attention import length_distribution, xi_int

LENGTHS = [0, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 9]


def attention(per_length, networks=None):
    weights = np.broadcast_to(np.asarray(per_length, float)[..., None, :, None], (*np.shape(per_length)[:-1], 4, 11, 4))
    dims = ("observable", "length", "neighbor_species")
    return xr.DataArray(weights.copy(), dims=dims if networks is None else ("network", *dims)).assign_coords(
        length=LENGTHS
    )


def test_equal_weights_have_half_the_range_as_their_length():
    p = length_distribution(attention(np.ones(11) / 176))
    np.testing.assert_allclose(p, 1 / 9)
    assert float(xi_int(p)) == pytest.approx(4.5)
    assert np.isnan(xi_int(p).error)


def test_is_normalised_whatever_the_weights():
    weights = attention(np.random.default_rng(0).uniform(size=(3, 11)), networks=3)
    p = length_distribution(weights)
    assert p.dims == ("network", "length")
    np.testing.assert_allclose(np.trapezoid(p.values, LENGTHS, axis=1), 1)


def test_a_single_length_is_a_triangle_around_it():
    """Between its neighbours 3 and 5 the trapezoidal rule sees a triangle of weight 1 centred at 4."""
    p = length_distribution(attention(np.array(LENGTHS) == 4))
    assert float(p.sel(length=4)) == pytest.approx(1.0)
    assert float(xi_int(p)) == pytest.approx(4.0)


def test_columns_that_the_network_does_not_see_do_not_count():
    weights = attention(np.ones(11))
    weights[0, 0, :3] = 0
    np.testing.assert_allclose(length_distribution(weights), 1 / 9)


def test_structures_are_averaged():
    far, near = np.linspace(0, 1, 11), np.linspace(1, 0, 11)
    p = length_distribution(attention([far, near], networks=2).rename(network="configuration"))
    np.testing.assert_allclose(p, 1 / 9)


def test_error_is_the_spread_of_the_networks():
    far, near = np.linspace(0, 1, 11), np.linspace(1, 0, 11)
    xi = xi_int(length_distribution(attention([far, near], networks=2)))
    each = [float(xi_int(length_distribution(attention(w)))) for w in (far, near)]
    assert float(xi) == pytest.approx(np.mean(each))
    assert float(xi.error) == pytest.approx(np.std(each, ddof=1))
    assert each[0] > 4.5 > each[1]


def test_other_arrays_are_refused():
    with pytest.raises(InvalidData, match="observable, length and neighbor_species"):
        length_distribution(xr.DataArray(np.ones(11), dims="length"))
