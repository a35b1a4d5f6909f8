"""Energies of samples against those that were cooled differently: in equilibrium the way there does not matter."""

from itertools import combinations
from warnings import catch_warnings, warn

import numpy as np

from glassviz.files import netcdf, store
from glassviz.mixture import InvalidData, MixtureWarning
from glassviz.simulate.history import protocols
from glassviz.simulate.verdict import VERDICTS, assess, compare_energies, enough


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
        f"{_samples(one)} of seed {one['seed'].values[0]} against "
        f"{other.sizes['configuration']} of seed {other['seed'].values[0]}: {compare_energies(one, other)}"
        for one, other in chosen
        if enough(one, other)
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
        One line for each file with samples enough that were cooled differently and recorded, with the verdict on most
        of these; none where the store has no such file. What the samples were run on from is not among them, and a file
        that cannot be read is left out with a warning.
    """
    own, temperature = set(protocols(ds)), ds.attrs["temperature"]
    lines = []
    for file in store.available_configurations():
        if file.particles != ds.sizes["particle"] or not np.isclose(file.temperature, temperature):
            continue
        try:
            with catch_warnings(action="ignore", category=MixtureWarning):
                shipped = netcdf.read(file.path)
        except InvalidData as error:
            warn(f"energies are not compared with those of {error}", stacklevel=2)
            continue
        if "energy_series" not in shipped or _composition(ds) != _composition(shipped):
            continue
        apart = [not any(f"{mine} ".startswith(f"{theirs} ") for mine in own) for theirs in protocols(shipped)]
        shipped = shipped.isel(configuration=apart)
        if not any(apart) or not enough(ds, shipped):
            continue
        verdicts = list((shipped if "verdict" in shipped else assess(shipped))["verdict"].values)
        lines.append(
            f"{_samples(ds)} against {sum(apart)} of {file.path.name} "
            f"({max(VERDICTS, key=verdicts.count)}): {compare_energies(ds, shipped)}"
        )
    return lines


def _samples(ds):
    """How many there are, for people."""
    count = ds.sizes["configuration"]
    return f"{count} sample{'s' if count > 1 else ''}"


def _composition(ds):
    """Particles of each species in the first configuration."""
    return np.bincount(ds["species"].values[0], minlength=3).tolist()
