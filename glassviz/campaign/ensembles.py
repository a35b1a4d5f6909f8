"""The isoconfigurational ensemble of a structure from all its runs: more replicas where the velocities differ."""

import numpy as np
import xarray as xr

from glassviz.mixture import InvalidData
from glassviz.simulate.history import said

_MEANS = ("propensity", "mean_propensity", "mean_square_displacement", "self_scattering")
ABOUT = ("dynamics_command", "dynamics_version", "dynamics_device", "dynamics_split_seed")
NO_SEED = -1  # where a structure has fewer runs than others of its file


def seeds(run):
    """Seeds of the velocities of one structure, a set of int; of all its runs where several were put together."""
    return set(np.atleast_1d(run["dynamics_seed"].values[0]).tolist()) - {NO_SEED}


def one_ensemble(runs, name, files):
    """Put the runs of one structure together as one isoconfigurational ensemble.

    Of a run that occurs more than once, also in what was put together before, the longest counts. Runs of different
    seeds are different replicas: propensities are averaged over all of them, and the variances are those over all.

    Parameters
    ----------
    runs : sequence of xarray.Dataset
        Propensities of one structure, `dynamics_seed` (configuration,) or (configuration, run) a variable; attributes
        `role` and `replicas`.
    name, files : str
        What they are of, and where they are, for people.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InvalidData
        Where runs of one name are of different structures, roles or time steps, have the same seed and other replicas,
        or cannot be averaged, as their output times or variables differ.
    """
    kept = []
    for run in sorted(runs, key=lambda ds: (len(seeds(ds)), ds["time"].values[-1]), reverse=True):
        known = next((one for one in kept if seeds(one) & seeds(run)), None)
        if not (_same_structure(runs[0], run) and (known is None or _holds(known, run))):
            raise InvalidData(f"{files}: there is another run of {name}; expected the same, or one of another seed.")
        if known is None:
            kept.append(run)
    if not all(_measured(run) == _measured(kept[0]) for run in kept):
        raise InvalidData(
            f"{files}: the runs of {name} have other output times or variables; expected the same, to average."
        )
    return _averaged(kept) if len(kept) > 1 else kept[0]


def _same_structure(one, other):
    """Whether two runs began at the same positions and went on in the same steps, for the same purpose."""
    alike = one["position"].shape == other["position"].shape
    alike = alike and all(one.attrs.get(key) == other.attrs.get(key) for key in ("role", "time_step"))
    return alike and np.allclose(one["position"], other["position"], rtol=0, atol=1e-4)


def _holds(known, run):
    """Whether all of a run is in another: as the same replicas, or among more of them, to the same time at least."""
    more = known.attrs["replicas"] - run.attrs["replicas"]
    among = more == 0 if seeds(known) == seeds(run) else more > 0 and seeds(run) < seeds(known)
    return among and run["time"].values[-1] <= known["time"].values[-1]


def _measured(run):
    """What was measured, and when."""
    return sorted(set(run) - {"dynamics_seed"}), run["time"].values.tolist()


def _of_components(run):
    """Propensities averaged over all particles of a species, (configuration, time, component)."""
    species = run["species"]
    components = range(run.sizes["component"])
    return xr.concat([run["propensity"].where(species == one).mean("particle") for one in components], "component")


_VARIANCES = {"propensity_variance": lambda run: run["propensity"], "mean_propensity_variance": _of_components}


def _averaged(runs):
    """Runs of different replicas as one."""
    runs = sorted(runs, key=lambda ds: min(seeds(ds)))
    counts = xr.DataArray([float(ds.attrs["replicas"]) for ds in runs], dims="run")
    replicas, values = counts.sum(), {}
    known = [name for name in (*_MEANS, *_VARIANCES) if name in runs[0]]
    every = {name: xr.concat([ds[name] for ds in runs], "run") for name in known}
    for name in _MEANS & every.keys():
        values[name] = (counts * every[name]).sum("run") / replicas
    for name in _VARIANCES & every.keys():
        means = xr.concat([_VARIANCES[name](ds) for ds in runs], "run")
        mean = (counts * means).sum("run") / replicas
        squares = (counts - 1) * every[name] + counts * (means - mean) ** 2
        values[name] = squares.sum("run", skipna=False) / (replicas - 1)
    together = runs[0].assign({name: one.transpose(*runs[0][name].dims) for name, one in values.items()})
    together["dynamics_seed"] = ("configuration", "run"), [sorted(set.union(*map(seeds, runs)))]
    about = [key for key in ABOUT if any(key in ds.attrs for ds in runs)]
    return together.assign_attrs(said(runs, about), replicas=int(replicas))


def with_seeds(run, count):
    """The run with room for the seeds of `count` runs; one needs no dimension."""
    found = sorted(seeds(run))
    if count == 1:
        return run.assign(dynamics_seed=("configuration", found))
    return run.assign(dynamics_seed=(("configuration", "run"), [found + [NO_SEED] * (count - len(found))]))
