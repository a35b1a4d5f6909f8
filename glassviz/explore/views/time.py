"""The tab Time: what a time means at each temperature (Fig. 13), and how far τ_BB is known."""

from functools import partial

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, Range1d, Whisker

from glassviz.explore import derive
from glassviz.explore.colors import color_of, temperature_colors
from glassviz.explore.picking import state_at
from glassviz.explore.provenance import settled
from glassviz.explore.views.base import CARD, HEADING, View, plain_figure
from glassviz.explore.views.relaxation import BAND, LAW_COLORS, LAW_DASHES, MARKER, Relaxation, origins
from glassviz.mixture import temperature_name
from glassviz.observe.superposition import superposition

ANCHORS = (
    "On: at low temperature τʙʙ follows two published times, where no simulation of ours reaches. Off: it is continued "
    "from our own points by the Arrhenius law. No law is fitted to the assumed time at T = 0.15. The clock "
    "above and all other tabs always follow the published times."
)
ORIGINS = {  # of τ_BB at the chosen temperature: what is said, and whether that is less than a measurement
    "passage": ("measured here", False),
    "overlap": ("by overlap with the master curve: runs here end at ⟨<i>C̄</i>⟩ = {lowest:.2f}", True),
    "published": ("by overlap, from one published sample", True),
    "anchor": ("assumed, as in the paper", True),
    "": ("extrapolated", True),
}
KEY = "● passes 0.5 · ○ by overlap · □ published · ☆ assumed (pale: not followed)"
GRID = """
:host { display: grid !important; gap: 10px; grid-template-columns: minmax(0, 1fr);
        grid-template-rows: max-content 340px 340px 400px; grid-template-areas: "options" "raw" "scaled" "tau"; }
@media (min-width: 760px) {
  :host { grid-template-columns: repeat(2, minmax(0, 1fr)); grid-template-rows: max-content 340px 400px;
          grid-template-areas: "options options" "raw scaled" "tau tau"; }
}
@media (min-width: 1100px) {
  :host { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) minmax(0, 1.25fr); height: max(100vh - 250px, 480px);
          grid-template-rows: max-content minmax(0, 1fr);
          grid-template-areas: "options options options" "raw scaled tau"; }
}
"""
LEGEND = """
:host { margin: 0; font-size: calc(12.5px * var(--type, 1)); line-height: 1.45; color: var(--panel-on-surface-color); }
.legend { display: flex; flex-wrap: wrap; gap: 0 12px; align-items: center; }
.legend span { display: inline-flex; align-items: center; gap: 4px; white-space: nowrap; }
.legend .line { width: 15px; height: 3px; border-radius: 2px; }
.legend .law { width: 20px; border-top-width: 3px; }
.legend .now { font-weight: 700; }
.legend .long { display: inline; white-space: normal; }
.weak { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
"""
TITLES = {
    "raw": "⟨<i>C̄</i><sub>B</sub>⟩(<i>t</i>)",
    "scaled": "⟨<i>C̄</i><sub>B</sub>⟩(<i>t</i> / <i>τ</i><sub>BB</sub>)",
    "tau": "<i>τ</i><sub>BB</sub>(1/<i>T</i>)",
}


