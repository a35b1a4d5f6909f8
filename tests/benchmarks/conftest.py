from time import process_time

import numba
import numpy as np
import pytest

from glassviz.simulate.neighbors import sort_into_cells


@pytest.fixture(scope="module")
def one_thread():
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="module")
def sample(configurations_at):
    """Factory: (position, species, box length) of one equilibrium configuration, cell by cell as production runs it."""

    def take(temperature, particles=1290):
        ds = configurations_at(temperature, particles)
        length = ds.attrs["box_length"]
        position, species = ds["position"].values[0], ds["species"].values[0]
        order = sort_into_cells(position, length, int(length / 3))[2]
        return np.ascontiguousarray(position[order]), np.ascontiguousarray(species[order]), length

    return take


@pytest.fixture
def report(capsys):
    def show(line):
        with capsys.disabled():
            print(f"\n{line}", end="")

    return show


@pytest.fixture
def spent():
    """Function: least processor time of a call, after one that compiles and warms."""

    def measure(call, repeats=3):
        call()
        times = []
        for _ in range(repeats):
            start = process_time()
            call()
            times.append(process_time() - start)
        return min(times)

    return measure
