import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.mixture import InvalidData
from glassviz.observe.structure_factor import fit_xi4, ring_coordinates, structure_factor, xi4_error


def naive(position, species, values, length, rings):
    """Eq. 10 as it stands: every wave vector, every particle of species 1, over all structures."""
    chosen = species == 0
    deviation = values - values[chosen].mean()
    result = np.zeros(rings)
    for c in range(len(position)):
        total, count = np.zeros(rings), np.zeros(rings)
        for i in range(-rings, rings + 1):
            for j in range(-rings, rings + 1):
                ring = round(np.hypot(i, j))
                if 1 <= ring <= rings:
                    phase = np.exp(-2j * np.pi / length * (position[c, chosen[c]] @ [i, j]))
                    total[ring - 1] += abs(deviation[c, chosen[c]] @ phase) ** 2
                    count[ring - 1] += 1
        result += total / count / chosen[c].sum()
    return result / len(position)


@pytest.mark.parametrize("networks", [1, 2, 5])
def test_equals_the_sum_over_wave_vectors(networks):
    generator = np.random.default_rng(1)
    particles = 200
    length = mixture.box_length(particles)
    counts = mixture.species_counts(particles)
    species = np.stack([generator.permutation(np.repeat([0, 1, 2], counts)) for _ in range(3)])
    ds = mixture.configurations(generator.uniform(0, length, (3, particles, 2)), species, length)
    values = generator.uniform(0, 1, (networks, 3, particles)).astype(np.float32)
    s4 = structure_factor(xr.DataArray(values, dims=("network", "configuration", "particle")), ds)
    assert s4.dims == ("network", "q")
    assert s4.q.values[-1] < 3 + np.pi / length
    for n in range(networks):
        expected = naive(ds.position.values, species, values[n].astype(float), length, s4.sizes["q"])
        np.testing.assert_allclose(s4[n], expected, rtol=1e-3)


def test_positions_far_outside_the_box_are_those_inside(large_box):
    C = xr.DataArray(np.random.default_rng(2).normal(size=large_box.sizes["particle"]), dims="particle")
    boxes = 10_000 * np.random.default_rng(3).integers(-1, 2, large_box["position"].shape)
    outside = large_box.assign(position=large_box["position"] + large_box.attrs["box_length"] * boxes)
    np.testing.assert_allclose(structure_factor(C, outside), structure_factor(C, large_box), rtol=1e-4)


def test_rings_count_every_wave_vector_pair_once():
    q, modes = ring_coordinates(2 * np.pi, 3)
    assert modes.tolist() == [4, 6, 8]
    assert q[0] == pytest.approx((1 + np.sqrt(2)) / 2)
    np.testing.assert_allclose(q, [1, 2, 3], atol=0.25)


def test_uncorrelated_field_is_flat_and_has_no_length(large_box):
    values = np.random.default_rng(2).normal(0.5, 0.2, (6, large_box.sizes["particle"]))
    s4 = structure_factor(xr.DataArray(values, dims=("network", "particle")), large_box)
    scatter = (s4 - 0.04) / (0.04 / np.sqrt(s4.modes))
    assert float(s4.mean()) == pytest.approx(0.04, rel=0.01)
    assert float(scatter.std()) == pytest.approx(1, abs=0.1)
    assert float(abs(scatter).max()) < 6
    fit = fit_xi4(s4)
    assert not (fit.determined_oz and fit.xi4_oz > 0.7)
    assert not (fit.determined and fit.xi4 > 0.7)
    if not fit.determined:
        assert np.isnan(fit.xi4)
        assert fit.reason.item()


def averaged(s4):
    """Independent fields of one box as if they were so many structures."""
    count = s4.sizes["network"]
    return s4.mean("network").assign_coords(modes=s4.modes * count)


@pytest.mark.parametrize("xi", [1.5, 3.0, 5.0, 8.0])
def test_the_length_of_an_ornstein_zernike_field_is_found(gaussian_fields, large_box, xi):
    fit = fit_xi4(averaged(structure_factor(gaussian_fields(xi, 24, chi=2.0), large_box)))
    assert bool(fit.determined_oz)
    assert float(fit.xi4_oz) == pytest.approx(xi, rel=0.1)
    assert float(fit.chi_oz) == pytest.approx(2.0, rel=0.15)
    assert bool(fit.determined)
    assert abs(float(fit.xi4) - xi) < 2.5 * float(fit.xi4_error)
    assert float(fit.xi4_error) < 0.4 * xi


