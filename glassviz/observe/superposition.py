r"""Time, mean propensity and temperature: one master curve and the relaxation time τ_BB(T) (App. A, Fig. 13)."""

from functools import cache, cached_property

import numpy as np
import xarray as xr
from scipy.interpolate import PchipInterpolator

from glassviz.files import store
from glassviz.mixture import GLASS_TRANSITION_TEMPERATURE, InvalidData
from glassviz.observe.decay import Decay, by_temperature, shipped_curves
from glassviz.observe.fields import shortfall
from glassviz.observe.overlap import HALF, LEVELS, deviation, level, resampled, superpose
from glassviz.observe.relaxation import ARRHENIUS_TEMPERATURE, LAWS, fit, tabulate

EQUATION = (
    r"\langle \bar{\mathcal{C}}_B \rangle(t, T) = F\!\left( t / \tau_\mathrm{BB}(T) \right), \qquad F(1) = \tfrac{1}{2}"
)
CAPTION = "Curves of all temperatures fall on one when time is measured in units of the relaxation time."

# One structure of GlassBench, KA2D, T = 0.23, 20 replicas (doi 10.5281/zenodo.10118191).
PUBLISHED = Decay(
    0.23,
    np.array([0.1, 1.1, 11.64, 122.47, 1288.41, 13554, 142587, 1.5e6]),
    np.array([[1.0, 0.9999, 0.9998, 0.9997, 0.9996, 0.9977, 0.9713, 0.760]]),
    [(1290, "GlassBench")],
)
# Jung, Biroli, Berthier: the glass transition temperature is where the relaxation time is 1e12.
ANCHOR = (GLASS_TRANSITION_TEMPERATURE, 1e12)

_SAME_TEMPERATURE = 1e-3
_GRID = 200  # temperatures of the fits


