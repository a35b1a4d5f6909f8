"""The two-dimensional ternary Kob-Andersen mixture and the Dataset that carries it from room to room.

Reduced units: lengths in σ = σ₁₁, energies in ε = ε₁₁, masses in m, temperatures in ε/k_B, times in σ(m/ε)^½.
Species are numbered from 0 in memory and from 1 wherever a person reads them.
"""

import warnings
from collections import Counter
from numbers import Real

import numpy as np
import xarray as xr

MODEL = "KA2D"
EPSILON = np.array([[1.0, 1.5, 0.75], [1.5, 0.5, 1.5], [0.75, 1.5, 0.75]])
SIGMA = np.array([[1.0, 0.8, 0.9], [0.8, 0.88, 0.8], [0.9, 0.8, 0.94]])
CUTOFF = 2.5  # in units of σ_ab
C0, C2, C4 = 0.040490237952, -0.00970155098112, 0.0006201261686784
RADII = SIGMA.diagonal() / 2

COMPOSITION = np.array([600, 330, 360]) / 1290
DENSITY = 1290 / 32.8962**2

GLASS_TRANSITION_TEMPERATURE = 0.15

MAX_PARTICLES = 90_000
# A float32 coordinate may round to a hair outside [0, L); more than this is a particle outside the box.
ROUNDING = 1e-4

# The schema's variables; other variables of a Dataset are carried along unchecked.
DIMENSIONS = {
    "position": ("configuration", "particle", "space"),
    "inherent_position": ("configuration", "particle", "space"),
    "replica_position": ("configuration", "replica", "particle", "space"),
    "species": ("configuration", "particle"),
    "energy": ("configuration", "particle"),
    "inherent_energy": ("configuration", "particle"),
}


class InvalidData(ValueError):
    """Data that cannot be used; the message is one sentence naming the source, what is wrong and what is expected."""


class MixtureWarning(UserWarning):
    """Data that can be used but are not the mixture this project describes (composition or density)."""


def species_counts(particles):
    """Number of particles of each species in a box of the mixture.

    Parameters
    ----------
    particles : int
        Total number of particles N.

    Returns
    -------
    counts : (3,) ndarray of int
        Closest whole numbers to the composition 600 : 330 : 360 that sum to N.
    """
    counts = np.floor(COMPOSITION * particles + 0.5).astype(int)
    counts[0] += particles - counts.sum()
    return counts


def box_length(particles):
    """Side of the square box (σ) that holds `particles` particles at the density of the mixture."""
    return float(np.sqrt(particles / DENSITY))


def wrap(position, length):
    """Positions folded into [0, L) of a periodic box of side `length` (σ), any shape, float64."""
    wrapped = np.mod(np.asarray(position, dtype=np.float64), length)
    return np.where(wrapped >= length, 0.0, wrapped)  # mod of a tiny negative number rounds to L


