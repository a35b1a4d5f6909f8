from pathlib import Path

import numpy as np
import pytest

from glassviz import mixture
from glassviz.explore.library import Library

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared():
    """The folder of real data beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with reference data is not here")
    return SHARED


@pytest.fixture(scope="session")
def library():
    """What ships with glassviz."""
    return Library()


@pytest.fixture(scope="session")
def configurations_at(shared):
    """Factory: the prototype configurations at one temperature as a Dataset."""

    def load(temperature, particles=1290):
        with np.load(shared / "configurations" / f"N{particles}_T{temperature:.2f}.npz") as data:
            position = np.stack([data["x"], data["y"]], axis=-1)
            return mixture.configurations(
                position,
                data["species"],
                data["box_length"],
                temperature,
                names=np.atleast_1d(data["name"]) if "name" in data else None,
                source=f"N{particles}_T{temperature:.2f}.npz",
            )

    return load


@pytest.fixture(scope="session")
def reference_sample(shared):
    """The published T = 0.23 sample: its Dataset and the positions of 20 replicas at t = 122.47 (unwrapped)."""
    with np.load(shared / "reference" / "glassbench" / "N1290T0.23_151_tc20.npz") as data:
        length = float(data["box"])
        dataset = mixture.configurations(
            mixture.wrap(data["initial_positions"], length),
            data["types"] - 1,
            length,
            0.23,
            inherent_position=mixture.wrap(data["initial_positions_inherent"], length),
        )
        return dataset, data["positions"]
