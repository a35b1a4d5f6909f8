"""Speed of the observables at N = 82560 (38400 particles of species 1): seconds are printed, ratios are asserted."""

from time import perf_counter

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import least_squares

from glassviz.observe.chords import chord_length, lattice
from glassviz.observe.structure_factor import FIT_RESAMPLES, FIT_WINDOW, fit_xi4, structure_factor

pytestmark = pytest.mark.benchmark

LENGTH = 263.1696
PARTICLES = 38400
STATES = 40


@pytest.fixture(scope="module")
def box():
    position = np.random.default_rng(0).uniform(0, LENGTH, (1, PARTICLES, 2))
    species = np.zeros((1, PARTICLES), np.int8)
    return xr.Dataset(
        {
            "position": (("configuration", "particle", "space"), position),
            "species": (("configuration", "particle"), species),
        },
        attrs={"box_length": LENGTH},
    )


@pytest.fixture(scope="module")
def propensities():
    values = np.random.default_rng(1).uniform(size=(STATES, PARTICLES)).astype(np.float32)
    return xr.DataArray(values, dims=("state", "particle"))


@pytest.fixture
def report(capsys):
    def show(line, ratio, bar):
        with capsys.disabled():
            print(f"\n{line}, {ratio:.0f} × the plain way (bar {bar} ×)")
        assert ratio >= bar

    return show


def best(call, repeats=5):
    call()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def test_structure_factor_of_40_fields(box, propensities, report):
    """Bar: 40 fields in 0.5 s on two free cores; here against the sums over all wave vectors as a matrix product.

    The plain way has to find the phase of every particle for every wave vector, once for all fields.
    """
    spent = best(lambda: structure_factor(propensities, box))
    wave_vectors = 100
    q = np.random.default_rng(2).uniform(-3, 3, (2, wave_vectors)).astype(np.float32)
    position = box["position"].values[0].astype(np.float32)
    values = propensities.values.astype(np.complex64)
    direct = best(lambda: values @ np.exp(1j * (position @ q)), 2) * np.pi * 125**2 / 2 / wave_vectors
    report(f"S4 of {STATES} fields, all q < 3: {spent:.3f} s (bar 0.5 s)", direct / spent, 50)


def test_fits_of_40_states(box, propensities, report):
    """Both forms with bootstrap and four networks, against one scipy fit for each of the same fits."""
    s4 = structure_factor(propensities, box).expand_dims(network=4)
    spent = best(lambda: fit_xi4(s4))
    inside = s4.sel(q=slice(*FIT_WINDOW))
    q, modes, curve = inside.q.values, inside.modes.values, inside.values[0, 0]

    def residual(parameters):
        xi, a, chi = np.exp(parameters)
        return np.sqrt(modes) * (curve * (1 + (xi * q) ** 2 + a * (xi * q) ** 3) / chi - 1)

    fits = 2 * STATES * (1 + FIT_RESAMPLES + 4)
    one = best(lambda: least_squares(residual, np.log([1, 1, curve.mean()])))
    report(f"ξ4 of {STATES} states, {fits} fits: {spent:.3f} s", fits * one / spent, 15)


def test_chords_of_160_fields(box, propensities, report):
    """Four networks at 40 states, against summing one field on its lattice with NumPy."""
    fields = propensities.expand_dims(network=4).copy()
    spent = best(lambda: chord_length(fields, box))
    position, values = box.position.values[0], propensities.values[0]

    def plain():
        sites, nearest, side = lattice(position, LENGTH, 1.5)
        passive = values >= np.median(values)
        mean = np.bincount(sites, passive, side**2) / np.maximum(np.bincount(sites, minlength=side**2), 1)
        mobile = (np.where(nearest >= 0, passive[nearest], mean) < 0.5).reshape(side, side)
        return sum((m & ~np.roll(m, 1, axis=1)).sum() for m in (mobile, mobile.T))

    report(f"chords of 160 fields: {spent:.3f} s", 160 * best(plain) / spent, 3)
