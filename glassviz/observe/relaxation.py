r"""The relaxation time against temperature: Arrhenius, Vogel–Fulcher–Tammann and parabolic laws, fitted side by side.

Each is ln τ = ln τ₀ + b g(T; p). Between the data they hardly differ; below them they part by orders of magnitude, and
the distance between them says how far an extrapolated time may be trusted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.optimize import curve_fit

ARRHENIUS_TEMPERATURE = 0.25
LEAST_ERROR = 0.01  # of ln τ_BB: times between output times are no better known


@dataclass(frozen=True)
class Law:
    """ln τ = ln τ₀ + b g(T; p).

    Attributes
    ----------
    label, equation : str
        For display; the equation is LaTeX.
    parameters : tuple of str
        Names of ln τ₀, b and p, where there is a p.
    shape : callable
        g(T, p) or g(T).
    span : callable or None
        Least and largest p for an array of temperatures.
    """

    label: str
    equation: str
    parameters: tuple
    shape: Callable
    span: Callable | None = None

    def __call__(self, temperature, start, slope, *p):
        """ln τ at temperatures."""
        return start + slope * self.shape(temperature, *p)

    def first_guess(self, temperature, log_tau):
        """Parameters to start a fit from: p by a scan, the other two by least squares."""
        scan = [()] if self.span is None else [(p,) for p in np.linspace(*self.span(temperature), 42)[1:-1]]
        best = None
        for p in scan:
            columns = np.stack([np.ones_like(temperature), self.shape(temperature, *p)], axis=1)
            (start, slope), *_ = np.linalg.lstsq(columns, log_tau, rcond=None)
            slope = max(slope, 1e-9)
            misfit = np.sum((self(temperature, start, slope, *p) - log_tau) ** 2)
            if best is None or misfit < best[0]:
                best = misfit, (start, slope, *p)
        return best[1]


def _diverging(distance):
    """1/x for x > 0, infinite at and below 0, where the law has no finite time."""
    with np.errstate(divide="ignore"):
        return np.where(distance > 0, 1 / distance, np.inf)


LAWS = {
    "arrhenius": Law(
        "Arrhenius",
        r"\ln \tau_\mathrm{BB} = \ln \tau_0 + E / T",
        ("log_tau_0", "activation_energy"),
        lambda temperature: 1 / temperature,
    ),
    "vft": Law(
        "Vogel–Fulcher–Tammann",
        r"\ln \tau_\mathrm{BB} = \ln \tau_0 + D / (T - T_0)",
        ("log_tau_0", "vft_strength", "vft_temperature"),
        lambda temperature, vanishing: _diverging(temperature - vanishing),
        lambda temperature: (0.0, 0.99 * temperature.min()),
    ),
    "parabolic": Law(
        "parabolic",
        r"\ln \tau_\mathrm{BB} = \ln \tau_0 + J^2 \left( 1/T - 1/T_\mathrm{o} \right)^2",
        ("log_tau_0", "parabolic_j2", "onset_temperature"),
        lambda temperature, onset: (1 / temperature - 1 / onset) ** 2,
        lambda temperature: (temperature.max(), 5 * temperature.max()),
    ),
}


@dataclass(frozen=True)
class Fit:
    """A law fitted to points (T, ln τ).

    Attributes
    ----------
    law : Law
    value : (parameter,) ndarray
        In the order of `law.parameters`.
    covariance : (parameter, parameter) ndarray
        From the points' errors, widened by χ²/dof where the law misses the points by more; NaN without errors.
    temperatures : (point,) ndarray
        The points it was fitted to.
    """

    law: Law
    value: np.ndarray
    covariance: np.ndarray
    temperatures: np.ndarray

    def log_relaxation_time(self, temperature):
        """ln τ at temperatures."""
        return self.law(np.asarray(temperature, dtype=np.float64), *self.value)

    def log_error(self, temperature):
        """Standard error of ln τ at temperatures, from the covariance of the parameters; NaN where τ is infinite."""
        steps = np.diag(1e-6 * np.maximum(np.abs(self.value), 1e-3))
        with np.errstate(invalid="ignore"):
            slopes = [
                (self.law(temperature, *(self.value + step)) - self.law(temperature, *(self.value - step)))
                / (2 * step.sum())
                for step in steps
            ]
        return np.sqrt(np.einsum("it,ij,jt->t", slopes, self.covariance, slopes))

    def at_bound(self):
        """Whether p lies at the largest or least value it may have, so that the points do not determine it."""
        if self.law.span is None:
            return False
        return bool(np.isclose(self.value[-1], self.law.span(self.temperatures), rtol=1e-3, atol=1e-6).any())


def fit(name, temperature, log_tau, error):
    """Fit one law.

    Parameters
    ----------
    name : {"arrhenius", "vft", "parabolic"}
        The law. The Arrhenius law is fitted to the points at T ≤ 0.25, or to the two coldest; the others to all.
    temperature, log_tau : (point,) ndarray
        The points.
    error : (point,) ndarray
        Standard errors of ln τ. A point whose error is unknown (NaN) takes the largest of the known ones; where none
        is known all weigh the same and the covariance is NaN.

    Returns
    -------
    Fit or None
        None where there are fewer points than parameters.
    """
    law = LAWS[name]
    order = np.argsort(temperature)
    temperature, log_tau, error = (np.asarray(a, dtype=np.float64)[order] for a in (temperature, log_tau, error))
    if name == "arrhenius":
        used = max(2, np.count_nonzero(temperature <= ARRHENIUS_TEMPERATURE + 1e-9))
        temperature, log_tau, error = temperature[:used], log_tau[:used], error[:used]
    excess = len(temperature) - len(law.parameters)
    if excess < 0:
        return None
    known = np.isfinite(error)
    largest = error[known].max() if known.any() else 1.0
    sigma = np.maximum(np.where(known, error, largest), LEAST_ERROR)
    lower, upper = [-np.inf, 0.0], [np.inf, np.inf]
    if law.span is not None:
        for bound, end in zip((lower, upper), law.span(temperature), strict=True):
            bound.append(end)
    value, covariance = curve_fit(
        law, temperature, log_tau, law.first_guess(temperature, log_tau), sigma, True, bounds=(lower, upper)
    )
    if excess:
        misfit = np.sum(((law(temperature, *value) - log_tau) / sigma) ** 2) / excess
        covariance = covariance * max(1.0, misfit)
    return Fit(law, value, covariance if known.any() else np.full_like(covariance, np.nan), temperature)


def tabulate(fits, temperature):
    """Fits on a grid of temperatures.

    Parameters
    ----------
    fits : dict of str to Fit or None
        By name of the law.
    temperature : (temperature,) ndarray
        The grid.

    Returns
    -------
    Dataset (law, temperature), (law, parameter)
        `relaxation_time` with `lower` and `upper` (one standard error of ln τ), infinite below the temperature at which
        a law diverges; `value` and `error` of the parameters (NaN where a law has none of that name; of a parameter at
        the end of its range, which the points do not determine, the error is infinite); coordinates
        `inverse_temperature`, `label`, `equation` and `points`, the number of points fitted. A law with too few points
        is NaN.
    """
    names = list(fits)
    parameters = list(dict.fromkeys(p for name in names for p in LAWS[name].parameters))
    curves = np.full((3, len(names), len(temperature)), np.nan)
    values = np.full((2, len(names), len(parameters)), np.nan)
    for k, fitted in enumerate(fits.values()):
        if fitted is None:
            continue
        middle, error = fitted.log_relaxation_time(temperature), fitted.log_error(temperature)
        with np.errstate(over="ignore"):
            curves[:, k] = np.exp([middle, middle - error, middle + error])
        columns = [parameters.index(p) for p in fitted.law.parameters]
        values[:, k, columns] = fitted.value, np.sqrt(np.diag(fitted.covariance))
        if fitted.at_bound():
            values[1, k, columns[-1]] = np.inf
    along = ("law", "temperature")
    return xr.Dataset(
        {
            "relaxation_time": (along, curves[0]),
            "lower": (along, curves[1]),
            "upper": (along, curves[2]),
            "value": (("law", "parameter"), values[0]),
            "error": (("law", "parameter"), values[1]),
        },
        coords={
            "law": names,
            "temperature": temperature,
            "inverse_temperature": ("temperature", 1 / temperature),
            "parameter": parameters,
            "label": ("law", [LAWS[name].label for name in names]),
            "equation": ("law", [LAWS[name].equation for name in names]),
            "points": ("law", [0 if f is None else len(f.temperatures) for f in fits.values()]),
        },
    )
