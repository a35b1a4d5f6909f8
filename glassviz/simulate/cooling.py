"""Cooling runs: independent samples taken through a sequence of temperatures, file by file, resumable."""

import xarray as xr

from glassviz import files, mixture
from glassviz.files import netcdf
from glassviz.simulate.equilibration import BLOCKS, VERDICTS, equilibrate, random_start, statement
from glassviz.simulate.inherent import inherent_structures


def cool(output, temperatures, sweeps, samples, particles, start, swap, seed, record, progress):
    """Cool samples and write one configurations file per temperature.

    Parameters
    ----------
    output : pathlib.Path
        Folder that takes the files `N{particles}_T{temperature:.2f}.nc`.
    temperatures : sequence of float
        In the order of the cooling; each starts from the one before.
    sweeps : int
        Sweeps at each temperature.
    samples, particles : int
        Number and size of random starts.
    start : path or None
        Configurations file to start from, instead of random starts.
    swap : {"balanced", "plain"}
        Swap moves.
    seed : int
        Sample k at the m-th temperature takes the stream (seed, m, k).
    record : dict of str
        Command and version, kept in every file.
    progress : callable
        Called with (blocks done, blocks in all).

    Yields
    ------
    pathlib.Path
        Every file when it is complete; a file that exists is taken as it is.

    Raises
    ------
    InvalidData
        Where the start is not usable or the temperatures are not positive.
    """
    current = files.read(start) if start else None
    count = current.sizes["configuration"] if start else samples
    particles = current.sizes["particle"] if start else particles
    names = [str(name) for name in current["configuration"].values] if start else [f"s{seed}-{k}" for k in range(count)]
    output.mkdir(parents=True, exist_ok=True)
    total = len(temperatures) * count * BLOCKS
    for stage, temperature in enumerate(temperatures):
        target = output / f"N{particles}_T{temperature:.2f}.nc"
        if not target.exists():
            parts = []
            for k, name in enumerate(names):
                done = (stage * count + k) * BLOCKS
                part = output / f".N{particles}_T{temperature:.2f}_{name}.part.nc"
                if not part.exists():
                    one = _beginning(current, k, particles, seed)
                    result = equilibrate(
                        one,
                        temperature=temperature,
                        sweeps=sweeps,
                        seed=(seed, stage, k),
                        swap=swap,
                        checkpoint=part.with_suffix(".checkpoint.nc"),
                        progress=lambda block, _, done=done: progress(done + block, total),
                    )
                    netcdf.save(inherent_structures(result.assign_coords(configuration=[name])), part)
                parts.append(part)
            together = xr.concat([netcdf.load(part) for part in parts], "configuration", combine_attrs="override")
            levels = list(together["verdict"].values)
            worst = max(levels, key=VERDICTS.index)
            surviving = float(together["bond_series"][:, -1].mean())
            together.attrs["verdict"] = statement(worst, surviving, sweeps)
            together.attrs |= {"seed": seed, "provenance": f"{swap} swap Monte Carlo: {record['command']}", **record}
            netcdf.save(together, target, encoding=netcdf.compact(together))
            for part in parts:
                part.unlink()
        current = mixture.check(netcdf.load(target), target.name)
        progress((stage + 1) * count * BLOCKS, total)
        yield target


def _beginning(current, k, particles, seed):
    """Where sample k starts from: its state at the last temperature, or a random start."""
    return random_start(particles, (seed, k)) if current is None else current.isel(configuration=[k])
