"""The tab Compare: molecular dynamics and ensembles on the same structure, their difference and agreement (Fig. 3)."""

import html

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource

from glassviz.explore import comparison
from glassviz.explore.colors import DIFFERENCE, encode, gradient, packed_palette
from glassviz.explore.comparison import DYNAMICS, MOST_PANELS
from glassviz.explore.picking import disc_at, inside
from glassviz.explore.raster import coloured, pack, particle_ids, viewport
from glassviz.explore.views.agreement import TALL, Joint, Pearson, card
from glassviz.explore.views.base import CARD, HEADING, View, plain_figure
from glassviz.explore.views.marks import Marks, selectable
from glassviz.explore.views.window import Window
from glassviz.mixture import RADII

SIDE = 480  # pixels of a panel's raster
GRID = """
:host { display: grid !important; gap: 10px; grid-template-columns: minmax(0, 1fr); grid-auto-rows: max-content; }
@media (min-width: 640px) { :host { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (min-width: 1100px) { :host { grid-template-columns: repeat(4, minmax(0, 1fr)); } }
"""
WIDE = ":host { grid-column: 1 / -1; }"
OPTIONS = """
:host { display: grid !important; gap: 8px 18px; align-items: center; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 900px) { :host { grid-template-columns: minmax(0, 4fr) minmax(0, 3fr) max-content; } }
"""
CHOOSE = "choose …"
HELP = {
    "sources": "What stands side by side, four at most: molecular dynamics, and networks that predict it.",
    "structure": "Structures with molecular dynamics; the shipped networks have never seen those named test.",
}


class Compare(View):
    """Up to four panels with one zoom and one colour scale; the first two that are known are compared.

    Parameters
    ----------
    state : ExplorerState
    _scrub : Scrub
        The browser's time; the panels follow the state, which has its settled value.
    """

    def __init__(self, state, _scrub, **params):
        self._packed = None
        self._codes = {}
        super().__init__(state, **params)
        state.param.watch(self.refresh, ["temperature", "sample", "mean_propensity", "colors"])
        state.param.watch(self._mark, "selected")
        state.param.watch(self._offer, "network", what="objects")

    def _build(self):
        library = self.state.library
        self.sources = pmui.MultiChoice(
            label="Panels (the first two that are known are compared)",
            options=[DYNAMICS, *library.networks],
            value=self.state.panels or _beside([DYNAMICS, *library.networks], self.state.network),
            max_items=MOST_PANELS,
            description=HELP["sources"],
            margin=0,
            sizing_mode="stretch_width",
        )
        self.sources.param.watch(self._put_side_by_side, "value")
        self._structures = _structures(library)
        self.structure = pmui.Select(
            label="Structure with molecular dynamics",
            options=[CHOOSE, *self._structures],
            value=CHOOSE,
            description=HELP["structure"],
            size="small",
            margin=0,
            sizing_mode="stretch_width",
        )
        self.structure.param.watch(self._choose, "value")
        self._scale = pn.pane.HTML(stylesheets=[HEADING], margin=0, width=300)
        self._window = Window(self._redraw)
        self._panels = [_Panel(self._window, self) for _ in range(MOST_PANELS)]
        self._difference = _Panel(self._window, self)
        self._joint, self._pearson = Joint(), Pearson()
        options = pn.Column(
            self.sources,
            self.structure,
            self._scale,
            stylesheets=[CARD, OPTIONS, WIDE],
            sizing_mode="stretch_width",
            margin=0,
        )
        cards = [panel.card for panel in (*self._panels, self._difference, self._joint, self._pearson)]
        return pn.Column(options, *cards, stylesheets=[GRID], sizing_mode="stretch_width", margin=0)

    def _offer(self, event):
        """There are other networks: those that are new get a panel."""
        new = [name for name in event.new if name not in self.sources.options]
        kept = [name for name in self.sources.value if name in (DYNAMICS, *event.new)]
        for name in new:
            kept = _beside(kept, name)
        self.sources.param.update(options=[DYNAMICS, *event.new], value=kept)

    def _put_side_by_side(self, event):
        """Other panels were chosen."""
        self.state.panels = list(event.new)
        self.refresh()

    def _choose(self, event):
        """Another structure was chosen."""
        if event.new != CHOOSE:
            self.state.temperature, self.state.sample = self._structures[event.new]

    def _derive(self, choice):
        library, sample, sources = self.state.library, choice.sample, list(self.sources.value)
        yield "waiting", choice, sources
        configuration = library.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
        fields = comparison.fields(library, choice, sources)
        yield "fields", choice, configuration, fields
        curves = {}
        for network in [s for s in sources if s != DYNAMICS]:
            curves[network] = comparison.pearson_curve(library, choice.temperature, network)
            yield "pearson", choice, dict(curves)
        if not curves:
            yield "pearson", choice, {}

    def _show(self, result):
        kind, choice, *values = result
        if kind == "waiting":
            self._wait(choice, *values)
        elif kind == "pearson":
            self._pearson.draw(values[0], choice)
        else:
            self._fill(choice, *values)

    def _wait(self, choice, sources):
        """Empty panels for what is not there yet."""
        for k, panel in enumerate(self._panels):
            panel.card.visible = k < len(sources)
            if k < len(sources) and panel not in self._codes:
                panel.title(html.escape(sources[k]), "computing …", np.nan, "")
        self._pearson.draw({}, choice, "computing …")

    def _fill(self, choice, configuration, fields):
        """Show what the sources say."""
        here = self.state.temperature, self.state.sample  # may be newer than what is drawn
        self.structure.value = next((name for name, place in self._structures.items() if place == here), CHOOSE)
        self._stage(choice.sample, configuration)
        species = configuration["species"].values
        colors = packed_palette(self.state.colors)
        self._scale.object = _bar("0 active", gradient(self.state.colors), "1 arrested")
        self._codes = {}
        for k, panel in enumerate(self._panels):
            panel.card.visible = k < len(fields)
            if k < len(fields):
                field = fields[k]
                rho = comparison.agreement(fields[0], field, species) if k else np.nan
                panel.title(html.escape(field.source), field.note, rho, fields[0].source)
                self._codes[panel] = colors[encode(field.propensity)]
        pair = [field for field in fields if field.known][:2]
        for part in (self._difference, self._joint):
            part.card.visible = len(pair) == 2
        if len(pair) == 2:
            names = f"{html.escape(pair[1].source)} − {html.escape(pair[0].source)}"
            self._difference.heading.object = (
                f'<div class="head"><span class="title">{names}</span>{_bar("−1", gradient(DIFFERENCE), "1")}</div>'
            )
            self._codes[self._difference] = packed_palette(DIFFERENCE)[comparison.difference(*pair)]
            self._joint.draw(*pair, species)
        self._paint()

    def _stage(self, sample, configuration):
        """Another sample: its particles, and the whole box where it is another size."""
        if sample == self._sample:
            return
        length = float(configuration.attrs["box_length"])
        if self._sample is None or self._sample.particles != sample.particles:
            self._window.show_all(length)
        self._sample, self._position, self._length = sample, configuration["position"].values, length
        self._radius = RADII[configuration["species"].values]
        self._splat()
        self._mark()

    def _redraw(self):
        if self._sample is not None:
            self._splat()
            self._paint()

    def _splat(self):
        canvas = viewport(self._length, SIDE, *self._window.limits)
        self._packed = pack(particle_ids(canvas, self._position, self._radius, self._length))

    def _paint(self):
        for panel, colors in self._codes.items():
            panel.paint(coloured(self._packed, colors), *self._window.limits)
        self._window.drawn()

    def at(self, x, y):
        """The particle at a point of a panel."""
        return disc_at(x, y, self._position, self._radius, self._length) if self._up_to_date else None

    def within(self, corners):
        """The particles within an outline in a panel."""
        return inside(corners, self._position, self._length) if self._up_to_date else []

    def _mark(self, *_event):
        chosen = self.state.selected
        for panel in (*self._panels, self._difference):
            if chosen and self._up_to_date:
                panel.marks.discs(self._position[chosen], self._radius[chosen], self._length)
            else:
                panel.marks.clear()


