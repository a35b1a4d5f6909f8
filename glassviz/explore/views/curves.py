"""χ₄(t), ξ₄(t) and ⟨ξ_chord⟩(t): one curve per temperature, computed from the loaded networks and configurations."""

import asyncio
from functools import partial

import numpy as np
import panel as pn
import param
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, Range1d

from glassviz.explore import derive, heterogeneity
from glassviz.explore.colors import temperature_colors
from glassviz.explore.picking import state_at
from glassviz.explore.views.base import (
    CARD,
    WRONG,
    View,
    javascript,
    log,
    on_session,
    plain_figure,
    report,
)
from glassviz.explore.views.heading import Heading, warning
from glassviz.mixture import InvalidData

MARKER = "#e8b50c"
GRID = """
:host { display: grid !important; gap: 10px; grid-template-columns: minmax(0, 1fr);
        grid-template-rows: auto repeat(3, 270px); }
@media (min-width: 640px) {
  :host { grid-template-columns: repeat(3, minmax(0, 1fr)); grid-template-rows: auto minmax(0, 1fr); }
}
"""
LEGEND = """
:host { grid-column: 1 / -1; margin: 0 4px; font-size: calc(12px * var(--type, 1));
        color: var(--panel-on-surface-color); }
.legend { display: flex; flex-wrap: wrap; gap: 0 11px; align-items: center; }
.legend span { display: inline-flex; align-items: center; gap: 4px; white-space: nowrap; }
.legend .line { width: 15px; height: 3px; border-radius: 2px; }
.legend .now { font-weight: 700; }
.legend b { font-weight: 400; }
"""
QUANTITIES = {
    # name: (heading, axis label, help)
    "chi4": (
        "<i>χ</i><sub>4</sub>(<i>t</i>)",
        "χ₄",
        "How much the mean propensity varies between structures, estimated without bias (<i>n</i> − 1 for <i>n</i> "
        "structures). Propensities are averaged over the replicas of a structure first, so this is the part of "
        "<i>χ</i><sub>4</sub> that structure determines. What finitely many replicas leave of the rest, "
        "<i>N</i><sub>1</sub> Var<sub>rep</sub>/<i>R</i>, is subtracted from the points of molecular dynamics (●), as "
        "much as the files at that temperature say; where they do not, the title says that it is included. The line is "
        "of all samples, the points of those with dynamics, at long times of those that run so far; networks were "
        "trained on many of them. Networks see a part only of what sets structures apart, at late times a small one. "
        "Some were trained on means of structures put further apart than measured, which makes up for a part of it: "
        "then a note says so. Bars: over networks; of the points over structures, by bootstrap.",
    ),
    "xi4": (
        "<i>ξ</i><sub>4</sub>(<i>t</i>)",
        "ξ₄ / σ",
        "Length at which <i>S</i><sub>4</sub>(<i>q</i>) of the largest box falls off, fitted below <i>q</i> = 0.6: "
        "from 0.2 on, as in the paper, one box does not determine it. It leaves the fit much room: <i>ξ</i>"
        "<sub>4</sub> and <i>A</i> of the cubic term make up for each other. Bars: of the fit and over networks.",
    ),
    "chord": (
        "⟨<i>ξ</i><sub>chord</sub>⟩(<i>t</i>)",
        "mean chord / σ",
        "Mean straight length within mobile regions. In molecular dynamics (●) the noise of finitely many replicas "
        "roughens the regions. Bars: over networks; of the points over structures, by bootstrap.",
    ),
}