class Time(View):
    """C̄_B(t) of every measured temperature, raw and rescaled, and τ_BB against 1/T with its laws.

    Parameters
    ----------
    state : ExplorerState
    _scrub : Scrub
        The browser's time; the markers follow the state, which has its settled value.
    """

    def __init__(self, state, _scrub, **params):
        super().__init__(state, **params)
        state.param.watch(self.refresh, ["temperature", "mean_propensity", "anchors"])

    def _build(self):
        self._colors = temperature_colors(self.state.library.temperatures)
        self.anchor = pmui.Switch.from_param(
            self.state.param.anchors,
            label="The paper's anchors: τʙʙ = 10¹² at T = 0.15, and the published sample at T = 0.23",
            description=ANCHORS,
            margin=0,
        )
        self._legend = pn.pane.HTML(stylesheets=[LEGEND], sizing_mode="stretch_width", margin=0)
        self._raw, self._scaled, self._tau = _Decays("t / σ√(m/ε)"), _Decays("t / τ_BB"), Relaxation()
        for panel in (self._raw, self._scaled):
            panel.figure.on_event(Tap, partial(self._go_to, panel))
        self._tau.figure.on_event(Tap, self._go_to_temperature)
        self._headings, cards = {}, []
        for name, panel in (("raw", self._raw), ("scaled", self._scaled), ("tau", self._tau)):
            self._headings[name] = pn.pane.HTML(
                _heading(TITLES[name], "computing …"), stylesheets=[HEADING], sizing_mode="stretch_width", margin=0
            )
            cards.append(
                pn.Column(
                    self._headings[name],
                    pn.pane.Bokeh(panel.figure, sizing_mode="stretch_both", margin=0),
                    stylesheets=[CARD],
                    styles={"grid-area": name},
                    sizing_mode="stretch_both",
                    margin=0,
                )
            )
        options = pn.Column(
            self.anchor,
            self._legend,
            stylesheets=[CARD],
            styles={"grid-area": "options"},
            sizing_mode="stretch_width",
            margin=0,
        )
        return pn.Column(options, *cards, stylesheets=[GRID], sizing_mode="stretch_width", margin=0)

    def _go_to(self, panel, event):
        found = panel.state_at(event.x, event.y)
        if found is None:
            return
        temperature, level = found
        low, high = self.state.param.mean_propensity.bounds
        if temperature in self.state.library.temperatures:
            self.state.param.update(temperature=temperature, mean_propensity=float(np.clip(level, low, high)))

    def _go_to_temperature(self, event):
        """The temperature with configurations that is nearest on the axis."""
        if event.x and event.x > 0:
            self.state.temperature = min(self.state.library.temperatures, key=lambda t: abs(1 / t - event.x))

    def _derive(self, choice):
        found, other = (superposition(anchor=anchor) for anchor in (self.state.anchors, not self.state.anchors))
        times = found.time([*derive.LEVELS, choice.mean_propensity], choice.temperature)
        simulated = found.is_simulated(derive.LEVELS, choice.temperature)
        yield choice, found, other, found.curves(), found.fits, times, simulated, _behind(found, self.state, choice)

    def _show(self, result):
        choice, found, other, curves, fits, times, simulated, behind = result
        tau, points = float(found.relaxation_time(choice.temperature)), found.relaxation_times
        for panel, axis, unit in ((self._raw, "time", 1.0), (self._scaled, "scaled_time", tau)):
            panel.draw(curves, axis, self._colors, choice.temperature)
            panel.add(found.published, axis, self._colors)
            panel.mark(times[:-1] / unit, simulated, times[-1] / unit, choice.mean_propensity)
        self._scaled.compare(found.master_curve())
        self._tau.draw(found, other, fits, self._colors)
        self._tau.mark(choice.temperature, tau)
        self._headings["raw"].object = _heading(TITLES["raw"], *behind)
        self._headings["scaled"].object = _heading(TITLES["scaled"], "grey: master curve", weak=False)
        self._headings["tau"].object = _heading(
            f"{TITLES['tau']} = {_scientific(tau)}{_error(points, choice.temperature)} at <i>T</i> = "
            f"{temperature_name(choice.temperature)}",
            *_origin(points, choice.temperature),
        )
        self._legend.object = _legend(curves, fits, self._colors, choice.temperature)


def _behind(found, state, choice):
    """What stands behind the curve of the present temperature, and whether that is weak."""
    here = [one for one in found.measured if np.isclose(one.temperature, choice.temperature)]
    if not here:
        return f"no dynamics at <i>T</i> = {temperature_name(choice.temperature)}: dashed curve extrapolated", True
    (decay,) = here
    ends = f", {decay.counts[-1]} to the end" if decay.counts[-1] < decay.structures else ""
    said = f"mean over {decay.structures} structures{ends}; bars: standard error"
    known = settled(state.library, decay)
    if known == decay.structures:
        return said, False
    return f"{said}; {known or 'none'} of them in equilibrium by our measure", True


