"""Commands that describe and learn: descriptors, train and predict."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from glassviz.cli.common import Numbers, app, progress_bar, typed_command
from glassviz.mixture import InvalidData


def described(path):
    """The configurations of a file, with inherent structures."""
    from glassviz.files import read
    from glassviz.simulate.inherent import inherent_structures

    ds = read(path)
    if "inherent_position" in ds:
        return ds
    with progress_bar("inherent structures") as progress:
        return inherent_structures(ds, progress)


@app.command
def descriptors(
    source: Path, output: Path, *, cutoff: float = 16.0, tessellation: Literal["radical", "plain"] = "radical"
):
    """Compute the 176 structural descriptors of every particle.

    Parameters
    ----------
    source
        Configurations file; inherent structures are computed where it has none.
    output
        NetCDF file to write.
    cutoff
        Range of the sums, in σ.
    tessellation
        Cells whose perimeters count.
    """
    from glassviz.files import netcdf
    from glassviz.structure.descriptors import descriptors as compute

    ds = described(source)
    with progress_bar("descriptors") as progress:
        values = compute(ds, cutoff=cutoff, tessellation=tessellation, progress=progress)
    netcdf.save(values.to_dataset(name="descriptors").assign_attrs(values.attrs | typed_command()), output)


@app.command
def train(
    labels: list[Path],
    *,
    output: Path,
    species: Annotated[tuple[int, ...], Parameter(negative="", consume_multiple=True)] = (1,),
    seeds: int = 8,
    seed: int = 0,
    steps: int | None = None,
    threads: int = 1,
):
    """Train an ensemble of tGlassMLP networks on propensity files.

    Parameters
    ----------
    labels
        Propensity files, or folders of them; test structures are left out.
    output
        Network file to write (.safetensors).
    species
        Species to train networks for, 1 to 3.
    seeds
        Networks trained for each species.
    seed
        Seed of initial weights and of the order of structures.
    steps
        Steps of all stages together, instead of the plan's own.
    threads
        Threads of the matrix library.
    """
    from glassviz.files import netcdf
    from glassviz.learn.training import Plan, combine
    from glassviz.learn.training import train as fit

    paths = [path for given in labels for path in (sorted(given.glob("*.nc")) if given.is_dir() else [given])]
    datasets = [ds for ds in map(netcdf.load, paths) if ds.attrs.get("role") == "train"]
    ensembles = []
    for number in species:
        if number not in (1, 2, 3):
            raise InvalidData(f"--species: {number}; expected 1, 2 or 3.")
        with progress_bar(f"species {number}") as progress:
            ensembles.append(
                fit(
                    datasets,
                    species=number - 1,
                    seeds=seeds,
                    seed=seed,
                    plan=Plan().lasting(steps) if steps else Plan(),
                    threads=threads,
                    record=typed_command(),
                    progress=progress,
                )
            )
    combine(ensembles).save(output)


@app.command
def predict(
    source: Path,
    output: Path,
    *,
    network: str,
    mean_propensity: Numbers,
    temperature: float | None = None,
):
    """Predict the propensity of every particle.

    Parameters
    ----------
    source
        Configurations file; inherent structures are computed where it has none.
    output
        NetCDF file to write.
    network
        Name or file of the ensemble.
    mean_propensity
        Levels of ⟨C̄_B⟩.
    temperature
        Temperature; that of the configurations by default.
    """
    from glassviz.files import netcdf
    from glassviz.learn.networkfile import load_networks
    from glassviz.structure.descriptors import descriptors as compute

    ensemble = load_networks(network)
    ds = described(source)
    temperature = ds.attrs["temperature"] if temperature is None else temperature
    if not temperature > 0:
        raise InvalidData(f"{source}: the temperature is unknown; expected --temperature.")
    with progress_bar("descriptors") as progress:
        columns = compute(
            ds, cutoff=ensemble.header["cutoff"], tessellation=ensemble.header["tessellation"], progress=progress
        )
    values = ensemble.predict(columns, temperature, np.array(mean_propensity))
    netcdf.save(values.to_dataset(name="propensity").assign_attrs(values.attrs | typed_command()), output)
