"""Noise that replicas leave in labels, between two output times too."""

import numpy as np
import pytest
import xarray as xr

from glassviz.learn.between_outputs import noise_of_mean


@pytest.mark.parametrize("between", [0.0, 0.3, 0.5, 1.0])
def test_noise_of_a_mean_between_outputs(between):
    """Bonds that break once at one rate: the variance of a mean over all of them, at two times, is known exactly."""
    particles, bonds, replicas, times = 50, 6, 8, np.array([0.25, 0.5, 1.5])
    alive = np.exp(-times)
    shape, mean = ("configuration", "time", "particle"), ("configuration", "time", "component")
    ds = xr.Dataset(
        {
            "propensity": (shape, np.repeat(alive[None, :, None], particles, axis=2)),
            "mean_propensity": (mean, alive[None, :, None]),
            "mean_propensity_variance": (mean, (alive * (1 - alive))[None, :, None] / bonds / particles),
            "species": (("configuration", "particle"), np.zeros((1, particles), np.int8)),
        },
        coords={"time": times},
        attrs={"replicas": replicas},
    )
    at = times[1:2] * (times[2] / times[1]) ** between
    first, second = alive[1:]
    covariance = second * (1 - first)
    exact = (1 - between) ** 2 * first * (1 - first) + between**2 * second * (1 - second)
    exact += 2 * between * (1 - between) * covariance
    np.testing.assert_allclose(noise_of_mean(ds, at), [exact / bonds / particles / replicas], rtol=1e-5)
