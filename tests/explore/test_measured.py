"""χ₄ of molecular dynamics on the explorer's curves: without the noise of the replicas where that is known."""

import numpy as np
import pytest
import xarray as xr

from glassviz.explore import derive

STRUCTURES, PARTICLES, NOISE = 9, 60, 1e-4


class Measured:
    """A library that has nothing but measured propensities."""

    def __init__(self, noise):
        generator = np.random.default_rng(4)
        dims = ("configuration", "time", "particle")
        self.ds = xr.Dataset(
            {
                "propensity": (dims, generator.uniform(0.5, 0.9, (STRUCTURES, 2, PARTICLES))),
                "species": (("configuration", "particle"), np.zeros((STRUCTURES, PARTICLES), np.int8)),
                "position": (
                    ("configuration", "particle", "space"),
                    generator.uniform(0, 8, (STRUCTURES, PARTICLES, 2)),
                ),
                "replica_noise": (("configuration", "time"), np.full((STRUCTURES, 2), noise)),
            },
            coords={"time": [1.0, 10.0]},
            attrs={"box_length": 8.0, "temperature": 0.4},
        )

    def measured(self, temperature):
        return self.ds

    def memo(self, key, compute):
        return compute()


def test_known_noise_is_subtracted():
    whole, less = (derive.measured(Measured(noise), 0.4) for noise in (0.0, NOISE))
    difference = (whole["chi4"] - less["chi4"]).values
    assert difference == pytest.approx(PARTICLES * NOISE * (1 - 1 / STRUCTURES), rel=1e-9)
    assert less.attrs["replica_noise"] == "subtracted"


def test_unknown_noise_stays_and_is_said():
    library = Measured(NOISE)
    library.ds["replica_noise"][3] = np.nan
    found = derive.measured(library, 0.4)
    assert found.attrs["replica_noise"] == "included"
    np.testing.assert_array_equal(found["chi4"], derive.measured(Measured(0.0), 0.4)["chi4"])
