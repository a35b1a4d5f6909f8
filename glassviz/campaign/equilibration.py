"""Cooling many samples at once: one job for each sample and temperature, each after the one before."""

from pathlib import Path

from glassviz import mixture
from glassviz.campaign.jobs import Job
from glassviz.files import netcdf
from glassviz.simulate import cooling


def cooling_jobs(output, stages, starts, swap, seed, record, threads=1):
    """Jobs that cool samples; one file for each sample and temperature.

    Parameters
    ----------
    output : pathlib.Path
        Folder that takes the files `N1290_T0.40_s0-3.nc`.
    stages, starts
        From `glassviz.simulate.cooling.protocol` and `beginnings`.
    swap : {"balanced", "plain"}
        Swap moves.
    seed : int
        Sample k at the m-th temperature takes the stream (seed, m, k), as in `glassviz equilibrate`.
    record : dict of str
        Command and version, kept in every file.
    threads : int, optional
        Of every job; see `glassviz.simulate.cooling.threads_for`.

    Returns
    -------
    list of glassviz.campaign.jobs.Job
        Sample by sample. The temperature at which a sample is first comes first, for all samples.

    Raises
    ------
    InvalidData
        Where a box is too small for so many threads, or a file that is there is of another run.
    """
    jobs = []
    for k, (name, start) in enumerate(starts.items()):
        cooling.threads_for(start, threads)
        before = None
        for number, stage in enumerate(stages):
            target = cooling.sample_file(output, start.sizes["particle"], stage[0], name)
            cooling.require_same_run(target, {name: start}, stages[: number + 1], seed, swap)
            arguments = (before or start, threads, name, stage, (seed, number, k), swap, record)
            jobs.append(Job(target, cool, arguments, before, -number))
            before = target
    return jobs


def cool(target, start, threads, *arguments):
    """Take one sample through one stage, from a Dataset or from the file of the stage before."""
    if isinstance(start, Path):
        start = mixture.check(netcdf.load(start), start.name)
    cooling.cool_sample(target, start, *arguments, threads=threads)
