"""From the files of a campaign, one for each sample, to those that ship, a few for each size and temperature."""

import numpy as np
import xarray as xr

from glassviz.campaign.ensembles import ABOUT, one_ensemble, seeds, with_seeds
from glassviz.files import netcdf
from glassviz.mixture import InvalidData, check, temperature_name
from glassviz.simulate.comparison import between_coolings
from glassviz.simulate.history import assembled, origin, said, together
from glassviz.simulate.order import with_order
from glassviz.simulate.verdict import assess


def gather(folders, output, progress):
    """Put the samples of coolings together; one compact file for each size and temperature.

    Takes files of `glassviz campaign equilibrate` and of `glassviz equilibrate`, also those of version 0.1, whose
    cooling is put together from the files of all temperatures in the same folder. The verdict is assessed anew, so
    that it is the same for all. Samples of different coolings are compared in energy.

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
            groups.setdefault((ds.sizes["particle"], temperature_name(ds.attrs["temperature"])), []).append(ds)
    gathered = {}
    for (particles, temperature), samples in groups.items():
        target = output / f"N{particles}_T{temperature}.nc"
        gathered[target] = _joined(samples, target.name)
    return _saved(gathered, progress)


def _saved(gathered, progress):
    """Write Datasets by path, compact, and give them back."""
    for done, (target, ds) in enumerate(gathered.items()):
        target.parent.mkdir(parents=True, exist_ok=True)
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
    joined.attrs["energy_comparisons"] = between_coolings(joined)
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
    return ds.drop_dims("block").drop_vars("start_digest", errors="ignore").assign(coarse)


def holds_propensities(folder):
    """Whether the files of a folder are propensities of molecular dynamics."""
    return any("propensity" in netcdf.header(path)[1] for path in sorted(folder.glob("[!.]*.nc"))[:1])


def gather_propensities(folders, output, progress):
    """Put structures that were run alike together; one compact file for each size, temperature, role and length of run.

    Takes files of `glassviz campaign dynamics` and of `glassviz dynamics`, and what this has put together of them.

    Parameters
    ----------
    folders, output, progress
        As of `gather`. Of a run that occurs more than once the longest counts, and runs of one structure with different
        seeds become one ensemble of more replicas (`glassviz.campaign.ensembles`); the files are called
        `N1290_T0.30_train_8x16_t31623.nc` (8 replicas, 16 output times up to t = 31623) and so on; a file of such a
        name that holds nothing else is replaced.

    Returns
    -------
    dict of Dataset
        What was written, by path.

    Raises
    ------
    InvalidData
        Where there is no file, one holds no propensities, runs of a structure are not of one ensemble, or it would be
        in two files of the output or lost from it.
    """
    runs = {}
    for path in [path for folder in folders for path in sorted(folder.glob("[!.]*.nc"))]:
        for one in _structures(path):
            key = one.attrs["temperature"], one.sizes["particle"], str(one["configuration"].values[0])
            runs.setdefault(key, []).append((path, one))
    if not runs:
        raise InvalidData(f"{folders[0]}: there are no propensities in it; expected NetCDF files of dynamics.")
    groups = {}
    for (temperature, _, name), found in runs.items():
        files = ", ".join(dict.fromkeys(str(path) for path, _ in found))
        ds = one_ensemble([one for _, one in found], f"{name} at T = {temperature:.2f}", files)
        groups.setdefault((_file_name(ds), tuple(ds["time"].values), tuple(sorted(ds.data_vars))), []).append(ds)
    names = [name for name, *_ in groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidData(f"{twice[0]}: its runs have other output times or variables; expected the same of all.")
    _require_once(output, names, runs)
    return _saved({output / name: _run_alike(alike) for (name, *_), alike in groups.items()}, progress)


def _require_once(output, names, structures):
    """`InvalidData` where a file of the output would be there beside a structure it holds, or be replaced without."""
    for path in sorted(output.glob("[!.]*.nc")):
        attributes, shapes, held = netcdf.header(path)
        for name in held if "propensity" in shapes else ():
            anew = (attributes.get("temperature"), shapes["species"][-1], name) in structures
            if anew and path.name not in names:
                raise InvalidData(
                    f"{path}: it holds {name}, which is put together anew; expected another output, or that "
                    "this file is gone."
                )
            if path.name in names and not anew:
                raise InvalidData(
                    f"{path}: it would be replaced and holds {name}, which is in none of the folders; expected "
                    "another output, or a folder with it."
                )


def _structures(path):
    """The structures of a propensity file, each with its seeds in variables."""
    ds = netcdf.load(path)
    if "propensity" not in ds or not {"role", "replicas", "temperature"} <= set(ds.attrs):
        raise InvalidData(f"{path.name}: there are no propensities; expected a file of molecular dynamics.")
    if "dynamics_seed" in ds.attrs:
        ds = ds.assign(dynamics_seed=("configuration", np.full(ds.sizes["configuration"], ds.attrs["dynamics_seed"])))
        del ds.attrs["dynamics_seed"]
    if "seed" not in ds:
        ds = ds.assign(seed=("configuration", np.full(ds.sizes["configuration"], ds.attrs.get("seed", -1))))
    return [ds.isel(configuration=[k]) for k in range(ds.sizes["configuration"])]


def _file_name(ds):
    """What the file is called that a run is put into."""
    about = ds.attrs
    length = f"{about['replicas']}x{ds.sizes['time']}_t{ds['time'].values[-1]:.0f}"
    return f"N{ds.sizes['particle']}_T{temperature_name(about['temperature'])}_{about['role']}_{length}.nc"


def _run_alike(runs):
    """Runs of the same times as one Dataset."""
    runs = sorted(runs, key=lambda ds: str(ds["configuration"].values[0]))
    most = max(len(seeds(ds)) for ds in runs)
    joined = xr.concat([with_seeds(ds, most) for ds in runs], "configuration", combine_attrs="override")
    joined.attrs |= origin(runs) | said(runs, [key for key in ABOUT if any(key in ds.attrs for ds in runs)])
    for key in ("verdict", "energy_comparisons"):  # of the samples, in their own files
        joined.attrs.pop(key, None)
    return joined
