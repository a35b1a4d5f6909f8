"""The propensity snapshot: every particle a disc of true radius, recoloured in the browser."""

import asyncio
import html
from functools import partial

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import BoxZoomTool, ColumnDataSource, CustomJSHover, HoverTool

from glassviz.explore import derive, stages
from glassviz.explore.colors import gradient, packed_palette
from glassviz.explore.picking import disc_at, inside
from glassviz.explore.raster import pack, particle_ids, viewport
from glassviz.explore.views.base import (
    CARD,
    HEADING,
    View,
    frame_size,
    javascript,
    on_session,
    plain_figure,
    run,
)
from glassviz.explore.views.heading import warning
from glassviz.explore.views.marks import Marks, selectable
from glassviz.explore.views.window import Window
from glassviz.mixture import RADII

SMALLEST_SIDE, LARGEST_SIDE = 320, 1400  # pixels of the raster
PHONE = 360  # pixels of a frame that only phones fall short of
REDRAW = 40  # ms between two rasters while the figure changes its size
LOOK = 0.2  # s between two looks at what is being computed
BAR = {"position": "absolute", "left": "0", "right": "0", "top": "0", "width": "auto"}

TOOLTIP = """
<div style="font-size:13px;line-height:1.5;padding:2px 4px">
<div><b>Particle @image{particle}</b> · species @image{species}</div>
<div><i>C</i><sub>B</sub> = @image{propensity}</div>
<div>density <i>ρ̄</i>(2 σ) = @image{density}</div>
<div>energy <i>E</i> = @image{energy}</div>
<div>cell perimeter <i>p</i> = @image{perimeter}</div></div>
"""


