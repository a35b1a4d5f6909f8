"""A plate of the report: one figure, its numbers, what the paper says and what the numbers say to that.

A `Finding` is a statement with its numbers in it and whether it holds, both computed; nothing about agreement is
written by hand.
"""

from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.colors import palette, temperature_colors

STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "errorbar.capsize": 0,
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 150,
}
MEAN = r"$\langle\bar{\mathcal{C}}_B\rangle$"
TIME = r"$t\;/\;\sigma\sqrt{m/\varepsilon}$"
COLORS = ("#1d4e9e", "#d9822b", "#5d8a3a", "#8c4a9e")  # of ensembles, distinct in every kind of colour vision
GREY = "#7d8694"
AGREES, IN_PART, DISAGREES, UNDECIDED = "agrees", "agrees as far as it can be decided", "disagrees", "not decided"


@dataclass(frozen=True)
class Finding:
    """One statement about the numbers; `holds` is None where their errors do not allow it."""

    text: str
    holds: bool | None


@dataclass
class Plate:
    """One figure of the report.

    Attributes
    ----------
    number : str
        That of the paper's figure, or a name where the paper has none.
    title, paper : str
        What is shown, and what the paper says of it.
    drawing : matplotlib.figure.Figure
    table : pandas.DataFrame
        The numbers drawn; lengths in σ, times in σ(m/ε)^½, temperatures in ε/k_B.
    findings : list of Finding
    cautions : list of str
        What makes the data weak.
    """

    number: str
    title: str
    paper: str
    drawing: Figure
    table: pd.DataFrame
    findings: list = field(default_factory=list)
    cautions: list = field(default_factory=list)

    @property
    def verdict(self):
        """Whether ours agrees with the paper: where every finding that could be decided holds."""
        decided = [finding.holds for finding in self.findings if finding.holds is not None]
        if not decided:
            return UNDECIDED
        if not all(decided):
            return DISAGREES
        return AGREES if len(decided) == len(self.findings) else IN_PART


def drawing(rows=1, columns=1, width=7.2, height=4.2, **options):
    """A figure in the report's style and its axes; to be used within `styled()`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def styled():
    """The context in which figures of the report are drawn and saved."""
    return mpl.rc_context(STYLE)


def propensity_map():
    """The explorer's propensity scale for matplotlib, 0 active to 1 arrested."""
    return ListedColormap(palette()[:CODES] / 255, "propensity")


def colors_of(temperatures):
    """One colour for each temperature, hot orange to cold blue, in that order."""
    found = temperature_colors([float(t) for t in temperatures])
    return {t: found[t] for t in sorted(found, reverse=True)}


def mark_relaxation(axes, material, colors):
    """Vertical dotted lines at τ_BB of each temperature inside the axes' window."""
    low, high = axes.get_xlim()
    for temperature, color in colors.items():
        tau = float(material.superposition.relaxation_time(temperature))
        if low <= tau <= high:
            axes.axvline(tau, color=color, linestyle=":", linewidth=1, alpha=0.8)
    axes.set_xlim(low, high)


def frame(rows):
    """A table from a list of dicts, one for each row."""
    return pd.DataFrame(rows)


def slopes(x, lines):
    """Slope of the straight line through each of several lines (line, x); NaN for fewer than two x."""
    apart = np.asarray(x, float) - np.mean(x)
    with np.errstate(invalid="ignore"):
        return np.asarray(lines, float) @ apart / (apart @ apart)


def bend(x, y, error, at):
    """Slopes of a line y(x) that is broken at one x, weighted by 1/error².

    Errors are the larger of what the given errors and what the scatter about the line imply.

    Returns
    -------
    before, after : tuple of float
        Slope on either side and its standard error; NaN where no point tells it.
    error : float
        Of their difference: they are not independent, as the point where they meet is in both.
    """
    x, y, error = (np.asarray(values, float) for values in (x, y, error))
    columns = np.stack([np.ones(len(x)), np.minimum(x - at, 0), np.maximum(x - at, 0)], axis=1)
    told = columns.any(axis=0)
    columns = columns[:, told] / error[:, None]
    slopes, covariance = np.full(3, np.nan), np.full((3, 3), np.nan)
    if np.linalg.matrix_rank(columns) == told.sum():
        inverse = np.linalg.inv(columns.T @ columns)
        slopes[told] = inverse @ columns.T @ (y / error)
        more = len(x) - told.sum()
        scatter = np.square(columns @ slopes[told] - y / error).sum() / more if more else 0.0
        covariance[np.ix_(told, told)] = inverse * max(scatter, 1.0)
    (before, both), (_, after) = covariance[1:, 1:]
    return (slopes[1], np.sqrt(before)), (slopes[2], np.sqrt(after)), np.sqrt(before + after - 2 * both)


def with_error(value, error, form=".2f"):
    """Text of a number and its error, where they are known."""
    if not np.isfinite(value):
        return "not determined"
    return f"{value:{form}} ± {error:{form.lstrip('+')}}" if np.isfinite(error) else f"{value:{form}} (error unknown)"


def exceeds(value, error, sigmas=2):
    """Whether a value is positive beyond its error: True, False where negative beyond it, None in between."""
    if not (np.isfinite(value) and np.isfinite(error)):
        return None
    if abs(value) < sigmas * error:
        return None
    return bool(value > 0)


def within(value, limit, error):
    """Whether |value| ≤ limit: True with the error added to it, False beyond two errors, None in between."""
    if not (np.isfinite(value) and np.isfinite(error)):
        return None
    if abs(value) + error <= limit:
        return True
    return False if abs(value) - 2 * error > limit else None
