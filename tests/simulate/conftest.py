import numba
import numpy as np
import pytest

from glassviz import mixture
from glassviz.simulate.equilibration import random_start
from glassviz.simulate.swap_chain import SwapMonteCarlo

SMALL = 129


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Thousands of calls on tiny boxes: waking threads for each costs more than the work."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="session")
def nearest_images():
    """The plain way to distances: every pair of particles, (n, n, 2) vectors r_i − r_j and (n, n) lengths."""

    def vectors(position, length):
        difference = position[:, None] - position[None]
        difference -= length * np.rint(difference / length)
        return difference, np.sqrt((difference**2).sum(axis=-1))

    return vectors


@pytest.fixture(scope="session")
def liquid():
    """A small box of the mixture at T = 0.40, melted at T = 1 and cooled: (position, species, box length)."""
    start = random_start(SMALL, seed=1)
    position, species, length = start["position"].values[0], start["species"].values[0], start.attrs["box_length"]
    for temperature in (1.0, 0.6, 0.4):
        chain = SwapMonteCarlo(position, species, length, temperature, seed=2)
        chain.run(2000)
        position, species = chain.position, chain.species
    return position, species, length


@pytest.fixture(scope="session")
def liquid_dataset(liquid):
    return mixture.configurations(*liquid, temperature=0.40, names=["small"])
