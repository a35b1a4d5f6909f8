import finufft
import numpy as np
import pytest
import xarray as xr

from glassviz import mixture

LENGTH = 263.1696
SIDE = 196


@pytest.fixture(scope="session")
def large_box():
    """38416 particles of species 1 in the large box, as evenly spread as those of a dense liquid."""
    generator = np.random.default_rng(5)
    corner = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2)
    position = (corner + 0.5 + generator.uniform(-0.3, 0.3, corner.shape)) * (LENGTH / SIDE)
    return xr.Dataset(
        {
            "position": (("configuration", "particle", "space"), mixture.wrap(position, LENGTH)[None]),
            "species": (("configuration", "particle"), np.zeros((1, len(position)), np.int8)),
        },
        attrs={"box_length": LENGTH},
    )


@pytest.fixture(scope="session")
def gaussian_fields(large_box):
    """Factory: independent Gaussian fields on the large box, S4(q) = chi / (1 + (xi q)² + A (xi q)³) for q < cut."""

    def make(xi, count, a=0.0, chi=1.0, seed=0, cut=1.2):
        generator = np.random.default_rng(seed)
        position = large_box["position"].values[0]
        most = int(cut * LENGTH / (2 * np.pi))
        n = np.arange(-most, most + 1)
        x = xi * 2 * np.pi / LENGTH * np.hypot(n[:, None], n[None, :])
        power = chi / (1 + x**2 + a * x**3)
        power[most, most] = 0.0
        coefficient = generator.normal(size=(count, *power.shape, 2)) @ [1, 1j]
        coefficient *= np.sqrt(power / len(position))
        angle = 2 * np.pi / LENGTH * position.T - np.pi
        field = finufft.nufft2d2(angle[0].copy(), angle[1].copy(), coefficient, eps=1e-9, isign=1).real
        return xr.DataArray(field, dims=("network", "particle"))

    return make
