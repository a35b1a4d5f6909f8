"""Samples taken along a run of replica exchange, recorded and assessed, resumable.

After every so many sweeps what is at each wanted temperature is a sample. Since the walkers wander, it is seldom the
walker of the sample before; how much of an earlier sample a later one still has in it is counted in bonds.
"""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import xarray as xr

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.equilibration import BLOCKS, BLOCKS_BETWEEN_CHECKPOINTS, recorded
from glassviz.simulate.exchange import ReplicaExchange, one_box
from glassviz.simulate.order import require_apart

BEGINNING = ("position", "species")
SAMPLE = {  # what is kept of a sample; dimensions
    "walker": ("kept",),
    "position": ("kept", "particle", "space"),
    "species": ("kept", "particle"),
    "bonds_shared": ("kept",),
    "exchanges": ("tried_made", "pair"),
    "visited": ("end", "walker"),
}


def digest(temperatures, starts):
    """What tells a ladder, (rung,) temperatures and a configuration for each, from others; a str."""
    arrays = [np.asarray(temperatures, dtype=float), *(ds[name].values for ds in starts for name in BEGINNING)]
    return sha256(b"".join(values.tobytes() for values in arrays)).hexdigest()


def account(exchanges, visited):
    """How well a ladder mixed, for people.

    Parameters
    ----------
    exchanges : (2, rung − 1) ndarray of int
        Exchanges tried and made.
    visited : (2, rung) ndarray of bool
        Whether each walker has been at the coldest and at the hottest temperature.

    Returns
    -------
    str
    """
    tried, made = exchanges
    shares = 100 * made / np.maximum(tried, 1)
    return (
        f"{shares.min():.0f} to {shares.max():.0f} % of the exchanges between neighbours made, "
        f"{visited.all(axis=0).sum()} of {visited.shape[1]} walkers have been at both ends"
    )


class _Recorder:
    """Energies by temperature, surviving bonds by walker, and the samples of some rungs, along a run."""

    def __init__(self, walkers, temperatures, starts, rungs, sweeps):
        self.walkers, self.temperatures, self.starts = walkers, temperatures, starts
        self.rungs, self.sweeps = rungs, sweeps
        self.length = walkers.chains[0].length
        self.energies, self.bonds, self.samples = [], [], []
        self.initial = [self._bonds(one.position, one.species.copy()) for one in walkers.chains]
        # What a checkpoint must agree with to be of this run.
        self.run = {
            "box_length": self.length,
            "sweeps": sweeps,
            "blocks": BLOCKS,
            "moves": walkers.moves,
            "stream": "-".join(f"{word:08x}" for word in walkers.key.tolist()),
            "start": digest(temperatures, starts),
            "rungs": " ".join(map(str, rungs)),
        }
        self.ladder = int(sha256(f"{self.run['start']} {self.run['stream']}".encode()).hexdigest()[:12], 16)

    def _bonds(self, position, species):
        return species, initial_bonds(position, species, self.length)

    def _surviving(self, beginning, walker):
        """Fraction of the bonds that species 1 had at a beginning."""
        species, bonds = beginning
        fraction = surviving_fraction(*bonds, self.walkers.chains[walker].position, species, self.length)
        return fraction[species == 0].mean()

    def record(self):
        """Take note of where the walkers are, and of samples when it is time."""
        walkers = self.walkers
        self.energies.append(walkers.energies()[walkers.walker] / len(self.initial[0][0]))
        self.bonds.append([self._surviving(beginning, k) for k, beginning in enumerate(self.initial)])
        if len(self.bonds) % BLOCKS == 0:
            chosen = walkers.walker[self.rungs]
            chains = [walkers.chains[k] for k in chosen]
            self.samples.append(
                {
                    "walker": chosen,
                    "position": np.array([one.position for one in chains]),
                    "species": np.array([one.species for one in chains]),
                    "bonds_shared": self._shared(chosen),
                    "exchanges": walkers.exchanges.copy(),
                    "visited": walkers.visited.copy(),
                }
            )

    def _shared(self, chosen):
        """Largest fraction of the bonds of an earlier sample that each walker has, NaN where there is none."""
        earlier = [
            self._bonds(*configuration)
            for before in self.samples
            for configuration in zip(before["position"], before["species"], strict=True)
        ]
        return np.array([max((self._surviving(one, k) for one in earlier), default=np.nan) for k in chosen])

    def save(self, path):
        """Write everything a later process needs to go on bit for bit."""
        series = {"energy_series": (("block", "step"), self.energies), "bond_series": (("block", "walker"), self.bonds)}
        if self.samples:
            for name, dimensions in SAMPLE.items():
                series[f"sample_{name}"] = ("sample", *dimensions), np.array([one[name] for one in self.samples])
        attributes = {**self.run, "rounds": self.walkers.rounds}
        netcdf.save(xr.Dataset(series | self.walkers.checkpoint(), attrs=attributes), path)

    def restore(self, path):
        """Take up the state that `save` wrote."""
        saved = netcdf.load(path)
        if not all(saved.attrs.get(name) == value for name, value in self.run.items()):
            raise mixture.InvalidData(
                f"{path}: this checkpoint is of another run; remove it or repeat the run's start and options."
            )
        arrays = {name: saved[name].values for name in saved}
        self.energies, self.bonds = list(arrays["energy_series"]), list(arrays["bond_series"])
        count = saved.sizes.get("sample", 0)
        self.samples = [{name: arrays[f"sample_{name}"][k] for name in SAMPLE} for k in range(count)]
        self.walkers.restore(arrays, int(saved.attrs["rounds"]))

    def datasets(self, number):
        """The samples taken together, with the record of the run up to them; bonds are those the walker began with."""
        one, spacing = self.samples[number], number + 1
        energies, bonds = (np.array(series)[number::spacing][:BLOCKS] for series in (self.energies, self.bonds))
        found = []
        for i, rung in enumerate(self.rungs):
            k = one["walker"][i]
            where = one["position"][i], one["species"][i], self.length
            run = self.temperatures[rung], spacing * self.sweeps, energies[:, rung], bonds[:, k]
            ds = recorded(where, self.starts[k], *run, self.walkers.moves)
            ds = ds.assign(
                ladder=("configuration", [self.ladder]),
                bonds_shared=("configuration", [one["bonds_shared"][i]]),
            )
            found.append(ds.assign_attrs(start=self.run["start"], exchanges=account(one["exchanges"], one["visited"])))
        return found


