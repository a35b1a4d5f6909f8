"""Commands that run a stage over many structures on a Dask cluster: `glassviz campaign …`."""

from pathlib import Path
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter
from cyclopts.types import PositiveFloat

from glassviz.cli.common import (
    NonNegativeInt,
    Numbers,
    PositiveInt,
    WholeNumbers,
    app,
    at_temperature,
    beginning,
    progress_bar,
    require_folder,
    tell,
    typed_command,
)

campaign = cyclopts.App(
    name="campaign", help="Run a stage over many structures at once, on this machine or on a Dask cluster."
)
app.command(campaign)

ON_ONE_GPU = 64  # structures at a time; the GPU takes their blocks as there is room


@campaign.command
def equilibrate(
    output: Path,
    *,
    temperatures: Numbers,
    sweeps: WholeNumbers,
    samples: PositiveInt | None = None,
    particles: Annotated[PositiveInt | None, Parameter(alias="--size")] = None,
    start: Path | None = None,
    swap: Literal["balanced", "plain"] = "balanced",
    seed: NonNegativeInt = 0,
    threads: PositiveInt = 1,
    workers: PositiveInt | None = None,
    scheduler: str | None = None,
):
    """Cool independent samples by swap Monte Carlo; one file for each sample and temperature.

    A file that exists is kept and an interrupted sample goes on from its checkpoint: the same command continues a
    killed campaign, and with more samples or further temperatures at the end it adds to it.

    Parameters
    ----------
    output
        Folder that takes `N1290_T0.40_s0-3.nc` and so on; the workers must see it.
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
        Seed; sample k at each temperature has a stream of its own, the same as in `glassviz equilibrate`.
    threads
        Threads that share the work on one sample, of a box of 88 σ (9232 particles) or more; worth it where samples
        are fewer than cores. The number does not change the result.
    workers
        Worker processes on this machine; by default one for each core, divided by the threads of each.
    scheduler
        Address of a Dask scheduler to use instead, for instance tcp://host:8786.
    """
    from dask.system import CPU_COUNT

    from glassviz.campaign.cluster import run_jobs
    from glassviz.campaign.equilibration import cooling_jobs
    from glassviz.simulate import cooling

    require_folder(output)
    stages = cooling.protocol(temperatures, sweeps)
    starts = cooling.beginnings(start, *beginning(start, samples, particles), seed)
    jobs = cooling_jobs(output.resolve(), stages, starts, swap, seed, typed_command(), threads)
    output.mkdir(parents=True, exist_ok=True)
    with progress_bar("equilibrate") as progress:
        run_jobs(jobs, workers or max(CPU_COUNT // threads, 1), scheduler, progress)
    tell(f"{len(jobs)} files in {output}")


@campaign.command
def dynamics(
    configurations: Path,
    output: Path,
    *,
    until: float,
    temperature: PositiveFloat | None = None,
    replicas: PositiveInt = 8,
    test_structures: NonNegativeInt = 8,
    test_replicas: PositiveInt = 24,
    structures: PositiveInt | None = None,
    split_seed: NonNegativeInt = 0,
    per_decade: PositiveInt = 6,
    seed: NonNegativeInt = 0,
    device: Literal["cpu", "cuda"] = "cpu",
    workers: PositiveInt | None = None,
    scheduler: str | None = None,
):
    """Run isoconfigurational molecular dynamics from every structure; one propensity file for each.

    A structure whose file reaches the last time is skipped, one whose file does not is run on to it, and an interrupted
    one goes on from its checkpoint: the same command continues a killed campaign. Structures are split once into
    training and test structures; one that has a role in the folder, at whatever temperature, keeps it.

    Parameters
    ----------
    configurations
        Configurations file.
    output
        Folder that takes the propensity files; the workers must see it.
    until
        Last time, in units of σ(m/ε)^½.
    temperature
        Temperature; that of the configurations by default.
    replicas
        Replicas of a training structure, rounded up to a multiple of 8.
    test_structures
        Number of test structures.
    test_replicas
        Replicas of a test structure, rounded up to a multiple of 8.
    structures
        Number of structures to run, the test structures first; all by default.
    split_seed
        Seed of the split; kept in every file.
    per_decade
        Output times per decade, from t = 1.
    seed
        Seed of the velocities; structure k of the file takes seed + k.
    device
        Where the dynamics runs; cuda needs an NVIDIA GPU with driver and CUDA toolkit at every worker; it takes
        at most 3600 particles.
    workers
        Structures that run at the same time on this machine: on the processor by default one for each core, on a GPU
        all that make it busy, from one process.
    scheduler
        Address of a Dask scheduler to use instead, for instance tcp://host:8786.
    """
    from glassviz.campaign.cluster import run_jobs
    from glassviz.campaign.dynamics import dynamics_jobs, roles, split
    from glassviz.files import read
    from glassviz.simulate.isoconfigurational import logarithmic_times, require

    if not scheduler:
        require(device)
    require_folder(output)
    ds = at_temperature(read(configurations), temperature, configurations)
    times = logarithmic_times(until, per_decade)
    names = [str(name) for name in ds["configuration"].values]
    shares = split(names, test_structures, split_seed, roles(output, ds.sizes["particle"]))
    chosen = sorted(shares, key=lambda name: shares[name] == "train")[:structures]
    output.mkdir(parents=True, exist_ok=True)
    jobs = dynamics_jobs(
        ds,
        output.resolve(),
        times,
        replicas,
        test_replicas,
        {name: shares[name] for name in chosen},
        seed,
        typed_command() | {"split_seed": split_seed},
        device,
    )
    workers, together = (1, workers or ON_ONE_GPU) if device == "cuda" else (workers, 1)
    with progress_bar(f"T = {ds.attrs['temperature']:.2f}") as progress:
        run_jobs(jobs, workers, scheduler, progress, together)
    tell(f"{len(jobs)} files in {output}")


@campaign.command
def gather(*folders: Path):
    """Put the samples of a cooling campaign, or the structures of a campaign of dynamics, together in a few files.

    Parameters
    ----------
    folders
        Folders that hold the samples or the propensities, and last the folder that takes `N1290_T0.40.nc` or
        `N1290_T0.40_train_8x16_t10000.nc` and so on. Files of these names are replaced, but not where propensities of
        a structure would be lost or be there twice: that is refused. Runs of a structure with different seeds become
        one ensemble of more replicas.
    """
    from glassviz.campaign.gather import gather as gather_samples
    from glassviz.campaign.gather import gather_propensities, holds_propensities
    from glassviz.mixture import InvalidData

    if len(folders) < 2 or folders[-1].resolve() in [folder.resolve() for folder in folders[:-1]]:
        raise InvalidData("gather: expected a folder of samples, and another one to write to.")
    require_folder(folders[-1])
    put_together = gather_propensities if holds_propensities(folders[0]) else gather_samples
    with progress_bar("gather") as progress:
        gathered = put_together(folders[:-1], folders[-1], progress)
    for path, ds in gathered.items():
        lines = [f"structures: {ds.sizes['configuration']}"] if "propensity" in ds else []
        lines += [ds.attrs["verdict"], *ds.attrs["energy_comparisons"]] if "verdict" in ds.attrs else []
        tell(path, *lines)
