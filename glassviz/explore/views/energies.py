"""Figures of energies: of one sample along its cooling, and of all samples against temperature."""

from itertools import pairwise

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool

from glassviz.explore import making
from glassviz.explore.colors import color_of
from glassviz.explore.derive import LARGE
from glassviz.explore.views.base import plain_figure
from glassviz.simulate.verdict import sample_energies

HEIGHT = 280  # of a figure (pixels)
MARKER, LINE = "#e8b50c", "#8b93a1"
MARKS = {
    "equilibrium": ("#16a34a", "circle", "●"),
    "nearly": ("#d97706", "triangle", "▲"),
    "glass": ("#3a7fc4", "square", "■"),
    "crystal": ("#b9469f", "star", "★"),
    "demixed": ("#b9469f", "x", "✕"),
    making.NOT_ASSESSED: ("#8b93a1", "inverted_triangle", "▼"),
}
"""Colour and shape of the samples by their verdict, and the shape as text."""


class Course:
    """Energy of a sample against the sweeps of its cooling, each temperature in its colour."""

    def __init__(self):
        self.figure = plain_figure(
            x_axis_label="sweeps / 1000",
            y_axis_label="E / N  (ε)",
            tools="pan,xwheel_zoom,save",
            sizing_mode="stretch_width",
            height=HEIGHT,
        )
        self.figure.grid.grid_line_alpha = 0.5
        self._levels = ColumnDataSource({"x0": [], "x1": [], "y": []})
        self._lines = ColumnDataSource({"xs": [], "ys": [], "color": []})
        self._points = ColumnDataSource({"x": [], "y": [], "color": [], "temperature": []})
        self.figure.segment(
            "x0", "y", "x1", "y", source=self._levels, line_color=LINE, line_dash=[4, 3], line_width=1.5
        )
        self.figure.multi_line("xs", "ys", source=self._lines, line_color="color", line_width=1.5)
        points = self.figure.scatter("x", "y", source=self._points, color="color", size=5, line_color=None)
        tips = [("T", "@temperature{0.00} ε/kʙ"), ("after", "@x{0.0} thousand sweeps"), ("E / N", "@y{0.0000} ε")]
        self.figure.add_tools(HoverTool(renderers=[points], tooltips=tips))

    def draw(self, course, means, colors):
        """Show a `making.course`, or nothing where it is None.

        Parameters
        ----------
        course : Dataset or None
        means : dict of float to float
            Mean energy (ε) of the best equilibrated samples by temperature, where known.
        colors : dict of float to str
            Colours of the temperatures.
        """
        if course is None:
            for source in (self._levels, self._lines, self._points):
                source.data = {name: [] for name in source.data}
            return
        x, y = course["sweeps"].values / 1000, course["energy"].values
        temperatures = course["temperature"].values
        shades = [color_of(colors, t) for t in temperatures]
        width = course["length"].values / 1000
        ends = np.cumsum(width)
        known = [k for k, t in enumerate(temperatures) if round(float(t), 4) in means]
        self._levels.data = {
            "x0": (ends - width)[known],
            "x1": ends[known],
            "y": [means[round(float(temperatures[k]), 4)] for k in known],
        }
        self._lines.data = {"xs": list(x), "ys": list(y), "color": shades}
        self._points.data = {
            "x": x.ravel(),
            "y": y.ravel(),
            "color": np.repeat(shades, x.shape[1]),
            "temperature": np.repeat(temperatures, x.shape[1]),
        }


class Energies:
    """E(T) of all samples by verdict, the line through the best equilibrated ones, and the sample shown."""

    def __init__(self):
        self.figure = plain_figure(
            x_axis_label="T  (ε/kʙ)",
            y_axis_label="E / N  (ε)",
            tools="pan,wheel_zoom,save",
            sizing_mode="stretch_width",
            height=HEIGHT,
        )
        self.figure.grid.grid_line_alpha = 0.5
        self._lines = {}
        for dash in ("dashed", "solid"):
            source = self._lines[dash] = ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": []})
            self.figure.segment("x0", "y0", "x1", "y1", source=source, line_color=LINE, line_dash=dash, line_width=2)
        columns = ("x", "y", "color", "shape", "size", "name", "verdict")
        self._points = ColumnDataSource({name: [] for name in columns})
        self._now = ColumnDataSource({"x": [], "y": []})
        points = self.figure.scatter(
            "x",
            "y",
            source=self._points,
            marker="shape",
            size="size",
            fill_color="color",
            fill_alpha=0.35,
            line_color="color",
        )
        self.figure.scatter("x", "y", source=self._now, marker="diamond", size=15, color=MARKER, line_color="#3b3000")
        tips = [("", "@name"), ("T", "@x{0.00} ε/kʙ"), ("E / N", "@y{0.0000} ε"), ("verdict", "@verdict")]
        self.figure.add_tools(HoverTool(renderers=[points], tooltips=tips))

    def draw(self, found, line):
        """Show all samples and the line.

        Parameters
        ----------
        found, line : list of Group
            From `making.groups` and `making.best`.
        """
        columns = {name: [] for name in self._points.data}
        for group in found:
            for energy, name, level in zip(
                group.energies, group.runs["configuration"].values, group.verdicts, strict=True
            ):
                color, shape, _ = MARKS[level]
                row = (group.temperature, energy, color, shape, 11 if group.particles >= LARGE else 6)
                row += (f"N = {group.particles} · {name}", level)
                for column, value in zip(columns.values(), row, strict=True):
                    column.append(value)
        self._points.data = columns
        ends = {dash: {name: [] for name in source.data} for dash, source in self._lines.items()}
        for one, two in pairwise(line):
            both = one.verdict == two.verdict == "equilibrium"
            piece = ends["solid" if both else "dashed"]
            for k, group in enumerate((one, two)):
                piece[f"x{k}"].append(group.temperature)
                piece[f"y{k}"].append(float(group.energies.mean()))
        for dash, source in self._lines.items():
            source.data = ends[dash]

    def mark(self, temperature, run):
        """Put the marker on a sample, from `making.run_of`."""
        self._now.data = {"x": [temperature], "y": sample_energies(run)}


def course_legend(course, colors):
    """How long the sample was at each temperature."""
    rows = zip(*(course[name].values for name in ("temperature", "length", "decorrelations")), strict=True)
    items = "".join(
        f'<span><b style="color:{color_of(colors, t)}">●</b> {t:.2f}: {times:.2g} in {grouped(length)}</span>'
        for t, length, times in rows
    )
    return (
        f'<div class="legend"><span>Decorrelation times and sweeps at <i>T</i> =</span>{items}'
        f'<span><b style="color:{LINE}">┄</b> mean of the best equilibrated samples</span></div>'
    )


def energies_legend(found):
    """What the marks stand for."""
    present = [name for name in MARKS if any(name in group.verdicts for group in found)]
    items = "".join(f'<span><b style="color:{MARKS[name][0]}">{MARKS[name][2]}</b> {name}</span>' for name in present)
    sizes = sorted({group.particles for group in found})
    note = f"<span>large: N ≥ {LARGE}</span>" if sizes[-1] >= LARGE > sizes[0] else ""
    return f'<div class="legend">{items}{note}<span><b style="color:{MARKER}">◆</b> this sample</span></div>'


def grouped(number):
    """A whole number with thin spaces between its thousands."""
    return f"{number:,.0f}".replace(",", "\u202f")
