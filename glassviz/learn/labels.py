"""Training state points: the propensities of every structure at levels of the ensemble-mean propensity.

A state is a temperature and a level of ⟨C̄_B⟩. The level fixes a time through the mean over structures, and each
structure's propensities are interpolated to that time linearly in log t; nothing is extrapolated. A large box is cut
into patches with as many particles as a small box has, each a structure of its own.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from glassviz import files
from glassviz.learn.between_outputs import at_times, noise_at_times, noise_of_mean
from glassviz.mixture import InvalidData, checked_temperature
from glassviz.simulate.inherent import inherent_structures
from glassviz.structure.cache import cached_descriptors

LEVELS = (0.99, 0.94, 0.90, 0.85, 0.80, 0.75, 0.65, 0.50, 0.40, 0.25, 0.15, 0.075)
OF_STRUCTURES = "names", "columns", "labels", "noise", "mean_noise", "position", "box_length"  # the structure first
SMALL_BOX = 1290  # a patch of a larger box holds about as many particles of a species as this box does


@dataclass
class StatePoints:
    """Labels and descriptors of one temperature and one species.

    Attributes
    ----------
    temperature : float
    levels, times : (level,) ndarray
        ⟨C̄_B⟩ of species 1 and the times at which the ensemble mean has these values.
    names : (structure,) ndarray of str
        Structures the labels come from; the patches of one box share a name.
    columns : (structure, n, K) ndarray of float32
        Descriptors, not standardised.
    labels : (structure, level, n) ndarray of float32
        Propensities.
    noise : (structure, level) ndarray
        Mean variance of the labels that finitely many replicas leave; NaN where unknown.
    mean_noise : (structure, level) ndarray
        The same of the mean of a structure's labels; NaN where unknown, and for patches.
    position : (structure, n, 2) ndarray
        Thermal positions (σ).
    box_length : (structure,) ndarray
        Sides of the periodic boxes (σ).
    cutoff, tessellation
        Of the descriptors.
    """

    temperature: float
    levels: np.ndarray
    times: np.ndarray
    names: np.ndarray
    columns: np.ndarray
    labels: np.ndarray
    noise: np.ndarray
    mean_noise: np.ndarray
    position: np.ndarray
    box_length: np.ndarray
    cutoff: float
    tessellation: str

    def __len__(self):
        return len(self.names)

    def structures(self, chosen):
        """The same state points of some of the structures only (a slice, mask or list of numbers)."""
        return StatePoints(
            self.temperature,
            self.levels,
            self.times,
            *(getattr(self, name)[chosen] for name in OF_STRUCTURES),
            self.cutoff,
            self.tessellation,
        )

    def at_levels(self, levels):
        """The same state points at some of the levels only."""
        chosen = np.isclose(self.levels[:, None], levels).any(axis=1)
        return replace(
            self,
            levels=self.levels[chosen],
            times=self.times[chosen],
            labels=self.labels[:, chosen],
            noise=self.noise[:, chosen],
            mean_noise=self.mean_noise[:, chosen],
        )


def structures(datasets):
    """Every structure of propensity files or Datasets, as Datasets without the configuration dimension.

    Parameters
    ----------
    datasets : sequence of (path or Dataset)
        Or a single one.

    Returns
    -------
    list of Dataset
        Ordered by temperature (high to low) and name.

    Raises
    ------
    InvalidData
        Where one has no propensities or no temperature, two of one size and temperature share a name, or a name is
        that of a test structure at one temperature and not at another: a sample remembers what it was.
    """
    found = []
    for item in [datasets] if isinstance(datasets, (str, Path, xr.Dataset)) else datasets:
        dataset = files.read(item) if not hasattr(item, "data_vars") else item
        source = str(item) if not hasattr(item, "data_vars") else "dataset"
        require_propensities(dataset, source)
        if not checked_temperature(dataset.attrs.get("temperature", np.nan), source) > 0:
            raise InvalidData(f"{source}: the temperature is missing; expected the attribute 'temperature'.")
        if "configuration" not in dataset.dims:
            dataset = dataset.expand_dims("configuration")
        found += [dataset.isel(configuration=[k]) for k in range(dataset.sizes["configuration"])]
    found.sort(key=lambda ds: (-ds.attrs["temperature"], str(ds["configuration"].values[0])))
    said = [(f"{ds.attrs['temperature']:g}", ds.sizes["particle"], str(ds["configuration"].values[0])) for ds in found]
    twice = [one for one, count in Counter(said).items() if count > 1]
    if twice:
        temperature, particles, name = twice[0]
        raise InvalidData(f"{name} (T = {temperature}, N = {particles}) is there twice; expected each structure once.")
    roles = {}
    for ds, (temperature, *sample) in zip(found, said, strict=True):
        role, before = roles.setdefault(tuple(sample), (ds.attrs.get("role"), temperature))
        if (role == "test") != (ds.attrs.get("role") == "test"):
            raise InvalidData(
                f"{sample[1]} (N = {sample[0]}) is {role!r} at T = {before} and {ds.attrs.get('role')!r} at "
                f"T = {temperature}; expected one role."
            )
    return found


def require_propensities(dataset, source):
    """`InvalidData` that names the source where a Dataset holds no propensities."""
    if "propensity" not in dataset or "time" not in dataset.coords:
        raise InvalidData(f"{source}: there are no propensities; expected a file from `glassviz dynamics`.")
    if not (dataset["time"].values > 0).any() or not np.isfinite(dataset["propensity"].values).all():
        raise InvalidData(f"{source}: propensities are not finite, or none is later than t = 0; expected numbers.")


def require_species(dataset, species):
    """`InvalidData` where a structure, from `structures`, has no particles of a species (0-based)."""
    if not (dataset["species"].values == species).any():
        name = dataset["configuration"].values[0]
        raise InvalidData(f"{name}: there are no particles of species {species + 1}; expected some to learn from.")


def mean_curve(group, species=0):
    """Ensemble-mean propensity against time of structures at one temperature.

    Parameters
    ----------
    group : list of Dataset
        From `structures`.
    species : int, optional
        Whose mean, 0-based.

    Returns
    -------
    times, mean : (time,) ndarray
        At every stored time that at least half of the structures reach; the mean never rises.
    """
    curves = []
    for ds in group:
        chosen = ds["species"].values[0] == species
        times = ds["time"].values
        curves.append((times[times > 0], ds["propensity"].values[0][times > 0][:, chosen].mean(axis=1)))
    times = np.unique(np.concatenate([t for t, _ in curves]))
    values = np.array([np.interp(np.log(times), np.log(t), c, left=np.nan, right=np.nan) for t, c in curves])
    enough = np.isfinite(values).sum(axis=0) >= len(group) / 2
    return times[enough], np.minimum.accumulate(np.nanmean(values[:, enough], axis=0))


def level_times(times, mean, levels=LEVELS):
    """Times at which a mean curve passes the levels, for the levels it passes.

    Returns
    -------
    levels, times : (level,) ndarray
    """
    levels = np.array(sorted((c for c in levels if mean.min() <= c <= mean.max()), reverse=True))
    return levels, np.exp(np.interp(-levels, -mean, np.log(times)))


def patches(position, size):
    """Particles of a box cut into compact patches of equal number, by halving across the longer side.

    Parameters
    ----------
    position : (n, 2) ndarray
        Positions (σ).
    size : int
        A patch holds at most 1.5 times as many particles.

    Returns
    -------
    (patch, m) ndarray of int
        Particle numbers; neighbouring rows are near each other. Where halves are unequal, a few particles are left out.
    """
    parts = [np.arange(len(position))]
    while len(parts[0]) > 1.5 * size:
        halves = []
        for part in parts:
            extent = np.ptp(position[part], axis=0)
            order = part[np.argsort(position[part, int(extent[1] > extent[0])], kind="stable")]
            halves += [order[: len(order) // 2], order[len(order) // 2 :]]
        parts = halves
    smallest = min(len(part) for part in parts)
    return np.array([np.sort(part[:smallest]) for part in parts])


def state_points(datasets, species=0, levels=LEVELS, *, cutoff=16.0, tessellation="radical", cut=True):
    """State points of every temperature in a collection of propensity files.

    Parameters
    ----------
    datasets : sequence of (path or Dataset)
        Propensity files; several temperatures and sizes may be mixed.
    species : int, optional
        Whose particles to learn, 0-based. Levels always refer to species 1.
    levels : sequence of float, optional
        Levels of ⟨C̄_B⟩; those a temperature's data do not reach are left out.
    cutoff, tessellation : optional
        Of the descriptors.
    cut : bool, optional
        Whether to cut large boxes into patches (for training); uncut, all boxes of a temperature must be equal.

    Returns
    -------
    list of StatePoints
        One per temperature, from high to low, of the levels that all runs reach; a further one for levels that only
        the longer runs reach. So every structure has labels at all levels of its run.
    """
    groups = {}
    for ds in structures(datasets):
        groups.setdefault(round(float(ds.attrs["temperature"]), 6), []).append(ds)
    if not groups:
        raise InvalidData("training data: there is no structure; expected propensity files.")
    points = []
    for temperature, group in groups.items():
        left = levels
        while group and len(left):
            shortest = min(ds["time"].values[-1] for ds in group)
            times, mean = mean_curve(group)
            common = times <= shortest
            reached, at = level_times(times[common], mean[common], left) if common.any() else ([], [])
            if len(reached):
                points.append(_points(temperature, group, reached, at, species, cutoff, tessellation, cut))
            left = [level for level in left if level not in reached]
            # Levels that only the longer runs reach make a state point of their own, of fewer structures.
            group = [ds for ds in group if ds["time"].values[-1] > shortest]
    return points


def _points(temperature, group, reached, times, species, cutoff, tessellation, cut):
    """The StatePoints of structures at one temperature, those among them whose runs begin before the times."""
    blocks = []
    for ds in group:
        if ds["time"].values[ds["time"].values > 0][0] <= times[0]:
            blocks += _blocks(ds, species, times, cutoff, tessellation, cut)
    size = min(len(block["position"]) for block in blocks)
    if not cut and size != max(len(block["position"]) for block in blocks):
        raise InvalidData(f"T = {temperature}: boxes of different sizes; expected one size.")
    stacked = {
        key: np.stack([np.take(b[key], range(size), axis=axis) for b in blocks])
        for key, axis in (("columns", 0), ("labels", 1), ("position", 0))
    }
    return StatePoints(
        temperature,
        reached,
        times,
        np.array([b["name"] for b in blocks]),
        noise=np.stack([b["noise"] for b in blocks]),
        mean_noise=np.stack([b["mean_noise"] for b in blocks]),
        box_length=np.array([b["box_length"] for b in blocks]),
        cutoff=float(cutoff),
        tessellation=tessellation,
        **stacked,
    )


def _blocks(dataset, species, times, cutoff, tessellation, cut):
    """One structure as a list of equally large blocks of labelled particles."""
    require_species(dataset, species)
    chosen = np.flatnonzero(dataset["species"].values[0] == species)
    if "inherent_position" not in dataset:
        dataset = inherent_structures(dataset)
    propensity = at_times(dataset, times)[:, chosen]
    table = cached_descriptors(dataset, cutoff=cutoff, tessellation=tessellation, species=species).values[0]
    table = table.reshape(len(table), -1)
    position = dataset["position"].values[0][chosen]
    members = [np.arange(len(chosen))]
    if cut:
        members = patches(position, round(SMALL_BOX * len(chosen) / dataset.sizes["particle"]))
    mean_noise = noise_of_mean(dataset, times, species) if len(members) == 1 else np.full(len(times), np.nan)
    return [
        {
            "name": str(dataset["configuration"].values[0]),
            "columns": np.asarray(table[part], np.float32),
            "labels": propensity[:, part],
            "noise": noise_at_times(dataset, times, chosen[part]),
            "mean_noise": mean_noise,
            "position": position[part],
            "box_length": float(dataset.attrs["box_length"]),
        }
        for part in members
    ]
