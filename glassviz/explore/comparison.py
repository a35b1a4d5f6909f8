"""Predictions and molecular dynamics of the same structure side by side, and how well they agree (Fig. 3)."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from glassviz.explore import derive
from glassviz.explore.colors import encode
from glassviz.explore.library import most_structures
from glassviz.explore.selected import learned_from
from glassviz.files import netcdf
from glassviz.learn.between_outputs import at_times
from glassviz.learn.evaluation import evaluate
from glassviz.observe.agreement import pearson
from glassviz.observe.propensity import label_ceiling

DYNAMICS = "Molecular dynamics"
MOST_PANELS = 4  # side by side
BINS = 40  # of each axis of the joint histogram
CURVE_LEVELS = tuple(np.round(np.arange(0.98, 0.09, -0.04), 2))  # of the curve of ρ_P


@dataclass(frozen=True)
class Field:
    """The propensities of one structure at one state, from one source.

    Attributes
    ----------
    source : str
        `DYNAMICS` or the name of an ensemble.
    propensity : (particle,) ndarray of float32
        NaN where unknown.
    note : str
        What to know of it, in a few words; empty where there is nothing.
    """

    source: str
    propensity: np.ndarray
    note: str = ""

    @property
    def known(self):
        """Whether there is anything to show."""
        return bool(np.isfinite(self.propensity).any())


def fields(library, choice, sources):
    """The `Field`s of the chosen sample and state from some sources, in their order."""
    return [measured(library, choice) if s == DYNAMICS else predicted(library, choice, s) for s in sources]


def predicted(library, choice, network):
    """The `Field` of one ensemble."""
    sample = choice.sample
    if not derive.transfer(library, sample.temperature, sample.particles, network)[0]:
        return Field(network, np.full(sample.particles, np.nan, np.float32), derive.UNTRUSTED)
    frames = derive.frames(library, sample, network)
    notes = ["the networks do not reach this ⟨C̄_B⟩"] if frames.missed(choice.mean_propensity) else []
    notes += ["trained on this structure"] if learned_from(library.ensemble(network), sample) else []
    note = "; ".join(notes)
    return Field(network, frames.at(choice.mean_propensity), note)


def measured(library, choice):
    """The `Field` of molecular dynamics, at the time when ⟨C̄_B⟩ of all structures has the chosen value."""
    sample = choice.sample
    unknown = np.full(sample.particles, np.nan, np.float32)
    ds = library.dynamics(sample)
    if ds is None:
        here = "for this sample" if library.propensity_files(sample.temperature) else "at this temperature"
        return Field(DYNAMICS, unknown, f"not run {here}: choose a structure above")
    time = float(library.superposition.time(choice.mean_propensity, choice.temperature))
    ds = ds.isel(time=(ds["time"] > 0).values).expand_dims("configuration")
    first, end = ds["time"].values[[0, -1]]
    if not first <= time <= end:
        later = f"{time:.0f}" if time < 1e6 else f"{time:.0e}"
        return Field(DYNAMICS, unknown, f"the runs end at t = {end:.0f}, this ⟨C̄_B⟩ is at t ≈ {later}")
    values = at_times(ds, np.array([time]))
    role = "test structure" if ds.attrs["role"] == "test" else "training structure"
    ceiling = np.interp(np.log(time), np.log(ds["time"]), label_ceiling(ds))
    return Field(DYNAMICS, values[0], f"{role}; {ds.attrs['replicas']} replicas, ρₚ can reach some {ceiling:.2f}")


def agreement(first, second, species):
    """ρ_P of two fields over the particles of species 1 of this structure, NaN where one of them is unknown."""
    if not (first.known and second.known):
        return np.nan
    coords = {"species": ("particle", species)}
    x, y = (xr.DataArray(f.propensity, dims="particle", coords=coords) for f in (first, second))
    return float(pearson(x, y))


def joint(first, second, species):
    """Joint histogram of two fields over species 1.

    Returns
    -------
    (BINS, BINS) ndarray of int
        Numbers of particles on [0, 1]², the second field along the rows.
    """
    x, y = (np.clip(f.propensity[species == derive.SPECIES], 0, 1) for f in (first, second))
    known = np.isfinite(x) & np.isfinite(y)
    return np.histogram2d(y[known], x[known], bins=BINS, range=[(0, 1), (0, 1)])[0].astype(int)


def difference(first, second):
    """Bytes of the difference second − first: 0 for −1, 127 for none, 254 for +1, 255 where one is unknown."""
    return encode(0.5 + (second.propensity - first.propensity) / 2)


def pearson_curve(library, temperature, network):
    """ρ_P on the test structures of one temperature against ⟨C̄_B⟩, and the ceiling that the replicas set.

    Returns
    -------
    Dataset (state) or None
        As `glassviz.evaluate` on the boxes of the size with the most test structures; None where there are none.
    """
    rows = [r for r in library.propensity_files(temperature) if r.role == "test"]
    if not rows:
        return None
    particles = most_structures(rows)

    def compute():
        datasets = [netcdf.load(r.path) for r in rows if r.particles == particles]
        return evaluate(library.ensemble(network), datasets, CURVE_LEVELS)

    return library.memo(("pearson", temperature, network, particles), compute)
