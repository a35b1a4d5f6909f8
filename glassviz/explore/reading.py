"""The process that reads what a user has brought: whatever a file does to its reader, the server goes on.

Run as `python -m glassviz.explore.reading FILE RESULT`. It limits its own memory and time before it looks at the file,
says how far it is in lines of JSON, and leaves plain arrays in RESULT. `intake` starts it and checks what comes back.
"""

import json
import os
import resource
import sys
import warnings
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from glassviz import files, mixture
from glassviz.files import netcdf, store
from glassviz.learn.networkfile import SUFFIX, load_networks
from glassviz.mixture import InvalidData
from glassviz.simulate.inherent import inherent_structures
from glassviz.structure.descriptors import descriptors

MEMORY = 6 * 2**30  # bytes of address space; the file itself may unpack to `files.content.MAX_BYTES`
SECONDS = 540  # of computing
WRITTEN = 2**28  # bytes of the result
MOST_CONFIGURATIONS = 20
MOST_PARTICLES = 100_000  # of all configurations of a file
MOST_NETWORKS = 32  # of a file; each takes its part of the server's memory


def main(path, result):
    """Read one file; tell the outcome on the standard output."""
    _limit()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", mixture.MixtureWarning)
            told = _network(path) if path.suffix.lower() == SUFFIX else _configurations(path, result)
        told["warnings"] = [str(w.message) for w in caught if issubclass(w.category, mixture.MixtureWarning)]
        _tell(**told)
    except InvalidData as error:
        _tell(refused=str(error))
    except MemoryError:
        _tell(refused=f"{path.name}: reading it needs more than {MEMORY // 2**30} GiB; expected a smaller file.")
    except Exception as error:  # no library's complaint may reach the user as a stack trace
        _tell(refused=f"{path.name}: the content cannot be read ({type(error).__name__}); expected a sound file.")


def _limit():
    os.nice(5)
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _network(path):
    """Networks that predict one of the shipped configurations."""
    ensemble = load_networks(path)
    if ensemble.networks > MOST_NETWORKS:
        raise InvalidData(f"{path.name}: {ensemble.networks} networks; expected at most {MOST_NETWORKS} of a species.")
    shipped = store.available_configurations()[0]
    ds = netcdf.read(shipped.path).isel(configuration=[0])
    X = descriptors(ds, cutoff=ensemble.header["cutoff"], tessellation=ensemble.header["tessellation"])
    ensemble.predict(X, temperature=shipped.temperature, mean_propensity=[0.8])
    return {"kind": "network"}


def _configurations(path, result):
    """Configurations with their inherent structures."""
    ds = files.read(path)
    samples, particles = ds["species"].shape
    if samples > MOST_CONFIGURATIONS or samples * particles > MOST_PARTICLES:
        raise InvalidData(
            f"{path.name}: {samples} configurations of {particles} particles; expected at most {MOST_CONFIGURATIONS}, "
            f"and {MOST_PARTICLES} particles in all."
        )
    if "inherent_position" not in ds:
        _tell(done=0, total=samples)
        try:
            ds = inherent_structures(ds, lambda done, total: _tell(done=done, total=total))
        except InvalidData as error:
            raise InvalidData(f"{path.name}: {error}") from error
    arrays = {name: np.ascontiguousarray(ds[name].values) for name in ("position", "inherent_position", "species")}
    stated = {name: float(ds.attrs[name]) for name in ("box_length", "temperature")}
    save_file(arrays, result, metadata={"attributes": json.dumps(stated)})
    return {"kind": "configurations"}


def _tell(**said):
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
