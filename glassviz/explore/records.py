"""The numbers behind the page, to take away: the curves as a table, everything of a sample as one Dataset."""

import numpy as np
import pandas as pd

from glassviz.explore import derive, heterogeneity
from glassviz.explore.citation import text as citation
from glassviz.explore.library import STATED
from glassviz.explore.making import run_of
from glassviz.observe.fields import network_spread

UNITS = {"chi4": "1", "chord": "sigma", "xi4": "sigma"}
COLUMNS = (
    "source",
    "quantity",
    "temperature",
    "mean_propensity",
    "time",
    "time_simulated",
    "value",
    "error",
    "error_of",
    "unit",
    "structures",
    "particles",
    "networks",
    "replica_noise",
)
"""Columns of `curves`; temperature in ε/k_B, time in σ(m/ε)^½.

`error_of`: what the error is of, "networks", "structures" (bootstrap) or "fit and networks". `networks`: the ensemble
that predicts, empty for molecular dynamics. `replica_noise`: whether it is "subtracted" from what molecular dynamics
measured, or "included".
"""


def curves(library, network, progress=None):
    """χ₄, ξ₄ and ⟨ξ_chord⟩ at all levels and temperatures, predicted and from molecular dynamics.

    Parameters
    ----------
    library : Library
    network : str
        Name of the ensemble.
    progress : callable, optional
        Called as `progress(done, temperatures)`.

    Returns
    -------
    pandas.DataFrame
        One row for each value, with `COLUMNS`. What is not determined is left out.
    """
    tables = []
    of_predictions = "networks" if library.ensemble(network).networks > 1 else "structures"
    predicted = {"networks": network, "error_of": of_predictions, "replica_noise": ""}
    for done, temperature in enumerate(library.temperatures, 1):
        found = heterogeneity.fluctuations(library, temperature, network)
        tables += [_rows(found, name, "prediction", temperature, **predicted) for name in ("chi4", "chord")]
        passed, _ = derive.transfer(library, temperature, library.sizes(temperature)[0], network)
        length = heterogeneity.dynamic_length(library, temperature, network) if passed else None
        if length is not None:
            fitted = predicted | {"error_of": "fit and networks"}
            tables.append(_rows(length, "xi4", "prediction", temperature, **fitted))
        measured = heterogeneity.measured(library, temperature)
        if measured is not None:
            for name, noise in (("chi4", measured.attrs["replica_noise"]), ("chord", "included")):
                dynamics = {"networks": "", "error_of": "structures", "replica_noise": noise}
                tables.append(_rows(measured, name, "molecular dynamics", temperature, **dynamics))
        if progress is not None:
            progress(done, len(library.temperatures))
    return pd.concat(tables, ignore_index=True)


def _rows(found, name, source, temperature, **told):
    values = told | {
        "source": source,
        "quantity": name,
        "temperature": temperature,
        "mean_propensity": found["mean_propensity"].values,
        "time": found["time"].values,
        "time_simulated": found["simulated"].values if "simulated" in found else True,
        "value": found[name].values,
        "error": found[f"{name}_error"].values,
        "unit": UNITS[name],
        "structures": found["structures"].values if "structures" in found else found.attrs["structures"],
        "particles": found.attrs["particles"],
    }
    table = pd.DataFrame(values, columns=list(COLUMNS))
    return table[np.isfinite(table["value"])]


def everything(library, choice):
    """All there is of the chosen sample and networks.

    Parameters
    ----------
    library : Library
    choice : Choice

    Returns
    -------
    Dataset
        The configuration as `glassviz.read` gives it, with `predicted_propensity` and its standard deviation over the
        networks, `predicted_propensity_error`, (level, particle); the `time` each level stands for; and, at the chosen
        state, `bottleneck` (particle, node) and the attention distribution `attention` (length), where the ensemble has
        them. Where the networks
        fail the size-transfer test there are no predictions, and the attribute `not_predicted` says why.
    """
    sample = choice.sample
    ds = library.configurations(sample.temperature, sample.particles).isel(configuration=[sample.index])
    box_length = ds.attrs["box_length"]
    time, simulated = derive.times(library, sample.temperature)
    ds = ds.assign_coords(mean_propensity=("level", derive.LEVELS)).assign(
        time=("level", time, {"units": "sigma (m/epsilon)^1/2"}), time_simulated=("level", simulated)
    )
    # The first file of this size says its own of all of them.
    ds.attrs = run_of(library, sample).attrs | {name: str(ds[name].item()) for name in STATED if name in ds}
    ds.attrs |= {
        "box_length": box_length,
        "networks": choice.network,
        "chosen_mean_propensity": float(choice.mean_propensity),
        "citation": citation(),
    }
    passed, reason = derive.transfer(library, sample.temperature, sample.particles, choice.network)
    if not passed:
        return ds.assign_attrs(not_predicted=reason)
    C = derive.propensities(library, sample.temperature, sample.particles, choice.network)
    C = C.isel(configuration=sample.index)
    converged = C["converged"].values.all(axis=0)
    ds = ds.assign(
        predicted_propensity=(("level", "particle"), C.mean("network").values, {"units": "1"}),
        predicted_propensity_error=(("level", "particle"), network_spread(C).values, {"units": "1"}),
        converged=("level", converged),
    )
    ensemble = library.ensemble(choice.network)
    if ensemble.has_bottleneck:
        ds["bottleneck"] = (("particle", "node"), derive.bottleneck(library, choice)[0])
    if ensemble.has_attention:
        distribution, xi = derive.attention(library, choice)
        values = distribution.mean("network").values
        ds["attention"] = ("length", values, {"units": "1/sigma", "xi_int": float(xi)})
        ds = ds.assign_coords(length=distribution["length"].values)
    return ds
