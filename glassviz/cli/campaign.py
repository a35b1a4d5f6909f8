"""Commands that run a stage over many structures on a Dask cluster: `glassviz campaign …`."""

from pathlib import Path
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from glassviz.cli.common import Numbers, WholeNumbers, app, console, progress_bar, typed_command

campaign = cyclopts.App(
    name="campaign", help="Run a stage over many structures at once, on this machine or on a Dask cluster."
)
app.command(campaign)


@campaign.command
def equilibrate(
    output: Path,
    *,
    temperatures: Numbers,
    sweeps: WholeNumbers,
    samples: int = 1,
    particles: Annotated[int, Parameter(alias="--size")] = 1290,
    start: Path | None = None,
    swap: Literal["balanced", "plain"] = "balanced",
    seed: int = 0,
    workers: int | None = None,
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
        Sweeps at each temperature; one number, or one for each.
    samples
        Number of samples, from random starts.
    particles
        Number of particles of each.
    start
        Configurations file to start from, instead of random starts.
    swap
        Swap moves.
    seed
        Seed; sample k at each temperature has a stream of its own, the same as in `glassviz equilibrate`.
    workers
        Worker processes on this machine; by default one for each core.
    scheduler
        Address of a Dask scheduler to use instead, for instance tcp://host:8786.
    """
    from glassviz.campaign.cluster import run_jobs
    from glassviz.campaign.equilibration import cooling_jobs
    from glassviz.simulate import cooling

    stages = cooling.protocol(temperatures, sweeps)
    starts = cooling.beginnings(start, samples, particles, seed)
    jobs = cooling_jobs(output.resolve(), stages, starts, swap, seed, typed_command())
    output.mkdir(parents=True, exist_ok=True)
    with progress_bar("equilibrate") as progress:
        run_jobs(jobs, workers, scheduler, progress)
    console.print(f"{len(jobs)} files in {output}", highlight=False)