def _error(points, temperature):
    """The relative error of τ_BB where one is known."""
    here = points.isel(point=np.isclose(points["temperature"].values, temperature))
    known = (here["error"] / here["relaxation_time"]).values
    return f" ± {100 * known[0]:.2g} %" if np.isfinite(known).any() else ""


def _origin(points, temperature):
    """What is said of τ_BB at a temperature, and whether it is less than a measurement."""
    here = np.flatnonzero(np.isclose(points["temperature"].values, temperature))
    said, weak = ORIGINS[origins(points)[here[0]] if len(here) else ""]
    lowest = float(points["lowest_mean_propensity"].values[here[0]]) if len(here) else np.nan
    return said.format(lowest=lowest), weak


def _heading(title, note, weak=True):
    kind = "weak" if weak else "note"
    return f'<div class="head"><span class="title">{title}</span><span class="{kind}">{note}</span></div>'


def _scientific(value):
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}·10<sup>{int(exponent)}</sup>" if not 0.1 <= value < 1000 else f"{value:.3g}"


def _weaknesses(fits):
    """What has to be said of each law beside its name, if anything."""
    undetermined = np.isinf(fits["error"].values).any(axis=1)
    exact = fits["points"].values == np.isfinite(fits["value"].values).sum(axis=1)
    words = (": too few points", ": a parameter at the end of its range", ": through them, which tests nothing", "")
    which = np.select([fits["points"].values == 0, undetermined, exact], [0, 1, 2], 3)
    return [words[k] for k in which]


def _legend(curves, fits, colors, now):
    """Colours of the temperatures, the laws and how many structures stand behind each curve."""
    items = "".join(
        f'<span class="{"now" if np.isclose(t, now) else ""}">'
        f'<span class="line" style="background:{color_of(colors, t)}"></span>{t:.2f} ({int(n)} structures)</span>'
        for t, n in zip(curves["temperature"].values, curves["structures"].values, strict=True)
    )
    laws = "".join(
        f'<span><span class="law" style="border-top-style:{LAW_DASHES[name]};border-color:{LAW_COLORS[name]}"></span>'
        f"{label} ({int(n)} points){weak}</span>"
        for name, label, n, weak in zip(
            fits["law"].values, fits["label"].values, fits["points"].values, _weaknesses(fits), strict=True
        )
    )
    return (
        f'<div class="legend"><span>Molecular dynamics at <i>T</i> =</span>{items}<span>· Laws:</span>{laws}'
        '<span class="long">· bands: one standard error; beyond the points all is extrapolation</span>'
        f'<span class="long">· {KEY} ·</span>'
        f'<span class="long"><b style="color:{MARKER}">◆</b> now; '
        f'<b style="color:{MARKER}">—</b> τʙʙ as it is followed, '
        f'<b style="color:{MARKER}">···</b> with the switch the other way; solid: simulated, dashed: extrapolated'
        "</span></div>"
    )


