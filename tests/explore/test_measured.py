"""χ₄ of molecular dynamics on the explorer's curves: as far as structures run, without the noise of the replicas."""

import numpy as np
import pytest
import xarray as xr

from glassviz.explore import heterogeneity
from glassviz.files import netcdf

STRUCTURES, PARTICLES, NOISE = 9, 60, 1e-4


def labels(noise, structures=STRUCTURES, times=(1.0, 10.0)):
    """Random propensities."""
    generator = np.random.default_rng(4)
    shape, dims = (structures, len(times), PARTICLES), ("configuration", "time", "particle")
    return xr.Dataset(
        {
            "propensity": (dims, generator.uniform(0.5, 0.9, shape)),
            "species": (dims[::2], np.zeros(shape[::2], np.int8)),
            "position": ((*dims[::2], "space"), generator.uniform(0, 8, (structures, PARTICLES, 2))),
            "replica_noise": (dims[:2], np.full(shape[:2], noise)),
        },
        coords={"time": list(times)},
        attrs={"box_length": 8.0, "temperature": 0.4},
    )


class Measured:
    """A library that has nothing but measured propensities."""

    def __init__(self, *sets):
        self.sets = list(sets)

    def measured(self, temperature):
        return self.sets

    def memo(self, key, compute):
        return compute()


def test_known_noise_is_subtracted():
    whole, less = (heterogeneity.measured(Measured(labels(noise)), 0.4) for noise in (0.0, NOISE))
    difference = (whole["chi4"] - less["chi4"]).values
    assert difference == pytest.approx(PARTICLES * NOISE, rel=1e-9)
    assert less.attrs["replica_noise"] == "subtracted"


def test_unknown_noise_stays_and_is_said():
    some = labels(NOISE)
    some["replica_noise"][3] = np.nan
    found = heterogeneity.measured(Measured(some), 0.4)
    assert found.attrs["replica_noise"] == "included"
    np.testing.assert_array_equal(found["chi4"], heterogeneity.measured(Measured(labels(0.0)), 0.4)["chi4"])


def test_structures_that_run_further_go_on_alone():
    early, late = labels(0.0), labels(NOISE, 5, (100.0,))
    found = heterogeneity.measured(Measured(early, late), 0.4)
    assert found["time"].values.tolist() == [1, 10, 100]
    assert found["structures"].values.tolist() == [9, 9, 5]
    for part, one in ((found.isel(state=slice(2)), early), (found.isel(state=[2]), late)):
        np.testing.assert_array_equal(part["chi4"], heterogeneity.measured(Measured(one), 0.4)["chi4"])


def test_the_points_reach_as_far_as_enough_shipped_runs(library):
    """And every one of them is of structures that have been run to there."""
    told = 0
    for temperature in library.temperatures:
        rows = library.propensity_files(temperature)
        found = heterogeneity.measured(library, temperature)
        if found is None:
            continue
        told += 1
        files = [netcdf.load(row.path) for row in rows if row.particles == found.attrs["particles"]]
        ends = np.array([float(ds["time"][-1]) for ds in files for _ in ds["configuration"]])
        reached = (ends[:, None] >= found["time"].values).sum(axis=0)
        structures = found["structures"].values
        assert (structures <= reached).all()
        assert (4 * structures >= len(ends) - 3).all()
        assert len(ends) // 4 > (ends > found["time"].values[-1]).sum()
    assert told or pytest.fail("the store holds no labels")


def curve(chi4, errors, levels=(0.9, 0.6, 0.3)):
    """χ₄ at some levels."""
    values = {"chi4": chi4, "chi4_error": errors, "mean_propensity": levels}
    values["chi4_structure_error"] = np.zeros(len(errors))
    columns = {name: ("state", np.array(column)) for name, column in values.items()}
    return xr.Dataset(columns, attrs={"replica_noise": "subtracted"})


def test_the_clearest_miss_of_chi4_is_found():
    predicted = curve([0.4, 0.4, 0.1], [0.03, 0.04, 0.0])
    assert heterogeneity.shortfall(predicted, curve([0.5, 0.55, 0.3], [0.1, 0.1, 0.1])) is None
    missed = heterogeneity.shortfall(predicted, curve([0.5, 2.0, 0.9], [0.1, 0.3, 0.1], levels=(0.9, 0.6, 0.45)))
    assert float(missed["mean_propensity"]) == 0.45
    assert float(missed["predicted"]) == pytest.approx(0.25)
    assert float(missed["chi4"]) == 0.9
    few = predicted.assign(chi4_structure_error=("state", [0.1, 0.5, 0.5]))
    assert heterogeneity.shortfall(few, curve([0.5, 2.0, 0.9], [0.1, 0.3, 0.1], levels=(0.9, 0.6, 0.45))) is None
    noisy = curve([9.0], [0.1], levels=(0.6,))
    assert heterogeneity.shortfall(predicted, noisy) is not None
    assert heterogeneity.shortfall(predicted, noisy.assign_attrs(replica_noise="included")) is None


def test_points_beyond_what_is_predicted_say_nothing_of_a_miss():
    predicted = curve([0.4, 0.4, np.nan], [0.03, 0.04, np.nan])
    assert heterogeneity.shortfall(predicted, curve([9.0], [0.1], levels=(0.3,))) is None
    assert heterogeneity.shortfall(predicted.isel(state=[2]), curve([9.0], [0.1], levels=(0.3,))) is None
