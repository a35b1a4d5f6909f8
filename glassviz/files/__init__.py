"""Configurations from and to files: NetCDF (.nc), GSD (.gsd) and GlassBench (.npz). No pickle is ever read."""

from pathlib import Path

from glassviz import mixture
from glassviz.files import glassbench, gsd, netcdf
from glassviz.files.content import describe, first_bytes
from glassviz.mixture import InvalidData

FORMATS = {".nc": netcdf, ".gsd": gsd, ".npz": glassbench}
_KNOWN = " or ".join(FORMATS)


def read(path):
    """Read configurations from a file of any supported format.

    Parameters
    ----------
    path : path-like
        A `.nc` (NetCDF-4), `.gsd` (two-dimensional, square box, one or many frames) or `.npz` (GlassBench) file.

    Returns
    -------
    xarray.Dataset
        Configurations in the normal form of `glassviz.mixture.check`: dims `(configuration, particle, space)`, in
        memory, the file closed.

    Raises
    ------
    InvalidData
        One sentence that names the file, what is wrong and what is expected; nothing is half loaded.

    Warns
    -----
    MixtureWarning
        Where composition or density are not the mixture's.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        found = describe(first_bytes(path))
        raise InvalidData(f"{path.name}: the content is {found} under an unknown file type; expected {_KNOWN}.")
    return FORMATS[path.suffix.lower()].read(path)


def write(dataset, path):
    """Write configurations to a file whose suffix says the format.

    NetCDF keeps everything. GSD keeps positions, species, every other number per particle, names and attributes.
    GlassBench keeps one configuration: positions, inherent positions, replicas, species, box and temperature.

    Parameters
    ----------
    dataset : xarray.Dataset
        Configurations; checked before anything is written.
    path : path-like
        The file, ending in `.nc`, `.gsd` or `.npz`; it appears whole or not at all and replaces one that exists.

    Raises
    ------
    InvalidData
        Where the dataset is no configuration, or the format unknown or unable to hold it.
    FileNotFoundError
        Where the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InvalidData(f"{path.name}: unknown file type; expected a name ending in {_KNOWN}.")
    FORMATS[path.suffix.lower()].write(mixture.check(dataset, path.name), path)
