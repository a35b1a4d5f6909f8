"""The tab Length scales: ξ₄, chords and ξ_int against T (Figs. 12, 14), S₄(q) with its fit, and the chords drawn."""

import html

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, Range1d, Whisker

from glassviz.explore import derive, heterogeneity
from glassviz.explore.colors import encode, packed_palette
from glassviz.explore.raster import coloured, pack, particle_ids, viewport
from glassviz.explore.scales import FACTORS, chords, scales, spectrum
from glassviz.explore.views.base import CARD, HEADING, View, plain_figure
from glassviz.mixture import RADII, temperature_name
from glassviz.observe import ornstein_zernike
from glassviz.observe.structure_factor import FIT_WINDOW, xi4_error

PUBLISHED_LEVEL = 0.8  # of Fig. 12
LENGTHS = {
    # name: (label, colour, marker)
    "xi4": ("<i>ξ</i><sub>4</sub>", "#3a7fc4", "circle"),
    "chord": ("⟨<i>ξ</i><sub>chord</sub>⟩ / 2", "#d9713c", "square"),
    "xi_int": ("1.5 <i>ξ</i><sub>int</sub>", "#3f9b5a", "triangle"),
}
MARKER, FIT, CHORD = "#e8b50c", "#d9713c", "#15181d"
SIDE = 560  # pixels of the map
THIN = 90  # pixels that all its rows of chords together may cover of the map's height
MARGIN = 0.02  # of temperature, beside the first and the last point
FIXED = "On: the lengths at the mean propensity of the paper's Fig. 12. Off: at the one chosen above."
GRID = """
:host { display: grid !important; gap: 10px; grid-template-columns: minmax(0, 1fr);
        grid-template-rows: max-content 360px 260px 360px max-content;
        grid-template-areas: "options" "lengths" "constant" "spectrum" "map"; }
@media (min-width: 760px) {
  :host { grid-template-columns: repeat(2, minmax(0, 1fr)); grid-template-rows: max-content 330px 260px max-content;
          grid-template-areas: "options options" "lengths spectrum" "constant spectrum" "map map"; }
}
@media (min-width: 1100px) {
  :host { --side: clamp(360px, min(100vh - 340px, 36vw), 900px);
          grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) var(--side); height: max(100vh - 250px, 560px);
          grid-template-rows: max-content minmax(0, 1.35fr) minmax(0, 1fr);
          grid-template-areas: "options options options" "lengths spectrum map" "constant spectrum map"; }
}
"""
OPTIONS = """
:host { display: flex !important; flex-direction: row !important; flex-wrap: wrap; gap: 2px 22px; align-items: center; }
"""


