"""What the report is made from: labelled structures, unlabelled boxes and ensembles of the store, for species 1.

One material serves all figures; whatever is derived once is kept, in the memory of the explorer's `Library`.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from glassviz.explore.derive import sizes_compared
from glassviz.explore.library import Library
from glassviz.explore.provenance import verdicts_of
from glassviz.files import store
from glassviz.learn import labels
from glassviz.learn.between_outputs import signal_share
from glassviz.learn.inference import CONSTRAINED_SPECIES
from glassviz.observe.propensity import noise_of_all

LEVELS = (0.99, 0.97, 0.94, 0.90, 0.85, 0.80, 0.75, 0.65, 0.50, 0.40, 0.30, 0.25, 0.15, 0.075)
"""Mean propensities ⟨C̄_B⟩ of the report's curves."""
LEVEL = 0.8
"""The mean propensity at which the paper compares temperatures (Figs. 9, 11, 12)."""
LARGE = 10_000  # particles a box needs to have wave numbers in the window of the fit of ξ₄
MEMORY = 2**30  # bytes of derived arrays, so that nothing that several figures need is computed again
NAMES = {"tglassmlp": "tGlassMLP", "glassmlp": "GlassMLP", "ridge": "ridge regression"}


@dataclass
class Boxes:
    """The species-1 particles of equally large boxes at one temperature.

    Attributes
    ----------
    temperature : float
    particles : int
        Of all species, in one box.
    columns : (configuration, n, K) ndarray of float32
        Descriptors, not standardised.
    position : (configuration, n, 2) ndarray
        Thermal positions (σ).
    box_length : float
        Side of the periodic box (σ).
    """

    temperature: float
    particles: int
    columns: np.ndarray
    position: np.ndarray
    box_length: float

    def __len__(self):
        return len(self.position)

    def dataset(self):
        """The boxes as the observables want them."""
        return xr.Dataset(
            {
                "position": (("configuration", "particle", "space"), self.position),
                "species": (("configuration", "particle"), np.zeros(self.position.shape[:2], np.int8)),
            },
            attrs={"box_length": self.box_length},
        )

    def field(self, values, levels, **coords):
        """Propensities ([network,] state, configuration, particle) as the observables want them."""
        dims = ("network", "state", "configuration", "particle")[4 - np.ndim(values) :]
        return xr.DataArray(values, dims=dims, coords={"mean_propensity": ("state", np.asarray(levels)), **coords})

    def predict(self, ensemble, levels):
        """Constrained predictions (network, state, configuration, particle), the mean taken over all boxes.

        Coordinate `converged` (network, state); attribute `iterations` of the constraint.
        """
        columns = self.columns.reshape(-1, self.columns.shape[-1])
        values, found = ensemble.propensity(columns, np.zeros(len(columns), np.int8), self.temperature, levels)
        values = values.reshape(*values.shape[:2], *self.position.shape[:2])
        converged = (("network", "state"), found["converged"])
        return self.field(values, levels, converged=converged).assign_attrs(iterations=found["iterations"])


@dataclass
class Labelled(Boxes):
    """Boxes with propensities from molecular dynamics, at the levels their runs reach.

    Attributes
    ----------
    levels, times : (state,) ndarray
        ⟨C̄_B⟩ and the times (σ(m/ε)^½) at which the mean over the boxes has these values.
    propensity : (state, configuration, n) ndarray
        Measured.
    noise : (configuration, state) ndarray
        Variance of the labels that finitely many replicas leave.
    mean_noise : (configuration, state) ndarray
        The same of their mean over the particles; NaN where unknown.
    replicas : (configuration,) ndarray of int
        Of each structure.
    """

    levels: np.ndarray
    times: np.ndarray
    propensity: np.ndarray
    noise: np.ndarray
    mean_noise: np.ndarray
    replicas: np.ndarray

    @property
    def variance(self):
        """Variance of propensities over all particles of all boxes (state,), the noise of the replicas taken off."""
        variance = self.propensity.var(axis=(1, 2), dtype=np.float64)
        return variance * signal_share(variance, self.noise.mean(axis=0), self.mean_noise)

    def measured(self):
        """The labels (state, configuration, particle)."""
        return self.field(self.propensity, self.levels, time=("state", self.times))

    def replica_noise(self):
        """What `chi4` subtracts from the measured χ₄ (configuration, state); None where too few tell it."""
        noise = noise_of_all(xr.DataArray(self.mean_noise, dims=("configuration", "state")), self.replicas)
        return noise if np.isfinite(noise).all() else None


