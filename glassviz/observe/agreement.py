r"""Pearson correlation ρ_P between predicted and measured propensities (Eq. 8)."""

import numpy as np
import xarray as xr

from glassviz.mixture import InvalidData
from glassviz.observe.fields import resampled, shortfall, species_of, widened, with_configurations

EQUATION = (
    r"\rho_P = \frac{\mathrm{cov}(\mathcal{C}_B^i, \mathcal{X}^i)}"
    r"{\sqrt{\mathrm{var}(\mathcal{C}_B^i)\,\mathrm{var}(\mathcal{X}^i)}}"
)
CAPTION = (
    "How well the prediction tells the mobile particles of species 1 from the arrested ones: 1 is perfect, 0 is chance."
)


def pearson(C, truth):
    r"""Pearson correlation of predicted with measured propensities over the particles of species 1, Eq. 8.

    Parameters
    ----------
    C : DataArray (..., [configuration,] particle)
        Predicted propensities.
    truth : DataArray ([...,] [configuration,] particle)
        Measured propensities of the same structures: those of the same names where both name them alike, else in the
        same order. Leading dims it shares with C (state, time) are matched, the others broadcast.

    Returns
    -------
    DataArray (...)
        ρ_P over all particles of all structures together, one value for each network, state or time (networks are
        not averaged), with the coordinate `error`: bootstrap over structures, NaN where there is one structure only.
        NaN where one of the two fields does not vary.

    Notes
    -----
    Particles that are NaN in either field are left out; where C or `truth` carries a coordinate `species`, so are
    all particles of species 2 and 3.

    Raises
    ------
    InvalidData
        Where the two do not hold the same particles, structures or values of a leading dim, or no particle is left.
    """
    C, truth = with_configurations(C), with_configurations(truth)
    truth = _in_order_of(C, truth)
    for dim in ("configuration", "particle"):
        if C.sizes[dim] != truth.sizes[dim]:
            raise InvalidData(
                f"pearson: {C.sizes[dim]} and {truth.sizes[dim]} along '{dim}'; expected the same in both."
            )
    species = species_of(C)
    if species is None:
        species = species_of(truth)
    try:
        C, truth = xr.broadcast(*xr.align(_bare(C), _bare(truth), join="exact"))
    except ValueError as error:
        raise InvalidData("pearson: the two differ along a dimension they share; expected the same in both.") from error
    leading = [dim for dim in C.dims if dim not in ("configuration", "particle")]
    C, truth = (a.transpose(*leading, "configuration", "particle") for a in (C, truth))
    x, y = (a.values.astype(np.float64) for a in (C, truth))
    used = np.isfinite(x) & np.isfinite(y)
    if species is not None:
        used &= species == 0
    if not used.any():
        raise InvalidData("pearson: no particle has both a prediction and a measurement; expected some of species 1.")
    value, replicates = correlation(x, y, used)
    result = C.isel(configuration=0, particle=0, drop=True).copy(data=value).rename("pearson")
    result.attrs = {}
    return result.assign_coords(error=(tuple(leading), replicates.std(axis=0, ddof=1)))


def _in_order_of(C, truth):
    """The structures of `truth` in the order of C where names say which is which."""
    if "configuration" not in C.coords or "configuration" not in truth.coords:
        return truth
    names, known = C["configuration"].values, truth["configuration"].values
    if not np.isin(names, known).any() or np.array_equal(names, known):
        return truth
    if len(set(names)) < len(names) or len(set(known)) < len(known) or set(names) != set(known):
        raise InvalidData("pearson: the two share some structures only; expected the same names in both.")
    return truth.sel(configuration=names)


def _bare(C):
    """C without the coordinates that belong to structures or particles (the two fields may name them differently)."""
    return C.drop_vars([name for name, c in C.coords.items() if {"configuration", "particle"} & set(c.dims)])


def correlation(x, y, used):
    """Pearson correlation over the last two axes where `used`, and on bootstrap resamples of the structures.

    Parameters
    ----------
    x, y : (..., configuration, particle) ndarray of float64
    used : (..., configuration, particle) ndarray of bool

    Returns
    -------
    value : (...) ndarray
    replicates : (resample, ...) ndarray
        NaN where there is one structure only; as wide as the true scatter, see `glassviz.observe.fields.widened`.
    """
    count = used.sum(axis=-1)
    x, y = (
        np.where(used, a - np.mean(a, axis=(-2, -1), where=used, keepdims=True), 0.0) for a in (x, y)
    )  # centred, so that the sums below do not cancel
    sums = np.stack([count, x.sum(-1), y.sum(-1), (x * x).sum(-1), (y * y).sum(-1), (x * y).sum(-1)])
    value = _from_sums(sums.sum(axis=-1))
    structures = sums.shape[-1]
    weights = resampled(structures)
    if structures == 1:
        return value, np.full((len(weights), *value.shape), np.nan)
    return value, widened(_from_sums(np.moveaxis(sums @ weights.T, -1, 1)), shortfall(structures))


def _from_sums(sums):
    count, x, y, xx, yy, xy = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return (xy - x * y / count) / np.sqrt((xx - x * x / count) * (yy - y * y / count))
