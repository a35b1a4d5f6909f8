"""The GPU's kernels in Numba's simulator, which must be chosen before Numba is imported: in a process of its own."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import cuda as numba_cuda

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate import cuda
from glassviz.simulate.dynamics import TIME_STEP, Lanes, advance, start_lanes, total_energy
from glassviz.simulate.equilibration import random_start
from glassviz.simulate.isoconfigurational import isoconfigurational
from glassviz.simulate.lanes import LANES
from glassviz.simulate.neighbors import cells_per_side
from glassviz.simulate.swap_chain import SwapMonteCarlo

STEPS = 12


def hot(particles):
    """A small box of the mixture at T = 1: (position, species, box length)."""
    start = random_start(particles, seed=1)
    species, length = start["species"].values[0], start.attrs["box_length"]
    chain = SwapMonteCarlo(start["position"].values[0], species, length, 1.0, seed=2)
    chain.run(500)
    return np.asarray(chain.position), np.asarray(chain.species), length


@pytest.fixture(scope="module")
def droplet():
    """A box too small for cells."""
    return hot(43)


def simulated(program, *arguments):
    """Run a program in which CUDA is simulated; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ADVANCE = """
import sys
import numpy as np
from glassviz.simulate import cuda
from glassviz.simulate.dynamics import Lanes
cuda.THREADS, cuda.SKIN, cuda.STEPS_PER_LAUNCH = 4, 0.1, 8
with np.load(sys.argv[1]) as data:
    groups = [Lanes(*(data[f"{name}{k}"] for name in Lanes._fields)) for k in range(int(data["groups"]))]
    cuda.advance(groups, data["species"], float(data["length"]), int(data["steps"]), 0.01)
np.savez(sys.argv[1], **{f"{name}{k}": a for k, g in enumerate(groups) for name, a in g._asdict().items()})
"""


@pytest.mark.parametrize("particles", [43, 120])
def test_the_kernels_follow_the_processor(particles, tmp_path):
    """Forces, paths and unwrapped displacements in two launches; the skin is so thin that lists are renewed often.

    The smaller box is a single cell, the larger one has three along a side.
    """
    position, species, length = hot(particles)
    assert cells_per_side(length, 2.6) == (1 if particles == 43 else 3)
    lanes = start_lanes(position, length, 1.0, 0.01, 3, range(LANES))
    file = tmp_path / "lanes.npz"
    state = {f"{name}0": values for name, values in lanes._asdict().items()}
    np.savez(file, **state, groups=1, species=species, length=length, steps=STEPS)
    simulated(ADVANCE, file)
    advance(lanes, species, length, 8)
    advance(lanes, species, length, STEPS - 8)
    with np.load(file) as data:
        theirs = Lanes(*(data[f"{name}0"] for name in Lanes._fields))
    unit = length / 2**32
    assert np.abs(lanes.traveled_x).max() * unit > 0.1
    for name in ("traveled_x", "traveled_y"):
        np.testing.assert_allclose(getattr(theirs, name) * unit, getattr(lanes, name) * unit, atol=2e-5)
    for name in ("x", "y"):
        apart = np.int32(getattr(theirs, name) - getattr(lanes, name))
        np.testing.assert_allclose(apart * unit, 0, atol=2e-5)
    for name in ("vx", "vy"):
        np.testing.assert_allclose(getattr(theirs, name) * unit, getattr(lanes, name) * unit, atol=1e-6)


ENSEMBLE = """
import sys
from glassviz.files import netcdf
from glassviz.simulate import cuda
from glassviz.simulate.isoconfigurational import isoconfigurational
cuda.THREADS = 4
stop = []
def progress(now, last):
    if now < last and len(sys.argv) > 3:
        raise SystemExit
start, how = netcdf.read(sys.argv[1]), {"device": "cuda", "checkpoint": sys.argv[2] + ".c.nc", "progress": progress}
ds = isoconfigurational(start, [0.02, 0.04], 8, seed=3, **how)
netcdf.save(ds, sys.argv[2])
"""


