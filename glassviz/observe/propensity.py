r"""Bond-breaking propensity of an isoconfigurational ensemble, and how well its replicas determine it."""

import numpy as np
import xarray as xr

from glassviz.learn.between_outputs import replica_noise, signal_share
from glassviz.mixture import InvalidData, wrap
from glassviz.observe.fields import box_side, fields, structures
from glassviz.simulate.bonds import initial_bonds, surviving_fraction

EQUATION = r"\mathcal{C}_B^i(t) = \left\langle n_t^i / n_0^i \right\rangle_\mathrm{iso}"
CAPTION = "The share of its initial neighbours that a particle still has at time t, averaged over replicas."

FEWEST_TOLD = 4  # structures whose variance over replicas may speak for that of others


def bond_breaking(ds, later):
    r"""Bond-breaking propensity C_B^i(t), Sec. II.1.

    .. math:: C_B^i(t) = \langle n_t^i / n_0^i \rangle_{iso}

    Neighbours at t = 0 are closer than 1.4 σ_ab in the thermal positions, and remain neighbours while closer than
    1.8 σ_ab; all species count.

    Parameters
    ----------
    ds : Dataset
        The configurations the replicas started from.
    later : ([configuration,] replica, particle, 2) or (particle, 2) array_like or DataArray
        Positions (σ) of the replicas at the later time, wrapped or not. Without the configuration axis `ds` holds
        one configuration; where both name their configurations, they are matched by name.

    Returns
    -------
    DataArray ([configuration,] particle)
        Propensity, 1 = arrested, 0 = every bond broken, with the coordinate `species`. A particle without neighbours
        at t = 0 has no bond to lose: 1.

    Raises
    ------
    InvalidData
        Where `ds` lacks its box, positions or species, `later` does not fit it, or one of them holds a position that
        is not finite.
    """
    length, ds = box_side(ds), structures(ds, "position", "species")
    if not np.isfinite(ds["position"].values).all():
        raise InvalidData("configurations: some positions are not finite; expected numbers.")
    later, single = _replica_positions(ds, later)
    propensity = np.empty((later.shape[0], later.shape[2]))
    for c, replicas in enumerate(later):
        position, species = wrap(ds["position"].values[c], length), np.ascontiguousarray(ds["species"].values[c])
        start, neighbor = initial_bonds(position, species, length)
        kept = [surviving_fraction(start, neighbor, positions, species, length) for positions in replicas]
        propensity[c] = np.mean(kept, axis=0)
    result = xr.DataArray(
        propensity,
        dims=("configuration", "particle"),
        coords={"species": ds["species"].reset_coords(drop=True)},
        name="propensity",
    )
    if "configuration" in ds.coords:
        result = result.assign_coords(configuration=ds["configuration"])
    return result.isel(configuration=0) if single else result


def _replica_positions(ds, later):
    """Replica positions as (configuration, replica, particle, 2) float64, and whether that axis was added."""
    if isinstance(later, xr.DataArray):
        later = _of_the_same(ds, later)
    try:
        later = np.asarray(later, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidData("replica positions: not an array of numbers; expected (replica, particle, 2).") from error
    if later.ndim == 2:
        later = later[None]
    single = later.ndim == 3
    if single:
        later = later[None]
    expected = (ds.sizes["configuration"], ds.sizes["particle"], 2)
    if later.ndim != 4 or (later.shape[0], *later.shape[2:]) != expected or not later.shape[1]:
        raise InvalidData(
            f"replica positions: shape {later.shape[1:] if single else later.shape}; expected "
            f"(replica, {expected[1]}, 2) for each of {expected[0]} configurations."
        )
    if not np.isfinite(later).all():
        raise InvalidData("replica positions: some are not finite; expected numbers.")
    return np.ascontiguousarray(later), single


def _of_the_same(ds, later):
    """Labelled replica positions in the order of the configurations, as a plain array."""
    dims = ("configuration", "replica", "particle", "space")
    if not set(later.dims) <= set(dims):
        raise InvalidData(f"replica positions: dimensions {later.dims}; expected {', '.join(dims)}.")
    if "replica" not in later.dims:
        later = later.expand_dims("replica")
    if "configuration" in later.indexes and "configuration" in ds.indexes:
        names, known = ds["configuration"].values, later.indexes["configuration"]
        if not known.is_unique or not np.isin(names, known).all():
            raise InvalidData("replica positions: they are of other configurations; expected those given.")
        later = later.sel(configuration=names)
    return later.transpose(*(dim for dim in dims if dim in later.dims)).values


def noise_of_all(noise, replicas):
    r"""Replica noise of all structures of a temperature, where some of their files do not say what theirs is.

    Var_rep, the variance from replica to replica, of these is taken to be the average of those that say: at one
    temperature and time structures differ little in it beside its own error, √(2/(R − 1)) of it for each.

    Parameters
    ----------
    noise : DataArray (configuration, ...)
        From `replica_noise`; NaN where a file does not say.
    replicas : (configuration,) array_like
        Number of replicas R of each structure.

    Returns
    -------
    DataArray
        As `noise`; still with NaN where fewer than `FEWEST_TOLD` structures say.
    """
    replicas = xr.DataArray(np.asarray(replicas), dims="configuration")
    if np.isfinite(noise).sum("configuration").min() < FEWEST_TOLD:
        return noise
    return noise.fillna((noise * replicas).mean("configuration") / replicas)


def label_ceiling(ds):
    r"""Highest ρ_P any prediction can reach with the labels of a propensity file, from the variance over replicas.

    The mean of all split-half reliabilities is 1 − (⟨s²⟩ − s̄²)/(R var C), where s² is the unbiased variance over R
    replicas, s̄² that of the mean of all labels, which no correlation sees, and var C that of the labels over
    species 1; the ceiling is its square root. Where a file does not tell s̄², it is taken for 0.

    Parameters
    ----------
    ds : Dataset
        A propensity file: `propensity`, `propensity_variance` (configuration, time, particle), `species`, and what
        `replica_noise` needs.

    Returns
    -------
    DataArray (time)
        Ceiling of ρ_P over all structures together; 0 where the labels are all noise, NaN where they do not vary.
    """
    replicas = int(ds.attrs["replicas"])
    block = fields(ds["propensity"], ds)
    noise = fields(ds["propensity_variance"], ds)
    labels = block.values[:, block.selected].astype(np.float64)
    variance = noise.values[:, noise.selected].mean(axis=1, dtype=np.float64) / replicas
    reliability = signal_share(labels.var(axis=1), variance, replica_noise(ds).transpose("configuration", "time"))
    return block.label(np.sqrt(reliability), "label_ceiling")
