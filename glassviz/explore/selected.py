"""What is known of the selected particles: their propensity in time, predicted and measured, and what it is owed to."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from glassviz.explore import derive
from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.inside import state_inputs
from glassviz.learn.attribution import attribution
from glassviz.learn.inference import has_dynamics

MOST_EXPLAINED = 400  # particles whose contributions are averaged; of more, every k-th
BAND = (10, 90)  # percentiles of the particles that the band of a curve spans


@dataclass(frozen=True)
class Selected:
    """The selected particles of one sample at one state.

    Attributes
    ----------
    particles : tuple of int
    species : (particle,) ndarray of int
        0-based.
    curve : Dataset (level) or None
        Predicted `mean` over the particles, `low` and `high` of the band, `time`, `simulated`; coordinate `level`
        (⟨C̄_B⟩). None where no network speaks about them.
    measured : Dataset (time) or None
        `propensity` averaged over the particles and, of one alone, its `error` over the replicas, from molecular
        dynamics; attributes `replicas` and `seen`, as `learned_from` says. Particles of a replica move together: the
        error of the mean of several is not known from those of each, and NaN.
    spoken : int
        Number of particles whose species has networks: what is predicted is of them, and what is measured too where
        there is a prediction.
    contribution : DataArray (observable, length, neighbor_species) or None
        What the prediction owes to each descriptor, averaged over networks and particles.
    average : float
        Prediction for average surroundings, from which the contributions lead to the particles' mean.
    explained : int
        Number of particles in `contribution`.
    """

    particles: tuple
    species: np.ndarray
    curve: xr.Dataset | None
    measured: xr.Dataset | None
    spoken: int
    contribution: xr.DataArray | None = None
    average: float = np.nan
    explained: int = 0


def selected(library, choice):
    """The `Selected` of a choice; None where nothing is selected."""
    if not choice.selected:
        return None
    sample, chosen = choice.sample, np.array(choice.selected)
    configuration = library.configurations(sample.temperature, sample.particles)
    species = configuration["species"].values[sample.index][chosen]
    ensemble = library.ensemble(choice.network)
    spoken = chosen[np.isin(species, ensemble.species)]
    passed, _ = derive.transfer(library, sample.temperature, sample.particles, choice.network)
    curve = predicted_curve(library, choice, spoken) if passed and len(spoken) else None
    measured = measured_curve(library.dynamics(sample), chosen if curve is None else spoken)
    if measured is not None:
        measured.attrs["seen"] = learned_from(ensemble, sample)
    explanation = _explanation(library, choice, spoken) if curve is not None and ensemble.has_attention else ()
    return Selected(choice.selected, species, curve, measured, len(spoken), *explanation)


def predicted_curve(library, choice, chosen):
    """Predicted propensity of some particles, of species with networks, at every level that is met; None for none."""
    frames = derive.frames(library, choice.sample, choice.network)
    codes = frames.codes[:, chosen].astype(np.float64) / (CODES - 1)
    low, high = np.percentile(codes, BAND, axis=1)
    time, simulated = derive.times(library, choice.temperature)
    variables = {"mean": codes.mean(axis=1), "low": low, "high": high, "time": time, "simulated": simulated}
    curve = xr.Dataset({name: ("level", values) for name, values in variables.items()}, {"level": derive.LEVELS})
    return curve.isel(level=frames.reached) if frames.reached.any() else None


def measured_curve(ds, chosen):
    """Propensity of some particles by molecular dynamics; None where `ds` is None."""
    if ds is None:
        return None
    ds = ds.isel(particle=chosen, time=np.flatnonzero(ds["time"].values > 0))
    replicas = int(ds.attrs["replicas"])
    error = np.sqrt(ds["propensity_variance"].mean("particle") / replicas)
    return xr.Dataset(
        {"propensity": ds["propensity"].mean("particle"), "error": error.where(len(chosen) == 1)},
        attrs={"replicas": replicas},
    )


def learned_from(ensemble, sample):
    """Whether networks were trained on the dynamics of a sample, by what their file records; None where it does not."""
    known = [state for state in ensemble.states if has_dynamics(state)]
    here = [state.get("names") for state in known if abs(state["temperature"] - sample.temperature) < 1e-9]
    if any(names is not None and sample.name in names for names in here):
        return True
    return None if not known or None in here else False


def _explanation(library, choice, spoken):
    """Mean contributions, mean prediction for average surroundings, and the number of particles they are of."""
    ensemble, sample = library.ensemble(choice.network), choice.sample
    spoken = spoken[:: -(-len(spoken) // MOST_EXPLAINED)]
    X = library.descriptors(sample.temperature, sample.particles, choice.network)
    X = X.isel(configuration=sample.index, particle=spoken)
    found = attribution(ensemble, X, sample.temperature, state_inputs(library, choice))
    contribution = found["contribution"].mean(("network", "particle"))
    return contribution, float(found["average"].mean()), len(spoken)