class Curves(View):
    """One figure for each of the three quantities, filled temperature by temperature.

    Parameters
    ----------
    state : ExplorerState
    scrub : Scrub
        The browser's time, which moves the markers.
    """

    progress = param.Number(0, bounds=(0, 1), doc="Share of the temperatures that have been computed.")

    def __init__(self, state, scrub, **params):
        self._scrub = scrub
        super().__init__(state, **params)
        state.param.watch(self.refresh, "network")
        state.param.watch(self._emphasize, "temperature")

    def _build(self):
        self._colors = temperature_colors(self.state.library.temperatures)
        self._results = {}
        self._panels = {name: _Panel(label, self._colors, self._scrub) for name, (_, label, _) in QUANTITIES.items()}
        for panel in self._panels.values():
            panel.figure.on_event(Tap, partial(self._go_to, panel))
        self._headings = {name: Heading(title, f"<p>{about}</p>") for name, (title, _, about) in QUANTITIES.items()}
        cards = [
            pn.Column(
                self._headings[name],
                pn.pane.Bokeh(panel.figure, sizing_mode="stretch_both", margin=0),
                stylesheets=[CARD],
                sizing_mode="stretch_both",
                margin=0,
            )
            for name, panel in self._panels.items()
        ]
        self._legend = pn.pane.HTML(stylesheets=[LEGEND], sizing_mode="stretch_width")
        self._describe()
        return pn.Column(self._legend, *cards, stylesheets=[GRID], sizing_mode="stretch_both", margin=0)

    def _go_to(self, panel, event):
        """A tap on a curve chooses its state."""
        found = panel.state_at(event.x, event.y)
        if found is not None:
            temperature, level = found
            self.state.param.update(temperature=temperature, mean_propensity=level)

    def _legend_text(self):
        items = "".join(
            f'<span class="{"now" if temperature == self.state.temperature else ""}">'
            f'<span class="line" style="background:{color}"></span>{temperature:.2f}</span>'
            for temperature, color in sorted(self._colors.items(), reverse=True)
        )
        progress = f"<span>· computing, {100 * self.progress:.0f} %</span>" if self.busy else ""
        return (
            f'<div class="legend"><span><i>T</i> =</span>{items}<span>● MD</span>'
            f'<span>┊ <b><i>τ</i><sub>BB</sub></b></span><span><b style="color:{MARKER}">◆</b> now</span>'
            f"<span>┅ extrapolated</span>{progress}</div>"
        )

    @property
    def started(self):
        """Whether the curves have been asked for."""
        return self._wanted > 0

    @param.depends("on_screen", watch=True)
    def _start(self):
        """Compute all temperatures anew for the present network, the chosen temperature first."""
        if self.on_screen and self._done != self._wanted:
            self._done = self._wanted
            self.busy = True
            asyncio.ensure_future(self._work_through(self._wanted, pn.state.curdoc))  # noqa: RUF006, held by the loop

    async def _work_through(self, turn, document):
        choice, library = self.state.choice(), self.state.library
        order = sorted(library.temperatures, key=lambda t: abs(t - choice.temperature))
        wrong = None
        if not await on_session(document, self._clear):
            return
        try:
            for done, temperature in enumerate(order, 1):
                results = await asyncio.to_thread(_derive_all, library, temperature, choice.network)
                draw = partial(self._draw, temperature, results, done / len(order))
                if turn != self._wanted or not await on_session(document, draw):
                    return
        except InvalidData as error:
            wrong = str(error)
        except Exception:
            log.exception("the curves could not be derived")
            wrong = WRONG
        if turn == self._wanted:
            await on_session(document, partial(self._finish, wrong))

    def _finish(self, wrong):
        self.busy = False
        self._describe()
        if wrong:
            report(wrong)

    def _clear(self):
        self._results = {}
        self.progress = 0
        for panel in self._panels.values():
            panel.clear()

    def _draw(self, temperature, results, progress):
        self._results[temperature] = results
        tau = float(self.state.library.superposition.relaxation_time(temperature))
        for name, panel in self._panels.items():
            measured = results["measured"] if name != "xi4" else None
            panel.add(temperature, results[name], name, measured, tau)
        self.progress = progress
        self._emphasize()

    def _emphasize(self, *_event):
        for panel in self._panels.values():
            panel.show(self.state.temperature)
        self._describe()

    def _describe(self):
        self._legend.object = self._legend_text()
        for name, heading in self._headings.items():
            heading.say(warning(self._weaknesses(name)))

    def _weaknesses(self, name):
        """What to know before trusting the curve of the current temperature."""
        results = self._results.get(self.state.temperature)
        if results is None:
            return ["computing …"] if self.busy else []
        curve = results[name]
        if curve is None:
            return results["why"]
        notes = []
        structures = curve.attrs["structures"]
        if name == "chi4" and structures < heterogeneity.FEW_STRUCTURES:
            notes.append(f"weak: {structures} structures at T = {self.state.temperature:g}")
        measured = results["measured"]
        if name == "chi4" and measured is not None and measured.attrs["replica_noise"] == "included":
            notes.append("● include the noise of finitely many replicas")
        missed = heterogeneity.shortfall(curve, measured) if name == "chi4" and measured is not None else None
        if missed is not None:
            predicted, found, error, level = (
                float(missed[quantity]) for quantity in ("predicted", "chi4", "chi4_error", "mean_propensity")
            )
            notes.append(f"too low: {predicted:.2g}, ● {found:.2g}")
            notes.append(
                f"at a mean propensity of {level:.2f}: {predicted:.2g} predicted, {found:.2g} ± {error:.1g} measured"
            )
        if name == "xi4" and not np.isfinite(curve["xi4"].values).any():
            notes.append(f"not determined at T = {self.state.temperature:g}")
        elif name == "xi4" and structures < heterogeneity.FEW_STRUCTURES:
            notes.append(f"{structures} box of N = {curve.attrs['particles']}")
        if not curve["simulated"].values.any():
            notes.append("times extrapolated")
        if name != "xi4" and measured is not None:
            notes.append(_run(measured))
        stretch = self.state.library.ensemble(self.state.network).stretch
        if name == "chi4" and stretch:
            notes.append("raised in training")
            notes.append(
                f"these networks were trained on means of structures put 1 + {stretch:g} (1 − <i>C</i>) / √<i>C</i> "
                "times as far from the mean <i>C</i> as measured, which raises the line"
            )
        return notes


