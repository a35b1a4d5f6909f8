"""A propensity file that does not reach the time asked for is extended, from its checkpoint or anew."""

import numpy as np
import pytest
import xarray as xr

from glassviz import mixture
from glassviz.campaign.dynamics import propensity_file
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate.equilibration import random_start
from glassviz.simulate.swap_chain import SwapMonteCarlo

RECORD = {"command": "a test", "version": "0"}
RUN = {"replicas": 8, "role": "train", "seed": 4, "record": RECORD}
SHORT, LONG = (1.0, 1.5), (1.0, 2.0, 3.0)
BOTH = (1.0, 1.5, 2.0, 3.0)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def structure():
    start = random_start(80, seed=1)
    position, species, length = start["position"].values[0], start["species"].values[0], start.attrs["box_length"]
    chain = SwapMonteCarlo(position, species, length, 1.0, seed=2)
    chain.run(1000)
    return mixture.configurations(chain.position, chain.species, length, 1.0, names=["one"])


@pytest.fixture
def target(tmp_path, structure):
    propensity_file(tmp_path / "T1.00_one.nc", structure, SHORT, **RUN)
    return tmp_path / "T1.00_one.nc"


@pytest.fixture(scope="module")
def at_once(tmp_path_factory, structure):
    """The file of a run to the later time, with the output times of both."""
    path = tmp_path_factory.mktemp("once") / "T1.00_one.nc"
    propensity_file(path, structure, BOTH, **RUN)
    return netcdf.load(path)


@pytest.mark.parametrize("checkpoint", [True, False], ids=["from its checkpoint", "anew"])
def test_a_finished_file_is_extended_to_what_one_run_gives(target, structure, at_once, checkpoint):
    if not checkpoint:
        target.with_name(".T1.00_one.checkpoint.nc").unlink()
    propensity_file(target, structure, LONG, **RUN)
    xr.testing.assert_identical(netcdf.load(target), at_once)
    assert sorted(path.name for path in target.parent.iterdir()) == [".T1.00_one.checkpoint.nc", "T1.00_one.nc"]


def test_a_file_that_reaches_the_time_is_kept(target, structure):
    before = target.read_bytes(), target.stat().st_mtime_ns
    for times in (SHORT, (0.5, 1.0)):
        propensity_file(target, structure, times, **RUN)
    assert (target.read_bytes(), target.stat().st_mtime_ns) == before


def test_an_extension_that_is_killed_leaves_the_file_and_goes_on(target, structure, at_once):
    before = target.read_bytes()

    def progress(now, _):
        if now >= 2.0:
            raise Killed

    with pytest.raises(Killed):
        propensity_file(target, structure, LONG, **RUN, progress=progress)
    assert target.read_bytes() == before
    seen = []
    propensity_file(target, structure, LONG, **RUN, progress=lambda now, _: seen.append(now))
    assert seen == [3.0]
    xr.testing.assert_identical(netcdf.load(target), at_once)


@pytest.mark.parametrize("other", [{"replicas": 16}, {"seed": 5}, {"role": "test"}], ids=lambda other: "-".join(other))
def test_another_run_is_not_an_extension(target, structure, other):
    before = target.read_bytes()
    with pytest.raises(InvalidData, match=r"T1\.00_one\.nc: .*expected the same, or another folder"):
        propensity_file(target, structure, LONG, **{**RUN, **other})
    assert target.read_bytes() == before


def test_another_structure_is_not_an_extension(target, structure):
    length = structure.attrs["box_length"]
    for other in (
        structure.assign(position=np.mod(structure["position"] + 0.5, length)),
        structure.assign(species=2 - structure["species"]),
        structure.assign_attrs(box_length=1.01 * length),
    ):
        with pytest.raises(InvalidData, match="other particles"):
            propensity_file(target, other, LONG, **RUN)
