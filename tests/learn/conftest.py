import numpy as np
import pytest
import torch
import xarray as xr

from glassviz.learn.inference import Ensemble
from glassviz.learn.network import TGlassMLP
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
            with torch.no_grad():
                for name, values in net.weights.items():
                    if name.endswith("bias"):
                        values.normal_(0, 0.1, generator=torch.Generator().manual_seed(seed + len(name)))
                net.weights["attention"].mul_(3)
                _follow_the_level(net)
            modules[kind], branches[kind] = net, net.branch(mean, std, kept)
        return modules, Ensemble(branches, dict(HEADER), "random")

    return build


def _follow_the_level(net):
    """One path through MLP2 and the head that carries C, so that the mean prediction grows with it."""
    for layer in range(3):
        net.weights[f"mlp2_{layer}_weight"][:, :, 0] = 0
        net.weights[f"mlp2_{layer}_bias"][:, 0] = 0
        net.weights[f"mlp2_{layer}_weight"][:, 3 if layer == 0 else 0, 0] = 1
        weight = net.weights[f"head_{layer}_weight"]
        if layer < 2:
            weight[:, :, 0] = 0
        else:
            weight.mul_(0.1)
        weight[:, 2 if layer == 0 else 0, 0] = 1
        net.weights[f"head_{layer}_bias"][:, 0] = 0


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
