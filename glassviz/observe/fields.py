"""Propensity fields as the observables read them: any leading dimensions, then configuration, then particle.

Every observable of this folder takes a DataArray with dims `(..., [configuration,] particle)`, where the leading ones
may be network, state, time or nothing, and looks at the particles of species 1 as the paper does.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from glassviz.mixture import InvalidData, checked_length, checked_species

RESAMPLES = 200
SEED = 20231031  # of the bootstrap, so that the same data give the same error bar
GIVEN = "configurations"  # what error messages call a Dataset


@dataclass
class Fields:
    """Propensities of many fields (network, state, …) on the same configurations.

    Attributes
    ----------
    values : (field, configuration, particle) ndarray
        Propensities; one field for each combination of the leading dimensions.
    selected : (configuration, particle) ndarray of bool
        The particles of species 1.
    frame : xarray.DataArray
        Zeros with the leading dimensions and their coordinates.
    """

    values: np.ndarray
    selected: np.ndarray
    frame: xr.DataArray

    def of(self, configuration):
        """Propensities of species 1 in one configuration, (field, particle of species 1)."""
        return np.ascontiguousarray(self.values[:, configuration, self.selected[configuration]])

    def label(self, values, name):
        """`values` (field,) or (bootstrap, field) as a DataArray with the leading dimensions."""
        values = np.asarray(values)
        extra = ["bootstrap"] if values.ndim == 2 else []
        shape = (*values.shape[:-1], *self.frame.shape)
        return xr.DataArray(values.reshape(shape), dims=[*extra, *self.frame.dims], coords=self.frame.coords, name=name)


def fields(C, ds=None):
    """Bring propensities to one block and find the particles of species 1.

    Parameters
    ----------
    C : DataArray (..., [configuration,] particle)
        Propensities. A coordinate `species` (0-based) over `particle`, with or without `configuration`, says which
        particles are of species 1; without it `ds` says so, and without both the particles that are not NaN are taken.
    ds : Dataset, optional
        The configurations that C belongs to.

    Returns
    -------
    Fields

    Raises
    ------
    InvalidData
        Where C has no particles, does not fit `ds`, holds no particle of species 1, or is not finite on species 1.
    """
    C = with_configurations(C)
    leading = [dim for dim in C.dims if dim not in ("configuration", "particle")]
    C = C.transpose(*leading, "configuration", "particle")
    frame = xr.zeros_like(C.isel(configuration=0, particle=0, drop=True), dtype=float)
    frame = frame.drop_vars([name for name in frame.coords if not set(C.coords[name].dims) <= set(leading)])
    frame.attrs = {}
    values = C.values.reshape(-1, *C.shape[-2:])
    species = species_of(C, ds)
    selected = np.isfinite(values).all(axis=0) if species is None else species == 0
    if not selected.any(axis=1).all():
        raise InvalidData("propensities: a configuration holds no particle of species 1; expected at least one.")
    if not np.isfinite(values[:, selected]).all():
        raise InvalidData(
            "propensities: species 1 holds values that are not numbers; expected a network for species 1."
        )
    return Fields(values, selected, frame)


def box_side(ds):
    """Side of the periodic box of configurations (σ); `InvalidData` where it is not a positive number."""
    return checked_length(ds.attrs.get("box_length"), GIVEN)


def structures(ds, *names):
    """Configurations with the dimension `configuration`, which comes first in the variables named, then `particle`.

    Raises
    ------
    InvalidData
        Where a variable is missing or has other dimensions, or a species is unknown.
    """
    ds = ds if "configuration" in ds.dims else ds.expand_dims("configuration")
    for name in names:
        dims = {"particle", "space"} if name == "position" else {"particle"}
        if name not in ds or set(ds[name].dims) - {"configuration"} != dims:
            found = ds[name].dims if name in ds else "nothing"
            raise InvalidData(f"{GIVEN}: {found} under '{name}'; expected {', '.join(sorted(dims))}.")
    if "species" in names:
        ds = ds.assign(species=(ds["species"].dims, checked_species(ds["species"].values, GIVEN)))
    for name in names:
        values = ds[name]
        if "configuration" not in values.dims:
            values = values.expand_dims(configuration=ds.sizes["configuration"])
        ds = ds.assign({name: values.transpose("configuration", "particle", ...)})
    return ds


def with_configurations(C):
    """The same propensities with the dims `configuration` and `particle` guaranteed."""
    if not isinstance(C, xr.DataArray) or "particle" not in C.dims:
        raise InvalidData("propensities: expected a DataArray with the dimension 'particle'.")
    return C if "configuration" in C.dims else C.expand_dims("configuration")


def species_of(C, ds=None):
    """Species (configuration, particle) of the propensities C, from its coordinate or from `ds`; None where unknown."""
    source = C if "species" in C.coords else ds
    if source is None:
        return None
    if source is ds:
        ds = structures(ds, "species")
        if ds.sizes["particle"] != C.sizes["particle"]:
            raise InvalidData(
                f"propensities: {C.sizes['particle']} particles; "
                f"expected the {ds.sizes['particle']} of the configurations."
            )
    species = C["species"] if source is C else matching(ds, C)["species"]
    if "configuration" not in species.dims:
        species = species.expand_dims(configuration=C.sizes["configuration"])
    return species.transpose("configuration", "particle").values


def matching(ds, C):
    """The configurations of `ds` that C was computed for, in C's order (by name where both carry names)."""
    if "configuration" in ds.coords and "configuration" in C.coords:
        names = C["configuration"].values
        if np.array_equal(names, ds["configuration"].values):
            return ds
        if ds.indexes["configuration"].is_unique and np.isin(names, ds["configuration"].values).all():
            return ds.sel(configuration=names)
        raise InvalidData("propensities: their configurations are not among those given; expected the same names.")
    if ds.sizes["configuration"] != C.sizes["configuration"]:
        raise InvalidData(
            f"propensities: {C.sizes['configuration']} configurations; "
            f"expected the {ds.sizes['configuration']} of the configurations given."
        )
    return ds


