import numpy as np
import pytest
import torch
import xarray as xr

from glassviz.learn.inference import Ensemble
from glassviz.learn.network import TGlassMLP
from glassviz.learn.start import follow_the_level
from glassviz.structure import descriptors

HEADER = {
    "columns": {
        "observable": list(descriptors.OBSERVABLES),
        "length": [float(length) for length in descriptors.LENGTHS],
        "neighbor_species": list(descriptors.NEIGHBOR_SPECIES),
    },
    "cutoff": 16.0,
    "tessellation": "radical",
    "reference_temperature": 0.2,
    "training": {},
}


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """No descriptors of made-up structures in the user's cache."""
    monkeypatch.setenv("GLASSVIZ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def random_networks():
    """Factory: untrained torch networks and the same as an Ensemble that follows the level, X̄ ≈ C."""

    def build(networks=2, species=(0,), seed=0, masked=12):
        rng = np.random.default_rng(seed)
        kept = np.ones(176, bool)
        kept[rng.choice(176, masked, replace=False)] = False
        mean, std = rng.normal(size=176), rng.uniform(0.5, 2, 176)
        modules, branches = {}, {}
        for kind in species:
            net = TGlassMLP(networks, int(kept.sum()), seed + kind)
            for name, values in net.weights.items():
                if name.endswith("bias"):
                    values.normal_(0, 0.1, generator=torch.Generator().manual_seed(seed + len(name)))
            net.weights["attention"].mul_(3)
            follow_the_level(net)
            modules[kind], branches[kind] = net, net.branch(mean, std, kept)
        return modules, Ensemble(branches, dict(HEADER), "random")

    return build


@pytest.fixture
def random_descriptors():
    """Factory: random descriptors with their labels."""

    def build(configurations=3, particles=50, seed=1):
        rng = np.random.default_rng(seed)
        shape = (configurations, particles, 4, 11, 4)
        return xr.DataArray(
            rng.normal(size=shape).astype(np.float32),
            dims=("configuration", "particle", "observable", "length", "neighbor_species"),
            coords={
                **HEADER["columns"],
                "configuration": [f"c{k}" for k in range(configurations)],
                "species": (("configuration", "particle"), np.tile([0, 1, 0, 2, 0], (configurations, particles // 5))),
            },
            attrs={"cutoff": 16.0, "tessellation": "radical", "box_length": 10.0, "temperature": 0.3},
        )

    return build
