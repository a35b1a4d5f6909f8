"""A session's own samples and networks beside those of the store: no other session sees them.

What follows from the store alone is shared with the other sessions of the process; what follows from one's own data is
kept by the session and goes with it.
"""

import re
from copy import copy
from dataclasses import replace

import numpy as np
import xarray as xr

from glassviz.explore.library import Library, Sample, record
from glassviz.explore.memo import Memo
from glassviz.mixture import InvalidData
from glassviz.simulate.bonds import require_species_1

MEMORY = 256 * 2**20  # bytes of arrays derived from its own data that a session keeps
MOST_PARTICLES = 200_000  # of one's own in a session
MOST_NETWORKS = 4
COLDEST, HOTTEST = 0.05, 5.0  # temperatures (ε/k_B) that are taken for one
VERDICT = "your own; equilibration not assessed"
WANTED = ["position", "inherent_position", "species", "verdict", "provenance"]


class OwnLibrary(Library):
    """A library of the store and of what a session has brought; it never changes.

    With more of one's own it is another library: what is being derived meanwhile follows from the one it began with.
    `temperatures` and, where the store has a temperature, `sizes` remain those of the store, and its networks' curves
    are of its samples alone; `offered` and `samples` have one's own as well. Own configurations join those of the store
    of their temperature and number of particles: they are predicted together with them.

    Parameters
    ----------
    shared : Library
        That of all sessions.
    """

    def __init__(self, shared):
        self.shared = shared
        self.networks = list(shared.networks)
        self._paths = shared._paths
        self._groups, self._names, self._ensembles = {}, {}, {}
        self.memo = _Memo(shared.memo, set())

    def _gaining(self, **gained):
        """The library with more of one's own, and without what followed from one's own before."""
        library = copy(self)
        vars(library).update(gained)
        library.memo = _Memo(self.shared.memo, {t for t, _ in library._groups} | set(library._ensembles))
        return library

    @property
    def offered(self):
        """Temperatures of the store and of one's own samples, from hot to cold."""
        return sorted({*self.temperatures, *(t for t, _ in self._groups)}, reverse=True)

    def sizes(self, temperature):
        """Numbers of particles in the store, large first; at a temperature it lacks, those of one's own samples."""
        return super().sizes(temperature) or sorted((n for t, n in self._groups if t == temperature), reverse=True)

    def of_curves(self, temperature, network):
        """The library whose samples curves are of: the store, where it has the temperature and the network."""
        known = temperature in self.shared.temperatures and network in self.shared.networks
        return self.shared if known else self

    def samples(self, temperature):
        """Samples of one temperature, large ones first, one's own last of their size."""
        found = self.shared.samples(temperature)
        for (t, particles), names in self._names.items():
            if t == temperature:
                first = sum(sample.particles == particles for sample in found)
                found += [Sample(t, particles, first + k, name, False) for k, name in enumerate(names)]
        return sorted(found, key=lambda sample: -sample.particles)

    def configurations(self, temperature, particles):
        """All configurations of one temperature and size, those of the store first."""
        key = temperature, particles
        if key not in self._groups:
            return super().configurations(*key)

        def join():
            parts = [self._groups[key]]
            if key in self._paths:
                parts.insert(0, _labelled(self.shared.configurations(*key)))
            return xr.concat(parts, "configuration", combine_attrs="override")

        return self.memo(("configurations", *key), join)

    def runs(self, temperature, particles):
        """How the samples of the store were made, and the energies of one's own."""
        key = temperature, particles
        stored = self.shared.runs(*key) if key in self._paths else []
        own = [self.memo(("run", *key), lambda: record(self._groups[key]))] if key in self._groups else []
        return [*stored, *own]

    def ensemble(self, name):
        """A network ensemble by name."""
        return self._ensembles[name] if name in self._ensembles else self.shared.ensemble(name)

    @property
    def superposition(self):
        """The superposition of the shipped propensities."""
        return self.shared.superposition

    @property
    def _propensities(self):
        return self.shared._propensities

    def with_configurations(self, ds, temperature, name, warnings=()):
        """The library with some configurations, of known inherent structures, more.

        Parameters
        ----------
        ds : Dataset
            As `glassviz.mixture.check` returns it.
        temperature : float
            Temperature (ε/k_B).
        name : str
            How the samples are called.
        warnings : sequence of str, optional
            What is to be known of them, beside that nobody has assessed their equilibration.

        Returns
        -------
        library : OwnLibrary
        sample : Sample
            The first of them.

        Raises
        ------
        InvalidData
            Where they cannot be predicted together with those of the same temperature and size, or are too many.
        """
        temperature = round(float(temperature), 4)
        if not COLDEST <= temperature <= HOTTEST:
            raise InvalidData(f"{name}: the temperature is {temperature:g}; expected {COLDEST:g} to {HOTTEST:g}.")
        require_species_1(ds, name)
        key = temperature, ds.sizes["particle"]
        brought = sum(group["species"].size for group in self._groups.values()) + ds["species"].size
        if brought > MOST_PARTICLES:
            raise InvalidData(
                f"{name}: with it this session has brought {brought} particles; expected at most {MOST_PARTICLES} "
                "(reload the page to begin anew)."
            )
        ds = _labelled(ds.assign_attrs(temperature=temperature), "; ".join([VERDICT, *warnings]))
        known = self.configurations(*key) if key in self._paths or key in self._groups else ds
        ds = _fitted(ds, known, name)
        earlier = [self._groups[key]] if key in self._groups else []
        before = {s.name for s in self.samples(temperature)}
        name = plain(name)
        several = ds.sizes["configuration"] > 1
        names = [f"{name} {k + 1} (yours)" if several else f"{name} (yours)" for k in range(ds.sizes["configuration"])]
        names = [_new(n, before) for n in names]
        ds = ds.assign_coords(configuration=names)
        together = xr.concat([*earlier, ds], "configuration", combine_attrs="override")
        library = self._gaining(
            _groups={**self._groups, key: together},
            _names={**self._names, key: [*self._names.get(key, []), *names]},
        )
        return library, next(sample for sample in library.samples(temperature) if sample.name == names[0])

    def with_ensemble(self, ensemble, name):
        """The library with one network ensemble more, and the name of that among its `networks`."""
        if len(self._ensembles) >= MOST_NETWORKS:
            raise InvalidData(
                f"{name}: {MOST_NETWORKS} networks were brought; expected no more (reload to begin anew)."
            )
        shipped = self.shared.ensemble(self.shared.networks[0])
        for key in ("columns", "cutoff", "tessellation"):
            if ensemble.header[key] != shipped.header[key]:
                raise InvalidData(f"{name}: the networks have other {key}; expected those of {shipped.name}.")
        name = _new(f"{plain(name)} (yours)", set(self.networks))
        ensembles = {**self._ensembles, name: replace(ensemble, name=name)}
        return self._gaining(_ensembles=ensembles, networks=[*self.networks, name]), name


