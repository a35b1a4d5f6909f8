"""Figures of how well two sources agree: their joint histogram, and ρ_P of every ensemble under its ceiling."""

import html

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d, Whisker

from glassviz.explore import comparison
from glassviz.explore.views.base import CARD, HEADING, plain_figure
from glassviz.mixture import temperature_name

LINES = ("#3a7fc4", "#d9713c", "#3f9b5a", "#7a4fd0")
"""Colours of the ensembles, as many as are compared at once."""
CEILING, MARKER = "#8b93a1", "#e8b50c"
FEW = 8  # test structures, below which an error over them is a rough guess
HALF = "@media (min-width: 640px) { :host { grid-column: span 2; } }"
# Headings of one height, so that panels stand in line.
TALL = "@media (min-width: 640px) { :host { min-height: 42px; } }"


def card(heading, figure, mode, sheets=()):
    """A figure under its heading, not yet on the screen."""
    return pn.Column(
        heading,
        pn.pane.Bokeh(figure, sizing_mode=mode, margin=0, styles={"flex": "1 0 auto"}),
        stylesheets=[CARD, *sheets],
        sizing_mode=mode,
        margin=0,
        visible=False,
    )


class Joint:
    """Joint histogram of two fields."""

    def __init__(self):
        self.figure = plain_figure(
            "joint histogram",
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools="save",
            sizing_mode="scale_width",
            aspect_ratio=1,
        )
        self.figure.grid.visible = False
        blues = ["#00000000", *("#dbe7f5", "#b3cdea", "#86afdb", "#5b8fc9", "#386fb0", "#1f5193", "#0f3570", "#071f4a")]
        self._mapper = LinearColorMapper(palette=blues, low=0, high=1)
        self._image = ColumnDataSource({"image": []})
        self.figure.image("image", 0, 0, 1, 1, source=self._image, color_mapper=self._mapper)
        self.figure.line([0, 1], [0, 1], color=CEILING, line_dash=[4, 3])
        heading = (
            '<div class="head"><span class="title">Joint histogram</span><span class="note">species 1</span></div>'
        )
        self.card = card(
            pn.pane.HTML(heading, stylesheets=[HEADING, TALL], sizing_mode="stretch_width", margin=0),
            self.figure,
            "stretch_width",
        )

    def draw(self, first, second, species):
        """Show two Fields against each other, on a logarithmic scale of numbers."""
        counts = np.log1p(comparison.joint(first, second, species))
        self._mapper.high = float(counts.max()) or 1.0
        self._image.data = {"image": [counts]}
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = first.source, second.source


class Pearson:
    """ρ_P on test structures against ⟨C̄_B⟩ for every ensemble, under the ceiling."""

    def __init__(self):
        self.figure = plain_figure(
            x_range=Range1d(1, 0),
            y_range=Range1d(0, 1),
            x_axis_label="⟨C̄ʙ⟩ (time runs to the right)",
            y_axis_label="ρₚ",
            tools="save",
            sizing_mode="stretch_both",
            min_height=240,
        )
        self.figure.grid.grid_line_alpha = 0.5
        self._ceiling = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self._ceiling, color=CEILING, line_dash="dashed", line_width=2)
        self._curves = []
        for color in LINES:
            source = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
            self.figure.line("x", "y", source=source, color=color, line_width=2)
            self.figure.scatter("x", "y", source=source, color=color, size=6, line_color=None)
            self.figure.add_layout(Whisker(base="x", lower="low", upper="high", source=source, line_color=color))
            self._curves.append((source, color))
        self._now = ColumnDataSource({"x": [], "y0": [], "y1": []})
        self.figure.segment("x", "y0", "x", "y1", source=self._now, color=MARKER, line_width=2)
        self.heading = pn.pane.HTML(stylesheets=[HEADING], sizing_mode="stretch_width", margin=0)
        self.card = card(self.heading, self.figure, "stretch_both", [HALF])

    def draw(self, curves, choice, waiting="no test structures with molecular dynamics at this temperature"):
        """Show the results of the ensembles computed so far; `waiting` says why there is none."""
        self.card.visible = True
        self._now.data = {"x": [choice.mean_propensity], "y0": [0], "y1": [1]}
        known = {name: curve for name, curve in curves.items() if curve is not None}
        self.figure.visible = bool(known)
        for k, (source, _) in enumerate(self._curves):
            curve = list(known.values())[k] if k < len(known) else None
            source.data = {name: [] for name in source.data} if curve is None else _columns(curve)
        key = "".join(
            f'<span class="note"><b style="color:{self._curves[k][1]}">●</b> {html.escape(name)}</span>'
            for k, name in enumerate(known)
        )
        title = f'<span class="title"><i>ρ</i><sub>P</sub> at <i>T</i> = {temperature_name(choice.temperature)}</span>'
        if not known:
            self._ceiling.data = {"x": [], "y": []}
            note = f'<span class="weak">{waiting}</span>'
        else:
            any_curve = next(iter(known.values()))
            self._ceiling.data = {"x": any_curve["mean_propensity"].values, "y": any_curve["ceiling"].values}
            note = f"{_structures(any_curve)}; dashed: the most that the replicas allow"
            few = any_curve["structures"].values.min() < FEW
            note = f'<span class="{"weak" if few else "note"}">{note}</span>'
        self.heading.object = f'<div class="head">{title}{key}{note}</div>'


def _structures(curve):
    """How many test structures the points are of: fewer at late times, which not all runs get to."""
    counts = curve["structures"].values
    early, late = counts[[curve["mean_propensity"].values.argmax(), curve["mean_propensity"].values.argmin()]]
    return (
        f"{early} test structure{'s' * (early > 1)}" if early == late else f"{early} test structures early, {late} late"
    )


def _columns(curve):
    y, error = curve["pearson"].values, np.nan_to_num(curve["error"].values)
    return {"x": curve["mean_propensity"].values, "y": y, "low": y - error, "high": y + error}
