"""Files made by replica exchange: samples at several temperatures from samples at the same ones, resumable."""

import numpy as np

from glassviz import files, mixture
from glassviz.files import netcdf
from glassviz.files.integrity import remove_leftovers
from glassviz.simulate.cooling import require_as_asked, sample_file, write_sample
from glassviz.simulate.exchange import ladder, one_box
from glassviz.simulate.harvest import digest, harvest
from glassviz.simulate.potential import potential_energy


def sources(paths):
    """Configurations to start from, of one size, from cold to hot.

    Parameters
    ----------
    paths : sequence of path
        Configurations files, one for each temperature.

    Returns
    -------
    list of xarray.Dataset

    Raises
    ------
    InvalidData
        Where a file cannot be read or its temperature is unknown, two are of one temperature or of different sizes, or
        there are fewer than two.
    """
    found = {}
    for path in paths:
        ds = files.read(path)
        temperature = ds.attrs["temperature"]
        if not temperature > 0:
            raise mixture.InvalidData(f"{path}: its temperature is unknown; expected it to be known.")
        if temperature in found:
            raise mixture.InvalidData(f"{path}: another file is of T = {temperature:g} too; expected one for each.")
        found[temperature] = ds
    if len(found) < 2:
        raise mixture.InvalidData("exchange: one file to start from; expected at least two, of different temperatures.")
    one_box(list(found.values()))
    return [found[temperature] for temperature in sorted(found)]


def rungs(datasets):
    """The temperatures of a ladder, (rung,) ndarray, from the `sources` at some of them; see `ladder`."""
    known = np.array([ds.attrs["temperature"] for ds in datasets])
    return ladder(known, [_mean_energy(ds) for ds in datasets], datasets[0].sizes["particle"])


def begin(datasets, temperatures, number):
    """What begins at each rung of a ladder: as far as there is one, a configuration of its own.

    Parameters
    ----------
    datasets : sequence of xarray.Dataset
        From `sources`.
    temperatures : (rung,) ndarray
        From `rungs`.
    number : int
        Number of the ladder; each takes other configurations, as long as the files have enough of them.

    Returns
    -------
    list of xarray.Dataset
        One configuration for each rung, from the file next in temperature.
    """
    known = np.array([ds.attrs["temperature"] for ds in datasets])
    nearest = [int(np.abs(known - temperature).argmin()) for temperature in temperatures]
    starts = []
    for rung, source in enumerate(nearest):
        ds = datasets[source]
        index = number * nearest.count(source) + nearest[:rung].count(source)
        starts.append(ds.isel(configuration=[index % ds.sizes["configuration"]]))
    return starts


def _mean_energy(ds):
    """Potential energy per particle (ε), mean over the configurations."""
    pairs = zip(ds["position"].values, ds["species"].values, strict=True)
    return np.mean([potential_energy(*pair, ds.attrs["box_length"]).mean() for pair in pairs])


def run(output, paths, ladders, samples, sweeps, seed, swap, threads, record, progress):
    """Write one file for each sample and temperature that a source has.

    Parameters
    ----------
    output : pathlib.Path
        Folder that takes `N1290_T0.15_x0-3-1.nc` and so on: seed, ladder and sample.
    paths
        See `sources`.
    ladders : int
        Number of ladders.
    samples : int
        Samples that each gives at every temperature.
    sweeps : int
        Sweeps of each walker before the first sample, and from each to the next.
    seed : int
        Ladder k takes the stream (seed, k).
    swap : {"balanced", "plain"}
        Swap moves.
    threads : int
        Walkers that run at the same time.
    record : dict of str
        Command and version, kept in every file.
    progress : callable
        Called with (blocks done, blocks in all).

    Yields
    ------
    pathlib.Path
        Every file when it is complete; one that is there is taken as it is. The checkpoints stay, so that more samples
        may be asked for later.

    Raises
    ------
    InvalidData
        Where the sources or the sweeps are not usable, or a file or checkpoint is of another run.
    """
    datasets = sources(paths)
    temperatures = rungs(datasets)
    known = [ds.attrs["temperature"] for ds in datasets]
    particles = datasets[0].sizes["particle"]
    how = f"{swap} swap Monte Carlo with replica exchange"
    output.mkdir(parents=True, exist_ok=True)
    for k in range(ladders):
        starts = begin(datasets, temperatures, k)
        names = [f"x{seed}-{k}-{number}" for number in range(samples)]
        wanted = [[sample_file(output, particles, temperature, name) for temperature in known] for name in names]
        beginning = digest(temperatures, starts)
        for number, targets in enumerate(wanted):
            for path in targets:
                _require_same_run(path, names[number], (number + 1) * sweeps, beginning, seed, swap)
        complete = [all(path.exists() for path in targets) for targets in wanted]
        done = [*complete, False].index(False)
        for targets in wanted[:done]:
            yield from targets
        checkpoint = output / f".N{particles}_x{seed}-{k}.checkpoint.nc"
        found = harvest(
            starts,
            temperatures,
            sweeps,
            (seed, k),
            rungs=np.searchsorted(temperatures, known),
            samples=samples,
            done=done,
            swap=swap,
            threads=threads,
            checkpoint=checkpoint,
            progress=lambda block, blocks, k=k: progress(k * blocks + block, ladders * blocks),
        )
        for number, results in enumerate(found if done < samples else (), done):
            for target, result in zip(wanted[number], results, strict=True):
                if not target.exists():
                    write_sample(target, result, names[number], seed, how, record)
            yield from wanted[number]
        remove_leftovers(checkpoint)
        progress(k + 1, ladders)


def _require_same_run(path, name, sweeps, start, seed, swap):
    """`InvalidData` where a file that is there holds another sample than is asked for, or one of another run."""
    if not path.exists():
        return
    found = mixture.check(netcdf.load(path), path.name)
    told = {
        "samples": (list(found["configuration"].values), [name]),
        "sweeps": (found["sweeps"].values.tolist() if "sweeps" in found else [], [sweeps]),
        "ladder and beginnings (digest)": (found.attrs.get("start"), start),
    }
    require_as_asked(path, found, told, seed, swap)