class _Decays:
    """⟨C̄_B⟩ against a time of every temperature, and a marker."""

    def __init__(self, label):
        self.figure = plain_figure(
            x_axis_type="log",
            x_range=Range1d(1, 1e6),
            y_range=Range1d(0, 1.03),
            x_axis_label=label.replace("τ_BB", "τʙʙ"),
            y_axis_label="⟨C̄ʙ⟩",
            tools="pan,xwheel_zoom,save",
            sizing_mode="stretch_both",
        )
        self.figure.grid.grid_line_alpha = 0.5
        self.figure.xaxis.ticker.desired_num_ticks = 5
        columns = ("x", "y", "low", "high", "color")
        self._points = ColumnDataSource({name: [] for name in columns})
        self._lines = ColumnDataSource({"xs": [], "ys": [], "color": [], "width": []})
        self._master = ColumnDataSource({"x": [], "y": [], "known": []})
        self._curve = ColumnDataSource({"x": [], "y": [], "known": []})
        self._published = ColumnDataSource({"x": [], "y": [], "color": []})
        self._marker = ColumnDataSource({"x": [], "y": []})
        self._drawn, self._extent, self._shown = {}, (1.0, 1e6), None
        self.figure.line("x", "y", source=self._master, color=BAND, line_dash=[3, 3], line_width=2)
        self.figure.line("x", "known", source=self._master, color=BAND, line_width=5, line_alpha=0.45)
        self.figure.line("x", "y", source=self._curve, color=MARKER, line_alpha=0.9, line_dash=[4, 3])
        self.figure.line("x", "known", source=self._curve, color=MARKER, line_alpha=0.9, line_width=2)
        self.figure.multi_line("xs", "ys", source=self._lines, color="color", line_width="width", line_alpha=0.8)
        self.figure.scatter("x", "y", source=self._points, color="color", size=5, line_color=None)
        self.figure.scatter(
            "x", "y", source=self._published, marker="square", color="color", fill_alpha=0, size=7, line_width=1.5
        )
        bars = Whisker(base="x", lower="low", upper="high", source=self._points, line_color="color", line_alpha=0.6)
        bars.upper_head = bars.lower_head = None
        self.figure.add_layout(bars)
        self.figure.scatter(
            "x", "y", source=self._marker, marker="diamond", size=15, color=MARKER, line_color="#3b3000"
        )

    def draw(self, curves, axis, colors, now):
        """Show the measured curves along `time` or `scaled_time`."""
        self._drawn = {}
        points = {name: [] for name in ("x", "y", "low", "high", "color")}
        lines = {"xs": [], "ys": [], "color": [], "width": []}
        for temperature in curves["temperature"].values:
            one = curves.sel(temperature=temperature).dropna("point", subset=["time"])
            x, y, error = (one[name].values for name in (axis, "mean_propensity", "error"))
            error = np.where(np.isfinite(error), error, 0.0)
            color = color_of(colors, temperature)
            for name, values in (("x", x), ("y", y), ("low", y - error), ("high", y + error)):
                points[name].extend(values)
            points["color"].extend([color] * len(x))
            for name, value in zip(lines, (x, y, color, 3.0 if np.isclose(temperature, now) else 1.4), strict=True):
                lines[name].append(value)
            self._drawn[round(float(temperature), 4)] = x, y, y
        self._points.data, self._lines.data = points, lines
        x = np.asarray(points["x"])
        self._extent = float(x.min()) / 2, float(x.max()) * 3

    def add(self, published, axis, colors):
        """Show the points of the published sample, where it is used."""
        if published is None:
            self._published.data = {"x": [], "y": [], "color": []}
            return
        x, color = published[axis].values, color_of(colors, published.attrs["temperature"])
        self._published.data = {"x": x, "y": published.values, "color": [color] * len(x)}
        self._extent = self._extent[0], max(self._extent[1], 2 * float(x.max()))

    def compare(self, master):
        """Lay the master curve under the rescaled ones."""
        y = master.values
        known = np.where(master["extrapolated"].values, np.nan, y)
        self._master.data = {"x": master["scaled_time"].values, "y": y, "known": known}

    def mark(self, time, simulated, now, level):
        """Draw the present temperature's curve through the times of the levels, with the marker on the present one."""
        known = np.where(simulated, derive.LEVELS, np.nan)
        self._curve.data = {"x": time, "y": derive.LEVELS, "known": known}
        self._marker.data = {"x": [now], "y": [level]}
        start, end = self._extent
        wanted = start, max(end, 2 * float(time[-1]))
        if wanted != self._shown:  # else the reader's own zoom stays
            self._shown = wanted
            self.figure.x_range.update(start=wanted[0], end=wanted[1])

    def state_at(self, x, y):
        """Temperature and ⟨C̄_B⟩ of the measured point at (x, y); None where there is none."""
        window = [(limits.start, limits.end) for limits in (self.figure.x_range, self.figure.y_range)]
        return state_at(x, y, self._drawn, window)
