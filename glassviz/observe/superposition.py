r"""Time, mean propensity and temperature: one master curve and the relaxation time τ_BB(T) (App. A, Fig. 13).

A level of ⟨C̄_B⟩ is measured by y = ln(−ln ⟨C̄_B⟩), in which a stretched exponential is a straight line in ln t.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import xarray as xr
from scipy.interpolate import PchipInterpolator

from glassviz.files import store
from glassviz.mixture import GLASS_TRANSITION_TEMPERATURE, InvalidData

EQUATION = (
    r"\langle \bar{\mathcal{C}}_B \rangle(t, T) = F\!\left( t / \tau_\mathrm{BB}(T) \right), \qquad F(1) = \tfrac{1}{2}"
)
CAPTION = "Curves of all temperatures fall on one when time is measured in units of the relaxation time."

ARRHENIUS_TEMPERATURE = 0.25
# One structure of GlassBench, KA2D, T = 0.23 (doi 10.5281/zenodo.10118191): temperature, time, mean propensity.
PUBLISHED = (0.23, 1.5e6, 0.760)
# Jung, Biroli, Berthier: the glass transition temperature is where the relaxation time is 1e12.
ANCHOR = (GLASS_TRANSITION_TEMPERATURE, 1e12)

RESAMPLES = 100
_HALF = np.log(np.log(2.0))  # the level ⟨C̄_B⟩ = 0.5
_LEVELS = np.linspace(np.log(-np.log(1 - 1e-4)), np.log(-np.log(1e-3)), 600)
_OVERLAP = np.log(3.0)  # curves are matched from their deepest level up to a third of that decay
_FADE = 1.0  # below its deepest level a curve's own shape fades into the master curve over this range of y
ENOUGH = 4  # structures that a curve needs, where there are so many
_SAME_TEMPERATURE = 1e-3


def level(mean_propensity):
    """y = ln(−ln C) of a mean propensity, clipped to the range of the tables."""
    c = np.clip(np.asarray(mean_propensity, dtype=np.float64), np.exp(-np.exp(_LEVELS[-1])), 1 - 1e-4)
    return np.log(-np.log(c))


@dataclass
class Measured:
    """Mean propensity against time of the structures of one temperature.

    Attributes
    ----------
    temperature : float
    time : (time,) ndarray
        Times common to the structures.
    mean_propensity : (structure, time) ndarray
        Mean over species 1 of each structure.
    """

    temperature: float
    time: np.ndarray
    mean_propensity: np.ndarray

    def curve(self, weights=None):
        """Strictly increasing (y, ln t) of the weighted mean over structures."""
        mean = np.average(self.mean_propensity, axis=0, weights=weights)
        mean = np.minimum.accumulate(mean)
        inside = (mean < 1 - 1e-6) & (mean > 0)
        y, first = np.unique(np.log(-np.log(mean[inside])), return_index=True)
        return y, np.log(self.time[inside])[first]


class Superposition:
    r"""t ↔ ⟨C̄_B⟩ ↔ T for the mixture.

    The temperature whose runs reach the lowest ⟨C̄_B⟩ gives the master curve; below its lowest level the curve goes on
    as a stretched exponential. Where a run passes 0.5 that is τ_BB; the others are shifted in ln t to overlap the
    master curve, from their deepest level up to a third of that decay. At a measured temperature times follow its own
    curve as far as it reaches and fade into the master curve beyond; between temperatures that deviation is
    interpolated in 1/T.

    ln τ_BB is a monotone cubic in 1/T through the points of `table`; from the first point at T ≤ 0.25 it is a straight
    line in 1/T (Arrhenius) between neighbouring points and beyond the last one.

    Parameters
    ----------
    measured : sequence of Measured
        One for each temperature.
    anchor : bool, optional
        Use the published sample at T = 0.23 (unless measured) and τ_BB(0.15) = 1e12. Else τ_BB is extrapolated by the
        Arrhenius line through the points at T ≤ 0.25, or the two coldest.
    """

    def __init__(self, measured, anchor=True):
        self.measured = sorted(measured, key=lambda m: -m.temperature)
        if not self.measured:
            raise InvalidData("superposition: there is no measured propensity; expected at least one temperature.")
        log_tau, self._master, self._lowest = _superpose(self.measured)
        self._deviation = np.stack(
            [_deviation(m, tau, self._master) for m, tau in zip(self.measured, log_tau, strict=True)]
        )
        self._highest = np.array([m.curve()[0][0] for m in self.measured])
        self._points = self._collect(log_tau, anchor)
        self._arrhenius = _arrhenius(self._points)

    def _collect(self, log_tau, anchor):
        error = _bootstrap(self.measured)
        points = [
            (m.temperature, tau, e, "measured", np.exp(-np.exp(low)), len(m.mean_propensity))
            for m, tau, e, low in zip(self.measured, log_tau, error, self._lowest, strict=True)
        ]
        if anchor:
            temperature, time, reached = PUBLISHED
            extra = [(temperature, np.log(time) - self._unscaled(reached), np.nan, "published", reached, 1)]
            extra.append((ANCHOR[0], np.log(ANCHOR[1]), np.nan, "anchor", np.nan, 0))
            points += [
                p for p in extra if not any(abs(p[0] - m.temperature) < _SAME_TEMPERATURE for m in self.measured)
            ]
        points.sort(key=lambda p: -p[0])
        names = ("temperature", "log_tau", "error", "kind", "lowest", "structures")
        return dict(zip(names, map(np.array, zip(*points, strict=True)), strict=True))

    def relaxation_time(self, temperature):
        """τ_BB (σ(m/ε)^½) at a temperature, scalar or array."""
        x, y = 1 / self._points["temperature"], self._points["log_tau"]
        at = 1 / np.asarray(temperature, dtype=np.float64)
        if len(x) == 1:
            return np.exp(y[0] + self._arrhenius * (at - x[0]))
        result = np.interp(at, x, y)
        cold = 1 / ARRHENIUS_TEMPERATURE
        if len(x) > 2:
            edge = x[x >= cold - 1e-9][0] if x[-1] >= cold - 1e-9 else x[-1]
            result = np.where((at > x[0]) & (at < edge), PchipInterpolator(x, y)(np.clip(at, x[0], x[-1])), result)
        hot = (y[1] - y[0]) / (x[1] - x[0])
        result = np.where(at < x[0], y[0] + hot * (at - x[0]), result)
        return np.exp(np.where(at > x[-1], y[-1] + self._arrhenius * (at - x[-1]), result))

    def time(self, mean_propensity, temperature):
        """Time at which ⟨C̄_B⟩ has fallen to `mean_propensity` at a temperature; arguments broadcast."""
        y, temperature = np.broadcast_arrays(level(mean_propensity), np.asarray(temperature, dtype=np.float64))
        scaled = np.interp(y, _LEVELS, self._master)
        for row, weight in zip(self._deviation, self._weights(temperature), strict=True):
            scaled = scaled + weight * np.interp(y, _LEVELS, row)
        return self.relaxation_time(temperature) * np.exp(scaled)

    def mean_propensity(self, time, temperature):
        """⟨C̄_B⟩ after a time at a temperature, the inverse of `time`; arguments broadcast."""
        time, temperature = np.broadcast_arrays(
            np.asarray(time, dtype=np.float64), np.asarray(temperature, dtype=np.float64)
        )
        result = np.empty(time.shape)
        for one in np.unique(temperature):
            here = temperature == one
            curve = np.log(self.time(np.exp(-np.exp(_LEVELS)), one))
            with np.errstate(divide="ignore"):
                result[here] = np.exp(-np.exp(np.interp(np.log(time[here]), curve, _LEVELS)))
        return result if result.ndim else float(result)

    def is_simulated(self, mean_propensity, temperature):
        """Whether molecular dynamics of this project reached this ⟨C̄_B⟩ at this temperature; arguments broadcast."""
        y, temperature = np.broadcast_arrays(level(mean_propensity), np.asarray(temperature, dtype=np.float64))
        result = np.zeros(y.shape, dtype=bool)
        for m, low, high in zip(self.measured, self._lowest, self._highest, strict=True):
            result |= (np.abs(temperature - m.temperature) < _SAME_TEMPERATURE) & (y <= low + 1e-9) & (y >= high - 1e-9)
        return result if result.ndim else bool(result)

    def table(self):
        """The points that fix τ_BB(T).

        Returns
        -------
        Dataset (point)
            `temperature`, `relaxation_time`, `error` (bootstrap over structures; NaN where there is one structure or
            the value is taken from elsewhere), `kind` ("measured", "published", "anchor"), `lowest_mean_propensity`
            reached (τ_BB comes from the overlap where that is above 0.5) and the number of `structures`.
        """
        p = self._points
        tau = np.exp(p["log_tau"])
        variables = {
            "temperature": p["temperature"],
            "relaxation_time": tau,
            "error": tau * p["error"],
            "kind": p["kind"],
            "lowest_mean_propensity": p["lowest"],
            "structures": p["structures"],
        }
        return xr.Dataset({name: ("point", values) for name, values in variables.items()})

    def master_curve(self):
        """The master curve: DataArray of ⟨C̄_B⟩ along `scaled_time` = t/τ_BB, with a coordinate `extrapolated`."""
        return xr.DataArray(
            np.exp(-np.exp(_LEVELS)),
            dims="scaled_time",
            coords={
                "scaled_time": np.exp(self._master),
                "extrapolated": ("scaled_time", (max(self._lowest) < _LEVELS) | (min(self._highest) > _LEVELS)),
            },
            name="mean_propensity",
        )

    def _unscaled(self, mean_propensity):
        """ln(t/τ_BB) of the master curve."""
        return float(np.interp(level(mean_propensity), _LEVELS, self._master))

    def _weights(self, temperature):
        """Share of each measured temperature's own shape at other temperatures, linear in 1/T between points."""
        x = 1 / self._points["temperature"]
        own = self._points["kind"] == "measured"
        at = np.clip(1 / temperature, x[0], x[-1])
        return [np.interp(at, x, row) for row in np.eye(len(x))[own]]