class Material:
    """Everything a figure may need, found in the store and computed once.

    Raises
    ------
    InvalidData
        Where the store holds no configurations, networks or labels.
    """

    def __init__(self):
        self.library = Library(MEMORY)
        self.ensembles = sorted(map(self.library.ensemble, self.library.networks), key=_order)
        self.main = self.ensembles[0]

    @property
    def transferable(self):
        """The tGlassMLP ensembles, that trained to the lowest temperature first."""
        return [e for e in self.ensembles if e.has_attention]

    @property
    def temperatures(self):
        """Temperatures with configurations, from hot to cold."""
        return self.library.temperatures

    @cached_property
    def structures(self):
        """Every labelled structure of the store."""
        return labels.structures([row.path for row in store.available_propensities()])

    @property
    def superposition(self):
        """t ↔ ⟨C̄_B⟩ ↔ T."""
        return self.library.superposition

    def labelled_sizes(self, temperature):
        """Sizes with labels at a temperature, small first."""
        return sorted({ds.sizes["particle"] for ds in self.structures if _same(ds.attrs["temperature"], temperature)})

    @property
    def labelled_temperatures(self):
        """Temperatures with labels, from hot to cold."""
        return sorted({round(float(ds.attrs["temperature"]), 4) for ds in self.structures}, reverse=True)

    def labelled(self, temperature, particles=None, role=None, ensemble=None, levels=LEVELS):
        """Labelled boxes of one temperature and size (the smallest by default).

        Levels that only the longer runs reach come as a further, smaller set.

        Returns
        -------
        list of Labelled
            Empty where there are none.
        """
        sizes = self.labelled_sizes(temperature)
        particles = particles or (sizes[0] if sizes else 0)
        header = (ensemble or self.main).header
        settings = {key: header[key] for key in ("cutoff", "tessellation")}
        chosen = [
            ds
            for ds in self.structures
            if _same(ds.attrs["temperature"], temperature)
            and ds.sizes["particle"] == particles
            and role in (None, ds.attrs.get("role"))
        ]

        def compute():
            found = labels.state_points(chosen, CONSTRAINED_SPECIES, levels, cut=False, **settings) if chosen else []
            return [
                Labelled(
                    temperature,
                    particles,
                    p.columns,
                    p.position,
                    float(p.box_length[0]),
                    p.levels,
                    p.times,
                    p.labels.swapaxes(0, 1),
                    p.noise,
                    p.mean_noise,
                    _replicas(chosen, p),
                )
                for p in found
            ]

        return self.library.memo(("labelled", temperature, particles, role, levels, *settings.values()), compute)

    def boxes(self, temperature, particles, ensemble=None):
        """All configurations of one temperature and size."""
        ensemble = ensemble or self.main

        def compute():
            ds = self.library.configurations(temperature, particles)
            table = self.library.descriptors(temperature, particles, ensemble.name)
            first = ds["species"].values == CONSTRAINED_SPECIES
            columns = table.values.reshape(*first.shape, -1)[first]
            shape = (len(first), -1)
            position = ds["position"].values[first].reshape(*shape, 2)
            columns = columns.reshape(*shape, columns.shape[-1])
            return Boxes(temperature, particles, columns, position, float(ds.attrs["box_length"]))

        header = ensemble.header
        return self.library.memo(("boxes", temperature, particles, header["cutoff"], header["tessellation"]), compute)

    def large(self, temperature):
        """The size of the largest box at a temperature that has wave numbers for ξ₄, else None."""
        largest = self.library.sizes(temperature)[0]
        return largest if largest >= LARGE else None

    def transfer(self, temperature, ensemble=None):
        """The size-transfer test from the smallest to the largest boxes; None where there is one size only."""
        ensemble = ensemble or self.main
        sizes = self.library.sizes(temperature)
        if len(sizes) == 1:
            return None
        key = "size transfer", temperature, ensemble.name
        return self.library.memo(key, lambda: sizes_compared(self.library, temperature, sizes[0], ensemble.name))

    def trusted(self, temperature, ensemble=None):
        """Whether predictions for the largest box passed the size-transfer test."""
        found = self.transfer(temperature, ensemble)
        return found is not None and found.passed

    def tested(self, temperature):
        """Labelled test structures of the smallest size at a temperature, a list of Dataset."""
        sizes = self.labelled_sizes(temperature)
        return [
            ds
            for ds in self.structures
            if _same(ds.attrs["temperature"], temperature)
            and ds.attrs.get("role") == "test"
            and ds.sizes["particle"] == sizes[0]
        ]

    @staticmethod
    def level_at(group, time):
        """⟨C̄_B⟩ of labelled structures at a time, from their runs; None where they do not reach it."""
        if not group:
            return None
        times, mean = labels.mean_curve(group)
        if not times[0] <= time <= times[-1]:
            return None
        return float(np.interp(np.log(time), np.log(times), mean))

    def small(self, temperature):
        """The size of the smallest boxes at a temperature."""
        return self.library.sizes(temperature)[-1]

    def verdicts(self, temperature, particles):
        """How many samples of a temperature and size have which verdict, a Counter of its first word."""
        return Counter(verdicts_of(self.library.configurations(temperature, particles)))


def _replicas(structures, points):
    """How many replicas each structure of state points has."""
    found = {str(ds["configuration"].values[0]): ds.attrs["replicas"] for ds in structures}
    return np.array([found[name] for name in points.names])


def listed(temperatures):
    """Temperatures as a person reads them."""
    return ", ".join(f"{t:.2f}" for t in temperatures)


def lowest_temperature(ensemble):
    """T_min, the lowest temperature of the labels an ensemble was trained on."""
    if "minimum_temperature" in ensemble.header:
        return float(ensemble.header["minimum_temperature"])
    states = ensemble.header["training"][f"species{CONSTRAINED_SPECIES + 1}"]["states"]
    return min(state["temperature"] for state in states)


def title(ensemble):
    """How the report calls an ensemble."""
    ending = "from $T$" if ensemble.kind == "glassmlp" else "$T_\\mathrm{min}$"
    return f"{NAMES[ensemble.kind]}, {ending} = {lowest_temperature(ensemble):.2f}"


def plain_title(ensemble):
    """`title` without the markup."""
    return title(ensemble).replace("$", "").replace("\\mathrm{min}", "min").replace("{", "").replace("}", "")


def _order(ensemble):
    return not ensemble.has_attention, lowest_temperature(ensemble), ensemble.name


def _same(a, b):
    return abs(float(a) - float(b)) < 1e-3