def test_an_ensemble_on_the_gpu_is_that_of_the_processor_and_resumes(droplet, tmp_path):
    ds = mixture.configurations(*droplet, temperature=1.0, names=["droplet"])
    netcdf.save(ds, tmp_path / "start.nc")
    once, resumed = tmp_path / "once.nc", tmp_path / "resumed.nc"
    simulated(ENSEMBLE, tmp_path / "start.nc", once)
    simulated(ENSEMBLE, tmp_path / "start.nc", resumed, "interrupt")
    assert not resumed.exists()
    simulated(ENSEMBLE, tmp_path / "start.nc", resumed)
    theirs, again = netcdf.read(once), netcdf.read(resumed)
    ours = isoconfigurational(ds, [0.02, 0.04], 8, seed=3)
    for name in ("propensity", "mean_square_displacement", "self_scattering"):
        np.testing.assert_array_equal(theirs[name], again[name])
        np.testing.assert_allclose(theirs[name], ours[name], atol=1e-5)
        assert theirs[name].dims == ours[name].dims
    assert theirs.attrs["dynamics_device"] == "cuda"
    assert ours.attrs["dynamics_device"] == "cpu"
    assert ours["mean_square_displacement"].values[0, -1] > 0.002


TOO_MANY = """
from glassviz.mixture import InvalidData
from glassviz.simulate import cuda
from glassviz.simulate.dynamics import start_lanes
from glassviz.simulate.equilibration import random_start
start = random_start(43, seed=1)
how = start["species"].values[0], start.attrs["box_length"]
lanes = start_lanes(start["position"].values[0], how[1], 1.0, 0.01, 3, range(8))
for name, value in (("MOST", 42), ("CAPACITY", 3)):
    before = getattr(cuda, name)
    setattr(cuda, name, value)
    try:
        cuda.advance([lanes], *how, 1)
    except InvalidData as error:
        print(error)
    setattr(cuda, name, before)
"""


def test_what_a_block_cannot_take_is_said():
    large, dense = simulated(TOO_MANY).splitlines()
    assert large == "device 'cuda': 43 particles; expected at most 42, or device 'cpu'."
    assert dense == "dynamics: a particle has more than 3 neighbours; expected a liquid."


@pytest.mark.skipif(numba_cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_is_said_in_one_line(droplet):
    ds = mixture.configurations(*droplet, temperature=1.0)
    with pytest.raises(InvalidData, match=r"^device 'cuda': this machine has no CUDA GPU.*use 'cpu'\.$"):
        isoconfigurational(ds, [0.1], 8, device="cuda")
    with pytest.raises(InvalidData, match="no device 'tpu'"):
        isoconfigurational(ds, [0.1], 8, device="tpu")


@pytest.mark.skipif(not numba_cuda.is_available(), reason="there is no GPU here")
def test_on_a_real_gpu(configurations_at):
    """N = 1290, three groups: the early motion of the processor's replicas, and later theirs within replica error."""
    ds = configurations_at(0.30).isel(configuration=[0])
    ours, theirs = (isoconfigurational(ds, [0.5, 5.0, 300.0], 24, seed=3, device=device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(
        theirs["mean_square_displacement"][0, :2], ours["mean_square_displacement"][0, :2], rtol=0.02
    )
    error = np.sqrt(2 * ours["mean_propensity_variance"].values[0, -1, 0] / 24)
    assert ours["mean_propensity"].values[0, -1] < 1 - 10 * error
    np.testing.assert_allclose(theirs["mean_propensity"], ours["mean_propensity"], atol=4 * error)


@pytest.mark.skipif(not numba_cuda.is_available(), reason="there is no GPU here")
def test_energy_does_not_drift_on_a_real_gpu(configurations_at):
    """Less than 1e-4 ε per particle over t = 10⁴ at T = 0.30, the bar of the processor's engine."""
    ds = configurations_at(0.30)
    position, species, length = ds["position"].values[0], ds["species"].values[0], ds.attrs["box_length"]
    lanes = start_lanes(position, length, 0.30, TIME_STEP, 1, range(LANES))
    energies = []
    for _ in range(50):
        cuda.advance([lanes], species, length, round(1e4 / TIME_STEP / 50))
        energies.append(total_energy(lanes, species, length))
    drift = 50 * np.polyfit(np.arange(50), energies, 1)[0]
    assert np.abs(drift).max() < 1e-4
