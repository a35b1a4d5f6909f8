"""Commands that simulate: equilibrate, exchange and dynamics."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts.types import PositiveFloat

from glassviz.cli.common import (
    NonNegativeInt,
    Numbers,
    PositiveInt,
    Several,
    WholeNumbers,
    app,
    at_temperature,
    beginning,
    progress_bar,
    require_folder,
    tell,
    typed_command,
)
from glassviz.mixture import InvalidData


@app.command
def equilibrate(
    output: Path,
    *,
    temperatures: Numbers,
    sweeps: WholeNumbers,
    samples: PositiveInt | None = None,
    particles: PositiveInt | None = None,
    start: Path | None = None,
    swap: Literal["balanced", "plain"] = "balanced",
    seed: NonNegativeInt = 0,
    threads: PositiveInt | None = None,
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
        Sweeps at each temperature, at least 200; one number, or one for each.
    samples
        Number of samples, from random starts; 1 by default.
    particles
        Number of particles of each; 1290 by default.
    start
        Configurations file to start from, instead of random starts.
    swap
        Swap moves.
    seed
        Seed; sample k at each temperature has a stream of its own.
    threads
        Threads that share the work on a box of 88 σ (9232 particles) or more; by default one for each core. Smaller
        boxes keep one busy. The number does not change the result.
    """
    from glassviz.files.netcdf import header
    from glassviz.simulate import cooling

    require_folder(output)
    samples, particles = beginning(start, samples, particles)
    with progress_bar("equilibrate") as progress:
        for path in cooling.cool(
            output, temperatures, sweeps, samples, particles, start, swap, seed, typed_command(), progress, threads
        ):
            said = header(path)[0]
            tell(path, said["verdict"], *said.get("energy_comparisons", []))


@app.command
def exchange(
    output: Path,
    *,
    start: Annotated[tuple[Path, ...], Several],
    sweeps: PositiveInt,
    samples: PositiveInt = 1,
    ladders: PositiveInt = 1,
    swap: Literal["balanced", "plain"] = "balanced",
    seed: NonNegativeInt = 0,
    threads: PositiveInt = 1,
):
    """Run swap Monte Carlo with replica exchange: samples at several temperatures help each other to forget.

    Configurations at a ladder of temperatures, between the coldest and the hottest of the files, trade places, so that
    cold ones are renewed at the hot end; what is at the temperatures of the files is kept now and then. A sample whose
    files exist is taken as it is, and a ladder goes on from its checkpoint: the same command continues a killed run,
    and with more samples a finished one. For small boxes: the number of rungs grows with √N.

    Parameters
    ----------
    output
        Folder that takes `N1290_T0.15_x0-3-1.nc` and so on, seed, ladder and sample, a file for each temperature.
    start
        Configurations files to start from, one for each temperature, at least two; best in equilibrium.
    sweeps
        Sweeps of each configuration before the first sample, and from each sample to the next; at least 200.
    samples
        Samples that a ladder gives at every temperature of the files.
    ladders
        Number of ladders, each with beginnings of its own, as long as the files have enough of them.
    swap
        Swap moves.
    seed
        Seed; each ladder has a stream of its own.
    threads
        Configurations that are run at the same time. The number does not change the result.
    """
    from glassviz.simulate import exchanged

    require_folder(output)
    with progress_bar("exchange") as progress:
        options = seed, swap, threads, typed_command(), progress
        for path in exchanged.run(output, start, ladders, samples, sweeps, *options):
            tell(path)


@app.command
def dynamics(
    source: Path,
    output: Path,
    *,
    until: float,
    samples: str = ":",
    temperature: PositiveFloat | None = None,
    replicas: PositiveInt = 20,
    role: Literal["train", "test"] = "train",
    per_decade: PositiveInt = 6,
    seed: NonNegativeInt = 0,
    threads: PositiveInt = 1,
    device: Literal["cpu", "cuda"] = "cpu",
):
    """Run isoconfigurational molecular dynamics from each structure; one propensity file per structure.

    A structure whose file reaches the last time is skipped, one whose file does not is run on to it, and an interrupted
    one goes on from its checkpoint: the same command continues a killed run.

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
    temperature
        Temperature; that of the configurations by default.
    replicas
        Replicas of each structure, rounded up to a multiple of 8: 20, the paper's number, are 24.
    role
        What the structures are for.
    per_decade
        Output times per decade, from t = 1.
    seed
        Seed of the velocities; structure k of the file takes seed + k.
    threads
        Groups of 8 replicas that run at the same time.
    device
        Where the dynamics runs; cuda needs an NVIDIA GPU with driver and CUDA toolkit; it takes at most 3600 particles.
    """
    from glassviz.campaign.dynamics import propensity_file, target_file
    from glassviz.files import read
    from glassviz.simulate.isoconfigurational import logarithmic_times, require

    require(device)
    require_folder(output)
    ds = at_temperature(read(source), temperature, source)
    times = logarithmic_times(until, per_decade)
    try:
        if ":" not in samples:
            raise ValueError
        chosen = range(ds.sizes["configuration"])[slice(*(int(part) if part else None for part in samples.split(":")))]
    except (TypeError, ValueError):
        raise InvalidData(f"--samples: {samples!r}; expected START:STOP, for example 0:12.") from None
    if not chosen:
        raise InvalidData(f"--samples: {samples} holds none of {source}; expected some of its {len(ds.configuration)}.")
    output.mkdir(parents=True, exist_ok=True)
    with progress_bar(f"T = {ds.attrs['temperature']:.2f}") as progress:
        for done, index in enumerate(chosen):
            structure = ds.isel(configuration=[index])
            target = target_file(output, structure)
            propensity_file(
                target,
                structure,
                times,
                replicas,
                role,
                seed + index,
                typed_command(),
                lambda now, last, done=done: progress(done * last + now, len(chosen) * last),
                threads=threads,
                device=device,
            )
            progress(done + 1, len(chosen))
            tell(target)