def _superpose(measured, weights=None):
    """ln τ_BB of each temperature, ln(t/τ_BB) of the master curve on `_LEVELS`, and the deepest level of each."""
    curves = [m.curve(None if weights is None else weights[k]) for k, m in enumerate(measured)]
    lowest = np.array([y[-1] for y, _ in curves])
    reference = int(np.argmax(lowest))
    master = _extended(*curves[reference])
    log_tau = np.empty(len(measured))
    log_tau[reference] = np.interp(_HALF, _LEVELS, master)
    master = master - log_tau[reference]
    for k, (y, log_time) in enumerate(curves):
        if k == reference:
            continue
        if y[-1] >= _HALF:
            log_tau[k] = np.interp(_HALF, y, log_time)
        else:
            at = np.linspace(max(y[-1] - _OVERLAP, y[0]), y[-1], 50)
            log_tau[k] = np.mean(np.interp(at, y, log_time) - np.interp(at, _LEVELS, master))
    return log_tau, master, lowest


def _extended(y, log_time):
    """ln t on `_LEVELS`: linear in y between the points, beyond them stretched exponentials with the ends' slopes."""
    result = np.interp(_LEVELS, y, log_time)
    for end, near, outside in (
        (-1, y >= y[-1] - _OVERLAP, y[-1] < _LEVELS),
        (0, y <= y[0] + _OVERLAP, y[0] > _LEVELS),
    ):
        slope = np.polyfit(y[near], log_time[near], 1)[0] if near.sum() > 1 else 1.0
        result = np.where(outside, log_time[end] + slope * (_LEVELS - y[end]), result)
    return result


