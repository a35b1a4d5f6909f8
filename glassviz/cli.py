"""The command line: `glassviz …`, one command for every stage of the stream."""

import shlex
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
import numpy as np
import xarray as xr
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from glassviz.mixture import InvalidData

app = cyclopts.App(
    name="glassviz",
    help="See dynamic heterogeneity: simulate, describe, learn and explore a two-dimensional glass former.",
    version=version("glassviz"),
)
console = Console()
errors = Console(stderr=True)

Numbers = Annotated[tuple[float, ...], Parameter(negative="", consume_multiple=True)]


@contextmanager
def _progress(description):
    """A progress bar; yields a function of (done, in all)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:5.1f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total, *_: bar.update(task, completed=done, total=total)


def _record():
    """The command as it was typed and the version, for the record in files."""
    return {"command": shlex.join(["glassviz", *sys.argv[1:]]), "version": version("glassviz")}


def _described(path):
    """The configurations of a file, with inherent structures."""
    from glassviz.files import read
    from glassviz.simulate.inherent import inherent_structures

    ds = read(path)
    if "inherent_position" in ds:
        return ds
    with _progress("inherent structures") as progress:
        return inherent_structures(ds, progress)


@app.command
def equilibrate(
    output: Path,
    *,
    temperatures: Numbers,
    sweeps: int,
    samples: int = 1,
    particles: int = 1290,
    start: Path | None = None,
    swap: Literal["balanced", "plain"] = "balanced",
    seed: int = 0,
):
    """Cool independent samples by swap Monte Carlo; one file per temperature.

    A temperature whose file exists is skipped, a sample that is done is kept, an interrupted one goes on from its
    checkpoint: the same command continues a killed run.

    Parameters
    ----------
    output
        Folder that takes `N1290_T0.40.nc` and so on.
    temperatures
        Temperatures in the order of the cooling; each starts from the one before.
    sweeps
        Sweeps at each temperature.
    samples
        Number of samples, from random starts.
    particles
        Number of particles of each.
    start
        Configurations file to start from, instead of random starts.
    swap
        Swap moves.
    seed
        Seed; sample k at each temperature has a stream of its own.
    """
    from glassviz.simulate import cooling

    with _progress("equilibrate") as progress:
        for path in cooling.cool(
            output, temperatures, sweeps, samples, particles, start, swap, seed, _record(), progress
        ):
            console.print(path, highlight=False)


@app.command
def dynamics(
    source: Path,
    output: Path,
    *,
    until: float,
    samples: str = ":",
    replicas: int = 20,
    role: Literal["train", "test"] = "train",
    per_decade: int = 6,
    seed: int = 0,
    threads: int = 1,
):
    """Run isoconfigurational molecular dynamics from each structure; one propensity file per structure.

    A structure whose file exists is skipped, and an interrupted one goes on from its checkpoint: the same command
    continues a killed run.

    Parameters
    ----------
    source
        Configurations file.
    output
        Folder that takes the propensity files.
    until
        Last time, in units of σ(m/ε)^½.
    samples
        Which configurations, as START:STOP.
    replicas
        Replicas of each structure, rounded up to a multiple of 8.
    role
        What the structures are for.
    per_decade
        Output times per decade, from t = 1.
    seed
        Seed of the velocities; structure k of the file takes seed + k.
    threads
        Groups of 8 replicas that run at the same time.
    """
    from glassviz.files import netcdf, read
    from glassviz.simulate.isoconfigurational import isoconfigurational, logarithmic_times

    ds = read(source)
    times = logarithmic_times(until, per_decade)
    try:
        chosen = range(ds.sizes["configuration"])[slice(*(int(part) if part else None for part in samples.split(":")))]
    except (TypeError, ValueError):
        raise InvalidData(f"--samples: {samples!r}; expected START:STOP, for example 0:12.") from None
    output.mkdir(parents=True, exist_ok=True)
    with _progress(f"T = {ds.attrs['temperature']:.2f}") as progress:
        for done, index in enumerate(chosen):
            one = ds.isel(configuration=[index])
            stem = f"T{ds.attrs['temperature']:.2f}_{one['configuration'].item()}"
            target = output / f"{stem}.nc"
            if not target.exists():
                result = isoconfigurational(
                    one,
                    times,
                    replicas,
                    seed=seed + index,
                    threads=threads,
                    checkpoint=output / f".{stem}.checkpoint.nc",
                    progress=lambda now, last, done=done: progress(done * last + now, len(chosen) * last),
                )
                result.attrs |= {"role": role} | {f"dynamics_{key}": value for key, value in _record().items()}
                netcdf.save(result, target, encoding=netcdf.compact(result))
            progress(done + 1, len(chosen))


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

    ds = _described(source)
    with _progress("descriptors") as progress:
        values = compute(ds, cutoff=cutoff, tessellation=tessellation, progress=progress)
    netcdf.save(values.to_dataset(name="descriptors").assign_attrs(values.attrs | _record()), output)


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
        with _progress(f"species {number}") as progress:
            ensembles.append(
                fit(
                    datasets,
                    species=number - 1,
                    seeds=seeds,
                    seed=seed,
                    plan=Plan().lasting(steps) if steps else Plan(),
                    threads=threads,
                    record=_record(),
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
    ds = _described(source)
    temperature = ds.attrs["temperature"] if temperature is None else temperature
    if not temperature > 0:
        raise InvalidData(f"{source}: the temperature is unknown; expected --temperature.")
    with _progress("descriptors") as progress:
        columns = compute(
            ds, cutoff=ensemble.header["cutoff"], tessellation=ensemble.header["tessellation"], progress=progress
        )
    values = ensemble.predict(columns, temperature, np.array(mean_propensity))
    netcdf.save(values.to_dataset(name="propensity").assign_attrs(values.attrs | _record()), output)


@app.command
def movie(
    output: Path,
    *,
    sweep: Literal["time", "temperature"] = "time",
    temperature: float = 0.30,
    mean_propensity: float = 0.8,
    sample: str | None = None,
    network: str | None = None,
    size: int = 1080,
    frames: int = 100,
    fps: int = 25,
):
    """Render a sweep of the snapshot through time or through temperature.

    Parameters
    ----------
    output
        Movie to write, .mp4 (H.264) or .gif.
    sweep
        What changes along the movie.
    temperature
        Temperature of a sweep through time.
    mean_propensity
        ⟨C̄_B⟩ of a sweep through temperature.
    sample
        Sample as the explorer names it; the largest by default.
    network
        Name of the ensemble; the last one by default.
    size
        Width in pixels.
    frames
        Number of frames.
    fps
        Frames per second.
    """
    from glassviz.explore.movie import render_movie

    with _progress(output.name) as progress:
        render_movie(
            output,
            sweep=sweep,
            temperature=temperature,
            mean_propensity=mean_propensity,
            sample=sample,
            network=network,
            size=size,
            frames=frames,
            fps=fps,
            progress=progress,
        )


@app.command
def serve(*, port: int = 5006, address: str = "localhost", show: bool = False):
    """Start the explorer in a web server.

    Parameters
    ----------
    port
        Port to listen on.
    address
        Address to listen on.
    show
        Open a browser.
    """
    from glassviz.explore.server import serve as start

    start(port, address, show)


@app.command
def warm():
    """Compile the kernels and cache the descriptors of the shipped configurations; part of the installation."""
    from glassviz.explore.warm import warm as prepare

    with _progress("kernels and descriptors") as progress:
        prepare(progress)


@app.command
def info(path: Path | None = None):
    """Say what is in a file, or what glassviz has to show.

    Parameters
    ----------
    path
        Configurations, propensity or network file.
    """
    from glassviz.files import netcdf, read, store
    from glassviz.learn.networkfile import available_networks, load_networks

    if path is None:
        table = Table("T", "N", "configurations", "file")
        for file in store.available_configurations():
            table.add_row(f"{file.temperature:.2f}", str(file.particles), str(len(file.names)), file.path.name)
        console.print(table, f"networks: {', '.join(available_networks()) or 'none'}", f"version {version('glassviz')}")
    elif path.suffix == ".safetensors":
        console.print_json(data=load_networks(path).header)
    else:
        ds = netcdf.load(path) if path.suffix == ".nc" else read(path)
        with xr.set_options(display_max_rows=40):
            console.print(str(ds), highlight=False, markup=False)


def main():
    """Run the command line; bad input ends in one sentence and exit code 2."""
    try:
        app()
    except InvalidData as error:
        errors.print(f"[red]glassviz:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
