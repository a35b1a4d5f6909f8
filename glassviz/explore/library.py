"""What the explorer can show: configurations and networks of the store, and everything derived from them once.

One library serves all sessions of a process. Whatever it hands out is shared and must not be changed.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from glassviz.explore.kept import content
from glassviz.explore.memo import MEMORY, Memo
from glassviz.explore.provenance import verdicts_of
from glassviz.files import netcdf, store
from glassviz.learn.between_outputs import replica_noise
from glassviz.learn.networkfile import available_networks, load_networks
from glassviz.mixture import InvalidData
from glassviz.observe.decay import in_common
from glassviz.observe.propensity import noise_of_all
from glassviz.observe.superposition import superposition
from glassviz.simulate.history import with_cooling
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.verdict import assess
from glassviz.structure.cache import cached_descriptors

STATED = ("verdict", "provenance")
"""What a file may say of all its configurations, or of each."""


@dataclass(frozen=True)
class Sample:
    """One configuration of the store: its place in its group and how it is called on the page."""

    temperature: float
    particles: int
    index: int
    name: str
    alone: bool

    @property
    def label(self):
        """What the sample's selector shows, "N = 82560" or "N = 1290 · c01000"."""
        return f"N = {self.particles}" + ("" if self.alone else f" · {self.name}")


class Datasets(list):
    """Some Datasets that are kept together."""

    @property
    def nbytes(self):
        """Size in memory."""
        return sum(ds.nbytes for ds in self)


def record(ds):
    """What `Library.runs` keeps of a file."""
    if "energy" not in ds:
        pairs = zip(ds["position"].values, ds["species"].values, strict=True)
        energies = [potential_energy(position, species, ds.attrs["box_length"]) for position, species in pairs]
        ds = ds.assign(energy=(("configuration", "particle"), energies))
    if {"energy_series", "bond_series"} <= set(ds):
        ds = ds if {"energy_drift", "decorrelations"} <= set(ds) else assess(ds)
        ds = ds if "cooling_energy" in ds else with_cooling(ds)
    return ds.drop_vars([name for name in ds.data_vars if "particle" in ds[name].dims and name != "energy"])


def joined(parts):
    """Configurations of one temperature and size from several files as one Dataset.

    Each keeps the verdict and the provenance of its file; the series of its run, of any length, stay in the file. Boxes
    that were written with different numbers of digits differ by less than 10⁻⁵ of their length: the longest holds all
    particles.
    """
    parts = [part.drop_dims(set(part.dims) - {"configuration", "particle", "space"}) for part in parts]
    said = [part.assign({name: _of_each(part, name) for name in STATED if name not in part}) for part in parts]
    whole = xr.concat(said, "configuration", combine_attrs="override")
    if any("inherent_energy" not in part for part in parts):
        # What follows from positions is kept of all or none.
        whole = whole.drop_vars("inherent_energy", errors="ignore")
    return whole.assign_attrs(box_length=max(part.attrs["box_length"] for part in parts))


def _of_each(part, name):
    """An attribute of a file, for each of its configurations."""
    return "configuration", np.full(part.sizes["configuration"], str(part.attrs.get(name, "")), object)


def _at_times(files, times):
    """Propensities of all structures of some files at times they have in common, with the noise of the replicas."""
    wanted = ["position", "species", "propensity"]
    parts = [file[wanted].assign(replica_noise=replica_noise(file)) for file in files]
    parts = [part.sel(time=times, method="nearest").assign_coords(time=times) for part in parts]
    whole = xr.concat(parts, "configuration", combine_attrs="override")
    replicas = np.repeat([file.attrs["replicas"] for file in files], [file.sizes["configuration"] for file in files])
    return whole.assign(replica_noise=noise_of_all(whole["replica_noise"], replicas))


def most_structures(rows):
    """The number of particles that most structures of some propensity files have, of equals the smaller."""
    counts = Counter()
    for row in rows:
        counts[row.particles] += len(row.names)
    return max(counts, key=lambda n: (counts[n], -n))


