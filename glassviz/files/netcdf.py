"""NetCDF-4 files of any Dataset (through h5netcdf), and of configurations in particular."""

import os
from contextlib import contextmanager
from pathlib import Path

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from glassviz import mixture
from glassviz.files.attributes import restored, storable
from glassviz.files.content import check_size, expect, parsing
from glassviz.files.integrity import check_seal, replacing, seal
from glassviz.mixture import InvalidData

_LARGEST_CHUNK = 2**24  # bytes

# 0 … 1 in steps of 1/254, 255 where there is no value; one of six bonds in one of 20 replicas weighs two steps.
_UNIT_INTERVAL = {"dtype": "uint8", "scale_factor": 1 / 254, "_FillValue": np.uint8(255)}
_FINE_GRID = {"dtype": "int32", "scale_factor": 2.0**-14, "_FillValue": np.int32(-(2**31))}
_PACKING = {
    "position": {"dtype": "float32"},
    "inherent_position": {"dtype": "float32"},
    "replica_position": {"dtype": "float32"},
    "energy": {"dtype": "float32"},
    "inherent_energy": {"dtype": "float32"},
    "energy_series": {"dtype": "float32"},
    "bond_series": {"dtype": "float32"},
    "cooling_energy": {"dtype": "float32"},
    "species": {},
    "propensity": _UNIT_INTERVAL,
    "propensity_variance": {**_UNIT_INTERVAL, "scale_factor": 0.5 / 254},
}


def compact(dataset):
    """The encoding of a shipped file, for `save(dataset, path, encoding=compact(dataset))`.

    Positions, energies and series become float32 (5e-7 relative), propensities whole steps of 1/254 in [0, 1] and their
    variances whole steps of 1/508 in [0, 1/2], each in one byte. Beside propensities, positions become whole steps of
    6e-5 σ: the configurations file has them better. All of them are compressed without further loss.

    Parameters
    ----------
    dataset : xarray.Dataset
        What is going to be saved.

    Returns
    -------
    dict
        Encoding by variable name, only of variables that `dataset` has.

    Raises
    ------
    InvalidData
        Where a propensity lies outside [0, 1] or a variance outside [0, 1/2]: a byte could not hold it.
    """
    encoding = {}
    coarse = {"position": _FINE_GRID, "inherent_position": _FINE_GRID} if "propensity" in dataset else {}
    for name, packing in (_PACKING | coarse).items():
        if name not in dataset:
            continue
        if packing.get("dtype") == "uint8":
            highest = 254 * packing["scale_factor"]
            values = dataset[name]
            if ((values < -1e-6) | (values > highest + 1e-6)).any():
                raise InvalidData(f"{name} lies outside [0, {highest:g}]; expected values that one byte can hold.")
        encoding[name] = {**packing, **_compressed(dataset[name].shape, np.dtype(packing.get("dtype", "int8")))}
    return encoding


def _compressed(shape, dtype):
    """The encoding of an array in one chunk, or one for each direction of space: they have little in common."""
    chunk = (*shape[:-1], 1) if shape[-1:] == (2,) else shape
    whole = {"chunksizes": chunk} if np.prod(shape) * dtype.itemsize <= _LARGEST_CHUNK else {}
    return {**whole, "zlib": True, "complevel": 9, "shuffle": dtype.itemsize > 1}


def save(dataset, path, encoding=None):
    """Write any Dataset to a NetCDF-4 file, whole or not at all.

    The file appears under its name only when it is complete, and carries a checksum of its content. Attributes may be
    text, numbers, arrays, None, bool, lists and dictionaries (the latter four as JSON text).

    Parameters
    ----------
    dataset : xarray.Dataset
        Numbers, booleans and text. The encodings it was once read with are ignored.
    path : path-like
        The file; one that exists is replaced.
    encoding : dict, optional
        xarray's encoding by variable name, for instance `{"position": {"dtype": "float32"}}` or `compact(dataset)`.

    Raises
    ------
    FileNotFoundError
        Where the folder does not exist.
    TypeError
        Where an attribute cannot be stored.
    """
    dataset = dataset.drop_encoding()
    for owner in (dataset, *dataset.variables.values()):
        owner.attrs = storable(owner.attrs)
    _write(dataset, path, encoding or {})


def _write(dataset, path, encoding):
    numbers = [name for name, variable in dataset.variables.items() if variable.dtype.kind == "f"]
    encoding = encoding | {name: {"_FillValue": None} | encoding.get(name, {}) for name in numbers}  # NaN is NaN
    with replacing(path) as temporary:
        # HDF5 loses the unlimited dimensions that empty arrays get where addresses are short.
        short = dataset.nbytes < 2**31 and 0 not in dataset.sizes.values()
        with _created(temporary, short) as file:
            dataset.dump_to_store(H5NetCDFStore(file), encoding=encoding)
        seal(temporary)


@contextmanager
def _created(path, short):
    """A new file, with what HDF5 1.10 has to save space in files of many small variables: 27 kB in every file."""
    access, layout = h5py.h5p.create(h5py.h5p.FILE_ACCESS), h5py.h5p.create(h5py.h5p.FILE_CREATE)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    layout.set_attr_phase_change(2**15, 2**15)  # attributes in the header however many, instead of a heap and an index
    if short:
        layout.set_sizes(4, 4)  # bytes of an address
    created = h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_EXCL, layout, access)
    with h5py.File(created) as file, h5netcdf.File(file, "a", track_order=False) as netcdf_file:
        yield netcdf_file