def configurations(
    position,
    species,
    length,
    temperature=np.nan,
    *,
    names=None,
    inherent_position=None,
    replica_position=None,
    energy=None,
    inherent_energy=None,
    seed=-1,
    provenance="",
    source="configuration",
):
    """Build and check a configurations Dataset from plain arrays.

    Parameters
    ----------
    position : (configuration, particle, 2) or (particle, 2) array_like
        Thermal positions (σ). A missing configuration axis is added.
    species : (configuration, particle) or (particle,) array_like of int
        Species, 0-based.
    length : float
        Side of the periodic square box (σ).
    temperature : float, optional
        Temperature (ε/k_B); NaN where unknown.
    names : sequence of str, optional
        One name per configuration, the coordinate `configuration`.
    inherent_position : array_like, optional
        Positions of the inherent structure, shaped like `position` (σ).
    replica_position : (configuration, replica, particle, 2) array_like, optional
        Unwrapped positions of the replicas of each configuration at a later time (σ).
    energy, inherent_energy : (configuration, particle) array_like, optional
        Potential energy per particle E_i (ε) of the thermal and the inherent positions.
    seed : int, optional
        Seed of the run that made the configuration; −1 where unknown.
    provenance : str, optional
        How the configuration was made: command line, version, sweeps, verdict.
    source : str, optional
        What error messages call the data, usually the file's name.

    Returns
    -------
    xarray.Dataset
        Dims `(configuration, particle, space)`; see `check` for the schema.

    Raises
    ------
    InvalidData
        Where the arrays do not form a configuration.
    """
    position = np.asarray(position)
    if position.ndim == 2:
        position = position[None]
    if position.ndim != 3 or position.shape[-1] != 2:
        raise InvalidData(f"{source}: positions have shape {position.shape}; expected (configuration, particle, 2).")
    samples, particles = position.shape[:2]
    species = np.asarray(species)
    if species.ndim == 1:
        species = np.broadcast_to(species, (samples, species.size))

    def block(values, shape, name):
        values = np.asarray(values)
        if samples == 1 and values.shape == shape[1:]:
            values = values[None]
        if values.shape != shape:
            raise InvalidData(f"{source}: {name} has shape {values.shape}; expected {shape}.")
        return values

    per_particle = ("configuration", "particle")
    vector = (*per_particle, "space")
    variables = {
        "position": (vector, position),
        "species": (per_particle, block(species, (samples, particles), "species")),
    }
    if inherent_position is not None:
        variables["inherent_position"] = (
            vector,
            block(inherent_position, position.shape, "inherent_position"),
        )
    if replica_position is not None:
        name = "replica_position"
        replicas = np.shape(replica_position)[-3] if np.ndim(replica_position) >= 3 else 0
        variables[name] = DIMENSIONS[name], block(replica_position, (samples, replicas, particles, 2), name)
    for name, values in (("energy", energy), ("inherent_energy", inherent_energy)):
        if values is not None:
            variables[name] = (per_particle, block(values, (samples, particles), name))
    if names is None:
        names = [f"{index}" for index in range(samples)]
    names = np.asarray(names, dtype=str)
    if names.shape != (samples,):
        raise InvalidData(f"{source}: {names.size} names for {samples} configurations; expected one name for each.")
    dataset = xr.Dataset(
        variables,
        coords={"configuration": names, "space": ["x", "y"]},
        attrs={
            "box_length": length,
            "temperature": temperature,
            "model": MODEL,
            "seed": int(seed),
            "provenance": provenance,
        },
    )
    return check(dataset, source)


def check(dataset, source="configuration"):
    """Check a configurations Dataset against the schema and bring it to normal form.

    Normal form: dims `(configuration, particle, space)`; `position` and, where present, `inherent_position` float64 in
    [0, L); `species` int8 in {0, 1, 2}; `energy`, `inherent_energy` and `replica_position` (configuration, replica,
    particle, space; not wrapped) float64; attrs `box_length`, `temperature` (NaN where unknown), `model`, `seed`,
    `provenance`.

    Parameters
    ----------
    dataset : xarray.Dataset
        The configurations; a missing `configuration` dimension is added, to `species` too where only that lacks it;
        where they have no names these are "0", "1", …
    source : str, optional
        What error messages call the data, usually the file's name.

    Returns
    -------
    xarray.Dataset
        A new Dataset in normal form.

    Raises
    ------
    InvalidData
        One sentence: the source, what is wrong, what is expected.

    Warns
    -----
    MixtureWarning
        Where composition or density differ from the mixture's by more than 1 %.
    """
    for name in ("position", "species"):
        if name not in dataset:
            raise InvalidData(f"{source}: there is no variable '{name}'; expected position and species.")
    if "configuration" not in dataset.dims:
        dataset = dataset.expand_dims("configuration")
    if dataset["species"].dims == ("particle",):
        dataset = dataset.assign(species=dataset["species"].expand_dims(configuration=dataset.sizes["configuration"]))
    checked = dataset.copy()
    for name, dims in DIMENSIONS.items():
        if name in dataset:
            if set(dataset[name].dims) != set(dims):
                raise InvalidData(f"{source}: {name} has dimensions {dataset[name].dims}; expected {dims}.")
            checked[name] = dataset[name].transpose(*dims)
    given = dataset.coords.get("configuration", range(dataset.sizes["configuration"]))
    checked["configuration"] = "configuration", _checked_names(np.asarray(given), source)
    if dataset.sizes["space"] != 2:
        raise InvalidData(f"{source}: positions have {dataset.sizes['space']} components; expected 2.")
    if dataset.sizes["configuration"] == 0:
        raise InvalidData(f"{source}: there is no configuration in it; expected at least one.")
    particles = dataset.sizes["particle"]
    if not 1 <= particles <= MAX_PARTICLES:
        raise InvalidData(f"{source}: {particles} particles; expected 1 to {MAX_PARTICLES}.")
    length = checked_length(dataset.attrs.get("box_length"), source)

    for name in ("position", "inherent_position"):
        if name in dataset:
            checked[name] = DIMENSIONS[name], _checked_positions(checked[name].values, length, name, source)
    checked["species"] = DIMENSIONS["species"], checked_species(checked["species"].values, source)
    for name in ("energy", "inherent_energy", "replica_position"):
        if name in dataset:
            checked[name] = DIMENSIONS[name], _checked_numbers(checked[name].values, name, source)
    checked.attrs = {
        "model": MODEL,
        "seed": -1,
        "provenance": "",
        **dataset.attrs,
        "temperature": checked_temperature(dataset.attrs.get("temperature", np.nan), source),
        "box_length": length,
    }
    _warn_of_another_mixture(checked, source)
    return checked