class Superposition:
    r"""t ↔ ⟨C̄_B⟩ ↔ T for the mixture.

    Where the runs of a temperature pass 0.5 that is τ_BB. The coldest of these temperatures, the most alike to those
    that do not, gives the master curve, which hotter ones continue to lower ⟨C̄_B⟩ and a stretched exponential beyond
    all. The others are shifted in ln t to overlap it, from their deepest level up to a third of that decay. At a
    measured temperature times follow its own curve as far as it reaches and fade into the master curve beyond; between
    temperatures that deviation is interpolated in 1/T.

    ln τ_BB is a monotone cubic in 1/T through `relaxation_times`; from the first point at T ≤ 0.25 it is a straight
    line in 1/T (Arrhenius) between neighbouring points and beyond the last one.

    Parameters
    ----------
    measured : sequence of Decay
        One for each temperature.
    anchor : bool, optional
        Use the published sample at T = 0.23 (unless measured) and τ_BB(0.15) = 1e12. Else, and beyond 0.15, τ_BB is
        continued from its coldest point with the slope of the Arrhenius law, which is fitted at T ≤ 0.25 or to the two
        coldest points (see `fits`).
    """

    def __init__(self, measured, anchor=True):
        self.measured = sorted(measured, key=lambda m: -m.temperature)
        if not self.measured:
            raise InvalidData("superposition: there is no measured propensity; expected at least one temperature.")
        if still := [m.temperature for m in self.measured if not len(m.curve()[0])]:
            raise InvalidData(f"superposition: no bond breaks at T = {still[0]:g}; expected longer runs there.")
        log_tau, self._master, self._lowest, mismatch = superpose(self.measured)
        self._deviation = np.stack(
            [deviation(m, tau, self._master) for m, tau in zip(self.measured, log_tau, strict=True)]
        )
        self._highest = np.array([m.curve()[0][0] for m in self.measured])
        self._points = self._collect(log_tau, mismatch, anchor)
        arrhenius = self._fit("arrhenius")
        self._slope = arrhenius.value[1] if arrhenius else np.nan

    def _collect(self, log_tau, mismatch, anchor):
        scatter = resampled(self.measured).std(axis=0, ddof=1) * [shortfall(m.counts[-1]) for m in self.measured]
        error = np.hypot(scatter, np.where(self._lowest >= HALF, 0, np.nan_to_num(mismatch)))
        points = [
            (m.temperature, tau, e, miss, "measured", np.exp(-np.exp(low)), m.time[-1], m.structures)
            for m, tau, e, miss, low in zip(self.measured, log_tau, error, mismatch, self._lowest, strict=True)
        ]
        if anchor:
            temperature, time, reached = PUBLISHED.temperature, PUBLISHED.time[-1], PUBLISHED.mean_propensity[0, -1]
            # At its deepest level only: its output times are a decade apart, and one structure strays more earlier.
            shifted = np.log(time) - self._unscaled(reached)
            extra = [
                (temperature, shifted, self._scatter_of_one(scatter), np.nan, "published", reached, time, 1),
                (ANCHOR[0], np.log(ANCHOR[1]), np.nan, np.nan, "anchor", np.nan, np.nan, 0),
            ]
            points += [
                p for p in extra if not any(abs(p[0] - m.temperature) < _SAME_TEMPERATURE for m in self.measured)
            ]
        points.sort(key=lambda p: -p[0])
        names = ("temperature", "log_tau", "error", "mismatch", "kind", "lowest", "longest", "structures")
        return dict(zip(names, map(np.array, zip(*points, strict=True)), strict=True))

    def _scatter_of_one(self, error):
        """Error of ln τ_BB from one structure: the scatter between those of the coldest temperature with several."""
        known = [e * np.sqrt(m.counts[-1]) for e, m in zip(error, self.measured, strict=True) if np.isfinite(e)]
        return known[-1] if known else np.nan

    def relaxation_time(self, temperature):
        """τ_BB (σ(m/ε)^½) at temperatures T > 0, scalar or array; NaN at others than the only one that is known."""
        x, y = 1 / self._points["temperature"], self._points["log_tau"]
        at = 1 / _positive(temperature)
        if len(x) == 1:
            return np.where(np.abs(1 / at - 1 / x[0]) < _SAME_TEMPERATURE, np.exp(y[0]), np.nan)[()]
        result = np.interp(at, x, y)
        cold = 1 / ARRHENIUS_TEMPERATURE
        if len(x) > 2:
            edge = x[x >= cold - 1e-9][0] if x[-1] >= cold - 1e-9 else x[-1]
            result = np.where((at > x[0]) & (at < edge), PchipInterpolator(x, y)(np.clip(at, x[0], x[-1])), result)
        hot = (y[1] - y[0]) / (x[1] - x[0])
        result = np.where(at < x[0], y[0] + hot * (at - x[0]), result)
        return np.exp(np.where(at > x[-1], y[-1] + self._slope * (at - x[-1]), result))

    def time(self, mean_propensity, temperature):
        """Time at which ⟨C̄_B⟩ has fallen to `mean_propensity`, from 0.9999 to 0.001, at a temperature; both broadcast.

        Above and below it is the time of these.
        """
        y, temperature = np.broadcast_arrays(level(mean_propensity), _positive(temperature))
        scaled = np.interp(y, LEVELS, self._master)
        for row, weight in zip(self._deviation, self._weights(temperature), strict=True):
            scaled = scaled + weight * np.interp(y, LEVELS, row)
        return self.relaxation_time(temperature) * np.exp(scaled)

    def mean_propensity(self, time, temperature):
        """⟨C̄_B⟩ after a time at a temperature, from 0.9999 to 0.001: the inverse of `time`; arguments broadcast."""
        time, temperature = np.broadcast_arrays(
            np.asarray(time, dtype=np.float64), np.asarray(temperature, dtype=np.float64)
        )
        result = np.empty(time.shape)
        for one in np.unique(temperature):
            here = temperature == one
            curve = np.log(self.time(np.exp(-np.exp(LEVELS)), one))
            with np.errstate(divide="ignore"):
                result[here] = np.exp(-np.exp(np.interp(np.log(time[here]), curve, LEVELS)))
        return result if result.ndim else float(result)

    def is_simulated(self, mean_propensity, temperature):
        """Whether molecular dynamics of this project reached this ⟨C̄_B⟩ at this temperature; arguments broadcast."""
        y, temperature = np.broadcast_arrays(level(mean_propensity), np.asarray(temperature, dtype=np.float64))
        result = np.zeros(y.shape, dtype=bool)
        for m, low, high in zip(self.measured, self._lowest, self._highest, strict=True):
            result |= (np.abs(temperature - m.temperature) < _SAME_TEMPERATURE) & (y <= low + 1e-9) & (y >= high - 1e-9)
        return result if result.ndim else bool(result)

    def measured_range(self, temperature):
        """The highest and the lowest ⟨C̄_B⟩ that molecular dynamics of this project measured at a temperature.

        Returns
        -------
        tuple of float or None
            None where there are no runs.
        """
        for m, low, high in zip(self.measured, self._lowest, self._highest, strict=True):
            if abs(temperature - m.temperature) < _SAME_TEMPERATURE:
                return float(np.exp(-np.exp(high))), float(np.exp(-np.exp(low)))
        return None

    @property
    def relaxation_times(self):
        """The points that fix τ_BB(T).

        Returns
        -------
        Dataset (point), from hot to cold
            `temperature`, `relaxation_time`, its `error` (bootstrap over structures, with the mismatch of an overlap;
            NaN where there is one structure or the value is assumed; the published sample, one structure, has the
            scatter between structures at the coldest measured temperature), `mismatch` (in ln t: rms distance of the
            curve from the master curve where the two were brought to overlap and, for an overlap, what the same gets
            wrong at temperatures that pass 0.5), `kind` ("measured", "published", "anchor"), `method` ("passage"
            through 0.5 or "overlap"; "" for the anchor), the `lowest_mean_propensity` and `longest_time` reached and
            the number of `structures`, not all of which need to reach so far.
        """
        p = self._points
        tau = np.exp(p["log_tau"])
        variables = {
            "temperature": p["temperature"],
            "relaxation_time": tau,
            "error": tau * p["error"],
            "mismatch": p["mismatch"],
            "kind": p["kind"],
            "method": np.where(p["kind"] == "anchor", "", np.where(p["lowest"] <= 0.5, "passage", "overlap")),
            "lowest_mean_propensity": p["lowest"],
            "longest_time": p["longest"],
            "structures": p["structures"],
        }
        return xr.Dataset({name: ("point", values) for name, values in variables.items()})

    @cached_property
    def fits(self):
        """Arrhenius, VFT and parabolic laws through the points that are data (not the anchor); see `relaxation`.

        Returns
        -------
        Dataset (law, temperature), (law, parameter)
            `relaxation_time`, `lower`, `upper` on a grid even in 1/T from the hottest point to the glass transition,
            and the parameters.
        """
        coldest = min(GLASS_TRANSITION_TEMPERATURE, self._points["temperature"][-1])
        grid = 1 / np.linspace(1 / self._points["temperature"][0], 1 / coldest, _GRID)
        return tabulate({name: self._fit(name) for name in LAWS}, grid)

    def curves(self):
        """C̄_B(t) of every measured temperature, raw and rescaled (Fig. 13).

        Returns
        -------
        Dataset (temperature, point), from hot to cold
            `time`, `scaled_time` = t/τ_BB, `mean_propensity`, its `error` (standard error over structures; NaN for
            one) and `relaxation_time`, `structures`, how many of these are still `at_the_end (temperature)`. Short
            runs are filled with NaN.
        """
        shape = len(self.measured), max(len(m.time) for m in self.measured)
        time, mean, error = (np.full(shape, np.nan) for _ in range(3))
        for k, m in enumerate(self.measured):
            time[k, : len(m.time)] = m.time
            mean[k, : len(m.time)] = m.mean()
            error[k, : len(m.time)] = m.error()
        temperature = np.array([m.temperature for m in self.measured])
        tau = self.relaxation_time(temperature)
        along = ("temperature", "point")
        return xr.Dataset(
            {
                "time": (along, time),
                "scaled_time": (along, time / tau[:, None]),
                "mean_propensity": (along, mean),
                "error": (along, error),
                "relaxation_time": ("temperature", tau),
                "structures": ("temperature", [m.structures for m in self.measured]),
                "at_the_end": ("temperature", [m.counts[-1] for m in self.measured]),
            },
            coords={"temperature": temperature},
        )

    @property
    def published(self):
        """The published sample whose last time fixes τ_BB(0.23): DataArray of ⟨C̄_B⟩ along `time`, with `scaled_time`.

        None where it is not used.
        """
        if "published" not in self._points["kind"]:
            return None
        tau = self.relaxation_time(PUBLISHED.temperature)
        return xr.DataArray(
            PUBLISHED.mean_propensity[0],
            dims="time",
            coords={"time": PUBLISHED.time, "scaled_time": ("time", PUBLISHED.time / tau)},
            name="mean_propensity",
            attrs={"temperature": PUBLISHED.temperature},
        )

    def master_curve(self):
        """The master curve: DataArray of ⟨C̄_B⟩ along `scaled_time` = t/τ_BB, with a coordinate `extrapolated`."""
        return xr.DataArray(
            np.exp(-np.exp(LEVELS)),
            dims="scaled_time",
            coords={
                "scaled_time": np.exp(self._master),
                "extrapolated": ("scaled_time", (max(self._lowest) < LEVELS) | (min(self._highest) > LEVELS)),
            },
            name="mean_propensity",
        )

    def _fit(self, name):
        data = self._points["kind"] != "anchor"
        return fit(name, *(self._points[column][data] for column in ("temperature", "log_tau", "error")))

    def _unscaled(self, mean_propensity):
        """ln(t/τ_BB) of the master curve."""
        return float(np.interp(level(mean_propensity), LEVELS, self._master))

    def _weights(self, temperature):
        """Share of each measured temperature's own shape at other temperatures, linear in 1/T between points."""
        x = 1 / self._points["temperature"]
        own = self._points["kind"] == "measured"
        at = np.clip(1 / temperature, x[0], x[-1])
        return [np.interp(at, x, row) for row in np.eye(len(x))[own]]


def _positive(temperature):
    temperature = np.asarray(temperature, dtype=np.float64)
    if not (temperature > 0).all():
        raise InvalidData(f"superposition: T = {temperature.min():g}; expected positive temperatures.")
    return temperature


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
        return _shipped(store.precomputed("propensities"), anchor)
    return Superposition(by_temperature(propensity_datasets), anchor)


@cache
def _shipped(folder, anchor):  # what is kept is of this folder
    return Superposition(by_temperature(shipped_curves()), anchor)
