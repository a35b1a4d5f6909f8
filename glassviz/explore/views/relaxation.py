"""The figure of τ_BB against 1/T: what each point rests on, the laws, the present temperature."""

import numpy as np
from bokeh.models import Band, ColumnDataSource, CustomJSTickFormatter, LinearAxis, Range1d, Span, Whisker

from glassviz.explore.colors import color_of
from glassviz.explore.views.base import plain_figure
from glassviz.mixture import GLASS_TRANSITION_TEMPERATURE

MARKER, BAND = "#e8b50c", "#8b93a1"
LAW_COLORS = {"arrhenius": "#3a7fc4", "vft": "#d9713c", "parabolic": "#3f9b5a"}
LAW_DASHES = {"arrhenius": "solid", "vft": "dashed", "parabolic": "dotted"}
SHAPES = {"measured": "circle", "published": "square", "anchor": "star"}


def origins(points):
    """What each point of `Superposition.relaxation_times` rests on: passage, overlap, published or anchor."""
    pairs = zip(points["kind"].values, points["method"].values, strict=True)
    return [str(method) if kind == "measured" else str(kind) for kind, method in pairs]


class Relaxation:
    """τ_BB against 1/T: points, laws with their bands, the present temperature."""

    def __init__(self):
        self.figure = plain_figure(
            y_axis_type="log",
            x_range=Range1d(2.2, 7),
            y_range=Range1d(1e2, 1e15),
            x_axis_label="ε / (kʙT)",
            y_axis_label="τʙʙ / σ√(m/ε)",
            tools="pan,xwheel_zoom,save",
            sizing_mode="stretch_both",
        )
        self.figure.grid.grid_line_alpha = 0.5
        top = LinearAxis(ticker=[1 / t for t in (0.4, 0.3, 0.25, 0.21, 0.18, 0.15)], axis_label="T / (ε/kʙ)")
        top.formatter = CustomJSTickFormatter(code="return (1 / tick).toFixed(2)")
        top.update(
            axis_label_text_font_style="normal", axis_label_text_font_size="13px", major_label_text_font_size="12px"
        )
        self.figure.add_layout(top, "above")
        self._laws = {}
        for name, color in LAW_COLORS.items():
            source = self._laws[name] = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
            self.figure.add_layout(
                Band(
                    base="x",
                    lower="low",
                    upper="high",
                    source=source,
                    fill_color=color,
                    fill_alpha=0.16,
                    line_color=None,
                )
            )
            self.figure.line("x", "y", source=source, color=color, line_width=2, line_dash=LAW_DASHES[name])
        self._times = {}
        styles = {"followed": {"line_width": 2}, "other": {"line_dash": [2, 4], "line_width": 1.5}}
        for name, style in styles.items():
            source = self._times[name] = ColumnDataSource({"x": [], "y": []})
            self.figure.line("x", "y", source=source, color=MARKER, **style)
        columns = ("x", "y", "low", "high", "color", "shape", "fill", "alpha")
        self._points = ColumnDataSource({name: [] for name in columns})
        bars = Whisker(base="x", lower="low", upper="high", source=self._points, line_color="color")
        bars.upper_head = bars.lower_head = None
        self.figure.add_layout(bars)
        self.figure.scatter(
            "x",
            "y",
            source=self._points,
            color="color",
            fill_alpha="fill",
            line_alpha="alpha",
            marker="shape",
            size=11,
            line_width=2,
        )
        self._now = ColumnDataSource({"x": [], "y": []})
        self.figure.scatter("x", "y", source=self._now, marker="diamond", size=17, color=MARKER, line_color="#3b3000")
        self.figure.add_layout(
            Span(dimension="height", location=1 / GLASS_TRANSITION_TEMPERATURE, line_color=BAND, line_dash="dotted")
        )

    def draw(self, found, other, fits, colors):
        """Show the points, the laws and τ_BB(T) itself.

        Parameters
        ----------
        found, other : Superposition
            As it is chosen, and with or without the anchors where that one is without or with them.
        fits : Dataset
            Laws of the one that is chosen.
        colors : dict
            By temperature.
        """
        followed, more = (one.relaxation_times for one in (found, other))
        points = max(followed, more, key=lambda known: known.sizes["point"])  # anchors are added to ours
        tau = points["relaxation_time"].values
        spread = np.exp(np.nan_to_num(points["error"].values / tau))
        self._points.data = {
            "x": 1 / points["temperature"].values,
            "y": tau,
            "low": tau / spread,
            "high": tau * spread,
            "color": [color_of(colors, t) for t in points["temperature"].values],
            "shape": [SHAPES[kind] for kind in points["kind"].values],
            "fill": [float(origin == "passage") for origin in origins(points)],
            "alpha": np.where(np.isin(points["temperature"], followed["temperature"]), 1.0, 0.4),
        }
        grid = fits["temperature"].values
        for name, one in (("followed", found), ("other", other)):
            self._times[name].data = {"x": 1 / grid, "y": one.relaxation_time(grid)}
        for name, source in self._laws.items():
            law = fits.sel(law=name)
            known = np.isfinite(law["relaxation_time"].values)
            source.data = {
                column: law[variable].values[known]
                for column, variable in (
                    ("x", "inverse_temperature"),
                    ("y", "relaxation_time"),
                    ("low", "lower"),
                    ("high", "upper"),
                )
            }

    def mark(self, temperature, tau):
        """Put the marker on a temperature."""
        self._now.data = {"x": [1 / temperature], "y": [tau]}