def _deviation(measured, log_tau, master):
    """ln t of a temperature's own curve minus that of the shifted master curve, on `_LEVELS`."""
    y, log_time = measured.curve()
    deviation = np.interp(_LEVELS, y, log_time - log_tau - np.interp(y, _LEVELS, master))
    fade = np.clip(1 - (_LEVELS - y[-1]) / _FADE, 0, 1)
    return deviation * np.where(y[-1] < _LEVELS, fade, 1.0)


def _bootstrap(measured):
    """Standard deviation of ln τ_BB of each temperature over resampled structures; NaN for one structure."""
    generator = np.random.default_rng(0)
    values = np.empty((RESAMPLES, len(measured)))
    counts = [len(m.mean_propensity) for m in measured]
    for b in range(RESAMPLES):
        weights = [generator.multinomial(n, np.full(n, 1 / n)) for n in counts]
        values[b] = _superpose(measured, weights)[0]
    return np.where(np.array(counts) > 1, values.std(axis=0, ddof=1), np.nan)


def _arrhenius(points):
    """d ln τ_BB / d(1/T) by which τ_BB is continued to lower temperatures."""
    x, y = 1 / points["temperature"], points["log_tau"]
    cold = points["temperature"] <= ARRHENIUS_TEMPERATURE + 1e-9
    if cold.sum() < 2:
        cold = np.arange(len(x)) >= len(x) - 2
    return np.polyfit(x[cold], y[cold], 1)[0] if cold.sum() > 1 else 0.0