class _Memo(Memo):
    """A memory of what depends on some own temperatures and networks; all else is left to the shared one."""

    def __init__(self, shared, own):
        super().__init__(MEMORY)
        self._shared, self._own = shared, own

    def _of(self, key):
        parts = [getattr(part, "temperature", part) for part in key]
        return super() if any(part in self._own for part in parts) else self._shared

    def __call__(self, key, compute):
        """The value of `key`, from memory or from `compute()`."""
        return self._of(key).__call__(key, compute)

    def __contains__(self, key):
        return self._of(key).__contains__(key)

    @property
    def underway(self):
        """Keys whose values are being computed now, for this session or for any."""
        return super().underway | self._shared.underway


def _labelled(ds, verdict=None):
    """What a group needs of its configurations, verdict and provenance for each of them."""
    stated = {"verdict": verdict} if verdict else {}
    for name in ("verdict", "provenance"):
        if name in stated or name not in ds:
            value = str(stated.get(name, ds.attrs.get(name, "")))
            ds = ds.assign({name: ("configuration", np.full(ds.sizes["configuration"], value))})
    return ds[WANTED]


def _fitted(ds, known, name):
    """The configurations in the box of those that are known; `InvalidData` where boxes or compositions differ."""
    length, own = known.attrs["box_length"], ds.attrs["box_length"]
    where = f"at T = {ds.attrs['temperature']:g} and N = {ds.sizes['particle']}"
    if abs(own / length - 1) > 1e-4:
        raise InvalidData(f"{name}: the box has the side {own:.6g}; expected {length:.6g}, as of all {where}.")
    counts = np.array([np.bincount(row, minlength=3) for row in (*known["species"].values, *ds["species"].values)])
    if (counts != counts[0]).any():
        expected = " : ".join(map(str, counts[0]))
        raise InvalidData(f"{name}: the numbers of the species differ; expected {expected}, as of all {where}.")
    for variable in ("position", "inherent_position"):
        ds = ds.assign({variable: ds[variable] * (length / own)})
    return ds.assign_attrs(box_length=length)


def plain(name):
    """A name that is safe and short wherever it is shown."""
    return re.sub(r"[^\w.+-]+", "_", name)[:40].strip("_") or "sample"


def _new(name, taken):
    """The name, numbered where it is taken already."""
    found = next(n for n in (name, *(f"{name} {k}" for k in range(2, 10_000))) if n not in taken)
    taken.add(found)
    return found
