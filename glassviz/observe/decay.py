"""The measured decay of ⟨C̄_B⟩: the runs of all structures of a temperature, brought to common times."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from glassviz.files import store
from glassviz.mixture import InvalidData, checked_temperature

ENOUGH = 4  # structures that a curve needs, where there are so many
SHARE = 1 / 4  # of all structures that it needs too


@dataclass
class Decay:
    """Mean propensity against time of the structures of one temperature.

    Attributes
    ----------
    temperature : float
    time : (time,) ndarray
        Output times.
    mean_propensity : (structure, time) ndarray
        Mean over species 1 of each structure; NaN beyond the end of its run.
    samples : list of (int, str)
        Number of particles and name of each structure; 0 and "" where a file does not say.
    """

    temperature: float
    time: np.ndarray
    mean_propensity: np.ndarray
    samples: list

    @property
    def structures(self):
        """Number of structures."""
        return len(self.mean_propensity)

    @property
    def counts(self):
        """How many structures were run to each time, (time,)."""
        return np.isfinite(self.mean_propensity).sum(axis=0)

    def error(self):
        """Standard error of the mean over structures at each time; NaN for one structure."""
        several = self.counts > 1
        deviation = np.nanstd(self.mean_propensity[:, several], axis=0, ddof=1)
        error = np.full(len(self.time), np.nan)
        error[several] = deviation / np.sqrt(self.counts[several])
        return error

    def mean(self, weights=None):
        """Weighted mean over structures at each time; NaN where none of any weight was run so far.

        Where runs end, those that go on add to y = ln(−ln ⟨C̄_B⟩) what it grows by among themselves: otherwise the curve
        would step, for no two structures decay alike.
        """
        weights = np.ones(self.structures) if weights is None else np.asarray(weights)
        known = np.isfinite(self.mean_propensity)
        values = np.where(known, self.mean_propensity, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            own = weights @ values / (weights @ known)
            mean = own.copy()
            for end in np.flatnonzero((known[:, 1:] != known[:, :-1]).any(axis=0)):
                going_on = weights * known[:, end + 1]
                decay = np.log(going_on @ values[:, end] / going_on.sum())
                if decay:
                    mean[end + 1 :] = own[end + 1 :] ** (np.log(mean[end]) / decay)
        return mean

    def curve(self, weights=None):
        """Strictly increasing (y, ln t) of the weighted mean over structures, y = ln(−ln ⟨C̄_B⟩)."""
        mean = np.minimum.accumulate(self.mean(weights))
        inside = (mean < 1 - 1e-6) & (mean > 0)
        y, first = np.unique(np.log(-np.log(mean[inside])), return_index=True)
        return y, np.log(self.time[inside])[first]


def shipped_curves():
    """The mean propensities of the propensity files shipped with glassviz.

    Yields
    ------
    Dataset
        `mean_propensity (configuration, time)`, as it is in each file.

    Raises
    ------
    InvalidData
        Where there is no propensity file.
    """
    files = store.available_propensities()
    if not files:
        folder = store.precomputed("propensities")
        raise InvalidData(f"{folder}: there are no propensity files; expected those of `glassviz dynamics`.")
    for file in files:
        with xr.open_dataset(file.path, engine="h5netcdf") as stored:
            yield stored[["mean_propensity"]].load().assign_attrs(particles=stored.sizes["particle"])


def by_temperature(datasets):
    """Group the curves of many runs by temperature and bring those of each to common times.

    Parameters
    ----------
    datasets : iterable of Dataset
        `mean_propensity ([configuration,] time)`, coordinate `time`, attribute `temperature`.

    Returns
    -------
    list of Decay

    Raises
    ------
    InvalidData
        Where a Dataset is not a propensity file.
    """
    groups = {}
    for ds in [datasets] if isinstance(datasets, xr.Dataset) else datasets:
        temperature, curves = _curves(ds)
        particles = ds.sizes.get("particle", ds.attrs.get("particles", 0))
        groups.setdefault(round(temperature, 4), []).append(curves.assign_attrs(particles=particles))
    return [_common(temperature, group) for temperature, group in groups.items()]


def _curves(ds):
    """Temperature and mean propensity (configuration, time) at t > 0 of one propensity file."""
    if not isinstance(ds, xr.Dataset):
        raise InvalidData(
            f"superposition: {type(ds).__name__} {str(ds)[:80]!r}; expected Datasets of propensity files."
        )
    if "mean_propensity" not in ds or "time" not in ds.coords or "temperature" not in ds.attrs:
        raise InvalidData(
            "superposition: a Dataset lacks mean_propensity, time or temperature; expected a propensity file."
        )
    temperature, curves = checked_temperature(ds.attrs["temperature"], "superposition"), ds["mean_propensity"]
    curves = curves if "configuration" in curves.dims else curves.expand_dims("configuration")
    if np.isnan(temperature) or set(curves.dims) != {"configuration", "time"}:
        raise InvalidData(
            f"superposition: mean propensity with the dimensions {curves.dims} at T = {temperature:g}; "
            "expected (configuration, time) at a known temperature."
        )
    curves = curves.transpose("configuration", "time").sel(time=curves["time"] > 0).sortby("time")
    if not curves.size or not np.isfinite(curves.values).all():
        raise InvalidData(
            f"superposition: mean propensities at T = {temperature:g} are not finite, or none is later than t = 0; "
            "expected numbers."
        )
    return temperature, curves


def _enough(structures):
    """How many of so many structures a curve needs."""
    return max(min(ENOUGH, structures), int(SHARE * structures))


def in_common(times, structures):
    """Which output times runs of different length have in common: all of them first, then those that go further.

    Where too few go further, and have no output where the others end, these go to their end by themselves.

    Parameters
    ----------
    times : sequence of (time,) ndarray
        Of each file, increasing.
    structures : sequence of int
        Number of structures in each file.

    Returns
    -------
    list of (list of int, (time,) ndarray)
        Files and their common times beyond those before, as far as enough structures go.
    """
    enough = _enough(sum(structures))
    ends = sorted({ds[-1] for ds in times})
    stages = [[k for k, ds in enumerate(times) if ds[-1] >= end] for end in ends]
    stages = [members for members in stages if sum(structures[k] for k in members) >= enough]
    latest = [k for k in stages[-1] if _among(ends[len(stages) - 1], times[k])]
    if sum(structures[k] for k in latest) >= enough:
        stages.append(latest)
    found, before = [], -np.inf
    for members in stages:
        first, *others = (times[k] for k in members)
        shared = first[(first > before) & np.all([_among(first, ds) for ds in others], axis=0)]
        if shared.size:
            found.append((members, shared))
            before = shared[-1]
    return found


def _among(times, others):
    """Which of the times are among others, but for their last digits."""
    return np.isin(np.round(times, 6), np.round(others, 6))


def _common(temperature, group):
    """One Decay of the curves of a temperature, as far as enough of them go."""
    ends = sorted((c["time"].values[-1] for c in group for _ in c["configuration"]), reverse=True)
    last = ends[_enough(len(ends)) - 1]
    first = max(c["time"].values[0] for c in group)
    times = np.unique(np.concatenate([c["time"].values for c in group]))
    times = times[(times >= first) & (times <= last)]
    rows = [
        np.interp(np.log(times), np.log(c["time"].values), row, right=np.nan)
        for c in group
        for row in c.values.astype(np.float64)
    ]
    samples = []
    for c in group:
        names = c["configuration"].values if "configuration" in c.coords else [""] * len(c)
        samples += [(int(c.attrs["particles"]), str(name)) for name in names]
    return Decay(temperature, times, np.stack(rows), samples)