def repack(path, without=()):
    """Write a file anew in as few bytes as `save` would, every stored value and attribute as it is.

    Parameters
    ----------
    path : path-like
        A file of `save`, of any version; what is compressed in it stays so.
    without : sequence of str, optional
        Names of variables to leave out.

    Raises
    ------
    InvalidData
        Where the file cannot be read or is damaged.
    """
    path = Path(path)
    with _opened(path) as stored:
        stored = stored.load().drop_vars(without, errors="ignore")
        for variable in stored.variables.values():
            if variable.dtype.kind == "f":
                variable.attrs.pop("_FillValue", None)
        encoding = {
            name: _compressed(variable.shape, variable.dtype)
            for name, variable in stored.variables.items()
            if variable.encoding.get("zlib")
        }
        _write(stored.drop_encoding(), path, encoding)


def load(path, names=None):
    """Read a NetCDF-4 file into memory and close it.

    Parameters
    ----------
    path : path-like
        A file of `save` or of any other NetCDF-4 writer.
    names : sequence of str, optional
        Variables and coordinates to read, of those there are; all by default.

    Returns
    -------
    xarray.Dataset
        The data, without the encodings of the file.

    Raises
    ------
    InvalidData
        Where the file cannot be read, is damaged, too large, or refers to other files.
    """
    path = Path(path)
    with _opened(path) as stored:
        wanted = stored if names is None else stored[[name for name in names if name in stored.variables]]
        check_size(1, _decoded_size(wanted), path.name)
        return _decoded(wanted, path)


def read(path):
    """Read configurations, see `glassviz.files.read`."""
    path = Path(path)
    with _opened(path) as stored:
        for name in ("position", "species"):
            if name not in stored:
                raise InvalidData(f"{path.name}: there is no variable '{name}'; expected position and species.")
        check_size(stored["species"].sizes.get("particle", 1), _decoded_size(stored), path.name)
        dataset = _decoded(stored, path)
    if "configuration" not in dataset.coords:
        names = _unnamed(path, dataset.sizes.get("configuration", 1))
        dataset = dataset.assign_coords(configuration=names if "configuration" in dataset.dims else names[0])
    return mixture.check(dataset, path.name)


def write(dataset, path):
    """Write configurations in full precision, see `glassviz.files.write`."""
    save(dataset, path)


def header(path):
    """What a NetCDF-4 file of one Dataset says about itself, without reading its arrays.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    attributes : dict
        Attributes of the file.
    shapes : dict
        Shape of each variable, by name.
    names : list of str
        Of the configurations, as `read` gives them; empty where the file has none.

    Raises
    ------
    InvalidData
        Where the file is not readable.
    """
    path = expect(path, "NetCDF-4")
    with parsing(path, "NetCDF-4"), h5py.File(path, "r") as file:
        attributes = restored({name: _scalar(value) for name, value in file.attrs.items() if name[0] != "_"})
        shapes = {name: file[name].shape for name in file}
        names = _names(file["configuration"]) if "configuration" in file else []
    if not names and "position" in shapes:
        names = _unnamed(path, shapes["position"][0] if len(shapes["position"]) == 3 else 1)
    return attributes, shapes, names


def _unnamed(path, samples):
    """What configurations are called whose file has no names for them."""
    return [path.stem] if samples == 1 else [f"{index}" for index in range(samples)]


def _names(stored):
    """The coordinate `configuration`; empty where the file has a dimension of that name alone."""
    if bytes(stored.attrs.get("NAME", b"")).startswith(b"This is a netCDF dimension but not a netCDF variable"):
        return []
    values = stored.asstr()[()] if h5py.check_string_dtype(stored.dtype) else stored[()]
    return [str(name) for name in np.atleast_1d(values)]


@contextmanager
def _opened(path):
    """The file as a Dataset of stored, undecoded values; what the libraries complain of becomes `InvalidData`."""
    expect(path, "NetCDF-4")
    check_seal(path)
    with parsing(path, "NetCDF-4"):
        _refuse_references(path)
        stored = xr.open_dataset(path, engine="h5netcdf", decode_cf=False, cache=False, phony_dims="access")
    with stored:
        yield stored


def _decoded_size(stored):
    return sum(max(8, variable.dtype.itemsize) * variable.size for variable in stored.variables.values())


def _decoded(stored, path):
    with parsing(path, "NetCDF-4"):
        dataset = xr.decode_cf(stored.load(), decode_times=False).load().drop_encoding()
        for owner in (dataset, *dataset.variables.values()):
            owner.attrs = restored(owner.attrs)
        text = [name for name, variable in dataset.variables.items() if variable.dtype.kind == "O"]
        return dataset.assign({name: dataset[name].astype(str) for name in text})


def _refuse_references(path):
    """HDF5 can point into other files of the machine; a file that came from elsewhere must not."""
    with h5py.File(path, "r") as file:
        for name in file:
            link = file.get(name, getlink=True)
            entry = file[name] if isinstance(link, h5py.HardLink) else None
            if entry is None or (isinstance(entry, h5py.Dataset) and (entry.external or entry.is_virtual)):
                raise InvalidData(f"{path.name}: '{name}' lies outside the file; expected all data inside it.")


def _scalar(value):
    return value.flat[0] if isinstance(value, np.ndarray) and value.size == 1 else value
