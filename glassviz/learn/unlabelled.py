"""Structures without labels, to which step 1 of the two-step training transfers some, and the mean that is known."""

from dataclasses import replace
from itertools import groupby

import numpy as np

from glassviz import files
from glassviz.learn.inference import CONSTRAINED_SPECIES
from glassviz.learn.labels import OF_STRUCTURES, StatePoints
from glassviz.mixture import InvalidData
from glassviz.simulate.inherent import inherent_structures
from glassviz.simulate.verdict import VERDICTS
from glassviz.structure.cache import cached_descriptors

STRUCTURES = 8  # most structures at one temperature that labels are transferred to


def configuration_sets(items):
    """Configuration files or Datasets as Datasets, from high to low temperature.

    Raises
    ------
    InvalidData
        Where one has no temperature.
    """
    found = []
    for item in items:
        dataset = item if hasattr(item, "data_vars") else files.read(item)
        if not dataset.attrs.get("temperature", np.nan) > 0:
            said = "dataset" if dataset is item else item
            raise InvalidData(f"{said}: the temperature is missing; expected the attribute 'temperature'.")
        found.append(dataset)
    return sorted(found, key=lambda ds: -ds.attrs["temperature"])


def unlabelled(dataset, species, cutoff=16.0, tessellation="radical"):
    """Structures of one temperature whose propensities nobody has measured, as state points of no level.

    Parameters
    ----------
    dataset : Dataset
        Configurations.
    species : int
        Whose particles, 0-based.
    cutoff, tessellation : optional
        Of the descriptors.

    Returns
    -------
    StatePoints
    """
    if "inherent_position" not in dataset:
        dataset = inherent_structures(dataset)
    table = cached_descriptors(dataset, cutoff=cutoff, tessellation=tessellation, species=species).values
    table = np.asarray(table.reshape(*table.shape[:2], -1), np.float32)
    of_species = dataset["species"].values == species
    position = np.stack([x[s] for x, s in zip(dataset["position"].values, of_species, strict=True)])
    count = len(table)
    return StatePoints(
        round(float(dataset.attrs["temperature"]), 6),
        np.empty(0),
        np.empty(0),
        dataset["configuration"].values.astype(str),
        table,
        np.empty((count, 0, table.shape[1]), np.float32),
        np.empty((count, 0)),
        np.empty((count, 0)),
        position,
        np.full(count, float(dataset.attrs["box_length"])),
        float(cutoff),
        tessellation,
    )


def structures_without_labels(datasets, species, *, without=(), most=STRUCTURES, cutoff=16.0, tessellation="radical"):
    """Structures without labels as state points of no level, together for each temperature.

    Parameters
    ----------
    datasets : sequence of Dataset
        Configurations, several in each, ordered by temperature.
    species : int
        0-based.
    without : collection of str
        Names of test structures, which are left out.
    most : int, optional
        At each temperature, those in equilibrium first; all where it is None.
    cutoff, tessellation : optional
        Of the descriptors.

    Returns
    -------
    list of StatePoints
    """
    found = []
    for _, alike in groupby(datasets, key=lambda ds: round(float(ds.attrs["temperature"]), 6)):
        alike = list(alike)
        candidates = [
            (settled, k, number)
            for k, ds in enumerate(alike)
            for number, (name, settled) in enumerate(zip(ds["configuration"].values, _in_equilibrium(ds), strict=True))
            if str(name) not in without
        ]
        candidates = sorted(candidates, key=lambda candidate: not candidate[0])[:most]
        chosen = [sorted(number for _, at, number in candidates if at == k) for k in range(len(alike))]
        parts = [
            unlabelled(ds.isel(configuration=numbers), species, cutoff, tessellation)
            for ds, numbers in zip(alike, chosen, strict=True)
            if numbers
        ]
        if parts:
            found.append(_together(parts))
    return found


def _in_equilibrium(ds):
    """Which configurations are known to be in equilibrium, (configuration,) ndarray of bool."""
    if "verdict" in ds:
        return ds["verdict"].values.astype(str) == VERDICTS[0]
    return np.full(ds.sizes["configuration"], str(ds.attrs.get("verdict", "")).startswith(VERDICTS[0]))


def _together(parts):
    """State points of one temperature as one."""
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in OF_STRUCTURES}
    return replace(parts[0], **joined)


def species_means(points, levels, species=CONSTRAINED_SPECIES):
    """Mean propensity of a species at levels of ⟨C̄_B⟩ where it has no labels.

    For species 1 it is the level itself. For the others it depends so little on temperature at a given level (by at
    most 0.014 between T = 0.40 and 0.25) that it is taken as it is at the lowest temperature with labels there.

    Parameters
    ----------
    points : list of StatePoints
        Simulated labels of the species.
    levels : (level,) ndarray
    species : int, optional
        0-based.

    Returns
    -------
    (level,) ndarray
        NaN where there are no labels at any temperature.
    """
    if species == CONSTRAINED_SPECIES:
        return np.asarray(levels, float)
    means = np.full(len(levels), np.nan)
    for p in sorted(points, key=lambda p: -p.temperature):
        here = np.isclose(np.asarray(levels)[:, None], p.levels)
        at = here.any(axis=1)
        means[at] = p.labels.mean(axis=(0, 2), dtype=np.float64)[here.argmax(axis=1)[at]]
    return means
