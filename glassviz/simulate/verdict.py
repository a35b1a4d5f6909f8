r"""Is it equilibrium: what the record of a swap Monte Carlo run shows, recomputable by anyone from the file.

An energy that no longer drifts proves little at low temperature, where it settles long before the structure is
forgotten. The verdict therefore asks for both: the energy has settled (its change over the last half of the run,
against an error from blocking), and the run was long enough to lose the structure it began with (decorrelations:
length of the run over the time at which half of the bonds of species 1 are broken).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from glassviz import mixture
from glassviz.simulate.bonds import BREAKS2
from glassviz.simulate.order import CRYSTALLINE, DEMIXED

EQUATION = r"n = \frac{\text{sweeps}}{s_{1/2}}, \qquad C_B(s_{1/2}) = \tfrac12"
CAPTION = "A run is as long as n decorrelation times of the bonds; equilibrium asks for n ≥ 1 and an energy at rest."

VERDICTS = ("equilibrium", "nearly", "glass", "crystal", "demixed")
ENOUGH = 1.0  # decorrelation times that make an equilibrium
TOO_FEW = 0.1  # below which a run has shown nothing but a glass
SIGNIFICANT = 3.0  # standard errors
FEWEST_RECORDS = 8  # of a run, whose last half is to show a drift
FEWEST_SAMPLES = 3  # of two ensembles together, to know how they scatter
FEWEST_ALONE = 6  # of one of them, to know that from its own samples
_FEWEST_BLOCKS = 5  # of a blocking level


def blocking_error(series):
    """Standard error of the mean of a correlated series, by blocking (Flyvbjerg and Petersen 1989).

    Parameters
    ----------
    series : (…, n) array_like
        Values at equal intervals; the leading axes are parts of one series, each around a mean of its own.

    Returns
    -------
    float
        Error of the mean of one part: the largest of the errors from blocks of 1, 2, 4 … values, as long as a part
        has at least five of them.
    """
    values = np.atleast_2d(np.asarray(series, dtype=float))
    errors = []
    while values.shape[1] >= max(2, min(_FEWEST_BLOCKS, np.shape(series)[-1])):
        errors.append(np.sqrt(values.var(axis=1, ddof=1).mean() / values.shape[1]))
        even = values.shape[1] // 2 * 2
        values = values[:, :even].reshape(len(values), -1, 2).mean(axis=2)
    return float(max(errors, default=np.nan))


def drift(energies):
    """Energy change over the last half of a run and its standard error.

    Parameters
    ----------
    energies : (n,) array_like
        Energy per particle (ε) at equal intervals.

    Returns
    -------
    change, error : float
        Mean of the last quarter less that of the quarter before (ε), and its error by blocking.
    """
    energies = np.asarray(energies, dtype=float)
    quarter = len(energies) // 4
    parts = energies[len(energies) - 2 * quarter :].reshape(2, quarter)
    return float(parts[1].mean() - parts[0].mean()), np.sqrt(2) * blocking_error(parts)


def chance_bonds(species, box_length):
    """Fraction of bonds that seem to survive between particles placed at random: those near by accident.

    Parameters
    ----------
    species : (n,) array_like of int
        Species, 0-based.
    box_length : float
        Side of the periodic box (σ).

    Returns
    -------
    float
        Area within reach of a bond of species 1 over that of the box, averaged over the composition.
    """
    shares = np.bincount(species, minlength=3) / len(species)
    return float(min(np.pi * (BREAKS2[0] * shares).sum() / box_length**2, 0.9))


def half_life(bonds, chance=0.0):
    """Time at which half of the bonds are lost, in units of the run.

    Parameters
    ----------
    bonds : (n,) array_like
        Fraction of the first bonds that survives, at n equal intervals of the run.
    chance : float, optional
        What seems to survive for ever, from `chance_bonds`.

    Returns
    -------
    float
        Interpolated where the run gets there, else extrapolated by a stretched exponential exp(−(s/τ)^b), 0.3 ≤ b ≤ 1,
        through the last nine tenths of the run. Infinite where no bond is lost.
    """
    surviving = (np.asarray(bonds, dtype=float) - chance) / (1 - chance)
    time = np.arange(1, len(surviving) + 1) / len(surviving)
    below = np.flatnonzero(surviving <= 0.5)
    if below.size:
        k = below[0]
        earlier, before = (time[k - 1], surviving[k - 1]) if k else (0.0, 1.0)
        return float(earlier + (time[k] - earlier) * (before - 0.5) / (before - surviving[k]))
    used = (time > 0.1) & (surviving < 1)
    if used.sum() < 2:
        return np.inf
    x, y = np.log(time[used]), np.log(-np.log(surviving[used]))
    stretch = np.clip(np.polyfit(x, y, 1)[0], 0.3, 1.0)
    return float(np.exp((np.log(np.log(2)) - y.mean()) / stretch + x.mean()))


def decorrelations(ds):
    """Decorrelation times that each recorded run lasted.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations with `bond_series`.

    Returns
    -------
    (configuration,) ndarray
    """
    length = ds.attrs["box_length"]
    chances = [chance_bonds(species, length) for species in ds["species"].values]
    pairs = zip(ds["bond_series"].values, chances, strict=True)
    return np.array([1 / half_life(bonds, chance) for bonds, chance in pairs])


def trend(change, error):
    """How an energy moved by more than three errors: −1 where it fell, 1 where it rose, 0 where it is at rest."""
    return int(np.sign(change)) if abs(change) > SIGNIFICANT * error else 0


def level(change, error, times, order=0.0, mixing=0.0):
    """What a run has shown, in one word of `VERDICTS`.

    Parameters
    ----------
    change, error : float
        Energy change over the last half and its error, from `drift`.
    times : float
        Decorrelation times that the run lasted.
    order, mixing : float, optional
        `hexatic_order` and `demixing` of the sample.

    Returns
    -------
    str
        "crystal" or "demixed" where the sample is no longer the disordered mixture; "glass" where the energy still
        falls by more than three errors, or the run lasted less than a tenth of a decorrelation time; "equilibrium"
        where the energy neither falls nor rises by as much and the run lasted at least one; "nearly" between.
    """
    if order > CRYSTALLINE:
        return "crystal"
    if mixing > DEMIXED:
        return "demixed"
    moved = trend(change, error)
    if moved < 0 or times < TOO_FEW:
        return "glass"
    return "equilibrium" if times >= ENOUGH and not moved else "nearly"


def assess(ds):
    """Add what the record of each run shows.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations with the series of their run; `hexatic_order` and `demixing` count where they are present.

    Returns
    -------
    xarray.Dataset
        `ds` with `energy_drift`, `energy_drift_error` (ε), `decorrelations` and `verdict` `(configuration)`.

    Raises
    ------
    InvalidData
        Where the series are missing, not finite or too short.
    """
    if "energy_series" not in ds or "bond_series" not in ds:
        raise mixture.InvalidData("verdict: there is no record of a run; expected energy_series and bond_series.")
    series = [ds[name].values for name in ("energy_series", "bond_series")]
    if series[0].shape[-1] < FEWEST_RECORDS or not all(np.isfinite(values).all() for values in series):
        raise mixture.InvalidData(
            f"verdict: {series[0].shape[-1]} records of a run, or some not finite; "
            f"expected at least {FEWEST_RECORDS} numbers."
        )
    drifts = np.array([drift(energies) for energies in ds["energy_series"].values])
    times = decorrelations(ds)
    columns = [*drifts.T, times]
    columns += [ds[name].values if name in ds else np.zeros(len(times)) for name in ("hexatic_order", "demixing")]
    return ds.assign(
        energy_drift=("configuration", drifts[:, 0]),
        energy_drift_error=("configuration", drifts[:, 1]),
        decorrelations=("configuration", times),
        verdict=("configuration", [level(*row) for row in zip(*columns, strict=True)]),
    )


class Comparison(NamedTuple):
    """Energies of two ensembles at one temperature: their difference (ε per particle) and its standard error.

    The error itself is known from so many degrees of `freedom`.
    """

    difference: float
    error: float
    freedom: float

    @property
    def agrees(self):
        """Whether the difference lies within three errors, or more where few samples tell how large an error is."""
        return abs(self.difference) <= special.stdtrit(self.freedom, special.ndtr(SIGNIFICANT)) * self.error

    def __str__(self):
        word = "agrees" if self.agrees else "does not agree"
        if self.agrees and abs(self.difference) > SIGNIFICANT * self.error:
            word = "too few samples to tell"
        return f"{word}: {self.difference:+.5f} ± {self.error:.5f} ε"


def sample_energies(ds):
    """Energy per particle (ε) of each sample, averaged over the last half of its run where that is recorded."""
    if "energy_series" in ds:
        series = ds["energy_series"].values
        return series[:, series.shape[1] // 2 :].mean(axis=1)
    if "energy" not in ds:
        raise mixture.InvalidData("energies: there are none; expected energy_series or energy.")
    return ds["energy"].mean("particle").values


def independent(values, ds):
    """Values of the samples of a Dataset, those from one ladder of replica exchange averaged: they are of one run."""
    if "ladder" not in ds:
        return values
    ladders = ds["ladder"].values
    alone = np.isnan(ladders)
    shared = [values[ladders == ladder].mean() for ladder in np.unique(ladders[~alone])]
    return np.concatenate([values[alone], shared])


def enough(one, other):
    """Whether two ensembles have independent samples enough to be compared."""
    return sum(len(independent(sample_energies(ds), ds)) for ds in (one, other)) >= FEWEST_SAMPLES


def compare_energies(one, other):
    """Compare the energies of samples that were made differently, for instance cooled faster or from another start.

    Parameters
    ----------
    one, other : xarray.Dataset
        Configurations at the same temperature, together at least three that are independent; those of one ladder of
        replica exchange count as one.

    Returns
    -------
    Comparison
        Mean energy of `one` less that of `other`; the errors come from the scatter between the samples of each, so that
        neither the memory within a run nor its length matters (Welch 1947). Fewer than six samples are taken to scatter
        as all do and, from blocking, as the energies of their runs do, which may be shorter ones.

    Raises
    ------
    InvalidData
        Where there are no energies, the temperatures differ or there are fewer than three samples.
    """
    if not np.isclose(one.attrs["temperature"], other.attrs["temperature"]):
        raise mixture.InvalidData(
            f"energies: T = {one.attrs['temperature']:g} and {other.attrs['temperature']:g}; expected one temperature."
        )
    first, second = (independent(sample_energies(ds), ds) for ds in (one, other))
    if not enough(one, other):
        raise mixture.InvalidData("energies: two samples; expected at least three to know their scatter.")
    few, small = min((len(first), one), (len(second), other), key=lambda pair: pair[0])
    if few >= FEWEST_ALONE:
        parts = [(values.var(ddof=1) / len(values), len(values) - 1) for values in (first, second)]
    else:
        freedom = len(first) + len(second) - 2
        scatter = sum(len(values) * values.var() for values in (first, second)) / freedom
        parts = [(scatter * (1 / len(first) + 1 / len(second)), freedom), (_variance_within(small) / few, np.inf)]
    variance = sum(part for part, _ in parts)
    effective = variance**2 / sum(part**2 / freedom for part, freedom in parts) if variance else 1.0
    return Comparison(float(first.mean() - second.mean()), float(np.sqrt(variance)), float(effective))


def _variance_within(ds):
    """Variance of the mean energy over the last half of a run, mean over the samples, 0 where that is not recorded."""
    if "energy_series" not in ds:
        return 0.0
    series = ds["energy_series"].values
    return np.mean([blocking_error(run[len(run) // 2 :]) ** 2 for run in series])


def statement(ds):
    """The verdict on all samples of a file, in one line for people.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations, from `assess`.

    Returns
    -------
    str
        Begins with the verdict on most of them. The drift is the mean over the samples with the error of that mean,
        which sees what no single run can.
    """
    levels = list(ds["verdict"].values)
    most = max(VERDICTS, key=levels.count)
    surviving, times = float(ds["bond_series"][:, -1].mean()), float(np.median(ds["decorrelations"]))
    sweeps = "–".join(f"{count:.0f}" for count in sorted({int(ds["sweeps"].min()), int(ds["sweeps"].max())}))
    drifts = independent(ds["energy_drift"].values, ds)
    error = drifts.std(ddof=1) / np.sqrt(len(drifts)) if len(drifts) > 1 else float(ds["energy_drift_error"][0])
    share = f"{most} ({levels.count(most)} of {len(levels)})" if len(levels) > 1 else most
    return (
        f"{share}: {100 * surviving:.0f} % of the bonds survive {sweeps} sweeps of swap Monte Carlo "
        f"({times:.2g} decorrelation times), energy drift {drifts.mean():+.1e} ± {error:.0e} ε"
    )
