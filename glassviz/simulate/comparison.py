"""Energies of samples against those that were cooled differently: in equilibrium the way there does not matter."""

from itertools import combinations

import numpy as np

from glassviz import mixture
from glassviz.files import netcdf, store
from glassviz.simulate.history import protocols
from glassviz.simulate.verdict import VERDICTS, compare_energies

FEWEST = 3  # samples of two coolings together, to know how they scatter


def between_coolings(ds):
    """Energies of the samples of every two ways of cooling in one file.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations of one size and temperature with their cooling and seeds.

    Returns
    -------
    list of str
        One line for each two that have samples enough.
    """
    made = protocols(ds)
    pairs = combinations(dict.fromkeys(made), 2)
    chosen = [[ds.isel(configuration=made == protocol) for protocol in pair] for pair in pairs]
    return [
        f"{one.sizes['configuration']} samples of seed {one['seed'].values[0]} against "
        f"{other.sizes['configuration']} of seed {other['seed'].values[0]}: {compare_energies(one, other)}"
        for one, other in chosen
        if one.sizes["configuration"] + other.sizes["configuration"] >= FEWEST
    ]


def against_shipped(ds):
    """Energies of samples against those of the store that have their temperature, size and composition.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations of one cooling.

    Returns
    -------
    list of str
        One line for each file with samples enough that were cooled differently, with the verdict on most of these;
        none where the store has no such file.
    """
    own, temperature = set(protocols(ds)), ds.attrs["temperature"]
    lines = []
    for file in store.available_configurations():
        if file.particles != ds.sizes["particle"] or not np.isclose(file.temperature, temperature):
            continue
        shipped = netcdf.load(file.path)
        if _composition(ds) != _composition(shipped):
            continue
        shipped = mixture.check(shipped, file.path.name)
        shipped = shipped.isel(configuration=~np.isin(protocols(shipped), sorted(own | {""})))
        count = shipped.sizes["configuration"]
        if not count or ds.sizes["configuration"] + count < FEWEST:
            continue
        verdicts = list(shipped["verdict"].values)
        lines.append(
            f"{ds.sizes['configuration']} samples against {count} of {file.path.name} "
            f"({max(VERDICTS, key=verdicts.count)}): {compare_energies(ds, shipped)}"
        )
    return lines


def _composition(ds):
    """Particles of each species in the first configuration."""
    return np.bincount(ds["species"].values[0], minlength=3).tolist()
