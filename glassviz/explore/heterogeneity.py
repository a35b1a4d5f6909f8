"""Heterogeneity against time: χ₄, chords and ξ₄ as predicted, χ₄ and chords as measured by molecular dynamics."""

import numpy as np
import xarray as xr

from glassviz.explore.derive import LARGE, LEVELS, SPECIES, propensities, remember, times
from glassviz.observe.chords import chord_length
from glassviz.observe.structure_factor import fit_xi4, structure_factor, xi4_error
from glassviz.observe.susceptibility import chi4
from glassviz.simulate.verdict import SIGNIFICANT

FIT_LEVELS = LEVELS[1::3]  # of the ξ₄ curve
FEW_STRUCTURES = 20  # below this a variance over structures is a rough guess
WINDOW = (0.0, 0.6)  # of wave numbers in the fit of ξ₄; from 0.2, as in the paper, one box does not determine it


def fluctuations(library, temperature, network):
    """χ₄ and ⟨ξ_chord⟩ at all levels of one temperature, from its largest set of configurations of one size.

    Returns
    -------
    Dataset (state)
        `chi4`, `chi4_error`, `chi4_structure_error`, `chord`, `chord_error`, `time`, `simulated`, `mean_propensity`;
        attributes `structures`, `particles`. χ₄ is NaN where there is one structure.
    """
    library = library.of_curves(temperature, network)
    particles = max(
        library.sizes(temperature), key=lambda n: (library.configurations(temperature, n).sizes["configuration"], -n)
    )

    def compute():
        C = propensities(library, temperature, particles, network)
        ds = library.configurations(temperature, particles)
        reached = C["converged"].values.all(axis=0)
        return _plain(
            _curves(chi4(C, ds, unbiased=True), chord_length(C, ds), ds).where(xr.DataArray(reached, dims="state"))
        )

    result = _dataset(remember(library, "fluctuations", temperature, (particles,), network, compute))
    time, simulated = times(library, temperature)
    return result.assign(mean_propensity=("state", LEVELS), time=("state", time), simulated=("state", simulated))


def measured(library, temperature):
    """χ₄ and ⟨ξ_chord⟩ of the propensities from molecular dynamics, as `fluctuations`; None where there are none.

    `structures` (state): how many of them run so far. Attribute `replica_noise`: "subtracted" from χ₄ where it is
    known, else "included".
    """
    sets = library.measured(temperature)
    if not sets:
        return None

    def compute():
        parts = [_measured_curves(ds) for ds in sets]
        whole = xr.concat(parts, "state", combine_attrs="override")
        known = all(part.attrs["replica_noise"] == "subtracted" for part in parts)
        return whole.assign_attrs(replica_noise="subtracted" if known else "included")

    key = ("measured curves", temperature, sets[0].sizes["configuration"])
    return library.memo(key, compute)


def shortfall(predicted, measured):
    """The measured χ₄ that the predicted one misses most clearly, at the same ⟨C̄_B⟩.

    A network sees of what sets structures apart only a part, at late times a small one, and predicts no more than that.

    Parameters
    ----------
    predicted, measured : Dataset (state)
        From `fluctuations` and `measured`.

    Returns
    -------
    Dataset or None
        The state of `measured`, with `predicted`; None where no point lies above by more than three errors, those over
        networks and over the structures of both, or where the points include the noise of their replicas.
    """
    if measured.attrs["replica_noise"] == "included":
        return None
    known = predicted.isel(state=np.argsort(predicted["mean_propensity"].values))
    known = known.isel(state=np.isfinite(known["chi4"].values))
    level = measured["mean_propensity"].values
    guess, networks, structures = (
        np.interp(level, known["mean_propensity"], known[name], left=np.nan) if known.sizes["state"] else np.nan * level
        for name in ("chi4", "chi4_error", "chi4_structure_error")
    )
    error = np.linalg.norm([measured["chi4_error"].values, networks, structures], axis=0)
    certain = (measured["chi4"].values - guess) / error
    if not (certain > SIGNIFICANT).any():
        return None
    return measured.assign(predicted=("state", guess)).isel(state=int(np.nanargmax(certain)))


def _measured_curves(ds):
    """The curves of structures that have all times of a Dataset."""
    C = ds["propensity"]
    mean = C.where(ds["species"] == SPECIES).mean(("configuration", "particle"))
    C = C.isel(time=np.flatnonzero((mean.values < LEVELS[0]) & (C["time"].values > 0)))
    noise = ds["replica_noise"].sel(time=C["time"])
    known = bool(np.isfinite(noise).all())
    result = _curves(chi4(C, ds, unbiased=True, noise=noise if known else None), chord_length(C, ds), ds)
    result.attrs["replica_noise"] = "subtracted" if known else "included"
    return result.assign(
        mean_propensity=("state", mean.sel(time=C["time"]).values),
        time=("state", C["time"].values),
        structures=("state", np.full(C.sizes["time"], ds.sizes["configuration"])),
    )


def _plain(curves):
    """Curves of one number of structures as arrays to keep."""
    sizes = np.array([curves.attrs["structures"], curves.attrs["particles"]])
    return {"sizes": sizes, **{name: curves[name].values for name in curves.data_vars}}


def _dataset(arrays):
    """The curves that `_plain` has made arrays of."""
    structures, particles = (int(n) for n in arrays["sizes"])
    variables = {name: ("state", values) for name, values in arrays.items() if name != "sizes"}
    return xr.Dataset(variables, attrs={"structures": structures, "particles": particles})


def _curves(susceptibility, chords, ds):
    variables = {
        "chi4": ("state", susceptibility.values),
        "chi4_error": ("state", susceptibility["error"].values),
        "chi4_structure_error": ("state", susceptibility["structure_error"].values),
        "chord": ("state", chords.values),
        "chord_error": ("state", chords["error"].values),
    }
    attributes = {"structures": ds.sizes["configuration"], "particles": ds.sizes["particle"]}
    return xr.Dataset(variables, attrs=attributes)


def dynamic_length(library, temperature, network):
    """ξ₄ at `FIT_LEVELS` of one temperature, from the largest box.

    Returns
    -------
    Dataset (state) or None
        `xi4`, `xi4_error` (of the fit and over the networks; NaN where not determined), `time`, `simulated`,
        `mean_propensity`; attributes `structures`, `particles`. None where there is no large box.
    """
    library = library.of_curves(temperature, network)
    particles = library.sizes(temperature)[0]
    if particles < LARGE:
        return None

    def compute():
        C = propensities(library, temperature, particles, network).isel(state=slice(1, None, 3))
        ds = library.configurations(temperature, particles)
        fit = fit_xi4(structure_factor(C, ds), window=WINDOW)
        attributes = {"structures": ds.sizes["configuration"], "particles": particles}
        curves = xr.Dataset(
            {"xi4": ("state", fit["xi4"].values), "xi4_error": ("state", xi4_error(fit).values)}, attrs=attributes
        )
        return _plain(curves.where(xr.DataArray(C["converged"].values.all(axis=0), dims="state")))

    result = _dataset(remember(library, "dynamic length", temperature, (particles,), network, compute))
    time, simulated = times(library, temperature, FIT_LEVELS)
    return result.assign(mean_propensity=("state", FIT_LEVELS), time=("state", time), simulated=("state", simulated))
