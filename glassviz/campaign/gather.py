"""From the files of a campaign, one for each sample, to those that ship, one for each size and temperature."""

from itertools import combinations

import numpy as np

from glassviz.files import netcdf
from glassviz.mixture import InvalidData, check
from glassviz.simulate.cooling import together
from glassviz.simulate.history import assembled, protocols
from glassviz.simulate.order import with_order
from glassviz.simulate.verdict import assess, compare_energies


def gather(folders, output, progress):
    """Put the samples of coolings together; one compact file for each size and temperature.

    Takes files of `glassviz campaign equilibrate` and of `glassviz equilibrate`, also those of version 0.1, whose
    cooling is put together from the files of all temperatures in the same folder. Order and verdict are assessed anew,
    so that they are the same for all. Samples of different coolings are compared in energy.

    Parameters
    ----------
    folders : sequence of pathlib.Path
        Where the samples are.
    output : pathlib.Path
        Folder that takes `N1290_T0.40.nc` and so on; files there are replaced.
    progress : callable
        Called with (files done, files in all).

    Returns
    -------
    dict
        Dataset of every file that was written, by path.

    Raises
    ------
    InvalidData
        Where there is no sample, a file is not usable, or a sample occurs twice.
    """
    groups = {}
    for folder in folders:
        for ds in _samples(folder):
            groups.setdefault((ds.sizes["particle"], f"{ds.attrs['temperature']:.2f}"), []).append(ds)
    gathered = {}
    for (particles, temperature), samples in groups.items():
        target = output / f"N{particles}_T{temperature}.nc"
        gathered[target] = _joined(samples, target.name)
    output.mkdir(parents=True, exist_ok=True)
    for done, (target, ds) in enumerate(gathered.items()):
        netcdf.save(ds, target, encoding=netcdf.compact(ds))
        progress(done + 1, len(gathered))
    return gathered


def _samples(folder):
    """The configurations in a folder, file by file, with their cooling."""
    paths = sorted(folder.glob("[!.]*.nc"))
    if not paths:
        raise InvalidData(f"{folder}: there are no samples in it; expected NetCDF files of a cooling.")
    sizes = {}
    for path in paths:
        ds = check(netcdf.load(path), path.name)
        if "energy_series" not in ds or "bond_series" not in ds:
            raise InvalidData(f"{path.name}: there is no record of a run; expected energy_series and bond_series.")
        sizes.setdefault(ds.sizes["particle"], []).append(ds)
    return [ds for datasets in sizes.values() for ds in assembled(datasets)]


def _joined(samples, name):
    """Samples of one size and temperature as one Dataset, assessed."""
    names = [str(sample) for ds in samples for sample in ds["configuration"].values]
    twice = sorted({sample for sample in names if names.count(sample) > 1})
    if twice:
        raise InvalidData(f"{name}: the sample {twice[0]} occurs more than once; expected every sample once.")
    blocks = min(ds.sizes["block"] for ds in samples)
    samples = [assess(_uniform(ds, blocks)) for ds in samples]
    joined = together(samples).drop_vars("inherent_energy", errors="ignore")  # follows from the inherent positions
    joined.attrs["energy_comparisons"] = _comparisons(joined)
    return joined


def _uniform(ds, blocks):
    """The same variables for files of every version, and series of the same length."""
    if "seed" not in ds:
        ds = ds.assign(seed=("configuration", np.full(ds.sizes["configuration"], ds.attrs["seed"])))
    if "hexatic_order" not in ds:
        ds = with_order(ds)
    if ds.sizes["block"] % blocks:
        raise InvalidData(f"series of {ds.sizes['block']} and {blocks} blocks; expected multiples of each other.")
    width = ds.sizes["block"] // blocks
    coarse = {
        "energy_series": ds["energy_series"].coarsen(block=width).mean(),
        "bond_series": ds["bond_series"].isel(block=slice(width - 1, None, width)),
    }
    return ds.drop_dims("block").assign(coarse)


def _comparisons(ds):
    """Energies of the samples of every two protocols of cooling, in words."""
    made = protocols(ds)
    pairs = combinations(dict.fromkeys(made), 2)
    chosen = [[ds.isel(configuration=made == protocol) for protocol in pair] for pair in pairs]
    return [
        f"{one.sizes['configuration']} samples of seed {one['seed'].values[0]} against "
        f"{other.sizes['configuration']} of seed {other['seed'].values[0]}: {compare_energies(one, other)}"
        for one, other in chosen
        if one.sizes["configuration"] + other.sizes["configuration"] > 2
    ]