class Lengths(View):
    """Length scales at ⟨C̄_B⟩ = 0.8, as in the paper, or at the chosen state.

    Parameters
    ----------
    state : ExplorerState
    _scrub : Scrub
        The browser's time; the figures follow the state, which has its settled value.
    """

    def __init__(self, state, _scrub, **params):
        super().__init__(state, **params)
        followed = ["temperature", "mean_propensity", "sample", "network", "colors", "published_level"]
        state.param.watch(self.refresh, followed)

    def _build(self):
        self.fixed = pmui.Switch.from_param(
            self.state.param.published_level, label="At ⟨C̄ʙ⟩ = 0.80, as in the paper", description=FIXED, margin=0
        )
        self._note = pn.pane.HTML(stylesheets=[HEADING], margin=0, styles={"flex": "1 1 300px", "width": "auto"})
        temperatures = self.state.library.temperatures
        self._lengths = _AgainstTemperature(temperatures, "length / σ", LENGTHS)
        self._constant = _AgainstTemperature(temperatures, "A", {"A": ("A", "#7a4fd0", "diamond")})
        for panel in (self._lengths, self._constant):
            panel.figure.on_event(Tap, self._go_to)
        self._spectrum, self._map = _Spectrum(), _ChordMap()
        figures = {
            "lengths": self._lengths.figure,
            "constant": self._constant.figure,
            "spectrum": self._spectrum.figure,
            "map": self._map.figure,
        }
        self._headings, cards = {}, []
        for name, figure in figures.items():
            self._headings[name] = pn.pane.HTML(stylesheets=[HEADING], sizing_mode="stretch_width", margin=0)
            mode = "stretch_width" if name == "map" else "stretch_both"
            card = pn.Column(
                self._headings[name],
                pn.pane.Bokeh(figure, sizing_mode=mode, margin=0),
                stylesheets=[CARD],
                styles={"grid-area": name},
                sizing_mode=mode,
                margin=0,
            )
            cards.append(card)
        options = pn.Column(
            self.fixed,
            self._note,
            stylesheets=[CARD, OPTIONS],
            styles={"grid-area": "options"},
            sizing_mode="stretch_width",
            margin=0,
        )
        return pn.Column(options, *cards, stylesheets=[GRID], sizing_mode="stretch_width", margin=0)

    def _go_to(self, event):
        """A tap chooses the nearest temperature."""
        if event.x:
            self.state.temperature = min(self.state.library.temperatures, key=lambda t: abs(t - event.x))

    def _derive(self, choice):
        library = self.state.library
        level = PUBLISHED_LEVEL if self.state.published_level else choice.mean_propensity
        configuration = library.configurations(choice.temperature, choice.sample.particles)
        shown = derive.frames(library, choice.sample, choice.network).at(choice.mean_propensity)
        yield "map", choice, configuration.isel(configuration=choice.sample.index), shown, chords(library, choice)
        found, why = spectrum(library, choice.temperature, choice.network, choice.mean_propensity)
        yield "spectrum", choice, found, why
        results = {}
        for temperature in sorted(library.temperatures, key=lambda t: abs(t - choice.temperature)):
            results[temperature] = scales(library, temperature, choice.network, level)
            yield "lengths", choice, level, dict(results)

    def _show(self, result):
        kind, choice, *values = result
        {"map": self._show_map, "spectrum": self._show_spectrum, "lengths": self._show_lengths}[kind](choice, *values)

    def _show_map(self, choice, configuration, shown, found):
        trusted = found is not None
        shown, segments = (shown, found[0]) if trusted else (np.full_like(shown, np.nan), None)
        self._map.draw(configuration, shown, segments, self.state.colors)
        note = f"mean {found[1]:.1f} σ: this sample, networks averaged" if trusted else derive.UNTRUSTED
        self._head("map", "Chords of mobile regions", note, weak=not trusted)

    def _show_spectrum(self, choice, found, why):
        temperature, level = temperature_name(choice.temperature), f"{choice.mean_propensity:.2f}"
        title = f"<i>S</i><sub>4</sub>(<i>q</i>) at <i>T</i> = {temperature}, ⟨<i>C̄</i><sub>B</sub>⟩ = {level}"
        self._spectrum.draw(found)
        if found is None:
            self._head("spectrum", title, f"not shown: {why}")
            return
        fit = found.fit
        boxes = f"{found.boxes} box{'es' if found.boxes > 1 else ''} of N = {found.particles}"
        if not bool(fit["determined"]):
            self._head("spectrum", title, f"ξ₄ not determined ({fit['reason'].item()}); {boxes}")
            return
        constant, uncertainty = float(fit["A"]), float(fit["A_error"])
        a = f"= {constant:.1f} ± {uncertainty:.1f}" if uncertainty < constant else "not determined"
        xi = f"<i>ξ</i><sub>4</sub> = {float(fit['xi4']):.1f} ± {float(xi4_error(fit)):.1f} σ, <i>A</i> {a}"
        self._head("spectrum", title, f"{xi}; {boxes}", weak=found.boxes < heterogeneity.FEW_STRUCTURES)

    def _show_lengths(self, choice, level, results):
        table = {name: [] for name in ("temperature", *LENGTHS, *(f"{n}_error" for n in LENGTHS), "A", "A_error")}
        for temperature, found in sorted(results.items()):
            table["temperature"].append(temperature)
            for name in ("A", "A_error"):
                table[name].append(float(found[name]))
            for name, factor in FACTORS.items():
                table[name].append(factor * float(found[name]))
                table[f"{name}_error"].append(factor * float(found[f"{name}_error"]))
        self._lengths.draw(table, choice.temperature)
        self._constant.draw(table, choice.temperature)
        left = len(self.state.library.temperatures) - len(results)
        busy = f" · computing, {left} temperatures to go" if left else ""
        weak = "; ".join(
            f"T = {t:.2f}: {html.escape(found.attrs['why'])}"
            for t, found in sorted(results.items())
            if found.attrs["why"]
        )
        key = " · ".join(f'<b style="color:{color}">●</b> {label}' for label, color, _ in LENGTHS.values())
        self._head("lengths", key, f"⟨<i>C̄</i><sub>B</sub>⟩ = {level:.2f}{busy}", weak=False)
        none = not np.isfinite(table["A"]).any()
        note = "not determined: its error exceeds its value" if none else "only where its error is below its value"
        self._head("constant", "<i>A</i> of the fit", note, weak=none)
        boxes = max(found.attrs["boxes"] for found in results.values())
        few = f"ξ₄ and A from {boxes} box{'es' if boxes > 1 else ''} per temperature: weak. " if boxes else ""
        missing = f'<span class="weak">ξ₄ not determined at {weak}</span>' if weak else ""
        self._note.object = f'<div class="head"><span class="note">{few}</span>{missing}</div>'

    def _head(self, name, title, note, weak=True):
        kind = "weak" if weak else "note"
        self._headings[
            name
        ].object = f'<div class="head"><span class="title">{title}</span><span class="{kind}">{note}</span></div>'


