"""How good an ensemble is on structures it has never seen: ρ_P against the ceiling that finitely many replicas set."""

import numpy as np
import xarray as xr

from glassviz.learn import labels
from glassviz.learn.between_outputs import signal_share
from glassviz.mixture import InvalidData

RESAMPLES = 500


def evaluate(ensemble, datasets, levels=labels.LEVELS, *, species=0, role="test"):
    """Pearson correlation of predictions with labels at every state the labels reach.

    Parameters
    ----------
    ensemble : Ensemble
        Networks to judge.
    datasets : sequence of (path or Dataset)
        Propensity files; where they say a `role`, only those with the given one are used.
    levels : sequence of float, optional
        Levels of ⟨C̄_B⟩.
    species : int, optional
        Whose propensities, 0-based.
    role : str, optional
        "test" for structures never trained on.

    Returns
    -------
    Dataset
        Along `state`, with coordinates `temperature`, `time`, `mean_propensity`, `particles`, `structures`:
        `pearson` of the networks' mean prediction, over all particles of all structures together, `error` its
        bootstrap standard deviation over structures (NaN for a single one); `pearson_network` (state, network);
        `ceiling` = √`signal_share`, what a perfect prediction could reach given the replicas; `spread`, the
        predicted standard deviation over the true one, replica noise taken off; `converged`.

    Raises
    ------
    InvalidData
        Where there is no such structure, none gets to any of the levels, or there are no networks for the species.
    """
    if species not in ensemble.branches:
        raise InvalidData(f"{ensemble.name}: there are no networks for species {species + 1}.")
    chosen = [ds for ds in labels.structures(datasets) if ds.attrs.get("role", role) == role]
    if not chosen:
        raise InvalidData(f"evaluation: there is no structure with the role '{role}'; expected at least one.")
    rows = []
    for particles in sorted({ds.sizes["particle"] for ds in chosen}):
        group = [ds for ds in chosen if ds.sizes["particle"] == particles]
        settings = {key: ensemble.header[key] for key in ("cutoff", "tessellation")}
        constrained = labels.state_points(group, 0, levels, cut=False, **settings)
        judged = constrained if species == 0 else labels.state_points(group, species, levels, cut=False, **settings)
        for first, points in zip(constrained, judged, strict=True):
            rows += _judge(ensemble, first, points, species, particles)
    if not rows:
        said = ", ".join(f"{level:g}" for level in levels) or "none"
        raise InvalidData(f"evaluation: the labels reach none of the levels ({said}); expected longer runs or others.")
    table = {name: [row[name] for row in rows] for name in rows[0]}
    networks = np.array(table.pop("pearson_network"))
    coords = ("temperature", "time", "mean_propensity", "particles", "structures")
    return xr.Dataset(
        {
            **{name: ("state", values) for name, values in table.items() if name not in coords},
            "pearson_network": (("state", "network"), networks),
        },
        coords={name: ("state", table[name]) for name in coords},
    )


def _judge(ensemble, first, points, species, particles):
    """One row per level; `first` are the species-1 particles, on which the mean is constrained."""
    columns = [p.columns.reshape(-1, p.columns.shape[-1]) for p in ((first,) if species == 0 else (first, points))]
    kinds = np.repeat([0, species][: len(columns)], [len(c) for c in columns])
    predicted, report = ensemble.propensity(np.concatenate(columns), kinds, points.temperature, points.levels)
    predicted = predicted[:, :, kinds == species].reshape(*predicted.shape[:2], len(points), -1)
    rows = []
    for k, level in enumerate(points.levels):
        truth = points.labels[:, k].astype(np.float64)
        variance = truth.var()
        mean = predicted[:, k].mean(axis=0, dtype=np.float64)
        n, error = len(points), np.nan
        if n > 1:  # the bootstrap of n structures scatters too little, as the standard deviation of n values does
            error = correlation(mean, truth, _resamples(n)).std() * np.sqrt(n / (n - 1))
        signal = signal_share(variance, points.noise[:, k].mean(), points.mean_noise[:, k])
        rows.append(
            {
                "temperature": points.temperature,
                "time": points.times[k],
                "mean_propensity": level,
                "particles": particles,
                "structures": len(points),
                "pearson": correlation(mean, truth)[0],
                "error": error,
                "pearson_network": [correlation(network, truth)[0] for network in predicted[:, k]],
                "ceiling": np.sqrt(signal),
                "spread": mean.std() / np.sqrt(variance * signal) if signal else np.nan,
                "converged": bool(report["converged"][:, k].all()),
            }
        )
    return rows


def _resamples(structures):
    random = np.random.default_rng(structures)
    drawn = random.integers(structures, size=(RESAMPLES, structures))
    return np.stack([np.bincount(row, minlength=structures) for row in drawn])


def correlation(x, y, weights=None):
    """Pearson correlation over all particles of all structures, for given numbers of copies of each structure.

    Parameters
    ----------
    x, y : (structure, n) ndarray
    weights : (sample, structure) ndarray, optional
        Copies of each structure; all once by default.

    Returns
    -------
    (sample,) ndarray
        NaN where one of the two does not vary.
    """
    weights = np.ones((1, len(x))) if weights is None else weights
    x, y = x - x.mean(dtype=np.float64), y - y.mean(dtype=np.float64)
    count = weights.sum(axis=1) * x.shape[1]
    sx, sy, sxx, syy, sxy = (weights @ v.sum(axis=1) / count for v in (x, y, x * x, y * y, x * y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (sxy - sx * sy) / np.sqrt((sxx - sx**2) * (syy - sy**2))
