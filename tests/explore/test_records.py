import numpy as np
import pandas as pd
import pytest
import xarray as xr

import glassviz as gv
from glassviz.explore import derive, heterogeneity, making, records
from glassviz.explore.library import joined
from glassviz.explore.state import ExplorerState
from glassviz.files import netcdf


@pytest.fixture
def small(library):
    state = ExplorerState(library)
    samples = [s for s in library.samples(state.temperature) if s.particles < derive.LARGE]
    if not samples:
        pytest.fail("the store holds no small sample at this temperature")
    state.sample = samples[0].label
    return state


def test_everything_of_a_sample_is_a_configuration_with_predictions(small, tmp_path):
    ds = records.everything(small.library, small.choice())
    path = tmp_path / "everything.nc"
    netcdf.save(ds, path)
    again = gv.read(path)
    assert float(again.attrs["temperature"]) == small.temperature
    levels = again["mean_propensity"].values
    assert np.allclose(levels, derive.LEVELS)
    reached = again["converged"].values.astype(bool)
    # The mean is constrained over all samples together.
    sample = small.chosen_sample
    C = derive.propensities(small.library, sample.temperature, sample.particles, small.network).mean("network")
    species = small.library.configurations(sample.temperature, sample.particles)["species"]
    mean = C.where(species == 0).mean(("configuration", "particle")).values
    assert np.allclose(mean[reached], levels[reached], atol=2e-3)
    here = C.isel(configuration=sample.index).values
    assert np.allclose(again["predicted_propensity"].values, here, atol=1e-3)
    frames = derive.frames(small.library, small.chosen_sample, small.network)
    shown = np.clip(again["predicted_propensity"].values[10], 0, 1)
    assert np.nanmax(np.abs(shown - frames.at(levels[10]))) < 0.01
    assert again["bottleneck"].shape == (small.chosen_sample.particles, 2)
    assert "arXiv" in again.attrs["citation"]


def test_everything_of_a_sample_says_how_that_sample_was_made(library):
    """Whatever other files hold samples of its temperature and size."""
    state = ExplorerState(library, temperature=0.3)
    samples = [s for s in library.samples(0.3) if s.particles == library.sizes(0.3)[-1]]
    for sample in (samples[0], samples[-1]):
        state.sample = sample.label
        ds = records.everything(library, state.choice())
        run = making.run_of(library, sample)
        told = {name: run.attrs[name] for name in ("command", "seed", "version") if name in run.attrs}
        assert {name: ds.attrs.get(name) for name in told} == told
        assert ds.attrs["verdict"] == str(ds["verdict"].item())
        assert ds.attrs["temperature"] == 0.3


def test_curves_are_those_of_the_page(small, monkeypatch):
    library = small.library
    one = [small.temperature, library.temperatures[0]]
    monkeypatch.setattr(type(library), "temperatures", property(lambda _self: one))
    monkeypatch.setattr(heterogeneity, "dynamic_length", lambda *_: None)
    seen = []
    table = records.curves(library, small.network, lambda done, of: seen.append((done, of)))
    assert tuple(table.columns) == records.COLUMNS
    predicted = table["source"] == "prediction"
    assert set(table["networks"][predicted]) == {small.network}
    assert (table["networks"][~predicted] == "").all()
    assert set(table["error_of"][~predicted]) <= {"structures"}
    assert set(table["replica_noise"][~predicted]) <= {"subtracted", "included"}
    assert seen == [(1, 2), (2, 2)]
    assert set(table["temperature"]) == set(one)
    assert np.isfinite(table["value"]).all()
    wanted = heterogeneity.fluctuations(library, one[0], small.network)
    chosen = table.query("source == 'prediction' and quantity == 'chord' and temperature == @one[0]")
    assert np.allclose(chosen["value"], wanted["chord"].values[np.isfinite(wanted["chord"].values)])
    again = pd.read_csv(pd.io.common.StringIO(table.to_csv(index=False)))
    assert isinstance(xr.Dataset.from_dataframe(again), xr.Dataset)
    assert (again["unit"] == table["unit"].values).all()


def test_files_whose_runs_were_recorded_differently_are_joined(small):
    name = small.chosen_sample
    ds = small.library.configurations(small.temperature, name.particles).isel(configuration=[0, 1])
    parts = [
        part.assign(energy_series=(("configuration", "block"), np.zeros((1, blocks))))
        for part, blocks in ((ds.isel(configuration=[0]), 20), (ds.isel(configuration=[1]), 200))
    ]
    whole = joined(parts)
    np.testing.assert_array_equal(whole["position"], ds["position"])
    assert "energy_series" not in whole