def positions(ds, C, selected):
    """Thermal positions (σ) of the particles of C that are selected, an (n, 2) ndarray for each configuration.

    Parameters
    ----------
    ds : Dataset
        The configurations that C belongs to.
    C : DataArray (..., [configuration,] particle)
        Propensities of all particles, or of some, with a coordinate `index` that says of which.
    selected : (configuration, particle) ndarray of bool

    Raises
    ------
    InvalidData
        Where C holds some of the particles and does not say which, or a position is not finite.
    """
    C = with_configurations(C)
    found = matching(structures(ds, "position"), C)["position"].values
    if "index" in C.coords:
        order = [dim for dim in ("configuration", "particle") if dim in C["index"].dims]
        index = np.broadcast_to(C["index"].transpose(*order).values, selected.shape)
        found = [position[rows] for position, rows in zip(found, index, strict=True)]
    elif found.shape[1] != C.sizes["particle"]:
        raise InvalidData(
            f"propensities: {C.sizes['particle']} particles; expected the {found.shape[1]} of the configurations."
        )
    found = [position[chosen] for position, chosen in zip(found, selected, strict=True)]
    if not all(np.isfinite(position).all() for position in found):
        raise InvalidData(f"{GIVEN}: positions of species 1 are not finite; expected numbers.")
    return found


def resampled(configurations, resamples=RESAMPLES):
    """How often each structure is drawn in each bootstrap resample, (resample, configuration), rows sum to 1."""
    generator = np.random.default_rng(SEED)
    return (
        generator.multinomial(configurations, np.full(configurations, 1 / configurations), resamples) / configurations
    )


def widened(replicates, factor, about=None):
    """Bootstrap replicates further from their mean, or from `about` where given, by a factor.

    Those of n structures scatter too little by √((n − 1)/n), as the standard deviation of n values does.
    """
    mean = replicates.mean(axis=0)
    return (mean if about is None else about) + factor * (replicates - mean)


def shortfall(count):
    """√(n/(n − 1)), by which the bootstrap of a mean over n structures scatters too little."""
    return np.sqrt(count / (count - 1)) if count > 1 else np.nan


def network_spread(estimate):
    """Standard deviation over the networks, (..., network) without that dimension; NaN where there are not two."""
    return estimate.std("network", ddof=1) if estimate.sizes["network"] > 1 else estimate.isel(network=0) * np.nan


def summarize(estimate, replicates, name):
    """Average over the networks and attach the errors.

    Parameters
    ----------
    estimate : DataArray
        The observable, with or without the dimension `network`.
    replicates : DataArray (bootstrap, ...)
        The observable on bootstrap resamples of the structures; NaN where there is one structure only.
    name : str
        Name of the result.

    Returns
    -------
    DataArray
        Mean over the networks. Coordinate `structure_error`: bootstrap over structures. Coordinate `error`: standard
        deviation over the networks where there are two or more, else `structure_error`.
    """
    spread = None
    if "network" in estimate.dims:
        if estimate.sizes["network"] > 1:
            spread = network_spread(estimate)
        estimate, replicates = estimate.mean("network"), replicates.mean("network")
    structure_error = replicates.std("bootstrap", ddof=1)
    error = structure_error if spread is None else spread
    coordinates = {"error": error.variable, "structure_error": structure_error.variable}
    return estimate.assign_coords(coordinates).rename(name)
