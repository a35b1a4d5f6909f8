r"""Which coarse-graining lengths the network attends to: P_int(L) and the intrinsic length ξ_int (Fig. 9)."""

import numpy as np

from glassviz.mixture import InvalidData
from glassviz.observe.fields import network_spread

EQUATION = (
    r"\xi_\mathrm{int} = \int \mathrm{d}L\, P_\mathrm{int}(L)\, L, \qquad \int \mathrm{d}L\, P_\mathrm{int}(L) = 1"
)
CAPTION = "The weight that attention gives to descriptors of decay length L (neighbours count e^(−R/L)), and its mean."

_COLUMNS = ("observable", "length", "neighbor_species")


def length_distribution(weights):
    r"""Normalised distribution P_int(L) of the attention over the coarse-graining lengths.

    The particle-averaged weights are averaged over the columns of equal L (observables and species). Columns the
    network does not see have weight zero in every network and state and do not count. The integral is the
    trapezoidal rule over the lengths L, the same for the normalisation and for `xi_int`.

    Parameters
    ----------
    weights : DataArray (..., [configuration,] observable, length, neighbor_species)
        Particle-averaged attention with the lengths (σ) as the coordinate `length`; averaged over structures.

    Returns
    -------
    DataArray (..., length)
        P_int(L) in 1/σ with :math:`\int dL P_{int}(L) = 1`; the dimension `network` is kept.

    Raises
    ------
    InvalidData
        Where `weights` is not an attention over named lengths.
    """
    if not set(_COLUMNS) <= set(getattr(weights, "dims", ())) or "length" not in weights.coords:
        raise InvalidData(
            "attention: expected a DataArray with the dimensions observable, length and neighbor_species "
            "and the lengths as coordinate."
        )
    weights = weights.sortby("length").astype(np.float64)
    if "configuration" in weights.dims:
        weights = weights.mean("configuration")
    others = [dim for dim in weights.dims if dim not in _COLUMNS]
    seen = (weights > 0).any(others)
    mean = weights.where(seen).mean(["observable", "neighbor_species"]).fillna(0.0)
    return (mean / mean.integrate("length")).transpose(..., "length").rename("length_distribution")


def xi_int(distribution):
    r"""Intrinsic length of the attention, :math:`\xi_{int} = \int dL\, P_{int}(L)\, L` by the trapezoidal rule.

    Parameters
    ----------
    distribution : DataArray (..., length)
        P_int(L) from `length_distribution`.

    Returns
    -------
    DataArray (...)
        ξ_int (σ) averaged over the networks, with the coordinate `error`: standard deviation over the networks, NaN
        where there are not two.
    """
    length = (distribution * distribution["length"]).integrate("length").rename("xi_int")
    if "network" not in length.dims:
        return length.assign_coords(error=(length * np.nan).variable)
    return length.mean("network").assign_coords(error=network_spread(length).variable)
