"""The cooling of a sample: what happened to it at every temperature on its way to the present one.

Every file of configurations carries, beside the series of its own run, one row for each run of the cooling (`stage`,
from the first temperature to the present one) with the energies in twentieths of that run (`interval`):

- `cooling_energy (configuration, stage, interval)`, ε per particle, means over the interval;
- `cooling_temperature`, `cooling_sweeps`, `cooling_bonds` (fraction of the bonds that the run's start had and its end
  still has) and `cooling_decorrelations` (how often the run's length was enough to lose half of the bonds)
  `(configuration, stage)`.

A sample that passed fewer temperatures than others of its file has NaN in the first stages.
"""

import numpy as np
import xarray as xr

from glassviz.mixture import InvalidData
from glassviz.simulate.verdict import decorrelations, statement

INTERVALS = 20
_PER_STAGE = ("cooling_temperature", "cooling_sweeps", "cooling_bonds", "cooling_decorrelations")


def _own_stage(ds):
    """The run recorded in a Dataset's series, as one stage."""
    missing = [name for name in ("sweeps", "bond_series") if name not in ds]
    if missing:
        raise InvalidData(f"configurations: an energy_series without {missing[0]}; expected both, or neither.")
    energies = ds["energy_series"].values
    edges = np.linspace(0, energies.shape[1], INTERVALS + 1).astype(int)[:-1]
    means = np.add.reduceat(energies, edges, axis=1) / np.diff(np.append(edges, energies.shape[1]))
    columns = (np.full(len(energies), ds.attrs["temperature"]), ds["sweeps"], ds["bond_series"][:, -1])
    return xr.Dataset(
        {"cooling_energy": (("configuration", "stage", "interval"), means[:, None])}
        | {
            name: (("configuration", "stage"), np.array(values, dtype=float)[:, None])
            for name, values in zip(_PER_STAGE, (*columns, decorrelations(ds)), strict=True)
        }
    )


def cooling(ds):
    """The cooling recorded in a file; where none is, the run that the file's own series record.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations.

    Returns
    -------
    xarray.Dataset or None
        The `cooling_…` variables, without coordinates; None where nothing is known.
    """
    names = ["cooling_energy", *_PER_STAGE]
    if all(name in ds for name in names):
        return ds[names].drop_vars(ds[names].coords)
    return _own_stage(ds) if "energy_series" in ds else None


def protocols(ds):
    """What tells differently cooled samples apart: the temperatures and sweeps that each has behind it.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations.

    Returns
    -------
    (configuration,) ndarray of str
        For instance "0.4:30000 0.35:30000", with "exchanged" for the sweeps of a ladder of replica exchange, whose
        samples are of one run; empty where nothing is known.
    """
    known = cooling(ds)
    if known is None:
        return np.full(ds.sizes["configuration"], "")
    exchanged = np.isfinite(ds["ladder"].values) if "ladder" in ds else np.zeros(ds.sizes["configuration"], bool)
    stages = [
        [f"{t:g}:{s:.0f}" for t, s in zip(*row, strict=True) if np.isfinite(t)]
        for row in zip(known["cooling_temperature"].values, known["cooling_sweeps"].values, strict=True)
    ]
    for row in np.flatnonzero(exchanged):
        stages[row][-1] = stages[row][-1].split(":")[0] + ":exchanged"
    return np.array([" ".join(row) for row in stages])


def with_cooling(ds, before=None):
    """Add the cooling: what a run started from has behind it, and the run itself as the last stage.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations with the series of their run.
    before : xarray.Dataset, optional
        The configurations it started from, in the same order.

    Returns
    -------
    xarray.Dataset
    """
    past = cooling(before) if before is not None else None
    own = _own_stage(ds)
    together = own if past is None else xr.concat([past, own], "stage", join="override")
    return ds.assign(together.data_vars)


def padded(ds, stages):
    """A Dataset whose cooling has `stages` stages, the missing ones NaN and first."""
    missing = stages - ds.sizes.get("stage", stages)
    return ds.pad(stage=(missing, 0), constant_values=np.nan) if missing else ds


def assembled(datasets):
    """Add the cooling to files that record only their own run, one file for each temperature.

    Parameters
    ----------
    datasets : sequence of xarray.Dataset
        Configurations of one size; a name stands for the same sample at every temperature.

    Returns
    -------
    list of xarray.Dataset
        From hot to cold, each with the cooling through all hotter files that hold the sample.

    Raises
    ------
    InvalidData
        Where a file has no series of its run.
    """
    latest, results = {}, []
    for ds in sorted(datasets, key=lambda ds: -ds.attrs["temperature"]):
        if cooling(ds) is None:
            raise InvalidData(f"T = {ds.attrs['temperature']:g}: there is no energy_series; expected a recorded run.")
        samples = []
        for index, name in enumerate(ds["configuration"].values):
            one = ds.isel(configuration=[index])
            if "cooling_energy" not in ds:
                one = with_cooling(one, latest.get(name))
            latest[name] = one
            samples.append(one)
        longest = max(one.sizes["stage"] for one in samples)
        joined = xr.concat([padded(one, longest) for one in samples], "configuration", combine_attrs="override")
        results.append(joined)
    return results


def together(samples):
    """Put samples of one temperature and size into one Dataset.

    Parameters
    ----------
    samples : sequence of xarray.Dataset
        Assessed configurations (`glassviz.simulate.verdict.assess`) with their cooling.

    Returns
    -------
    xarray.Dataset
        All of them, `verdict` in the attributes about all; where commands, versions or seeds differ, the attributes
        list them all (seed −1).
    """
    stages = max(ds.sizes["stage"] for ds in samples)
    joined = xr.concat([padded(ds, stages) for ds in samples], "configuration", combine_attrs="override")
    return joined.assign_attrs(origin(samples), verdict=statement(joined))


def origin(samples):
    """Attributes of samples that are put together.

    How they were made: where commands or versions differ all of them, of seeds −1. Boxes that were written with
    different numbers of digits differ by less than 10⁻⁵ of their length: the longest holds all particles.
    """
    keys = ("command", "version", "provenance", "moves", "start", "exchanges")
    keys = [key for key in keys if any(key in ds.attrs for ds in samples)]
    seeds = {ds.attrs.get("seed", -1) for ds in samples}
    longest = max(ds.attrs["box_length"] for ds in samples)
    return said(samples, keys) | {"seed": seeds.pop() if len(seeds) == 1 else -1, "box_length": longest}


def said(samples, keys):
    """What samples say of themselves in some attributes, each saying once, also of what was put together before."""
    sayings = {key: [part for ds in samples for part in str(ds.attrs.get(key, "")).split("; ")] for key in keys}
    return {key: "; ".join(dict.fromkeys(parts)) for key, parts in sayings.items()}