def _run(measured):
    """How many structures the points of molecular dynamics are of."""
    counts = measured["structures"].values
    ends = "" if counts.min() == counts.max() else f", late ones of {counts.min()}"
    return f"● of {counts.max()} structures{ends}"


def _derive_all(library, temperature, network):
    """Curves of one temperature by quantity, the measured ones, and why ξ₄ is missing where it is."""
    fluctuations = heterogeneity.fluctuations(library, temperature, network)
    largest = library.sizes(temperature)[0]
    passed, why = derive.transfer(library, temperature, largest, network)
    why = ["not shown: size-transfer test failed", why]
    if largest < derive.LARGE:
        passed, why = False, [f"no large box at T = {temperature:g}"]
    return {
        "chi4": fluctuations,
        "chord": fluctuations,
        "xi4": heterogeneity.dynamic_length(library, temperature, network) if passed else None,
        "why": why,
        "measured": heterogeneity.measured(library, temperature),
    }


class _Panel:
    """One figure: a curve, its error bars, points from molecular dynamics and τ_BB for each temperature; a marker."""

    def __init__(self, label, colors, scrub):
        self.figure = plain_figure(
            x_axis_type="log",
            x_range=Range1d(1, 1e6),
            y_range=Range1d(0, 1),
            x_axis_label="t / σ√(m/ε)",
            y_axis_label=label,
            tools="pan,xwheel_zoom,save",
            sizing_mode="stretch_both",
        )
        self.figure.grid.grid_line_alpha = 0.5
        self.figure.xaxis.ticker.desired_num_ticks = 4
        self._colors = colors
        self._predicted, self._measured, self._taus = {}, {}, {}
        self._lines = ColumnDataSource({name: [] for name in ("xs", "ys", "known", "color", "width", "alpha")})
        self._points = ColumnDataSource({name: [] for name in ("x", "y", "color")})
        self._bars = ColumnDataSource({name: [] for name in ("x", "low", "high", "color", "alpha")})
        self._spans = ColumnDataSource({name: [] for name in ("x", "color")})
        weights = {"source": self._lines, "color": "color", "line_width": "width", "line_alpha": "alpha"}
        self.figure.vspan("x", source=self._spans, color="color", line_dash="dotted", line_alpha=0.8)
        self.figure.segment("x", "low", "x", "high", source=self._bars, color="color", line_alpha="alpha")
        self.figure.multi_line("xs", "ys", line_dash=[3, 3], **weights)
        self.figure.multi_line("xs", "known", **weights)
        self.figure.scatter("x", "y", source=self._points, color="color", size=6, line_color=None)
        self._curve = ColumnDataSource({"levels": [], "times": [], "values": []})
        self._marker = ColumnDataSource({"x": [], "y": []})
        move = javascript("mark", curve=self._curve, marker=self._marker, scrub=scrub)
        scrub.js_on_change("level", move)
        self._curve.js_on_change("data", move)
        diamond = {"marker": "diamond", "size": 15, "color": MARKER, "line_color": "#3b3000"}
        self.figure.scatter("x", "y", source=self._marker, level="overlay", **diamond)

    def clear(self):
        self._predicted, self._measured, self._taus = {}, {}, {}
        self.show(None)

    def add(self, temperature, curve, name, measured, tau):
        """Take the results of one temperature, to be shown by the next `show`."""
        if curve is not None:
            self._predicted[temperature] = _columns(curve, name, bars=10)
        if measured is not None:
            self._measured[temperature] = _columns(measured, name, bars=measured.sizes["state"])
        self._taus[temperature] = tau

    def show(self, temperature):
        """Draw all that is known, the current temperature strongly and with the marker on it."""
        lines, colors = self._predicted, self._colors
        self._lines.data = {
            "xs": [line["x"] for line in lines.values()],
            "ys": [line["y"] for line in lines.values()],
            "known": [line["known"] for line in lines.values()],
            "color": [colors[t] for t in lines],
            "width": [3 if t == temperature else 1.4 for t in lines],
            "alpha": [1 if t == temperature else 0.75 for t in lines],
        }
        self._points.data = _joined(self._measured, colors, ("x", "y"))
        bars = [_joined(found, colors, ("x", "low", "high")) for found in (self._predicted, self._measured)]
        joined = {name: np.concatenate([columns[name] for columns in bars]) for name in bars[0]}
        chosen = joined["color"] == colors.get(temperature, "")
        self._bars.data = joined | {"alpha": np.where(chosen, 0.9, 0.3)}
        self._spans.data = {"x": list(self._taus.values()), "color": [colors[t] for t in self._taus]}
        current = lines.get(temperature, {"levels": [], "x": [], "y": []})
        self._curve.data = {"levels": current["levels"], "times": current["x"], "values": current["y"]}
        self._fit()

    def _fit(self):
        """Ranges around everything shown, error bars of the points not counted."""
        found = [*self._predicted.values(), *self._measured.values()]
        x, y = (np.concatenate([np.empty(0), *(columns[name] for columns in found)]) for name in ("x", "y"))
        shown = np.isfinite(y)
        if shown.any():
            self.figure.x_range.update(start=float(x[shown].min()) / 2, end=float(x[shown].max()) * 2)
            self.figure.y_range.update(start=0, end=float(y[shown].max()) * 1.15)

    def state_at(self, x, y):
        """Temperature and ⟨C̄_B⟩ of the curve's point at (x, y), None where there is none."""
        curves = {t: (line["x"], line["y"], line["levels"]) for t, line in self._predicted.items()}
        window = [(limits.start, limits.end) for limits in (self.figure.x_range, self.figure.y_range)]
        return state_at(x, y, curves, window)


def _columns(curve, name, bars):
    """Points of a curve and their levels, with about `bars` error bars and `known` only where the time is simulated."""
    y, error = curve[name].values, curve[f"{name}_error"].values
    error = np.where(np.arange(len(y)) % max(len(y) // bars, 1) == 0, error, np.nan)
    known = np.where(curve["simulated"].values, y, np.nan) if "simulated" in curve else y
    x, levels = curve["time"].values, curve["mean_propensity"].values
    return {"x": x, "y": y, "levels": levels, "known": known, "low": y - error, "high": y + error}


def _joined(found, colors, names):
    """Columns of all temperatures one after the other, without what is not known, and their colours."""
    kept = {t: np.isfinite([columns[name] for name in names]).all(axis=0) for t, columns in found.items()}
    joined = {name: np.concatenate([np.empty(0), *(found[t][name][kept[t]] for t in found)]) for name in names}
    return joined | {"color": np.repeat([colors[t] for t in found], [kept[t].sum() for t in found]).astype(str)}
