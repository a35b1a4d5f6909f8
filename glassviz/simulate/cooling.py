"""Cooling runs: independent samples taken through a sequence of temperatures, file by file, resumable."""

from hashlib import sha256

import numba
import numpy as np

from glassviz import files, mixture
from glassviz.files import netcdf
from glassviz.files.integrity import remove_leftovers, require_plain
from glassviz.simulate.checkerboard import CELL, cells_per_side
from glassviz.simulate.comparison import against_shipped
from glassviz.simulate.equilibration import BLOCKS, COLDEST, equilibrate, random_start
from glassviz.simulate.history import protocols, together
from glassviz.simulate.inherent import inherent_structures
from glassviz.simulate.verdict import statement


def protocol(temperatures, sweeps):
    """The stages of a cooling.

    Parameters
    ----------
    temperatures : sequence of float
        In the order of the cooling; each stage starts from the one before.
    sweeps : sequence of int
        Sweeps of every stage, or one number for all.

    Returns
    -------
    list of (temperature, sweeps)

    Raises
    ------
    InvalidData
        Where a temperature or a number of sweeps cannot be run, or their numbers differ.
    """
    if len(sweeps) == 1:
        sweeps = list(sweeps) * len(temperatures)
    if len(sweeps) != len(temperatures):
        raise mixture.InvalidData(
            f"sweeps: {len(sweeps)} numbers for {len(temperatures)} temperatures; expected one, or one for each."
        )
    stages = list(zip(temperatures, sweeps, strict=True))
    for temperature, count in stages:
        if not (COLDEST <= temperature < np.inf and count >= BLOCKS):
            raise mixture.InvalidData(
                f"equilibrate: temperature {temperature:g} and {count} sweeps; "
                f"expected T from {COLDEST:g} on and at least {BLOCKS} sweeps."
            )
    names = [mixture.temperature_name(temperature) for temperature in temperatures]
    if len(set(names)) < len(names):
        raise mixture.InvalidData(f"equilibrate: temperatures {' '.join(names)}; expected each of them once.")
    return stages


def beginnings(start, samples, particles, seed):
    """Where the samples of a cooling start from, by name.

    Parameters
    ----------
    start : path or None
        Configurations file, each configuration of which starts a sample; by default random starts.
    samples, particles : int
        Number and size of the random starts.
    seed : int
        Random start k takes the seed (seed, k).

    Returns
    -------
    dict
        One-configuration Datasets by the names of the samples, s{seed}-{k} for random starts.

    Raises
    ------
    InvalidData
        Where the start cannot be read, no file can be called after a sample, or there is no sample or no particle to
        start.
    """
    if start:
        ds = files.read(start)
        for name in ds["configuration"].values:
            require_plain(str(name))
        return {str(name): ds.isel(configuration=[k]) for k, name in enumerate(ds["configuration"].values)}
    if samples < 1 or not 10 <= particles <= mixture.MAX_PARTICLES:
        raise mixture.InvalidData(
            f"equilibrate: {samples} samples of {particles} particles; "
            f"expected at least one sample of 10 to {mixture.MAX_PARTICLES} particles."
        )
    return {f"s{seed}-{k}": random_start(particles, (seed, k)) for k in range(samples)}


def sample_file(folder, particles, temperature, name):
    """Path of one sample at one temperature."""
    return folder / f"N{particles}_T{mixture.temperature_name(temperature)}_{name}.nc"


def threads_for(start, threads):
    """Threads of a chain: boxes with room for a checkerboard are run in its cells, whatever the number.

    So the number does not change the result.

    Parameters
    ----------
    start : xarray.Dataset
        A sample, whose box counts.
    threads : int or None
        Wanted number; by default every core where there is room, else one.

    Returns
    -------
    int or None
        What `SwapMonteCarlo` takes.

    Raises
    ------
    InvalidData
        Where more are wanted than one and the box has no room for a checkerboard.
    """
    room = cells_per_side(start.attrs["box_length"]) > 0
    if threads is not None and not (threads == 1 or (threads > 1 and room)):
        raise mixture.InvalidData(
            f"equilibrate: {threads} threads for a box of {start.attrs['box_length']:.4g} σ; "
            f"expected one, or more where the side is at least {4 * CELL:g} σ."
        )
    return (threads or numba.config.NUMBA_NUM_THREADS) if room else None


def cool_sample(target, start, name, stage, seed, swap, record, progress=None, threads=None):
    """Take one sample through one stage of its cooling; what serves `glassviz equilibrate` and the campaign alike.

    Parameters
    ----------
    target : pathlib.Path
        File to write; one of the same run is kept as it is, and a checkpoint beside it is taken up.
    start : xarray.Dataset
        One configuration.
    name : str
        Name of the sample.
    stage : (temperature, sweeps)
        From `protocol`.
    seed : sequence of int
        Seed of the cooling, number of the stage, number of the sample.
    swap : {"balanced", "plain"}
        Swap moves.
    record : dict of str
        Command and version, kept in the file.
    progress : callable, optional
        Called with (blocks done, blocks in all).
    threads : int, optional
        See `threads_for`.

    Raises
    ------
    InvalidData
        Where the file or the checkpoint is of another run, or the box too small for so many threads.
    """
    require_same_run(target, {name: start}, [stage], seed[0], swap)
    checkpoint = target.with_name(f".{target.stem.lstrip('.')}.checkpoint.nc")
    if target.exists():
        checkpoint.unlink(missing_ok=True)
        return
    temperature, sweeps = stage
    result = equilibrate(
        start,
        temperature=temperature,
        sweeps=sweeps,
        seed=seed,
        swap=swap,
        threads=threads_for(start, threads),
        checkpoint=checkpoint,
        progress=progress,
    )
    result = result.assign(start_digest=("configuration", [_digest(start)]))
    write_sample(target, result, name, seed[0], f"{swap} swap Monte Carlo", record)
    checkpoint.unlink(missing_ok=True)
    remove_leftovers(checkpoint)


