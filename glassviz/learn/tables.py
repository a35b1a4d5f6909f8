"""Descriptors as a plain table of columns, and the labels put back on what is computed from it."""

import numpy as np
import xarray as xr

from glassviz.mixture import InvalidData

COLUMN_DIMS = ("observable", "length", "neighbor_species")


class Table:
    """Descriptors of a Dataset's particles as (n, K) columns, with the states asked for.

    Parameters
    ----------
    name : str
        What error messages call the networks.
    header : dict
        The networks' record: columns, cutoff, tessellation.
    descriptors, temperature, mean_propensity
        As in `Ensemble.predict`.
    """

    def __init__(self, name, header, descriptors, temperature, mean_propensity):
        for dim in COLUMN_DIMS:
            expected = header["columns"][dim]
            if dim not in descriptors.dims or descriptors[dim].values.tolist() != expected:
                raise InvalidData(f"{name}: the descriptors' '{dim}' is not the networks' {expected}.")
        for key in ("cutoff", "tessellation"):
            if key in descriptors.attrs and descriptors.attrs[key] != header[key]:
                raise InvalidData(
                    f"{name}: the descriptors' {key} is {descriptors.attrs[key]}; expected {header[key]}."
                )
        if "species" not in descriptors.coords:
            raise InvalidData(f"{name}: the descriptors carry no coordinate 'species'; expected it.")
        lead = ("configuration", "particle") if "configuration" in descriptors.dims else ("particle",)
        ordered = descriptors.transpose(*lead, *COLUMN_DIMS)
        self.lead, self.lead_shape = lead, ordered.shape[: len(lead)]
        self.configurations = self.lead_shape[0] if len(lead) == 2 else 1
        if not ordered.size:
            raise InvalidData(f"{name}: there is no particle; expected descriptors of at least one.")
        self.columns = np.ascontiguousarray(ordered.values.reshape(np.prod(self.lead_shape), -1), dtype=np.float32)
        kinds = ordered["species"]
        if not np.isfinite(self.columns).all():
            raise InvalidData(f"{name}: a descriptor is not finite; expected numbers.")
        self.species = kinds.broadcast_like(ordered.isel(dict.fromkeys(COLUMN_DIMS, 0), drop=True))
        self.species = self.species.transpose(*lead).values.ravel().astype(np.int8)
        self.column_coords = {dim: descriptors[dim].values for dim in COLUMN_DIMS}
        self.lead_coords = {
            name: coord
            for name, coord in ordered.coords.items()
            if set(coord.dims) <= set(lead) and name not in COLUMN_DIMS
        }
        self.scalar = np.ndim(temperature) == 0 and np.ndim(mean_propensity) == 0
        self.lengths = {np.size(v) for v in (temperature, mean_propensity) if np.ndim(v)}
        if len(self.lengths) > 1 or max(np.ndim(temperature), np.ndim(mean_propensity)) > 1:
            raise InvalidData("state: temperature and mean_propensity must be scalars or equally long lists.")
        *_, self.temperature, self.levels = checked(self.columns, self.species, temperature, mean_propensity)

    def _array(self, values, dims, coords, name, report):
        state = ("network", "state")
        coords = {
            **coords,
            "network": np.arange(len(values)),
            "temperature": ("state", self.temperature),
            "mean_propensity": ("state", self.levels),
            "state_input": (state, report["inputs"]),
            "converged": (state, report["converged"]),
        }
        attrs = {"converged": int(report["converged"].all()), "iterations": int(report["iterations"])}
        array = xr.DataArray(values, dims=(*state, *dims), coords=coords, name=name, attrs=attrs)
        return array.isel(state=0) if self.scalar else array

    def label(self, values, name, report, **trailing):
        """A DataArray from (network, state, n, ...) values; `trailing` names the dimensions after the particles'."""
        shape = (*values.shape[:2], *self.lead_shape, *values.shape[3:])
        coords = {**self.lead_coords, **trailing}
        return self._array(values.reshape(shape), (*self.lead, *trailing), coords, name, report)

    def label_columns(self, values, name, report):
        """A DataArray from (network, state, configuration, K) values."""
        sizes = tuple(len(self.column_coords[dim]) for dim in COLUMN_DIMS)
        lead = self.lead[:-1]
        shape = (*values.shape[:2], *self.lead_shape[:-1], *sizes)
        coords = {**self.column_coords, **{k: v for k, v in self.lead_coords.items() if set(v.dims) <= set(lead)}}
        return self._array(values.reshape(shape), (*lead, *COLUMN_DIMS), coords, name, report)


def checked(columns, species, temperature, levels):
    """Columns, species and states as arrays that fit each other, or `InvalidData`."""
    columns = np.ascontiguousarray(columns, dtype=np.float32)
    species = np.asarray(species)
    temperature, levels = np.broadcast_arrays(
        np.atleast_1d(np.asarray(temperature, np.float64)), np.atleast_1d(np.asarray(levels, np.float64))
    )
    if columns.ndim != 2 or species.shape != columns.shape[:1]:
        raise InvalidData(
            f"descriptors: columns have shape {columns.shape} and species {species.shape}; expected (n, K) and (n,)."
        )
    if levels.ndim != 1 or not (np.isfinite(temperature).all() and (temperature > 0).all()):
        raise InvalidData("state: expected positive temperatures, scalar or one per state.")
    if not ((levels > 0) & (levels <= 1)).all():
        raise InvalidData("state: expected mean propensities in (0, 1], scalar or one per state.")
    return columns, species, temperature, levels
