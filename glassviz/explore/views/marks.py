"""How particles are selected and marked, the same in every view that shows them."""

import numpy as np
from bokeh.events import SelectionGeometry, Tap
from bokeh.models import BoxSelectTool, ColumnDataSource, LassoSelectTool

INNER, OUTER = "#15181d", "#ffe14d"
FEW = 30  # particles that also get a mark of fixed size, to be found in a large box


class Marks:
    """Rings around the selected particles of a figure.

    Parameters
    ----------
    figure : bokeh figure
        Where to draw; the rings come last, so make this after the glyphs they lie on.
    """

    def __init__(self, figure):
        self._rings = ColumnDataSource({"x": [], "y": [], "radius": []})
        self._points = ColumnDataSource({"x": [], "y": []})
        for color, width in ((INNER, 4.5), (OUTER, 2.2)):
            shape = {"line_color": color, "line_width": width, "fill_alpha": 0, "level": "overlay"}
            figure.circle("x", "y", radius="radius", source=self._rings, **shape)
            figure.scatter("x", "y", size=15, source=self._points, **shape)

    def discs(self, position, radius, length):
        """Mark discs (n, 2), (n,) of a periodic box of side `length` (σ), in the neighbouring boxes too."""
        shift = length * np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
        x, y = (position[:, None] + shift).reshape(-1, 2).T
        self._rings.data = {"x": x, "y": y, "radius": np.repeat(radius, len(shift))}
        self._points.data = {"x": x, "y": y} if len(position) <= FEW else {"x": [], "y": []}

    def points(self, points):
        """Mark points (n, 2); NaN is left out."""
        x, y = points[np.isfinite(points).all(axis=1)].T
        self._points.data = {"x": x, "y": y}

    def clear(self):
        """Mark nothing."""
        for source in (self._rings, self._points):
            source.data = {name: [] for name in source.data}


def selectable(figure, state, at, within):
    """Let particles of a figure be selected by tap, lasso and box; a tap with shift adds or takes away.

    Parameters
    ----------
    figure : bokeh figure
    state : ExplorerState
    at : callable
        `at(x, y)` returns the particle at a point of the figure, None where there is none.
    within : callable
        `within(corners)` returns the particles within an outline, (corner, 2).
    """

    def tapped(event):
        found = at(event.x, event.y)
        state.select([] if found is None else [found], add=bool(event.modifiers and event.modifiers["shift"]))

    def drawn(event):
        if event.final:
            state.select(within(corners(event.geometry)))

    figure.add_tools(LassoSelectTool(renderers=[], continuous=False), BoxSelectTool(renderers=[], continuous=False))
    figure.on_event(Tap, tapped)
    figure.on_event(SelectionGeometry, drawn)


def corners(geometry):
    """Corners (corner, 2) of what was drawn."""
    if geometry["type"] == "rect":
        x0, x1, y0, y1 = (geometry[name] for name in ("x0", "x1", "y0", "y1"))
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return np.stack([np.asarray(geometry[name], dtype=np.float64) for name in ("x", "y")], axis=1)