def write_sample(target, result, name, seed, how, record):
    """Write a sample with its inherent structure and what made it.

    Parameters
    ----------
    target : pathlib.Path
        File to write.
    result : xarray.Dataset
        One assessed configuration.
    name : str
        Its name.
    seed : int
        Seed of the run.
    how : str
        The method, with the swap moves first.
    record : dict of str
        Command and version.
    """
    result = inherent_structures(result.assign_coords(configuration=[name]))
    result = result.assign(seed=("configuration", [seed]))
    result.attrs |= {"seed": seed, "provenance": f"{how}: {record['command']}", **record}
    result.attrs["verdict"] = statement(result)
    netcdf.save(result, target, encoding=netcdf.compact(result))
    remove_leftovers(target)


def _digest(start):
    """A whole number, exact as float64 too, by which a sample's file knows the particles that its run started from."""
    particles = b"".join(start[name].values.astype(float).tobytes() for name in ("position", "species"))
    return int(sha256(particles).hexdigest()[:12], 16)


def require_same_run(target, starts, stages, seed, swap):
    """`InvalidData` where a file that is there holds other samples than are asked for, or of another run.

    Parameters
    ----------
    target : pathlib.Path
        The file.
    starts : dict of Dataset
        What each sample starts from, by name.
    stages : sequence of (temperature, sweeps)
        Stages from there to the file's temperature; where it is one, the file knows the particles that it started from,
        if it was made since these are noted.
    seed, swap
        See `cool`.
    """
    if not target.exists():
        return
    found = mixture.check(netcdf.load(target), target.name)
    course = " ".join(f"{temperature:g}:{sweeps}" for temperature, sweeps in stages)
    told = {
        "samples": (list(found["configuration"].values), list(starts)),
        "cooling (T:sweeps)": (
            list(dict.fromkeys(protocols(found))),
            list(dict.fromkeys(f"{protocols(start)[0]} {course}".strip() for start in starts.values())),
        ),
    }
    require_as_asked(target, found, told, seed, swap)
    if len(stages) == 1 and "start_digest" in found:
        for name, known in zip(starts, found["start_digest"].values, strict=True):
            if np.isfinite(known) and known != _digest(starts[name]):
                raise mixture.InvalidData(
                    f"{target.name}: {name} started from other particles than are given now; expected the same, or "
                    "another folder."
                )


def require_as_asked(target, found, told, seed, swap):
    """`InvalidData` where a file says something else of itself than is asked for.

    Parameters
    ----------
    target : pathlib.Path
        The file.
    found : xarray.Dataset
        What is in it.
    told : dict
        (known, asked) by what it is of.
    seed, swap
        Asked for, as in `cool`.
    """
    told = told | {
        "seed": (found.attrs["seed"], seed),
        "swap moves": (str(found.attrs["provenance"]).split(" swap Monte Carlo")[0], swap),
    }
    for what, (known, asked) in told.items():
        if known != asked:
            shown = [", ".join(map(str, one)) if isinstance(one, list) else one for one in (known, asked)]
            raise mixture.InvalidData(
                f"{target.name}: {what} {shown[0]} where {shown[1]} is asked for; expected the same, or another folder."
            )


def cool(output, temperatures, sweeps, samples, particles, start, swap, seed, record, progress, threads=None):
    """Cool samples and write one configurations file per temperature.

    Parameters
    ----------
    output : pathlib.Path
        Folder that takes the files `N{particles}_T{temperature:.2f}.nc`.
    temperatures, sweeps : sequence
        See `protocol`.
    start, samples, particles
        See `beginnings`.
    swap : {"balanced", "plain"}
        Swap moves.
    seed : int
        Sample k at the m-th temperature takes the stream (seed, m, k).
    record : dict of str
        Command and version, kept in every file.
    progress : callable
        Called with (blocks done, blocks in all).
    threads : int, optional
        See `threads_for`.

    Yields
    ------
    pathlib.Path
        Every file when it is complete; a file of the same run is taken as it is.

    Raises
    ------
    InvalidData
        Where the start is not usable, the temperatures are not positive, the box is too small for the threads or a
        file is of another run.
    """
    stages = protocol(temperatures, sweeps)
    current = beginnings(start, samples, particles, seed)
    first = next(iter(current.values()))
    particles = first.sizes["particle"]
    threads_for(first, threads)
    output.mkdir(parents=True, exist_ok=True)
    total = len(stages) * len(current) * BLOCKS
    for number, stage in enumerate(stages):
        at = mixture.temperature_name(stage[0])
        target = output / f"N{particles}_T{at}.nc"
        require_same_run(target, current, [stage], seed, swap)
        parts = {name: output / f".N{particles}_T{at}_{name}.part.nc" for name in current}
        if not target.exists():
            for k, (name, one) in enumerate(current.items()):
                done = (number * len(current) + k) * BLOCKS
                cool_sample(
                    parts[name],
                    one,
                    name,
                    stage,
                    (seed, number, k),
                    swap,
                    record,
                    lambda block, _, done=done: progress(done + block, total),
                    threads,
                )
            joined = together([netcdf.load(part) for part in parts.values()])
            joined.attrs["energy_comparisons"] = against_shipped(joined)
            netcdf.save(joined, target, encoding=netcdf.compact(joined))
        for part in parts.values():
            part.unlink(missing_ok=True)
        reached = mixture.check(netcdf.load(target), target.name)
        current = {name: reached.isel(configuration=[k]) for k, name in enumerate(reached["configuration"].values)}
        progress((number + 1) * len(current) * BLOCKS, total)
        yield target
