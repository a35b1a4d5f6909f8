"""The command line: `glassviz …`, one command for every stage of the stream."""

import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from glassviz.mixture import InvalidData

app = cyclopts.App(
    name="glassviz",
    help="See dynamic heterogeneity: simulate, describe, learn and explore a two-dimensional glass former.",
    version=version("glassviz"),
)


def progress_bar():
    """A progress bar on the terminal, with the time gone and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:5.1f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _command_line():
    """The command as it was typed, for the record in files."""
    return shlex.join(["glassviz", *sys.argv[1:]])


def _logarithmic_times(until, per_decade):
    """Output times 1 … until (σ(m/ε)^½), evenly spaced in the logarithm, `until` included."""
    times = 10 ** (np.arange(0, np.floor(np.log10(until) * per_decade + 1e-9) + 1) / per_decade)
    return times if np.isclose(times[-1], until) else np.append(times, until)


@app.command
def dynamics(
    source: Path,
    output: Path,
    *,
    until: Annotated[float, Parameter(name="--until")],
    samples: str = ":",
    replicas: int = 20,
    role: str = "train",
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
        What the structures are for: train or test.
    per_decade
        Output times per decade.
    seed
        Seed of the velocities; structure k of the file takes seed + k.
    threads
        Groups of 8 replicas that run at the same time.
    """
    from glassviz.files import netcdf, read
    from glassviz.simulate.isoconfigurational import isoconfigurational

    ds = read(source)
    times = _logarithmic_times(until, per_decade)
    chosen = range(ds.sizes["configuration"])[slice(*(int(part) if part else None for part in samples.split(":")))]
    output.mkdir(parents=True, exist_ok=True)
    with progress_bar() as bar:
        overall = bar.add_task(f"T = {ds.attrs['temperature']:.2f}", total=len(chosen) * times[-1])
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
                    progress=lambda now, _, done=done: bar.update(overall, completed=done * times[-1] + now),
                )
                result.attrs.update(role=role, dynamics_command=_command_line(), dynamics_version=version("glassviz"))
                netcdf.save(result, target, encoding=netcdf.compact(result))
            bar.update(overall, completed=(done + 1) * times[-1])


def main():
    """Run the command line; bad input ends in one sentence and exit code 2."""
    try:
        app()
    except InvalidData as error:
        Console(stderr=True).print(f"[red]glassviz:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)
