"""The bottleneck: what the network makes of each particle's surroundings, in two numbers."""

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, Range1d

from glassviz.explore import derive
from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.colors import MAPS, palette
from glassviz.explore.picking import inside, point_at
from glassviz.explore.views.base import CARD, HEADING, View, frame_size, plain_figure
from glassviz.explore.views.marks import Marks, selectable

SIZE = 360, 360  # pixels, where the figure's are not known
LARGEST = 1400  # pixels of a side
REDRAW = 60  # ms between two images while the figure changes its size
DENSE = 10_000  # particles above which points are small

TITLE = '<div class="head"><span class="title">Bottleneck</span><span class="note">{}</span></div>'


def shade(nodes, propensity, x_range, y_range, colors=MAPS[0], size=SIZE):
    """The cloud as an image (height, width) uint32 RGBA: colour is the mean propensity in a pixel, opacity the number.

    Parameters
    ----------
    nodes : (particle, 2) ndarray
        Bottleneck values; NaN is left out.
    propensity : (particle,) ndarray
        C_B^i.
    x_range, y_range : (float, float)
        The window.
    colors : str, optional
        One of `colors.MAPS`.
    size : (int, int), optional
        Width and height (pixels).
    """
    seen = np.isfinite(nodes).all(axis=1)
    radius = 1 if np.count_nonzero(seen) > DENSE else 3
    offset = np.stack(np.mgrid[-radius : radius + 1, -radius : radius + 1], axis=-1).reshape(-1, 2)
    offset = offset[np.hypot(*offset.T) < radius + 0.5]
    low, high = np.transpose([x_range, y_range])
    pixel = np.floor((nodes[seen] - low) / (high - low) * size).astype(int)[:, None] + offset
    inside_window = ((pixel >= 0) & (pixel < size)).all(axis=-1)
    place = (pixel @ [1, size[0]])[inside_window]
    values = np.broadcast_to(propensity[seen, None], inside_window.shape)[inside_window]
    count, total = (np.bincount(place, w, size[0] * size[1]).reshape(size[::-1]) for w in (None, values))
    mean = np.divide(total, count, out=np.zeros(count.shape), where=count > 0)
    image = np.zeros((*size[::-1], 4), np.uint8)
    image[..., :3] = palette(colors)[np.rint(np.clip(mean, 0, 1) * (CODES - 1)).astype(int)]
    density = np.log1p(count) / np.log1p(max(count.max(), 1))
    image[..., 3] = np.where(count > 0, 120 + 135 * density, 0)
    return image.view(np.uint32)[..., 0]


class Bottleneck(View):
    """One point per particle of the chosen sample, coloured by propensity."""

    def __init__(self, state, **params):
        super().__init__(state, **params)
        self._key = None
        self._nodes, self._propensity = np.empty((0, 2)), np.empty(0)
        self._drawing = False
        state.param.watch(self._mark, "selected")
        state.param.watch(self.refresh, ["sample", "temperature", "network", "mean_propensity", "colors"])

    def _build(self):
        self._image = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.figure = plain_figure(
            x_range=Range1d(-1, 1),
            y_range=Range1d(-1, 1),
            x_axis_label="bottleneck node 1",
            y_axis_label="bottleneck node 2",
            tools="save",
            sizing_mode="stretch_both",
        )
        self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self._image)
        self._marks = Marks(self.figure)
        for length in ("inner_width", "inner_height"):
            self.figure.on_change(length, lambda _attr, _old, _new: self._draw_soon())
        selectable(self.figure, self.state, self._at, self._within)
        self._heading = pn.pane.HTML(TITLE.format(""), stylesheets=[HEADING], sizing_mode="stretch_width", margin=0)
        return pn.Column(
            self._heading,
            pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", margin=0),
            stylesheets=[CARD],
            sizing_mode="stretch_both",
            margin=0,
        )

    def _derive(self, choice):
        library, sample = self.state.library, choice.sample
        ensemble = library.ensemble(choice.network)
        if not ensemble.has_bottleneck:
            yield choice, "this ensemble has no bottleneck", None
            return
        passed, _ = derive.transfer(library, sample.temperature, sample.particles, choice.network)
        note = f"one point per particle · network 1 of {ensemble.networks}"
        yield choice, note, derive.bottleneck(library, choice) if passed else None

    def _show(self, result):
        choice, note, found = result
        self._heading.object = TITLE.format(note)
        self._sample, self._nodes = (None, np.empty((0, 2))) if found is None else (choice.sample, found[0])
        self._mark()
        if found is None:
            self._image.data = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
            return
        self._propensity = found[1]
        self._follow(self._nodes, (choice.sample, choice.network))
        self._draw()

    def _draw_soon(self):
        """The figure has another size; both lengths are drawn at once."""
        if len(self._nodes) and not self._drawing:
            self._drawing = True
            pn.state.curdoc.add_timeout_callback(self._draw, REDRAW)

    def _draw(self):
        self._drawing = False
        (x0, x1), (y0, y1) = ((r.start, r.end) for r in (self.figure.x_range, self.figure.y_range))
        image = shade(self._nodes, self._propensity, (x0, x1), (y0, y1), self.state.colors, self._size())
        self._image.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}

    def _size(self):
        """Pixels of the frame, so that points are round."""
        sides = frame_size(self.figure)
        return tuple(min(side, LARGEST) for side in sides) if min(sides) > 0 else SIZE

    def _at(self, x, y):
        window = [(limits.start, limits.end) for limits in (self.figure.x_range, self.figure.y_range)]
        return point_at(x, y, self._nodes, window) if self._up_to_date else None

    def _within(self, corners):
        return inside(corners, self._nodes) if self._up_to_date else []

    def _mark(self, *_event):
        self._marks.points(self._nodes[self.state.selected if self._up_to_date else []])

    def _follow(self, nodes, key):
        """Keep the window while the cloud fits well, else put it around the cloud."""
        low, high = np.nanpercentile(nodes, [0.02, 99.98], axis=0)
        for limits, a, b in zip((self.figure.x_range, self.figure.y_range), low, high, strict=True):
            span = limits.end - limits.start
            if key != self._key or a < limits.start or b > limits.end or b - a < 0.35 * span:
                margin = 0.12 * max(b - a, 1e-6)
                limits.update(start=float(a - margin), end=float(b + margin))
        self._key = key
