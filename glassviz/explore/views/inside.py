"""The tab Inside: the network drawn, what it attends to, and the plane in which it sorts the particles."""

from dataclasses import replace

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Whisker,
)

from glassviz.explore import derive, inside
from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.colors import gradient, hexadecimal, palette, temperature_colors
from glassviz.explore.picking import point_at
from glassviz.explore.views.base import CARD, HEADING, View, plain_figure
from glassviz.explore.views.heading import Heading, warning
from glassviz.explore.views.heat import SYMBOLS, Heat
from glassviz.explore.views.marks import Marks
from glassviz.explore.views.network_drawing import NetworkDrawing
from glassviz.learn.architecture import CAPTION

GRID = """
:host { display: grid !important; gap: 10px; box-sizing: border-box; align-content: start;
        grid-template-columns: minmax(0, 1fr); grid-template-rows: 340px 440px 560px 560px minmax(70px, max-content);
        grid-template-areas: "drawing" "heat" "lengths" "clouds" "particle"; }
@media (min-width: 900px) {
  :host { grid-template-columns: minmax(0, 6fr) minmax(0, 5fr);
          grid-template-rows: max(380px, 47vh) max(430px, 50vh) minmax(70px, max-content);
          grid-template-areas: "drawing heat" "clouds lengths" "particle particle"; }
}
"""
CLOUDS = """
:host { display: grid !important; gap: 4px; grid-template-columns: repeat(2, minmax(0, 1fr));
        grid-template-rows: repeat(4, minmax(0, 1fr)); }
@media (min-width: 900px) {
  :host { grid-template-columns: repeat(4, minmax(0, 1fr)); grid-template-rows: repeat(2, minmax(0, 1fr)); }
}
"""
PAIR = """
:host { display: grid !important; gap: 10px; grid-template-columns: minmax(0, 1fr); grid-template-rows: 400px 400px; }
@media (min-width: 900px) { :host { grid-template-columns: repeat(2, minmax(0, 1fr)); grid-template-rows: 400px; } }
"""
MOST_SCORE = 3.0  # z-score at which the colours end
HINT = (
    "Tap a point in the upper row of the bottleneck, or a particle in the tab Live, to see its own descriptors and "
    "attention."
)
FULL = {"sizing_mode": "stretch_both", "margin": 0}


