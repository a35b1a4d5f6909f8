"""The folder `precomputed/` the app opens with: where it is and what lies in it."""

import os
import warnings
from numbers import Real
from pathlib import Path
from typing import NamedTuple

from glassviz.files import netcdf
from glassviz.mixture import InvalidData

KINDS = ("networks", "configurations", "propensities")
ARRAYS = ("species", "propensity")  # of what a file is asked for; the rest are attributes


class ConfigurationFile(NamedTuple):
    """One file of independent configurations at one temperature and size."""

    path: Path
    temperature: float
    particles: int
    names: tuple[str, ...]


class PropensityFile(NamedTuple):
    """One file of propensities: the isoconfigurational ensembles of structures that were run alike."""

    path: Path
    temperature: float
    particles: int
    names: tuple[str, ...]
    role: str  # "train" or "test"
    replicas: int


def precomputed(kind):
    """The folder of what ships with glassviz, beside the package in the repository.

    The environment variable GLASSVIZ_DATA names another folder to take its place.

    Parameters
    ----------
    kind : {"networks", "configurations", "propensities"}
        Which part of it.

    Returns
    -------
    pathlib.Path
        The folder; it need not exist.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no precomputed {kind!r}; expected one of {', '.join(KINDS)}")
    chosen = os.environ.get("GLASSVIZ_DATA")
    root = Path(chosen).expanduser() if chosen else Path(__file__).parents[2] / "precomputed"
    return root / kind


def available_configurations():
    """List the configuration files of the store; only their headers are read.

    Returns
    -------
    list of ConfigurationFile
        By growing size, then from hot to cold. A file that cannot be read is left out with a warning.
    """
    rows = [
        ConfigurationFile(path, attributes["temperature"], shapes["species"][-1], tuple(names))
        for path, attributes, shapes, names in _headers("configurations", ("species", "temperature"))
    ]
    return sorted(rows, key=lambda row: (row.particles, -row.temperature, row.path))


def available_propensities():
    """List the propensity files of the store; only their headers are read.

    Returns
    -------
    list of PropensityFile
        By growing size, then from hot to cold, then by path. A file that cannot be read is left out with a warning.
    """
    wanted = ("species", "propensity", "temperature", "role", "replicas")
    rows = [
        PropensityFile(
            path,
            attributes["temperature"],
            shapes["species"][-1],
            tuple(names),
            attributes["role"],
            attributes["replicas"],
        )
        for path, attributes, shapes, names in _headers("propensities", wanted)
    ]
    return sorted(rows, key=lambda row: (row.particles, -row.temperature, row.path))


def _headers(kind, wanted):
    for path in sorted(precomputed(kind).glob("[!.]*.nc")):
        try:
            attributes, shapes, names = netcdf.header(path)
            missing = [name for name in wanted if name not in (shapes if name in ARRAYS else attributes)]
            if missing:
                raise InvalidData(f"{path.name}: there is no '{missing[0]}'; expected one of the {kind}.")
            if not shapes["species"]:
                raise InvalidData(f"{path.name}: the species are of one particle; expected one for each of many.")
            if not isinstance(attributes["temperature"], Real):
                raise InvalidData(f"{path.name}: the temperature is {attributes['temperature']!r}; expected a number.")
        except InvalidData as error:
            warnings.warn(str(error), stacklevel=3)
            continue
        yield path, attributes, shapes, names
