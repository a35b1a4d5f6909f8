"""Ensembles of tGlassMLP networks in NumPy: constrained predictions for thousands of particles and tens of states."""

from dataclasses import dataclass

import numpy as np

from glassviz.learn import architecture
from glassviz.learn.constraint import SCAN, TOLERANCE, scanned, solve_inputs
from glassviz.learn.factorised import Branch, Field
from glassviz.learn.tables import Table, checked
from glassviz.mixture import InvalidData

CONSTRAINED_SPECIES = 0
PRELIMINARY = 2048  # particles on which X̄ is scanned and the constraint solved before it is refined on all
STATES_AT_ONCE = 64  # bounds the memory


def has_dynamics(state):
    """Whether a state that a network file tells of has labels from dynamics, at times; else they were transferred."""
    times = state.get("times")
    return times is None or any(time is not None for time in times)


@dataclass(repr=False)
class Ensemble:
    """Networks of one or more species, ready to predict; build with `load_networks` or `train`.

    Attributes
    ----------
    branches : dict of int to Branch
        Networks by species, 0-based; all hold equally many.
    header : dict
        What the file records: columns, cutoff, tessellation, T_ref, training (see `networkfile`).
    name : str
        Name of the ensemble.
    """

    branches: dict
    header: dict
    name: str = "unnamed"

    def __repr__(self):
        species = ", ".join(str(kind + 1) for kind in self.species)
        trained = (
            "" if self.temperatures is None else ", trained on dynamics at T = {:g} to {:g}".format(*self.temperatures)
        )
        return f"<Ensemble {self.name}: {self.networks} × {self.kind} for species {species}{trained}>"

    @property
    def states(self):
        """What the file says of the states trained on: list of dict with `temperature`, and more where it is told."""
        records = self.header.get("training", {}).values()
        return [state for record in records if isinstance(record, dict) for state in record.get("states", ())]

    @property
    def temperatures(self):
        """The coldest and the hottest temperature with dynamics that was learned; None where the file does not say.

        States that labels were transferred to are not among them: their labels are predictions.
        """
        found = [state["temperature"] for state in self.states if has_dynamics(state)]
        return (min(found), max(found)) if found else None

    def untrained_at(self, temperature):
        """Where the networks learned dynamics, "T = 0.25 to 0.4", if the temperature lies outside of that; else ""."""
        coldest, hottest = self.temperatures or (temperature, temperature)
        if coldest - 1e-9 <= temperature <= hottest + 1e-9:
            return ""
        return f"T = {coldest:g}" + (f" to {hottest:g}" if hottest > coldest else "")

    @property
    def stretch(self):
        """How much further apart than measured the means of structures were put to train species 1; 0 for not at all.

        They lie 1 + stretch (1 − C) / √C times as far from the level C as the labels do, which raises predicted χ₄.
        """
        record = self.header.get("training", {}).get(f"species{CONSTRAINED_SPECIES + 1}")
        return (record.get("plan") or {}).get("stretch", 0.0) if isinstance(record, dict) else 0.0

    @property
    def networks(self):
        """Number of networks."""
        return len(next(iter(self.branches.values())).weights["attention"])

    @property
    def species(self):
        """Species that have networks, 0-based."""
        return tuple(sorted(self.branches))

    @property
    def kind(self):
        """ "tglassmlp", or a baseline: "glassmlp" or "ridge"."""
        return self.header.get("kind", "tglassmlp")

    @property
    def has_attention(self):
        """Whether the networks weigh their descriptors by the state."""
        return self.kind == "tglassmlp"

    @property
    def has_bottleneck(self):
        """Whether there are two bottleneck values per particle; a ridge regression has none."""
        return self.kind != "ridge"

    def require_bottleneck(self):
        """`InvalidData` where there is no bottleneck."""
        if not self.has_bottleneck:
            raise InvalidData(f"{self.name}: a {self.kind} regression has no bottleneck; expected networks.")

    def select(self, networks):
        """The same ensemble with some of its networks only."""
        branches = {
            species: Branch({k: v[networks] for k, v in b.weights.items()}, b.mean, b.std, b.kept)
            for species, b in self.branches.items()
        }
        return Ensemble(branches, self.header, self.name)

    def save(self, path):
        """Write a safetensors file with a JSON header (see `networkfile.save`)."""
        from glassviz.learn.networkfile import save

        return save(self, path)

    # -- arrays -------------------------------------------------------------------------------------------------

    def _fields(self, network, columns, species):
        """Fields and particle numbers by species; the constrained species is always there and comes first."""
        order = sorted(self.branches, key=lambda s: s != CONSTRAINED_SPECIES)
        for kind in order:
            members = np.flatnonzero(species == kind)
            if len(members):
                branch = self.branches[kind]
                yield kind, members, Field(branch, network, columns[members], self.header["reference_temperature"])

    def _solve(self, field, temperature, target, out=None):
        """Constrained inputs of one network on the particles of one field; fills `out` with the predictions."""
        particles = len(field.exponentials)
        sample = field.part(slice(None, None, max(particles // PRELIMINARY, 1)))
        start, slope = np.empty((2, len(target)))
        for value in np.unique(temperature):
            states = temperature == value
            means = sample.propensity(np.full(len(SCAN), value), SCAN).mean(axis=1, dtype=np.float64)
            start[states], slope[states] = scanned(means, target[states])
        if particles > 2 * PRELIMINARY:
            start, slope, _, _ = solve_inputs(
                lambda c, s: sample.propensity(temperature[s], c).mean(axis=1, dtype=np.float64),
                target,
                start,
                slope,
                tolerance=TOLERANCE / 10,
            )

        def mean_of(inputs, states):
            mean = np.empty(len(states))
            for first in range(0, len(states), STATES_AT_ONCE):
                some = slice(first, first + STATES_AT_ONCE)
                values = field.propensity(temperature[states[some]], inputs[some])
                mean[some] = values.mean(axis=1, dtype=np.float64)
                if out is not None:
                    out[states[some]] = values
            return mean

        return solve_inputs(mean_of, target, start, slope)

    def state_inputs(self, columns, species, temperature, levels):
        """The inputs C at which each network's mean prediction over species 1 is the level asked for.

        Parameters are those of `propensity`.

        Returns
        -------
        inputs, converged : (network, state) ndarray of float64 and bool
        iterations : int
            The most that any network needed.
        """
        columns, species, temperature, levels = checked(columns, species, temperature, levels)
        chosen = species == CONSTRAINED_SPECIES
        self._require_constrained(chosen)
        shape = (self.networks, len(levels))
        inputs, converged, most = np.empty(shape), np.empty(shape, bool), 0
        for network in range(self.networks):
            branch = self.branches[CONSTRAINED_SPECIES]
            field = Field(branch, network, columns[chosen], self.header["reference_temperature"])
            inputs[network], _, converged[network], iterations = self._solve(field, temperature, levels)
            most = max(most, iterations)
        return inputs, converged, most

    def propensity(self, columns, species, temperature, levels):
        """Constrained predictions as plain arrays.

        The constraint holds for the mean over all species-1 particles given, however many configurations they come
        from: pass the configurations of one temperature together to keep their fluctuations (χ₄).

        Parameters
        ----------
        columns : (n, K) ndarray of float32
            Descriptors, not standardised.
        species : (n,) ndarray of int
            Species, 0-based.
        temperature : float or (states,) array_like
            T (ε/k_B).
        levels : float or (states,) array_like
            ⟨C̄_B⟩ of species 1.

        Returns
        -------
        propensity : (network, state, n) ndarray of float32
            NaN for a species without networks.
        report : dict
            `converged` (network, state) bool, `iterations` int, `inputs` (network, state) the constrained inputs C.
        """
        columns, species, temperature, levels = checked(columns, species, temperature, levels)
        self._require_constrained(species == CONSTRAINED_SPECIES)
        shape = (self.networks, len(levels))
        everyone = len(columns) == np.count_nonzero(species == CONSTRAINED_SPECIES)
        out = np.empty((*shape, len(columns)), np.float32)
        if not everyone:
            out.fill(np.nan)
        report = {"converged": np.zeros(shape, bool), "iterations": 0, "inputs": np.empty(shape)}
        for network in range(self.networks):
            for kind, members, field in self._fields(network, columns, species):
                values = out[network] if everyone else np.empty((len(levels), len(members)), np.float32)
                if kind == CONSTRAINED_SPECIES:
                    inputs, _, converged, iterations = self._solve(field, temperature, levels, values)
                    report["inputs"][network], report["converged"][network] = inputs, converged
                    report["iterations"] = max(report["iterations"], iterations)
                else:
                    for first in range(0, len(levels), STATES_AT_ONCE):
                        some = slice(first, first + STATES_AT_ONCE)
                        field.propensity(temperature[some], inputs[some], values[some])
                if not everyone:
                    out[network][:, members] = values
        return out, report

    def _require_constrained(self, chosen):
        if CONSTRAINED_SPECIES not in self.branches:
            raise InvalidData(
                f"{self.name}: there are no networks for species 1; expected them for the mean constraint."
            )
        if not chosen.any():
            raise InvalidData("descriptors: there is no particle of species 1; expected some for the mean constraint.")

    # -- labelled -----------------------------------------------------------------------------------------------

    def predict(self, descriptors, temperature, mean_propensity):
        """Propensity of every particle, with the mean over species 1 constrained to `mean_propensity`.

        Parameters
        ----------
        descriptors : DataArray ([configuration,] particle, observable, length, neighbor_species)
            From `glassviz.descriptors`, with the coordinate `species`.
        temperature, mean_propensity : float or 1-D array_like
            T (ε/k_B) and ⟨C̄_B⟩. Where one of them is 1-D there is a dimension `state`; two of them must be equally
            long. The mean is taken over all configurations given.

        Returns
        -------
        DataArray (network, [state,] [configuration,] particle), float32
            NaN for species without networks; values are not clipped to [0, 1]. Coordinates `state_input` and
            `converged` (network, [state]); attrs `converged` (int 0 or 1) and `iterations`.

        Raises
        ------
        InvalidData
            Where the descriptors are not those the networks were trained on, T is not positive or too low for numbers,
            ⟨C̄_B⟩ is not in (0, 1], or there are not as many T as ⟨C̄_B⟩.
        """
        table = Table(self.name, self.header, descriptors, temperature, mean_propensity)
        values, report = self.propensity(table.columns, table.species, table.temperature, table.levels)
        lost = ~np.isfinite(values[:, :, np.argmax(table.species == CONSTRAINED_SPECIES)]).all(axis=0)
        if lost.any():
            lowest = table.temperature[lost].min()
            raise InvalidData(
                f"{self.name}: predictions at T = {lowest:g} are not finite; expected higher temperatures."
            )
        return table.label(values, "propensity", report)

    def _inputs_of(self, table, inputs):
        """State inputs of a table as `state_inputs` finds them, or those given."""
        if inputs is None:
            return self.state_inputs(table.columns, table.species, table.temperature, table.levels)
        inputs = np.asarray(inputs, np.float64)
        inputs = inputs[:, None] if table.scalar and inputs.ndim == 1 else inputs
        expected = (self.networks, len(table.levels))
        if inputs.shape != expected or not np.isfinite(inputs).all():
            raise InvalidData(f"state: inputs of shape {inputs.shape}; expected numbers (network, state) = {expected}.")
        return inputs, np.ones(inputs.shape, bool), 0

    def bottleneck(self, descriptors, temperature, mean_propensity, inputs=None):
        """Values of the two bottleneck nodes at the constrained states.

        Parameters are those of `predict`; `inputs` (network, [state]), the `state_input` of an earlier prediction,
        spares the constraint.

        Returns
        -------
        DataArray (network, [state,] [configuration,] particle, node), float32
            NaN for species without networks.
        """
        self.require_bottleneck()
        table = Table(self.name, self.header, descriptors, temperature, mean_propensity)
        inputs, converged, iterations = self._inputs_of(table, inputs)
        shape = (self.networks, len(table.levels), len(table.columns), architecture.BOTTLENECK)
        out = np.full(shape, np.nan, np.float32)
        for network in range(self.networks):
            for _, members, field in self._fields(network, table.columns, table.species):
                out[network][:, members] = field.bottleneck(table.temperature, inputs[network])
        report = {"converged": converged, "iterations": iterations, "inputs": inputs}
        return table.label(out, "bottleneck", report, node=np.arange(1, architecture.BOTTLENECK + 1))

    def attention(self, descriptors, temperature, mean_propensity, species=CONSTRAINED_SPECIES, inputs=None):
        """Attention weights averaged over the particles of one species of each configuration; they sum to 1.

        Parameters are those of `bottleneck`; `species` is 0-based.

        Returns
        -------
        DataArray (network, [state,] [configuration,] observable, length, neighbor_species), float32
        """
        if not self.has_attention:
            raise InvalidData(f"{self.name}: a {self.kind} baseline has no attention; expected tGlassMLP networks.")
        if species not in self.branches:
            raise InvalidData(f"{self.name}: there are no networks for species {species + 1}.")
        table = Table(self.name, self.header, descriptors, temperature, mean_propensity)
        inputs, converged, iterations = self._inputs_of(table, inputs)
        branch = self.branches[species]
        groups = np.split(table.species == species, table.configurations)
        if len({g.sum() for g in groups}) != 1 or not groups[0].any():
            raise InvalidData(f"descriptors: configurations differ in their number of species-{species + 1} particles.")
        out = np.zeros((self.networks, len(table.levels), table.configurations, len(branch.kept)), np.float32)
        chosen = table.columns[table.species == species]
        for network in range(self.networks):
            field = Field(branch, network, chosen, self.header["reference_temperature"])
            out[network][..., branch.index] = field.mean_attention(
                table.temperature, inputs[network], table.configurations
            )
        report = {"converged": converged, "iterations": iterations, "inputs": inputs}
        return table.label_columns(out, "attention", report)