class Library:
    """Samples and networks by name, and a memory of what has been derived from them.

    Parameters
    ----------
    memory : int, optional
        Bytes of derived arrays to keep.

    Raises
    ------
    InvalidData
        Where the store holds no configurations or no networks.
    """

    def __init__(self, memory=MEMORY):
        self.memo = Memo(memory)
        self.shared = self  # what all sessions have; more in a session's own
        self._paths = {}
        for row in store.available_configurations():
            self._paths.setdefault((round(row.temperature, 4), row.particles), []).append(row)
        self.networks = list(available_networks())
        if not self._paths:
            raise InvalidData(f"{store.precomputed('configurations')}: there are no configurations to explore.")
        if not self.networks:
            raise InvalidData(f"{store.precomputed('networks')}: there are no networks to explore.")

    @property
    def temperatures(self):
        """Temperatures (ε/k_B) with configurations, from hot to cold."""
        return sorted({temperature for temperature, _ in self._paths}, reverse=True)

    @property
    def offered(self):
        """Temperatures that can be chosen, from hot to cold."""
        return self.temperatures

    def of_curves(self, _temperature, _network):
        """The library whose samples curves are of: this one."""
        return self

    def sizes(self, temperature):
        """Numbers of particles available at a temperature, large first."""
        return sorted((n for t, n in self._paths if t == temperature), reverse=True)

    def samples(self, temperature):
        """Samples of one temperature, large ones first."""
        result = []
        for particles in self.sizes(temperature):
            names = [name for row in self._paths[temperature, particles] for name in row.names]
            result += [Sample(temperature, particles, k, name, len(names) == 1) for k, name in enumerate(names)]
        return result

    def opening_sample(self, temperature, particles=None):
        """The sample to begin with at a temperature: one whose dynamics predictions can be compared with.

        Of the smallest samples, which are there at once, or of those of `particles`, the test structure of the longest
        run, of equals one in equilibrium, then that of the most replicas; else the first.
        """
        particles = particles or self.sizes(temperature)[-1]
        samples = [sample for sample in self.samples(temperature) if sample.particles == particles]
        files = [row for row in self.propensity_files(temperature) if (row.role, row.particles) == ("test", particles)]
        runs = {name: (self._last_time(row.path), row.replicas) for row in files for name in row.names}
        followed = [sample for sample in samples if sample.name in runs]
        if not followed:
            return samples[0]
        verdicts = self._verdicts(temperature, particles)

        def worth(sample):
            end, replicas = runs[sample.name]
            return end, verdicts.get(sample.name) == "equilibrium", replicas

        return max(followed, key=worth)

    def sample_at(self, temperature, preferred=None):
        """The sample to go on with at another temperature: the preferred one where it is, else one of its size."""
        if preferred is None:
            return self.opening_sample(temperature)
        alike = [sample for sample in self.samples(temperature) if sample.particles == preferred.particles]
        same = [sample for sample in alike if sample.label == preferred.label]
        return same[0] if same else self.opening_sample(temperature, preferred.particles if alike else None)

    def _last_time(self, path):
        return self.memo(("last time", path), lambda: float(netcdf.load(path, ["time"])["time"][-1]))

    def _verdicts(self, temperature, particles):
        """Verdicts on the samples of the store of one temperature and size, by name."""

        def load():
            parts = [netcdf.load(row.path, ["configuration", "verdict"]) for row in self._paths[temperature, particles]]
            names = [str(name) for part in parts for name in part["configuration"].values]
            return dict(zip(names, [verdict for part in parts for verdict in verdicts_of(part)], strict=True))

        return self.memo(("verdicts", temperature, particles), load)

    def configurations(self, temperature, particles):
        """All configurations of one temperature and size, a Dataset with dims (configuration, particle, space)."""

        def load():
            return joined([netcdf.read(row.path) for row in self._paths[temperature, particles]])

        return self.memo(("configurations", temperature, particles), load)

    def runs(self, temperature, particles):
        """How the samples of one temperature and size were made: the records of their runs, and their energies.

        Returns
        -------
        list of Dataset
            One for each file, in the order of `samples`: all but the arrays over particles, of which `energy` stays;
            with the verdict (`glassviz.simulate.verdict.assess`) and the cooling where a run is recorded.
        """

        def load():
            return Datasets(record(netcdf.read(row.path)) for row in self._paths[temperature, particles])

        return self.memo(("runs", temperature, particles), load)

    def digest(self, temperature, particles):
        """Digest of all configurations of one temperature and size."""

        def compute():
            ds = self.configurations(temperature, particles)
            lengths = np.array([ds.attrs["box_length"]])
            return content(
                {"box_length": lengths, **{name: ds[name].values for name in ds.data_vars if ds[name].dtype != object}}
            )

        return self.memo(("digest", temperature, particles), compute)

    def network_digest(self, name):
        """Digest of the parameters of a network ensemble and of how they are to be used."""

        def compute():
            ensemble = self.ensemble(name)
            arrays = {
                f"{species}.{key}": value
                for species, branch in ensemble.branches.items()
                for key, value in (
                    *branch.weights.items(),
                    ("mean", branch.mean),
                    ("std", branch.std),
                    ("kept", branch.kept),
                )
            }
            return content(arrays) + repr(sorted(ensemble.header.items(), key=str))

        return self.memo(("network digest", name), compute)

    def ensemble(self, name):
        """A network ensemble by name."""
        return self.memo(("ensemble", name), lambda: load_networks(name))

    def descriptors(self, temperature, particles, network, progress=None):
        """Descriptors of all configurations of one temperature and size, with the cutoff and cells of a network."""
        header = self.ensemble(network).header
        settings = {"cutoff": header["cutoff"], "tessellation": header["tessellation"]}
        return self.memo(
            ("descriptors", temperature, particles, *settings.values()),
            lambda: cached_descriptors(self.configurations(temperature, particles), **settings, progress=progress),
        )

    def described(self, sample, network):
        """Descriptors of one sample, as `descriptors` gives them for all of its size; memory-mapped where cached."""
        header = self.ensemble(network).header
        settings = {"cutoff": header["cutoff"], "tessellation": header["tessellation"]}
        ds = self.configurations(sample.temperature, sample.particles).isel(configuration=[sample.index])
        key = ("described", sample.temperature, sample.particles, sample.index, *settings.values())
        return self.memo(key, lambda: cached_descriptors(ds, **settings))

    @cached_property
    def superposition(self):
        """The superposition of the shipped propensities."""
        return superposition()

    @cached_property
    def _propensities(self):
        return store.available_propensities()

    def propensity_files(self, temperature):
        """The propensity files of one temperature, rows of `store.available_propensities`."""
        return [row for row in self._propensities if abs(row.temperature - temperature) < 1e-3]

    def dynamics(self, sample):
        """Propensities of a sample from molecular dynamics.

        Returns
        -------
        Dataset or None
            The propensity file of the structure of the same temperature, size and name, without the dimension
            `configuration`; None where there is none, or its particles are elsewhere.
        """
        rows = self.propensity_files(sample.temperature)
        rows = [row for row in rows if row.particles == sample.particles and sample.name in row.names]
        if not rows:
            return None
        key = sample.temperature, sample.particles, sample.name

        def load():
            ds = netcdf.load(rows[0].path).isel(configuration=rows[0].names.index(sample.name))
            shown = self.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
            same = np.allclose(ds["position"], shown["position"], atol=1e-4) and (ds["species"] == shown["species"])
            return ds if np.all(same) else xr.Dataset()

        found = self.memo(("dynamics", *key), load)
        return found if found.data_vars else None

    def measured(self, temperature):
        """Propensities from molecular dynamics at one temperature, the largest set of structures of one size.

        Returns
        -------
        list of Dataset
            `propensity` (configuration, time, particle) on the times common to all structures, then of those that run
            further on their further times, as far as enough do; with `position`, `species` and `replica_noise`
            (configuration, time), as `noise_of_all` gives it. Empty where there is none.
        """
        rows = self.propensity_files(temperature)
        if not rows:
            return []
        particles = most_structures(rows)

        def load():
            files = [netcdf.load(row.path) for row in rows if row.particles == particles]
            counts = [file.sizes["configuration"] for file in files]
            shared = in_common([file["time"].values for file in files], counts)
            return Datasets(_at_times([files[k] for k in members], times) for members, times in shared)

        return self.memo(("measured", temperature, particles, len(rows)), load)
