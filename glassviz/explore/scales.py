"""The lengths of dynamic heterogeneity at one state: ξ₄ with its spectrum, the mean chord, ξ_int (Figs. 12, 14)."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from glassviz.explore import derive, heterogeneity
from glassviz.observe.attention import length_distribution, xi_int
from glassviz.observe.chords import chord_length, chord_segments
from glassviz.observe.structure_factor import fit_xi4, structure_factor, xi4_error

FACTORS = {"xi4": 1.0, "chord": 0.5, "xi_int": 1.5}
"""What the paper multiplies each length with to lay them over each other (Fig. 12)."""
DIGITS = 2  # levels are told apart to this many digits


@dataclass(frozen=True)
class Spectrum:
    """S₄(q) of one state.

    Attributes
    ----------
    s4 : DataArray (q)
        Mean over the networks, with the coordinates `modes` and `error`.
    fit : Dataset
        From `fit_xi4`.
    boxes, particles : int
        Number and size of the boxes.
    """

    s4: xr.DataArray
    fit: xr.Dataset
    boxes: int
    particles: int


def spectrum(library, temperature, network, mean_propensity):
    """S₄(q) predicted for the largest boxes of a temperature and its fit.

    Returns
    -------
    Spectrum or None
    why : str
        Why there is none.
    """
    library = library.of_curves(temperature, network)
    particles = library.sizes(temperature)[0]
    if particles < derive.LARGE:
        return None, f"no large box at T = {temperature:g}"
    passed, reason = derive.transfer(library, temperature, particles, network)
    if not passed:
        return None, reason or "the size-transfer test fails"
    mean_propensity = round(mean_propensity, DIGITS)

    def compute():
        C, ds = _predicted(library, temperature, particles, network, mean_propensity)
        if not C.attrs["converged"]:
            return None
        s4 = structure_factor(C, ds)
        mean = s4.mean("network").assign_coords(error=("q", s4["error"].mean("network").values))
        return Spectrum(mean, fit_xi4(s4, window=heterogeneity.WINDOW), ds.sizes["configuration"], particles)

    found = library.memo(("spectrum", temperature, particles, network, mean_propensity), compute)
    return found, "" if found else "the networks do not reach this ⟨C̄_B⟩ here"


def scales(library, temperature, network, mean_propensity):
    """The lengths of one state.

    Returns
    -------
    Dataset
        Scalars `xi4`, `A`, `chord`, `xi_int` (σ, without the factors of Fig. 12; A has no unit) and their `_error`s:
        over networks, of ξ₄ also of the fit, of A of the fit. NaN where not determined, A also where its error
        exceeds it; attributes `why` (why ξ₄ is not), `boxes` and `particles` of ξ₄, `structures` of the others.
    """
    found, why = spectrum(library, temperature, network, mean_propensity)
    library, level = library.of_curves(temperature, network), round(mean_propensity, DIGITS)
    particles = max(
        library.sizes(temperature), key=lambda n: (library.configurations(temperature, n).sizes["configuration"], -n)
    )

    def compute():
        C, ds = _predicted(library, temperature, particles, network, level)
        chord = chord_length(C, ds)
        known = 1.0 if C.attrs["converged"] else np.nan
        xi, ensemble = xr.DataArray(np.nan, coords={"error": np.nan}), library.ensemble(network)
        if ensemble.has_attention:
            X = library.descriptors(temperature, particles, network)
            xi = xi_int(length_distribution(ensemble.attention(X, temperature, level)))
        return xr.Dataset(
            {
                "chord": known * float(chord),
                "chord_error": float(chord["error"]),
                "xi_int": known * float(xi),
                "xi_int_error": float(xi["error"]),
            },
            attrs={"structures": ds.sizes["configuration"]},
        )

    result = library.memo(("scales", temperature, particles, network, level), compute)
    fit = found.fit if found else None
    if fit is not None and not bool(fit["determined"]):
        why = str(fit["reason"].item())
    values = {"xi4": np.nan, "xi4_error": np.nan, "A": np.nan, "A_error": np.nan}
    if fit is not None:
        values = {name: float(fit[name]) for name in values}
        values["xi4_error"] = float(xi4_error(fit))
        if not values["A_error"] < values["A"]:
            values["A"] = np.nan
    about = {"boxes": found.boxes, "particles": found.particles} if found else {"boxes": 0, "particles": 0}
    return result.assign(values).assign_attrs(result.attrs, why=why, **about)


def chords(library, choice):
    """Ends of the chords of the chosen sample along its rows, (chord, 4) as x0, y0, x1, y1 (σ), and their mean (σ).

    None where the networks may not speak about the sample.
    """
    sample = choice.sample
    if not derive.transfer(library, sample.temperature, sample.particles, choice.network)[0]:
        return None
    ds = library.configurations(sample.temperature, sample.particles).isel(configuration=[sample.index])
    values = derive.frames(library, sample, choice.network).at(choice.mean_propensity)
    C = xr.DataArray(values, dims="particle").expand_dims("configuration")
    C = C.assign_coords(configuration=ds["configuration"])
    if not np.isfinite(values[ds["species"].values[0] == derive.SPECIES]).all():
        return None
    return chord_segments(C, ds), float(chord_length(C, ds))


def _predicted(library, temperature, particles, network, mean_propensity):
    """Predictions of all configurations of one size at one state, and the configurations."""
    X = library.descriptors(temperature, particles, network)
    C = library.ensemble(network).predict(X, temperature=temperature, mean_propensity=mean_propensity)
    return C, library.configurations(temperature, particles)