def _beside(sources, network):
    """As many sources as there are panels, a network beside the first of them."""
    first, *others = sources or [DYNAMICS]
    return list(dict.fromkeys([first, network, *others]))[:MOST_PANELS]


def _structures(library):
    """What can be compared with molecular dynamics: label to (temperature, sample), test structures first."""
    rows = []
    for temperature in library.temperatures:
        files = {(r.particles, name): r for r in library.propensity_files(temperature) for name in r.names}
        for sample in library.samples(temperature):
            row = files.get((sample.particles, sample.name))
            if row is not None:
                name = f"T = {temperature:.2f} · {sample.label} · {row.role}, {row.replicas} replicas"
                rows.append((row.role != "test", -temperature, name, (temperature, sample.label)))
    return {name: place for *_, name, place in sorted(rows)}


def _bar(low, colors, high):
    return f'<span class="scale">{low} <span class="bar" style="background:{colors}"></span> {high}</span>'


class _Panel:
    """One snapshot."""

    def __init__(self, window, view):
        self.figure = plain_figure(
            "snapshot",
            x_range=window.x,
            y_range=window.y,
            tools="pan,wheel_zoom,reset,save",
            active_scroll=None,
            sizing_mode="scale_width",
            aspect_ratio=1,
        )
        self.figure.toolbar.active_scroll = self.figure.tools[1]
        self.figure.axis.visible = self.figure.grid.visible = False
        self.figure.min_border = 2
        self._image = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self._image)
        self.marks = Marks(self.figure)
        selectable(self.figure, view.state, view.at, view.within)
        self.heading = pn.pane.HTML(stylesheets=[HEADING, TALL], sizing_mode="stretch_width", margin=0)
        self.card = card(self.heading, self.figure, "stretch_width")

    def title(self, source, note, rho, reference):
        """Say what is shown and how well it agrees with the first panel."""
        value = ""
        if np.isfinite(rho):
            title = f"Pearson correlation with {html.escape(reference)}, species 1 of this structure"
            value = f'<span class="value" title="{title}"><i>ρ</i><sub>P</sub> = {rho:.2f}</span>'
        said = f'<span class="note">{html.escape(note)}</span>'
        self.heading.object = f'<div class="head"><span class="title">{source}</span>{value}{said}</div>'

    def paint(self, image, x, y):
        """Show an image of the window."""
        self._image.data = {"image": [image], "x": [x[0]], "y": [y[0]], "dw": [x[1] - x[0]], "dh": [y[1] - y[0]]}