class _AgainstTemperature:
    """Quantities with error bars against T; the chosen temperature is marked."""

    def __init__(self, temperatures, label, quantities):
        self.figure = plain_figure(
            x_range=Range1d(min(temperatures) - MARGIN, max(temperatures) + MARGIN),
            y_range=Range1d(0, 10),
            x_axis_label="T / (ε/kʙ)",
            y_axis_label=label,
            tools="save",
            sizing_mode="stretch_both",
        )
        self.figure.grid.grid_line_alpha = 0.5
        self._sources = {}
        for name, (_, color, marker) in quantities.items():
            source = self._sources[name] = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
            bars = Whisker(base="x", lower="low", upper="high", source=source, line_color=color)
            self.figure.add_layout(bars)
            self.figure.line("x", "y", source=source, color=color, line_alpha=0.6)
            self.figure.scatter("x", "y", source=source, color=color, marker=marker, size=9, line_color=None)
        self._now = ColumnDataSource({"x": [], "y": []})
        self.figure.scatter(
            "x", "y", source=self._now, marker="diamond", size=15, fill_alpha=0, line_color=MARKER, line_width=3
        )

    def draw(self, table, temperature):
        """Show the columns of a table; a quantity that is not determined has no point."""
        x, highest, now = np.array(table["temperature"]), 0.0, []
        for name, source in self._sources.items():
            y, error = np.array(table[name]), np.nan_to_num(np.array(table[f"{name}_error"]))
            known = np.isfinite(y)
            source.data = {"x": x[known], "y": y[known], "low": (y - error)[known], "high": (y + error)[known]}
            highest = max(highest, (y + error)[known].max(initial=0))
            now.extend(y[known & (x == temperature)])
        self._now.data = {"x": [temperature] * len(now), "y": now}
        self.figure.y_range.end = 1.12 * highest or 1.0


