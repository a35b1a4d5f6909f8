import numpy as np
import pytest

from glassviz.observe import relaxation

TRUE = {"arrhenius": (-9.0, 5.0), "vft": (1.5, 1.7, 0.10), "parabolic": (4.0, 0.8, 0.9)}
TEMPERATURES = np.array([0.40, 0.35, 0.30, 0.27, 0.25, 0.23])


def fitted(name, error=0.02, temperature=TEMPERATURES, noise=0.0, seed=0):
    log_tau = relaxation.LAWS[name](temperature, *TRUE[name])
    log_tau = log_tau + noise * np.random.default_rng(seed).normal(size=len(temperature))
    return relaxation.fit(name, temperature, log_tau, np.full(len(temperature), error))


@pytest.mark.parametrize("name", TRUE)
def test_a_law_is_found_from_its_own_points(name):
    fit = fitted(name)
    np.testing.assert_allclose(fit.value, TRUE[name], rtol=1e-3)
    expected = relaxation.LAWS[name](0.15, *TRUE[name])
    assert fit.log_relaxation_time(0.15) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", TRUE)
def test_the_band_is_the_scatter_of_repeated_measurements(name):
    at = np.array([0.32, 0.20])
    fits = [fitted(name, error=0.02, noise=0.02, seed=seed) for seed in range(60)]
    scatter = np.std([fit.log_relaxation_time(at) for fit in fits], axis=0, ddof=1)
    np.testing.assert_allclose(np.mean([fit.log_error(at) for fit in fits], axis=0), scatter, rtol=0.4)


def test_a_law_that_misses_the_points_gets_a_wider_band():
    cold = TEMPERATURES - 0.15
    curved = relaxation.fit("arrhenius", cold, cold**-2 / 10, np.full(6, 0.02))
    straight = relaxation.fit("arrhenius", cold, curved.log_relaxation_time(cold), np.full(6, 0.02))
    assert curved.log_error(np.array([0.1])) > 3 * straight.log_error(np.array([0.1]))


def test_arrhenius_takes_the_cold_points_only():
    log_tau = relaxation.LAWS["vft"](TEMPERATURES, *TRUE["vft"])
    fit = relaxation.fit("arrhenius", TEMPERATURES, log_tau, np.full(6, 0.02))
    assert fit.temperatures.tolist() == [0.23, 0.25]
    np.testing.assert_allclose(fit.log_relaxation_time(np.array([0.23, 0.25])), log_tau[[5, 4]], rtol=1e-9)


def test_unknown_errors_weigh_as_the_largest_known_and_give_no_band_alone():
    log_tau = relaxation.LAWS["vft"](TEMPERATURES, *TRUE["vft"]) + 0.05 * np.array([1, -1, 1, -1, 1, -1])
    known = np.array([0.02, 0.02, 0.04, 0.04, 0.1, 0.1])
    unknown = np.where(np.arange(6) == 4, np.nan, known)
    np.testing.assert_allclose(
        relaxation.fit("vft", TEMPERATURES, log_tau, unknown).value,
        relaxation.fit("vft", TEMPERATURES, log_tau, known).value,
    )
    blind = relaxation.fit("vft", TEMPERATURES, log_tau, np.full(6, np.nan))
    assert np.isnan(blind.log_error(np.array([0.2]))).all()
    assert np.isfinite(blind.log_relaxation_time(0.2))


def test_too_few_points_leave_a_law_out():
    table = relaxation.tabulate(
        {name: relaxation.fit(name, TEMPERATURES[:2], np.array([7.0, 9.0]), np.full(2, 0.1)) for name in TRUE},
        np.linspace(0.4, 0.15, 20),
    )
    assert table.points.values.tolist() == [2, 0, 0]
    assert np.isfinite(table.relaxation_time.sel(law="arrhenius")).all()
    assert np.isnan(table.relaxation_time.sel(law=["vft", "parabolic"])).all()
    assert np.isnan(table.value.sel(law="vft")).all()


def test_the_table_holds_band_and_parameters():
    fits = {name: fitted(name) for name in TRUE}
    grid = np.linspace(0.4, 0.15, 20)
    table = relaxation.tabulate(fits, grid)
    for name, fit in fits.items():
        row = table.sel(law=name)
        error = fit.log_error(grid)
        np.testing.assert_allclose(np.log(row.upper / row.relaxation_time), error, atol=1e-9)
        np.testing.assert_allclose(np.log(row.relaxation_time / row.lower), error, atol=1e-9)
        np.testing.assert_allclose(row.value.sel(parameter=list(fit.law.parameters)), fit.value)
        assert row.value.count() == len(fit.value)


def test_a_law_has_no_finite_time_below_where_it_diverges():
    temperature = np.array([0.4, 0.35, 0.3, 0.27, 0.25, 0.23])
    log_tau = 2 + 0.5 / (temperature - 0.20)
    table = relaxation.tabulate(
        {"vft": relaxation.fit("vft", temperature, log_tau, np.full(6, 0.02))}, np.array([0.25, 0.19, 0.15])
    )
    assert float(table["relaxation_time"][0, 0]) == pytest.approx(np.exp(12), rel=1e-3)
    assert np.isinf(table["relaxation_time"].values[0, 1:]).all()
    assert not np.isfinite(table["lower"].values[0, 1:]).any()


def test_a_parameter_at_the_end_of_its_range_is_not_determined():
    temperature = np.array([0.4, 0.35, 0.3, 0.27, 0.25])
    table = relaxation.tabulate(
        {"parabolic": relaxation.fit("parabolic", temperature, 1 + 0.2 / temperature**2, np.full(5, 0.02))}, temperature
    )
    of = table.sel(law="parabolic")["error"]
    assert np.isinf(float(of.sel(parameter="onset_temperature")))
    assert np.isfinite(float(of.sel(parameter="parabolic_j2")))