def superposition(propensity_datasets=None, anchor=True):
    """Superposition of measured propensities.

    Parameters
    ----------
    propensity_datasets : iterable of Dataset, optional
        Propensity files: `mean_propensity (configuration, time)`, coordinate `time`, attribute `temperature`. Default:
        those shipped with glassviz.
    anchor : bool, optional
        Fix τ_BB at low temperature by the published sample at T = 0.23 and by τ_BB(0.15) = 1e12; else extrapolate.

    Returns
    -------
    Superposition

    Raises
    ------
    InvalidData
        Where there is no data, or a Dataset is not a propensity file.
    """
    if propensity_datasets is None:
        return _shipped(anchor)
    return Superposition(_by_temperature(propensity_datasets), anchor)


@cache
def _shipped(anchor):
    return Superposition(_by_temperature(_shipped_curves()), anchor)


def _shipped_curves():
    files = store.available_propensities()
    if not files:
        folder = store.precomputed("propensities")
        raise InvalidData(f"{folder}: there are no propensity files; expected those of `glassviz dynamics`.")
    for file in files:
        with xr.open_dataset(file.path, engine="h5netcdf") as stored:
            yield stored[["mean_propensity"]].load()


def _by_temperature(datasets):
    """Group curves by temperature and bring the long ones of each to their common times."""
    groups = {}
    for ds in datasets:
        if "mean_propensity" not in ds or "time" not in ds.coords or "temperature" not in ds.attrs:
            raise InvalidData(
                "superposition: a Dataset lacks mean_propensity, time or temperature; expected a propensity file."
            )
        curves = ds["mean_propensity"]
        curves = curves if "configuration" in curves.dims else curves.expand_dims("configuration")
        curves = curves.transpose("configuration", "time").sel(time=curves["time"] > 0).sortby("time")
        groups.setdefault(round(float(ds.attrs["temperature"]), 4), []).append(curves)
    measured = []
    for temperature, group in groups.items():
        # The longest runs count, as long as there are enough of them: they reach the lowest ⟨C̄_B⟩.
        ends = sorted((c["time"].values[-1] for c in group for _ in c["configuration"]), reverse=True)
        last = ends[min(ENOUGH, len(ends)) - 1]
        group = [c for c in group if c["time"].values[-1] >= last]
        first = max(c["time"].values[0] for c in group)
        times = np.unique(np.concatenate([c["time"].values for c in group]))
        times = times[(times >= first) & (times <= last)]
        rows = [
            np.interp(np.log(times), np.log(c["time"].values), row)
            for c in group
            for row in c.values.astype(np.float64)
        ]
        measured.append(Measured(temperature, times, np.stack(rows)))
    return measured
