"""Configurations from and to files: NetCDF, GSD, GlassBench, extended XYZ, LAMMPS dumps. No pickle is ever read."""

from pathlib import Path

from glassviz import mixture
from glassviz.files import extxyz, glassbench, gsd, lammps, netcdf
from glassviz.files.content import describe, first_bytes
from glassviz.mixture import InvalidData

WRITERS = {".nc": netcdf, ".gsd": gsd, ".npz": glassbench, ".xyz": extxyz, ".extxyz": extxyz}
READERS = {**WRITERS, ".lammpstrj": lammps, ".dump": lammps}


def read(path):
    """Read configurations from a file of any supported format.

    Parameters
    ----------
    path : path-like
        A `.nc` (NetCDF-4), `.gsd` (two-dimensional, square box, one or many frames), `.npz` (GlassBench), `.xyz` or
        `.extxyz` (extended XYZ, one or many frames) file, or a LAMMPS text dump, whatever its name.

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
    reader = READERS.get(path.suffix.lower())
    if reader is None:  # LAMMPS users name their dumps as they like
        head = first_bytes(path)
        if not head.startswith(lammps.OPENING):
            expected = " or ".join(READERS)
            raise InvalidData(
                f"{path.name}: the content is {describe(head)} under an unknown file type; expected {expected}."
            )
        reader = lammps
    return reader.read(path)


def write(dataset, path):
    """Write configurations to a file whose suffix says the format.

    NetCDF keeps everything. GSD keeps positions, species, every other number per particle, names and attributes.
    GlassBench keeps one configuration: positions, inherent positions, replicas, species, box and temperature. Extended
    XYZ keeps positions and inherent positions to eight decimals, species, box and temperature.

    Parameters
    ----------
    dataset : xarray.Dataset
        Configurations; checked before anything is written.
    path : path-like
        The file, ending in `.nc`, `.gsd`, `.npz`, `.xyz` or `.extxyz`; it appears whole or not at all and
        replaces one that exists.

    Raises
    ------
    InvalidData
        Where the dataset is no configuration, or the format unknown or unable to hold it.
    FileNotFoundError
        Where the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITERS:
        raise InvalidData(f"{path.name}: unknown file type; expected a name ending in {' or '.join(WRITERS)}.")
    WRITERS[path.suffix.lower()].write(mixture.check(dataset, path.name), path)