def test_the_cubic_term_is_found(gaussian_fields, large_box):
    s4 = averaged(structure_factor(gaussian_fields(3.0, 40, a=1.0, seed=4), large_box))
    fit = fit_xi4(s4, window=(0.0, 0.6))
    assert float(fit.xi4) == pytest.approx(3.0, rel=0.15)
    assert float(fit.A) == pytest.approx(1.0, abs=3 * float(fit.A_error))
    assert float(fit.xi4_oz) > 4.5  # without the cubic term its decay is taken for a longer length


def test_the_error_is_the_scatter_over_samples(gaussian_fields, large_box):
    s4 = structure_factor(gaussian_fields(5.0, 24, seed=6), large_box).rename(network="state")
    fit = fit_xi4(s4)
    known = fit.xi4_oz.where(fit.determined_oz, drop=True)
    assert known.size > 18
    assert float(fit.xi4_oz_error.median()) == pytest.approx(float(known.std(ddof=1)), rel=0.5)
    assert float(known.median()) == pytest.approx(5.0, rel=0.15)


def test_networks_are_averaged_and_their_spread_is_given(gaussian_fields, large_box):
    s4 = structure_factor(gaussian_fields(4.0, 6, seed=7), large_box)
    fit = fit_xi4(s4)
    assert float(fit.xi4_oz) == pytest.approx(float(fit_xi4(s4.mean("network")).xi4_oz))
    single = fit_xi4(s4.rename(network="state"))
    assert float(fit.xi4_oz_network_error) == pytest.approx(float(single.xi4_oz.std(ddof=1)), rel=0.3)


def test_the_error_of_a_length_is_that_of_the_fit_and_the_spread_over_networks(gaussian_fields, large_box):
    s4 = structure_factor(gaussian_fields(4.0, 6, chi=2.0, seed=7), large_box)
    fit = fit_xi4(s4, window=(0.0, 0.6))
    assert float(fit.xi4_network_error) > 0
    assert float(xi4_error(fit)) ** 2 == pytest.approx(float(fit.xi4_error) ** 2 + float(fit.xi4_network_error) ** 2)
    alone = fit_xi4(s4.mean("network"), window=(0.0, 0.6))
    assert float(xi4_error(alone)) == float(alone.xi4_error)
    assert np.isnan(xi4_error(fit.assign(xi4_error=np.nan, xi4_network_error=np.nan)))
    assert float(xi4_error(fit.assign(xi4_network_error=np.nan))) == float(fit.xi4_error)


def test_a_fit_that_runs_away_is_called_so(large_box):
    q, modes = ring_coordinates(263.1696, 60)
    s4 = xr.DataArray(q**-2.5, dims="q", coords={"q": q, "modes": ("q", modes)})
    fit = fit_xi4(s4)
    assert not fit.determined
    assert not fit.determined_oz
    assert fit.reason_oz.item() == "the fit runs away"
    assert np.isnan(fit.xi4)
    assert np.isnan(fit.xi4_oz_error)


def test_a_small_box_has_too_few_wave_numbers():
    q, modes = ring_coordinates(32.896, 15)
    s4 = xr.DataArray(np.ones((2, 15)), dims=("network", "q"), coords={"q": q, "modes": ("q", modes)})
    fit = fit_xi4(s4)
    assert np.isnan(fit.xi4)
    assert "at least 5" in fit.reason.item()


def test_exact_curves_return_their_parameters():
    q, modes = ring_coordinates(263.1696, 60)
    xi, a = np.array([[1.0], [4.0], [9.0]]), np.array([[2.0], [0.5], [1.0]])
    s4 = xr.DataArray(3 / (1 + (xi * q) ** 2 + a * (xi * q) ** 3), dims=("state", "q"))
    fit = fit_xi4(s4.assign_coords(q=q, modes=("q", 1000 * modes)))
    np.testing.assert_allclose(fit.xi4, xi[:, 0], rtol=1e-2)
    np.testing.assert_allclose(fit.A, a[:, 0], rtol=3e-2)
    np.testing.assert_allclose(fit.chi, 3, rtol=1e-2)


def test_real_positions_of_species_1(configurations_at):
    ds = configurations_at(0.40, 82560)
    values = np.random.default_rng(8).normal(size=ds.sizes["particle"])
    s4 = structure_factor(xr.DataArray(values, dims="particle"), ds)
    assert s4.sizes["q"] == 125
    assert float((s4 * s4.modes).sum() / s4.modes.sum()) == pytest.approx(1, abs=0.02)


def test_wrong_input_is_refused(large_box):
    C = xr.DataArray(np.zeros(large_box.sizes["particle"]), dims="particle")
    with pytest.raises(InvalidData, match="q_max"):
        structure_factor(C, large_box, q_max=0.01)
    with pytest.raises(InvalidData, match="structure_factor"):
        fit_xi4(C)
