"""How the samples of the store were made: coolings, energies against temperature, comparisons between coolings."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from glassviz.simulate.history import cooling, protocols
from glassviz.simulate.verdict import VERDICTS, compare_energies, enough, sample_energies

NOT_ASSESSED = "not assessed"  # stands for the verdict where a file records no run
BROKEN = ("crystal", "demixed")  # no longer the mixture


class Group(NamedTuple):
    """Samples of one temperature and size that were cooled in the same way.

    samples : list of int, their places among the samples of that size. runs : Dataset, their records.
    """

    temperature: float
    particles: int
    samples: list
    runs: xr.Dataset

    @property
    def energies(self):
        """Energy per particle (ε) of each sample, see `glassviz.simulate.verdict.sample_energies`."""
        return sample_energies(self.runs)

    @property
    def verdicts(self):
        """Verdict on each sample, `NOT_ASSESSED` where no run is recorded."""
        return list(self.runs["verdict"].values) if is_recorded(self.runs) else [NOT_ASSESSED] * len(self.samples)

    @property
    def verdict(self):
        """The verdict on most of the samples."""
        return max((*VERDICTS, NOT_ASSESSED), key=self.verdicts.count)

    @property
    def decorrelations(self):
        """Median of the decorrelation times the last runs lasted; NaN where not recorded."""
        return float(np.median(self.runs["decorrelations"])) if is_recorded(self.runs) else np.nan


def is_recorded(runs):
    """Whether the run that made some samples is recorded, so that the verdict on it can be recomputed."""
    return "decorrelations" in runs


def run_of(library, sample):
    """The record of the run that made a sample: one configuration of what `Library.runs` gives."""
    index = sample.index
    for ds in library.runs(sample.temperature, sample.particles):
        if index < ds.sizes["configuration"]:
            return ds.isel(configuration=[index])
        index -= ds.sizes["configuration"]
    raise IndexError(f"{sample.label}: there is no such sample")


def course(run):
    """Energy of one sample against the sweeps of its whole cooling.

    Parameters
    ----------
    run : Dataset
        From `run_of`.

    Returns
    -------
    Dataset or None
        `energy` (ε per particle) and `sweeps` (stage, interval), counted from the start of the cooling to the middle of
        the interval; `temperature`, `length` (sweeps) and `decorrelations` (stage). None where nothing is recorded.
    """
    known = cooling(run)
    if known is None:
        return None
    known = known.isel(configuration=0)
    known = known.isel(stage=np.flatnonzero(np.isfinite(known["cooling_temperature"].values)))
    length, intervals = known["cooling_sweeps"].values, known.sizes["interval"]
    middles = (np.arange(intervals) + 0.5) / intervals
    return xr.Dataset(
        {
            "energy": known["cooling_energy"],
            "sweeps": (("stage", "interval"), (np.cumsum(length) - length)[:, None] + length[:, None] * middles),
            "temperature": known["cooling_temperature"],
            "length": known["cooling_sweeps"],
            "decorrelations": known["cooling_decorrelations"],
        }
    )


def groups(library, temperature=None):
    """Samples of all temperatures of the store, or of one, by how they were cooled: list of `Group`, hot to cold."""
    temperatures = library.temperatures if temperature is None else [temperature]
    found = []
    for t in temperatures:
        for particles in dict.fromkeys(sample.particles for sample in library.samples(t)):
            first = 0
            for ds in library.runs(t, particles):
                made = protocols(ds)
                for protocol in dict.fromkeys(made):
                    members = np.flatnonzero(made == protocol)
                    found.append(Group(t, particles, list(first + members), ds.isel(configuration=members)))
                first += ds.sizes["configuration"]
    return found


def best(found):
    """At every temperature the best equilibrated samples: what the line E(T) goes through.

    Parameters
    ----------
    found : list of Group

    Returns
    -------
    list of Group
        One for each temperature, from hot to cold: of those most of which are in equilibrium the most numerous, else
        those that lasted the most decorrelation times. All samples of a group count, not those alone that pass by
        luck: whoever lost more bonds than others has not the same energy on average. None that crystallised or
        demixed.
    """
    ranked = {}
    for group in found:
        if group.verdict in BROKEN:
            continue
        settled, times = group.verdict == "equilibrium", np.nan_to_num(group.decorrelations, nan=-1.0)
        rank = settled, len(group.samples) if settled else times, len(group.samples)
        if group.temperature not in ranked or rank > ranked[group.temperature][0]:
            ranked[group.temperature] = rank, group
    return [ranked[t][1] for t in sorted(ranked, reverse=True)]


def comparisons(library, sample):
    """Energies of a sample and its like against those of the same temperature that were cooled differently.

    Parameters
    ----------
    library : Library
    sample : Sample

    Returns
    -------
    own : Group
        The sample and those cooled like it.
    others : list of (Group, Comparison or None)
        Those cooled differently, with the energy of `own` less theirs; None where there are too few to know an error.
    """
    every = groups(library, sample.temperature)
    own = next(g for g in every if g.particles == sample.particles and sample.index in g.samples)
    others = []
    for group in every:
        if group is not own:
            found = compare_energies(own.runs, group.runs) if enough(own.runs, group.runs) else None
            others.append((group, found))
    return own, others