class Inside(View):
    """The first network of the ensemble at the chosen state; a tapped particle's own way through it."""

    def __init__(self, state, scrub, **params):
        super().__init__(state, **params)
        watched = ["sample", "temperature", "network", "mean_propensity", "selected"]
        state.param.watch(self.refresh, watched)
        state.param.watch(self._recolour, "colors")

    def _build(self):
        self._drawing, self._heat = NetworkDrawing(), Heat("attention")
        self._scores, self._own = Heat("z-score"), Heat("attention")
        self._headings = {"drawing": Heading("Network 1", CAPTION)}
        self._tones = LinearColorMapper([hexadecimal(c) for c in palette(self.state.colors)[:CODES]], low=0, high=1)
        self._across = {kind: [_Small(self._tones) for _ in range(4)] for kind in ("time", "temperature")}
        for small in self._across["time"]:
            small.figure.on_event(Tap, self._tap(small))
        self._lengths = _Lengths(self.state.library.temperatures)
        wide = {"sizing_mode": "stretch_width", "margin": 0}
        cards = self._card("scores", "", self._scores.figure), self._card("own", "", self._own.figure)
        # Hidden from without: within, the grid is shown whatever Panel says.
        self._pair = pn.Column(pn.Column(*cards, stylesheets=[PAIR], **wide), visible=False, **wide)
        self._note = pn.pane.HTML(HINT, stylesheets=[HEADING, CARD], **wide)
        clouds = pn.Column(
            *(pn.pane.Bokeh(small.figure, **FULL) for kind in self._across.values() for small in kind),
            stylesheets=[CLOUDS],
            **FULL,
        )
        areas = {
            "drawing": self._under(self._headings["drawing"], self._drawing.figure),
            "heat": self._card("heat", "Attention", self._heat.figure),
            "clouds": self._card("clouds", "Bottleneck across time and temperature", clouds),
            "lengths": self._card("lengths", "", pn.Column(*map(_pane, self._lengths.figures), **FULL)),
            "particle": pn.Column(self._note, self._pair, **wide),
        }
        placed = [
            pn.Column(
                view,
                styles={"grid-area": name},
                sizing_mode="stretch_width" if name == "particle" else "stretch_both",
                margin=0,
            )
            for name, view in areas.items()
        ]
        return pn.Column(*placed, stylesheets=[GRID], sizing_mode="stretch_width", margin=0)

    def _card(self, name, title, content):
        self._headings[name] = pn.pane.HTML(
            _heading(title), stylesheets=[HEADING], sizing_mode="stretch_width", margin=0
        )
        return self._under(self._headings[name], content)

    def _under(self, heading, content):
        return pn.Column(heading, _pane(content), stylesheets=[CARD], **FULL)

    def _derive(self, choice):
        library, sample = self.state.library, choice.sample
        passed, _ = derive.transfer(library, sample.temperature, sample.particles, choice.network)
        if not library.ensemble(choice.network).has_attention:
            yield "baseline", "this ensemble is a baseline without attention"
            return
        if not passed:
            yield "nothing", derive.UNTRUSTED.replace("coloured", "shown")
        else:
            header = library.ensemble(choice.network).header
            yield "flow", (inside.flow(library, choice), header["columns"]["length"])
            yield "weights", inside.weights(library, choice)
            for k, level in enumerate(inside.CLOUD_LEVELS):
                at = replace(choice, mean_propensity=level)
                yield "cloud", ("time", k, inside.cloud(library, at, f"⟨C̄⟩ = {level:.2f}"), choice.selected)
            yield "seen", (inside.seen(library, choice),)
        for temperature in library.temperatures:
            yield "lengths", (temperature, inside.lengths(library, choice, temperature), choice)
        for k, temperature in enumerate(inside.cloud_temperatures(library)):
            at = inside.at_temperature(library, choice, temperature)
            yield "cloud", ("temperature", k, inside.cloud(library, at, f"T = {temperature:.2f}"), ())

    def _show(self, result):
        part, found = result
        getattr(self, f"_show_{part}")(found)

    def _show_nothing(self, reason):
        self._headings["drawing"].say(warning([reason]))
        for piece in (self._drawing, self._heat, *self._across["time"]):
            piece.clear()
        self._show_seen((None,))

    def _show_baseline(self, reason):
        """Nothing at any temperature."""
        self._show_nothing(reason)
        self._lengths.clear()
        for small in self._across["temperature"]:
            small.clear()

    def _show_flow(self, found):
        flow, lengths = found
        whom = "average over species 1" if flow.particle is None else f"particle {flow.particle}"
        note = f"{whom} · lines: what flows · orange +, blue −"
        self._headings["drawing"].say(_notes(f"X = {flow.propensity:.2f}", note))
        self._drawing.draw(flow, lengths)

    def _show_weights(self, weights):
        strongest = weights.stack(column=weights.dims).idxmax("column").item()
        row = f"{SYMBOLS[str(strongest[0])]} {strongest[2]} at L = {strongest[1]:g} σ"
        note = f"strongest {row}: {float(weights.max()):.2f} · colours: log₂, even share 0"
        self._headings["heat"].object = _heading("Attention", "", note)
        self._heat.draw_attention(weights)

    def _show_cloud(self, found):
        kind, k, cloud, selected = found
        self._across[kind][k].draw(cloud, selected)
        self._name_clouds()

    def _name_clouds(self):
        """Say what is above, what is below, and what the colours are."""
        bar = (
            f'<span class="scale">0 <span class="bar" style="background:{gradient(self.state.colors)}"></span> 1</span>'
        )
        title = "Bottleneck across time (above) and temperature (below)"
        self._headings["clouds"].object = _heading(title, after=bar)

    def _show_lengths(self, found):
        temperature, values, choice = found
        self._lengths.draw(temperature, *values, now=temperature == choice.temperature)
        title = f"Attention over length, ⟨C̄<sub>B</sub>⟩ = {choice.mean_propensity:.2f}"
        self._headings["lengths"].object = _heading(title, "", "small boxes; bars: over the networks")

    def _show_seen(self, found):
        (seen,) = found
        self._note.visible, self._pair.visible = seen is None, seen is not None
        if seen is None:
            return
        x, y = seen.nodes
        who = f"Particle {seen.particle}, species {seen.species + 1}"
        value = f"C<sub>B</sub> = {seen.propensity:.2f} · bottleneck ({x:.2f}, {y:.2f})"
        self._headings["scores"].object = _heading(
            f"{who}: descriptors", value, "z-scores over the training structures"
        )
        self._headings["own"].object = _heading("Its attention", "", "colours: log₂, even share 0")
        self._scores.draw(seen.scores, seen.scores, MOST_SCORE)
        self._own.draw_attention(seen.weights)

    def _tap(self, small):
        def tapped(event):
            window = [(r.start, r.end) for r in (small.figure.x_range, small.figure.y_range)]
            if small.cloud is not None and small.cloud.sample == self.state.chosen_sample:
                found = point_at(event.x, event.y, small.cloud.nodes, window)
                self.state.select([] if found is None else [small.cloud.particles[found]])

        return tapped

    def _recolour(self, *_event):
        self._tones.palette = [hexadecimal(c) for c in palette(self.state.colors)[:CODES]]
        self._name_clouds()


