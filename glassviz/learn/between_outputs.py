"""Between two output times: propensities and the noise that replicas leave in them, interpolated linearly in log t."""

import numpy as np
import xarray as xr

SMALLEST = 1e-12  # what a product of probabilities is divided by at least


def at_times(dataset, times):
    """Propensities of one structure at given times, linear in log t.

    Parameters
    ----------
    dataset : Dataset
        One structure, from `glassviz.learn.labels.structures`.
    times : (level,) ndarray
        Within the range of the stored times.

    Returns
    -------
    (level, particle) ndarray of float32
    """
    before, after, fraction = around(dataset, "propensity", times)
    return before * (1 - fraction) + after * fraction


def noise_at_times(dataset, times, chosen):
    r"""Mean variance that finitely many replicas leave in the propensities `at_times` of some particles.

    Of the noise of two outputs, the part that both share stays where one interpolates between them, and the rest
    averages out in part. What the true propensities C_1 and C_2 share is at most √(Var C_1 Var C_2), which is nearly
    what they do share, so the noise shares the rest of the labels' covariance,

    .. math:: K = \mathrm{Cov}(\hat C_1, \hat C_2) - \sqrt{\mathrm{Var}\,C_1\,\mathrm{Var}\,C_2},

    and not more than it would if no bond ever formed again, see `noise_between`. At late times many do.

    Parameters
    ----------
    dataset, times
        See `at_times`.
    chosen : ndarray
        Numbers of particles.

    Returns
    -------
    (level,) ndarray
        NaN where the file has no variance.
    """
    if "propensity_variance" not in dataset:
        return np.full(len(times), np.nan)
    dataset = dataset.isel(particle=chosen)
    first, second, fraction = around(dataset, "propensity", times)
    before, after, _ = around(dataset, "propensity_variance", times)
    before, after, fraction = before / dataset.attrs["replicas"], after / dataset.attrs["replicas"], fraction[:, 0]
    noise = before.mean(axis=1), after.mean(axis=1)
    true = [np.maximum(c.var(axis=1) - n, 0) for c, n in ((first, noise[0]), (second, noise[1]))]
    together = (first * second).mean(axis=1) - first.mean(axis=1) * second.mean(axis=1)
    lasting = (survival_correlation(first, second) * np.sqrt(before * after)).mean(axis=1)
    shared = np.clip(together - np.sqrt(true[0] * true[1]), 0, lasting)
    return (1 - fraction) ** 2 * noise[0] + fraction**2 * noise[1] + 2 * fraction * (1 - fraction) * shared


def replica_noise(ds, species=0):
    r"""Variance of each structure's mean propensity of a species that its finitely many replicas leave, Var_rep/R.

    Particles of a replica move together, so that this is more than the variance of single particles over their number.

    Parameters
    ----------
    ds : Dataset
        A propensity file: `mean_propensity` and, in all but early ones, `mean_propensity_variance`
        (configuration, time, component); attribute `replicas`.
    species : int, optional
        0-based.

    Returns
    -------
    DataArray (configuration, time)
        NaN where the file does not say.
    """
    if "mean_propensity_variance" not in ds:
        return xr.full_like(ds["propensity"].isel(particle=0, drop=True), np.nan, float).rename("replica_noise")
    return (ds["mean_propensity_variance"].isel(component=species) / ds.attrs["replicas"]).rename("replica_noise")


def noise_of_mean(dataset, times, species=0):
    """Variance that its replicas leave in the mean of a structure's propensities of a species `at_times`.

    Parameters
    ----------
    dataset, times
        See `at_times`.
    species : int, optional
        0-based.

    Returns
    -------
    (level,) ndarray
        NaN where the file does not say.
    """
    chosen = dataset["species"].values[0] == species
    known = dataset.assign(noise=replica_noise(dataset, species).expand_dims("one", -1))
    first, second, fraction = around(known, "propensity", times)
    means = [values[:, chosen].mean(axis=1, keepdims=True) for values in (first, second)]
    return noise_between(means, around(known, "noise", times)[:2], fraction)[:, 0]


def signal_share(variance, noise, mean_noise):
    r"""Share of the variance of labels, over all particles of all structures together, that is not replica noise.

    .. math:: 1 - (\langle s^2 \rangle - \langle \bar s^2 \rangle / n) / \mathrm{Var}\,\mathcal{C}

    Of the noise s² of the labels, what the mean of all n structures has of it moves all of them alike and is not in
    their variance.

    Parameters
    ----------
    variance, noise : ([state]) array_like
        Var C and the average s² over all structures.
    mean_noise : (structure, [state]) array_like
        s̄² of the mean of each structure; NaN, which counts as none, where it is unknown.

    Returns
    -------
    ([state]) ndarray
        At least 0; NaN where nothing varies.
    """
    shared = np.nan_to_num(mean_noise).mean(axis=0) / len(mean_noise)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(1 - (noise - shared) / variance, 0.0)


def noise_between(mean, noise, fraction):
    """Variance left in the mean propensity of a structure interpolated between two output times.

    For the mean over many particles, bonds that rattle open and closed do not count, and the noise correlates as
    survival does; measured at T = 0.40, C_B = 0.8 and three outputs per decade, this is right to 2 % halfway.

    Parameters
    ----------
    mean, noise : pair of ndarray
        C and its variance at the output before and at that after.
    fraction : ndarray
        How far between them.

    Returns
    -------
    ndarray
    """
    before, after = (1 - fraction) * np.sqrt(noise[0]), fraction * np.sqrt(noise[1])
    return before**2 + after**2 + 2 * survival_correlation(*mean) * before * after


def survival_correlation(first, second):
    r"""Correlation of the noise of propensities C_1 ≥ C_2 at two times where broken bonds stay broken.

    .. math:: r = \sqrt{C_2 (1 - C_1) / (C_1 (1 - C_2))}
    """
    second = np.minimum(first, second)
    return np.sqrt(second * np.maximum(1 - first, 0) / np.maximum(first * (1 - second), SMALLEST))


def around(dataset, name, times):
    """A variable (level, particle) at the outputs before and after each time, and how far between them it is."""
    stored = dataset["time"].values
    values, stored = dataset[name].values[0][stored > 0].astype(np.float32), np.log(stored[stored > 0])
    upper = np.clip(np.searchsorted(stored, np.log(times)), min(1, len(stored) - 1), len(stored) - 1)
    lower = np.maximum(upper - 1, 0)
    fraction = (np.log(times) - stored[lower]) / np.where(upper > lower, stored[upper] - stored[lower], np.inf)
    return values[lower], values[upper], fraction.astype(np.float32)[:, None]