class _Spectrum:
    """S₄(q) with its error and its fit."""

    def __init__(self):
        self.figure = plain_figure(
            x_axis_type="log",
            y_axis_type="log",
            x_range=Range1d(0.02, 3),
            y_range=Range1d(0.01, 10),
            x_axis_label="q σ",
            y_axis_label="S₄(q)",
            tools="save",
            sizing_mode="stretch_both",
        )
        self.figure.grid.grid_line_alpha = 0.5
        self._points = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
        self._fit = ColumnDataSource({"x": [], "y": []})
        bars = Whisker(base="x", lower="low", upper="high", source=self._points, line_color="#3a7fc4", line_alpha=0.5)
        bars.upper_head = bars.lower_head = None
        self.figure.varea(
            x=list(FIT_WINDOW),
            y1=[1e-9, 1e-9],
            y2=[1e9, 1e9],
            color="#8b93a1",
            alpha=0.12,
            legend_label="0.2 < q < 0.6, the paper's",
        )
        self.figure.add_layout(bars)
        self.figure.scatter("x", "y", source=self._points, color="#3a7fc4", size=5, line_color=None)
        self.figure.line("x", "y", source=self._fit, color=FIT, line_width=2.5, legend_label="fit, q < 0.6")
        self.figure.legend.update(location="bottom_left", background_fill_alpha=0.5, label_text_font_size="11px")
        self._named = self.figure.legend[0].items[-1]

    def draw(self, found):
        """Show a Spectrum, or nothing."""
        if found is None:
            for source in (self._points, self._fit):
                source.data = {name: [] for name in source.data}
            self._named.visible = False
            return
        q, y, error = found.s4["q"].values, found.s4.values, found.s4["error"].values
        self._points.data = {"x": q, "y": y, "low": np.maximum(y - error, 1e-3 * y), "high": y + error}
        self.figure.x_range.update(start=0.7 * float(q[0]), end=float(q[-1]))
        self.figure.y_range.update(start=0.5 * float(y.min()), end=2.5 * float(y.max()))
        parameters = np.array([float(found.fit[name]) for name in ("xi4", "A", "chi")])
        at = np.geomspace(q[0], heterogeneity.WINDOW[1], 100)
        known = bool(np.isfinite(parameters).all())
        self._named.visible = known
        self._fit.data = {"x": at if known else [], "y": ornstein_zernike.model(at, parameters) if known else []}


class _ChordMap:
    """The particles of the chosen sample with the chords along its rows."""

    def __init__(self):
        self.figure = plain_figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            x_axis_label="x / σ",
            y_axis_label="y / σ",
            tools="save",
            sizing_mode="scale_width",
            aspect_ratio=1,
            min_border_left=58,
            min_border_right=10,
            min_border_top=10,
            min_border_bottom=58,
        )
        self.figure.grid.visible = False
        self._image = ColumnDataSource({"image": [], "dw": [], "dh": []})
        self._segments = ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": []})
        self.figure.image_rgba("image", 0, 0, "dw", "dh", source=self._image)
        ends = {"x0": "x0", "y0": "y0", "x1": "x1", "y1": "y1", "source": self._segments}
        self._halo = self.figure.segment(**ends, color="#ffffff", line_alpha=0.55)
        self._chords = self.figure.segment(**ends, color=CHORD)

    def draw(self, configuration, propensity, segments, scale):
        """Show particles, coloured by propensity on a scale of `colors.MAPS`, and segments (chord, 4)."""
        length = float(configuration.attrs["box_length"])
        radius = RADII[configuration["species"].values]
        raster = particle_ids(viewport(length, SIDE), configuration["position"].values, radius, length)
        image = coloured(pack(raster), packed_palette(scale)[encode(propensity)])
        for limits in (self.figure.x_range, self.figure.y_range):
            limits.update(start=0, end=length)
        self._image.data = {"image": [image], "dw": [length], "dh": [length]}
        segments = np.empty((0, 4)) if segments is None else segments
        over = segments[segments[:, 2] > length]  # goes on at the other side
        segments = np.concatenate([segments, over - [length, 0, length, 0]])
        rows = len(np.unique(segments[:, 1]))
        width = min(1.8, THIN / max(rows, 1))
        self._chords.glyph.line_width, self._halo.glyph.line_width = width, 2.2 * width
        self._segments.data = dict(zip(("x0", "y0", "x1", "y1"), segments.T, strict=True))