class Snapshot(View):
    """The chosen sample at the chosen state.

    Parameters
    ----------
    state : ExplorerState
    scrub : Scrub
        The browser's time.
    """

    def __init__(self, state, scrub, **params):
        self._scrub = scrub
        self._drawing = self._coloured = False
        self._notes = []
        super().__init__(state, **params)
        self.param.watch(self._watch_progress, "busy")
        state.param.watch(self.refresh, ["sample", "temperature", "network"])
        state.param.watch(self._mark, "selected")
        state.param.watch(self._recolour, "colors")

    def _build(self):
        self._raster = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self._frames = ColumnDataSource({"codes": [], "levels": []})
        self._kinds = ColumnDataSource({"species": []})
        self._headlines = ColumnDataSource({name: [] for name in derive.HEADLINES})
        self._palette = ColumnDataSource({"colours": packed_palette(self.state.colors)})
        paint = javascript("paint", raster=self._raster, frames=self._frames, scrub=self._scrub, palette=self._palette)
        self._palette.js_on_change("data", paint)
        self._raster.js_on_change("data", paint)
        self._frames.js_on_change("data", paint)
        self._scrub.js_on_change("level", paint)

        self._window = Window(self._redraw)
        self.figure = plain_figure(
            x_range=self._window.x,
            y_range=self._window.y,
            x_axis_label="x / σ",
            y_axis_label="y / σ",
            tools="pan,wheel_zoom,reset,save",
            active_scroll=None,
            sizing_mode="scale_width",
            aspect_ratio=1,
            min_border_left=58,
            min_border_right=10,
            min_border_top=10,
            min_border_bottom=58,
            lod_threshold=None,
        )
        self.figure.toolbar.active_scroll = self.figure.tools[1]
        self.figure.grid.visible = False
        image = self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self._raster)
        formatter = CustomJSHover(
            args={
                "raster": self._raster,
                "frames": self._frames,
                "kinds": self._kinds,
                "headlines": self._headlines,
                "scrub": self._scrub,
            },
            code=run("hover", "raster", "frames", "kinds", "headlines", "scrub", "format", at="special_vars"),
        )
        hover = HoverTool(
            renderers=[image], tooltips=TOOLTIP, formatters={"@image": formatter}, attachment="horizontal"
        )
        self.figure.add_tools(BoxZoomTool(match_aspect=True), hover)
        self._marks = Marks(self.figure)
        selectable(self.figure, self.state, self._at, self._within)
        self.figure.on_change("inner_width", lambda _attr, _old, _new: self._redraw_soon())
        self._heading = pn.pane.HTML(self._title(), stylesheets=[HEADING], sizing_mode="stretch_width", margin=0)
        self.bar = pmui.LinearProgress(value=0, variant="determinate", visible=False, margin=0, styles=BAR)
        return pn.Column(
            self._heading,
            self.bar,
            pn.pane.Bokeh(self.figure, sizing_mode="stretch_width", margin=0),
            stylesheets=[CARD, ":host { position: relative; }"],
            sizing_mode="stretch_width",
            margin=0,
        )

    def _watch_progress(self, event):
        """While something is being computed, say how far it is."""
        if event.new:
            asyncio.ensure_future(self._tell_progress(pn.state.curdoc))  # noqa: RUF006, held by the loop until done

    async def _tell_progress(self, document):
        told = None
        while self.busy:
            await asyncio.sleep(LOOK)
            found = stages.underway(self.state.library, self.state.choice()) if self.busy else None
            if found and told and found[1] < told[1]:
                found = told  # between two stages the one that waits for them is seen
            if found != told and not await on_session(document, partial(self._tell, found)):
                return
            told = found
        await on_session(document, partial(self._tell, None))

    def _tell(self, found):
        """Show a stage and how far it is on the bar, nothing where there is none."""
        self.bar.visible = found is not None and not self._coloured
        if self.bar.visible:
            words, share = found
            self.bar.value = int(100 * share)
            self._notes = [f"computing: {words} …"]
            self._heading.object = self._title()

    def _title(self):
        bar = f'<span class="bar" style="background:{gradient(self.state.colors)}"></span>'
        return (
            '<div class="head"><span class="title">Propensity <i>C</i><sub>B</sub><sup><i>i</i></sup></span>'
            f'{warning(self._notes)}<span class="scale">0 active {bar} 1 arrested</span></div>'
        )

    def _recolour(self, event):
        self._palette.data = {"colours": packed_palette(event.new)}
        self._heading.object = self._title()

    def _derive(self, choice):
        library, sample = self.state.library, choice.sample
        configuration = library.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
        if not derive.at_hand(library, sample, choice.network):
            yield sample, configuration, None, "", ""
        passed, reason = derive.transfer(library, sample.temperature, sample.particles, choice.network)
        frames = derive.frames(library, sample, choice.network) if passed else None
        yield sample, configuration, frames, reason, library.ensemble(choice.network).untrained_at(sample.temperature)
        yield derive.headlines(library, sample, choice.network)

    def _show(self, result):
        if isinstance(result, dict):
            self._headlines.data = result
            return
        sample, configuration, frames, reason, trained = result
        species = configuration["species"].values
        if sample != self._sample:
            self._stage(sample, configuration, species, frames is not None)
        self._coloured = frames is not None or bool(reason)
        self._notes = [derive.UNTRUSTED, html.escape(reason)] if reason else ["computing …"]
        if frames is not None:
            self._frames.data = {
                "codes": [frames.codes],
                "levels": [derive.LEVELS],
            }
            self._notes = _weakness(frames.reached, trained)
        elif reason:
            self._frames.data = {"codes": [], "levels": []}
        self._heading.object = self._title()

    def _stage(self, sample, configuration, species, coloured):
        """Put another sample on the canvas; the same window where the box is as large.

        Where its colours are about to come, those of a sample as large stay that long, so that nothing flickers.
        """
        length = float(configuration.attrs["box_length"])
        alike = self._sample is not None and self._sample.particles == sample.particles
        if not alike:
            self._window.show_all(length)
        self._sample, self._length = sample, length
        self._position, self._radius = configuration["position"].values, RADII[species]
        if not (alike and coloured):
            self._frames.data = {"codes": [], "levels": []}
        self._kinds.data = {"species": species.astype(np.uint8)}
        self._headlines.data = {name: [] for name in derive.HEADLINES}
        self._redraw()
        self._mark()

    def _at(self, x, y):
        return disc_at(x, y, self._position, self._radius, self._length) if self._up_to_date else None

    def _within(self, corners):
        return inside(corners, self._position, self._length) if self._up_to_date else []

    def _mark(self, *_event):
        """Rings around the selected particles."""
        chosen = self.state.selected
        if chosen and self._up_to_date:
            self._marks.discs(self._position[chosen], self._radius[chosen], self._length)
        else:
            self._marks.clear()

    def _redraw_soon(self, *_event):
        """Draw a new raster, at most every `REDRAW` ms."""
        if not self._drawing:
            self._drawing = True
            pn.state.curdoc.add_timeout_callback(self._redraw, REDRAW)

    def _redraw(self):
        self._drawing = False
        if self._sample is None:
            return
        x, y = self._window.limits
        canvas = viewport(self._length, self._side(), x, y)
        raster = particle_ids(canvas, self._position, self._radius, self._length)
        self._raster.data = {
            "image": [pack(raster)],
            "x": [x[0]],
            "y": [y[0]],
            "dw": [x[1] - x[0]],
            "dh": [y[1] - y[0]],
        }
        self._window.drawn()

    def _side(self):
        """Pixels of the raster: those of the frame, twice as many on a phone's dense screen."""
        side, _ = frame_size(self.figure)
        side = 2 * side if 0 < side < PHONE else side
        return int(np.clip(side or 640, SMALLEST_SIDE, LARGEST_SIDE))


def _weakness(reached, trained):
    """What to know of the colours, for `warning`: levels whose mean networks miss, a temperature of no dynamics."""
    notes, details = [], []
    if not reached.all():
        missed = derive.LEVELS[~reached]
        notes.append(f"networks miss ⟨<i>C̄</i><sub>B</sub>⟩ = {missed[-1]:.2f} to {missed[0]:.2f}")
    if trained:
        notes.append("extrapolated")
        details.append(f"The networks were trained on dynamics at {trained}.")
    return ["; ".join(notes), *details] if notes else []
