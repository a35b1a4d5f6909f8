import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.mixture import InvalidData
from glassviz.simulate.equilibration import BLOCKS, equilibrate
from glassviz.simulate.harvest import account
from glassviz.simulate.history import INTERVALS, assembled, cooling, padded, said, with_cooling

HISTORY = ["cooling_energy", "cooling_temperature", "cooling_sweeps", "cooling_bonds", "cooling_decorrelations"]


@pytest.fixture(scope="module")
def hot(liquid_dataset):
    return equilibrate(liquid_dataset, temperature=0.8, sweeps=400, seed=1)


@pytest.fixture(scope="module")
def cold(hot):
    return equilibrate(hot, temperature=0.5, sweeps=600, seed=2)


def test_a_run_appends_itself_to_what_it_started_from(hot, cold):
    assert cold["cooling_temperature"].values.tolist() == [[0.8, 0.5]]
    assert cold["cooling_sweeps"].values.tolist() == [[400, 600]]
    np.testing.assert_array_equal(cold["cooling_energy"][:, 0], hot["cooling_energy"][:, 0])
    means = cold["energy_series"].values.reshape(INTERVALS, BLOCKS // INTERVALS).mean(axis=1)
    np.testing.assert_allclose(cold["cooling_energy"][0, 1], means)
    np.testing.assert_array_equal(cold["cooling_bonds"][0], [hot["bond_series"][0, -1], cold["bond_series"][0, -1]])
    np.testing.assert_array_equal(
        cold["cooling_decorrelations"][0], [hot["decorrelations"].item(), cold["decorrelations"].item()]
    )


def test_a_series_that_is_not_whole_is_refused(hot):
    for missing in ("sweeps", "bond_series"):
        with pytest.raises(InvalidData, match=f"an energy_series without {missing}; expected both"):
            cooling(hot.drop_vars([*HISTORY, missing]))


def test_every_saying_is_kept_whole():
    """What several ladders say of themselves is put together, and put together again, without mixing it up."""
    told = [account(np.array([[100, 100], [made, made]]), np.array([[True], [True]])) for made in (20, 30, 40)]
    one, other, third = (xr.Dataset(attrs={"exchanges": text}) for text in told)
    both = xr.Dataset(attrs=said([one, other], ["exchanges"]))
    assert said([both, third, one], ["exchanges"]) == {"exchanges": "; ".join(told)}
    assert not any("; " in text for text in told)


def test_the_history_of_files_that_record_only_their_own_run(hot, cold):
    """Version 0.1: twenty blocks, no cooling; the same name at every temperature is the same sample."""

    def old(ds, name):
        ds = ds.drop_vars(HISTORY).isel(block=slice(9, None, 10))
        return ds.assign_coords(configuration=[name])

    newcomer = old(cold, "late")
    cold_file = xr.concat([old(cold, "a"), newcomer], "configuration", combine_attrs="override")
    first, second = assembled([cold_file, old(hot, "a")])
    assert (first.attrs["temperature"], second.attrs["temperature"]) == (0.8, 0.5)
    np.testing.assert_array_equal(second["cooling_temperature"], [[0.8, 0.5], [np.nan, 0.5]])
    np.testing.assert_array_equal(second["cooling_energy"][0, 0], hot["energy_series"][0, 9::10])
    np.testing.assert_array_equal(second["cooling_energy"][1, 1], cold["energy_series"][0, 9::10])
    assert np.isnan(second["cooling_energy"][1, 0]).all()
    again = assembled([second])[0]
    xr.testing.assert_identical(again, second)


def test_a_start_of_unknown_past_has_none(liquid_dataset, hot):
    assert cooling(liquid_dataset) is None
    xr.testing.assert_identical(with_cooling(hot.drop_vars(HISTORY), liquid_dataset), hot)
    xr.testing.assert_identical(padded(hot, 1), hot)
    assert padded(hot, 3)["cooling_temperature"].values.tolist()[0][2] == 0.8
    with pytest.raises(InvalidData, match="expected a recorded run"):
        assembled([mixture.check(liquid_dataset)])