def _checked_names(names, source):
    names = [str(name) for name in names]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidData(f"{source}: {twice[0]} is the name of several configurations; expected one name for each.")
    return names


def _number(value):
    try:
        return None if isinstance(value, (bool, np.bool_)) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def require_counts(who, **numbers):
    """`InvalidData` where a number by name is not a whole one from 1 on."""
    for name, number in numbers.items():
        if not isinstance(number, (int, np.integer)) or number < 1:
            raise InvalidData(f"{who}: {name} = {number}; expected a whole number, at least 1.")


def checked_length(length, source):
    """The side of a box as a positive number, or `InvalidData` that names the source."""
    length = _number(length)
    if length is None or not (np.isfinite(length) and length > 0):
        raise InvalidData(f"{source}: the box length is missing or not a positive number; expected the side in σ.")
    return length


def checked_temperature(value, source):
    """A temperature above 0, NaN where unknown, or `InvalidData` that names the source."""
    temperature = _number(value)
    if temperature is None or temperature <= 0 or np.isinf(temperature):
        said = f"{temperature:g}" if temperature is not None and isinstance(value, Real) else repr(value)
        raise InvalidData(f"{source}: the temperature is {said}; expected a positive number, or NaN where unknown.")
    return temperature


def _checked_numbers(values, name, source):
    if values.dtype.kind not in "fiu":
        raise InvalidData(f"{source}: {name} has type {values.dtype}; expected real numbers.")
    values = values.astype(np.float64)
    bad = values.size - np.isfinite(values).sum()
    if bad:
        raise InvalidData(f"{source}: {bad} values of {name} are not finite; expected numbers.")
    return values


def _checked_positions(values, length, name, source):
    values = _checked_numbers(values, name, source)
    outside = (values < -ROUNDING) | (values > length + ROUNDING)
    if outside.any():
        raise InvalidData(
            f"{source}: {outside.any(axis=-1).sum()} particles lie outside the box; "
            f"expected {name} in [0, {length:.6g})."
        )
    return wrap(values, length)


def checked_species(values, source):
    """Species as int8 in {0, 1, 2}, or `InvalidData` that names the source."""
    if values.dtype.kind not in "iu" and not (values.dtype.kind == "f" and np.all(values == np.floor(values))):
        raise InvalidData(f"{source}: species are not whole numbers; expected 1, 2 and 3.")
    unknown = np.setdiff1d(values, [0, 1, 2])
    if unknown.size:
        shown, stored = (", ".join(f"{s + n:.0f}" for s in unknown[:3].astype(float)) for n in (1, 0))
        raise InvalidData(
            f"{source}: unknown species {shown} ({stored} counted from 0); expected 1, 2 and 3 (0, 1 and 2)."
        )
    return values.astype(np.int8)


def _warn_of_another_mixture(dataset, source):
    species = dataset["species"].values
    fractions = np.stack([(species == kind).mean(axis=-1) for kind in range(3)], axis=-1)
    deviation = np.abs(fractions - COMPOSITION).max(axis=-1)
    if deviation.max() > 0.01:
        shown = " : ".join(f"{f:.3f}" for f in fractions[deviation.argmax()])
        expected = " : ".join(f"{f:.3f}" for f in COMPOSITION)
        warnings.warn(
            f"{source}: the composition {shown} is not the mixture's {expected}; predictions are not to be trusted.",
            MixtureWarning,
            stacklevel=3,
        )
    density = dataset.sizes["particle"] / dataset.attrs["box_length"] / dataset.attrs["box_length"]
    if abs(density / DENSITY - 1) > 0.01:
        warnings.warn(
            f"{source}: the density {density:.4g} is not the mixture's {DENSITY:.4f}; "
            "predictions are not to be trusted.",
            MixtureWarning,
            stacklevel=3,
        )


def temperature_name(temperature):
    """A temperature as file names carry it: two decimals, or as many as it has, so that no two share a name."""
    short = f"{temperature:.2f}"
    return short if abs(float(short) - temperature) < 1e-9 else f"{temperature:.9g}"
