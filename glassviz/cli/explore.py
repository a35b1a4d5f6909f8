"""Commands that show: movie, serve, warm and info."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import xarray as xr
from cyclopts import Parameter
from rich.table import Table

from glassviz.cli.common import NonNegativeInt, PositiveInt, app, console, progress_bar, require_writable, tell
from glassviz.mixture import temperature_name


@app.command
def movie(
    output: Path,
    *,
    sweep: Literal["time", "temperature"] = "time",
    temperature: float = 0.30,
    mean_propensity: float = 0.8,
    sample: str | None = None,
    network: str | None = None,
    size: PositiveInt = 1080,
    shape: Literal["tall", "wide", "square"] = "tall",
    colors: Literal["red", "cividis"] = "red",
    frames: PositiveInt = 100,
    fps: PositiveInt = 25,
):
    """Render a sweep of the snapshot through time or through temperature.

    Parameters
    ----------
    output
        Movie to write, .mp4 (H.264), .webm (VP9) or .gif.
    sweep
        What changes along the movie.
    temperature
        Temperature of a sweep through time.
    mean_propensity
        ⟨C̄_B⟩ of a sweep through temperature.
    sample
        Sample by its name, c01000, or as the explorer shows it; the largest by default.
    network
        Name of the ensemble; by default the first of `precomputed` (or of GLASSVIZ_DATA).
    size
        Side of the snapshot in pixels.
    shape
        What is written stands above the snapshot, beside it (16:9) or nowhere.
    colors
        Colours of the propensities; cividis is for all eyes.
    frames
        Number of frames.
    fps
        Frames per second.
    """
    from glassviz.explore.colors import BY_WORD
    from glassviz.explore.movie import render_movie

    require_writable(output)
    with progress_bar(output.name) as progress:
        render_movie(
            output,
            sweep=sweep,
            temperature=temperature,
            mean_propensity=mean_propensity,
            sample=sample,
            network=network,
            size=size,
            shape=shape,
            colors=BY_WORD[colors],
            frames=frames,
            fps=fps,
            progress=progress,
        )
    tell(output)


@app.command
def serve(
    *,
    port: NonNegativeInt = 5006,
    address: str = "localhost",
    show: bool = False,
    processes: PositiveInt = 1,
    basic_auth: str | None = None,
    allow_origin: Annotated[list[str] | None, Parameter(negative="")] = None,
):
    """Start the explorer in a web server.

    Parameters
    ----------
    port
        Port to listen on; 0 for any that is free.
    address
        Address to listen on.
    show
        Open a browser.
    processes
        Server processes behind the port; about one per core. Each keeps its own bounded memory.
    basic_auth
        Ask for a password: the password itself, or a JSON file {"name": "password", …}.
    allow_origin
        Host, host[:port], under which the browsers of others reach the explorer (this machine's name in the class, or
        that of a proxy); may be repeated.
    """
    from glassviz.explore.server import serve as start

    start(port, address, show, processes, basic_auth, allow_origin or ())


@app.command
def warm():
    """Compile the kernels and cache the descriptors of the shipped configurations; part of the installation."""
    from glassviz.explore.warm import warm as prepare

    with progress_bar("kernels and descriptors") as progress:
        prepare(progress)


@app.command
def info(path: Path | None = None, *, header: bool = False):
    """Say what is in a file, or what glassviz has to show.

    Parameters
    ----------
    path
        Configurations, propensity or network file.
    header
        Of a network file all that it records of its training, as JSON.
    """
    from glassviz.files import netcdf, read, store
    from glassviz.learn.networkfile import available_networks, load_networks

    if path is None:
        table = Table("T", "N", "configurations", "file")
        for file in store.available_configurations():
            table.add_row(temperature_name(file.temperature), str(file.particles), str(len(file.names)), file.path.name)
        console.print(table, f"networks: {', '.join(available_networks()) or 'none'}", f"version {version('glassviz')}")
    elif path.suffix == ".safetensors":
        ensemble = load_networks(path)
        if header:
            console.print_json(data=ensemble.header)
        else:
            tell(_described(ensemble))
    else:
        ds = netcdf.load(path) if path.suffix == ".nc" else read(path)
        with xr.set_options(display_max_rows=40):
            tell(ds)


def _described(ensemble):
    """Lines about an ensemble: what it is, how each species was trained, at which states."""
    about = ensemble.header
    lines = [
        f"{ensemble.name}: {ensemble.kind}, trained at T ≥ {about['minimum_temperature']:g} on descriptors to "
        f"R_c = {about['cutoff']:g} σ of the {about['tessellation']} tessellation"
    ]
    records = about["training"]
    for species, record in records.items():
        lines.append(f"{species}: {len(record['chosen'])} of {record['seeds']} networks, seed {record['seed']}")
    lines += dict.fromkeys(f"by {record['version']}: {record['command']}" for record in records.values())
    if "pattern" in about:
        lines.append(about["pattern"]["text"])
    return "\n".join(lines)