class _Small:
    """One small picture of the bottleneck."""

    def __init__(self, tones):
        self.cloud = None
        self.figure = plain_figure(
            "bottleneck",
            x_range=Range1d(-1, 1),
            y_range=Range1d(-1, 1),
            tools="",
            sizing_mode="stretch_both",
            min_border=2,
        )
        self.figure.title.update(text=" ", align="center", text_font_size="12px", text_font_style="normal")
        self.figure.axis.major_label_text_font_size = "10px"
        for axis in self.figure.axis:
            axis.ticker = BasicTicker(desired_num_ticks=3)
        self.figure.grid.grid_line_alpha = 0.35
        self._points = ColumnDataSource({"x": [], "y": [], "propensity": []})
        self.figure.scatter(
            "x",
            "y",
            source=self._points,
            size=3,
            line_color=None,
            fill_color={"field": "propensity", "transform": tones},
        )
        self._marks = Marks(self.figure)

    def clear(self):
        self.cloud = None
        self._points.data = {name: [] for name in self._points.data}
        self._marks.clear()

    def draw(self, cloud, selected):
        self.cloud = cloud
        self.figure.title.text = cloud.title
        low, high = np.percentile(cloud.nodes, [0.1, 99.9], axis=0)
        for limits, a, b in zip((self.figure.x_range, self.figure.y_range), low, high, strict=True):
            margin = 0.12 * max(b - a, 1e-6)
            limits.update(start=float(a - margin), end=float(b + margin))
        self._points.data = {"x": cloud.nodes[:, 0], "y": cloud.nodes[:, 1], "propensity": cloud.propensity}
        self._marks.points(cloud.nodes[np.isin(cloud.particles, selected)])


class _Lengths:
    """P_int(L) of all temperatures, and ξ_int against temperature."""

    def __init__(self, temperatures):
        self._colors = temperature_colors(temperatures)
        over = plain_figure(
            y_range=DataRange1d(range_padding=0.15),
            x_axis_label="L / σ",
            y_axis_label="Pᵢₙₜ / σ⁻¹",
            tools="save",
            sizing_mode="stretch_both",
        )
        under = plain_figure(
            x_axis_label="T / (ε/kʙ)", y_axis_label="ξᵢₙₜ / σ", tools="save", sizing_mode="stretch_both"
        )
        self.figures = over, under
        self._lines, self._sources, self._known = {}, {}, {}
        for temperature in sorted(temperatures):
            source = self._sources[temperature] = ColumnDataSource({"x": [], "y": []})
            color = self._colors[temperature]
            self._lines[temperature] = over.line("x", "y", source=source, color=color)
        over.add_tools(HoverTool(tooltips=[("L", "@x σ"), ("Pᵢₙₜ", "@y{0.0000} /σ")]))
        self._points = ColumnDataSource({"x": [], "y": [], "low": [], "high": [], "color": [], "size": []})
        bars = Whisker(base="x", lower="low", upper="high", source=self._points, line_color="#7d8694")
        bars.upper_head = bars.lower_head = None
        under.add_layout(bars)
        under.scatter("x", "y", source=self._points, color="color", size="size")
        under.add_tools(HoverTool(tooltips=[("T", "@x"), ("ξᵢₙₜ", "@y{0.00} σ")]))

    def clear(self):
        self._known = {}
        for source in (*self._sources.values(), self._points):
            source.data = {name: [] for name in source.data}

    def draw(self, temperature, length, distribution, xi, error, now):
        self._sources[temperature].data = {"x": length, "y": distribution}
        self._lines[temperature].glyph.update(line_width=3.5 if now else 1.5, line_alpha=1 if now else 0.75)
        self._known[temperature] = xi, error, 12 if now else 8
        rows = sorted(self._known.items())
        y, error, size = (np.array(column, dtype=float) for column in zip(*(row for _, row in rows), strict=True))
        x = [t for t, _ in rows]
        color = [self._colors[t] for t in x]
        self._points.data = {"x": x, "y": y, "low": y - error, "high": y + error, "color": color, "size": size}


def _pane(content):
    return content if isinstance(content, pn.viewable.Viewable) else pn.pane.Bokeh(content, **FULL)


def _notes(value, note):
    parts = ("value", value), ("note", note)
    return "".join(f'<span class="{kind}">{text}</span>' for kind, text in parts if text)


def _heading(title, value="", note="", after=""):
    return f'<div class="head"><span class="title">{title}</span>{_notes(value, note)}{after}</div>'