def harvest(
    starts,
    temperatures,
    sweeps,
    seed=0,
    *,
    rungs=None,
    samples=1,
    done=0,
    swap="balanced",
    threads=1,
    checkpoint=None,
    progress=None,
):
    """Run swap Monte Carlo with replica exchange and take samples along the way.

    Parameters
    ----------
    starts : sequence of xarray.Dataset
        One configuration for each temperature, of one box.
    temperatures : sequence of float
        From cold to hot (ε/k_B); `ladder` finds them.
    sweeps : int
        Sweeps of each walker before the first sample, and from each to the next; at least 200.
    seed : int or sequence of int, optional
        Seed.
    rungs : sequence of int, optional
        Where in the ladder samples are taken; everywhere by default.
    samples : int, optional
        How often samples are taken.
    done : int, optional
        So many of them are not wanted again.
    swap : {"balanced", "plain"}, optional
        Swap moves.
    threads : int, optional
        Walkers that run at the same time.
    checkpoint : path, optional
        File that takes the walkers' state ten times from one sample to the next, and from which an interrupted run goes
        on, or a finished one to more samples, bit for bit.
    progress : callable, optional
        Called with (blocks done, blocks in all).

    Yields
    ------
    list of xarray.Dataset
        The configuration at each of the rungs, recorded and assessed as those of `glassviz.simulate.equilibration` are:
        `energy_series` is of the temperature; `bond_series`, `species_changed` and the cooling are of the walker that
        is there, all from the beginning of the run. `bonds_shared` `(configuration)` is the largest fraction of the
        bonds of an earlier sample of this run, at whatever temperature, that this one has, NaN for the first; `ladder`
        a number that all samples of this run have in common. Attributes `start`, from `digest`, and `exchanges`, how
        well the ladder mixed.

    Raises
    ------
    InvalidData
        Where there are fewer than 200 sweeps, the starts are of different boxes, or the checkpoint is of another run.
    """
    if not sweeps >= BLOCKS:
        raise mixture.InvalidData(f"exchange: {sweeps} sweeps; expected at least {BLOCKS}.")
    length = max(ds.attrs["box_length"] for ds in starts)
    one_box(starts)
    for ds in starts:
        require_apart(ds["position"].values[0], f"exchange: {ds['configuration'].values[0]}")
    position, species = (np.stack([ds[name].values[0] for ds in starts]) for name in BEGINNING)
    walkers = ReplicaExchange(position, species, length, temperatures, seed, swap)
    rungs = range(len(temperatures)) if rungs is None else rungs
    recorder = _Recorder(walkers, temperatures, starts, list(rungs), sweeps)
    if checkpoint and checkpoint.exists():
        recorder.restore(checkpoint)
    steps = np.diff(np.rint(np.linspace(0, sweeps, BLOCKS + 1)).astype(int))
    with ThreadPoolExecutor(threads) as pool:
        for number in range(done, samples):
            while len(recorder.samples) <= number:
                # The lists are renewed at every mark, in an uninterrupted run too, so that a restart repeats them.
                for one in walkers.chains:
                    one.renew_neighbors()
                walkers.run(steps[len(recorder.bonds) % BLOCKS], pool)
                recorder.record()
                if checkpoint and len(recorder.bonds) % BLOCKS_BETWEEN_CHECKPOINTS == 0:
                    recorder.save(checkpoint)
                if progress:
                    progress(len(recorder.bonds), samples * BLOCKS)
            yield recorder.datasets(number)
