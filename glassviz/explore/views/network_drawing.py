"""The network drawn as in the paper's Fig. 1, its lines as strong as what flows along them at the present state."""

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, Label, Range1d

from glassviz.explore.views.base import plain_figure
from glassviz.learn.architecture import HEAD, MLP1, MLP2

UP, DOWN, INK = "#d9822b", "#2f6fb7", "#8b93a1"
WIDEST = 5.0  # pixels of a line
FAINT = 0.06  # share of a layer's strongest flow below which a line is not drawn
FACES = ("T_ref/T", "(T_ref/T)²", "(T_ref/T)³", "C", "C²", "C³")
# Column and band of every layer: x, centre of the nodes in y, their distance.
PLACES = {
    "attention": (1.25, 0.0, 0.2),
    "bottleneck": (2.5, 0.0, 0.5),
    "head.0": (3.75, 0.0, 0.2),
    "head.1": (4.7, 0.0, 0.2),
    "head.2": (5.6, 0.0, 0.0),
    "mlp1.0": (0.45, 1.75, 0.13),
    "mlp1.1": (0.85, 1.75, 0.13),
    "mlp1.2": (1.25, 1.75, 0.3),
    "mlp2.0": (1.55, -1.75, 0.13),
    "mlp2.1": (2.2, -1.75, 0.13),
    "mlp2.2": (2.85, -1.75, 0.18),
}
STATES = {"mlp1": (0.0, 1.75, 0.13), "mlp2": (0.75, -1.75, 0.13)}
CAPTIONS = (
    (0.8, -1.2, "descriptors", "center"),
    (1.36, 1.12, "attention", "left"),
    (2.5, 0.75, "bottleneck", "center"),
    (4.22, 1.08, "hidden layers", "center"),
    (5.6, 0.16, "X", "center"),
    (0.62, 2.24, "MLP 1", "center"),
    (2.2, -2.36, "MLP 2", "center"),
    (-0.05, 2.24, "state", "center"),
    (0.75, -2.36, "state", "center"),
)


def nodes_of(place, count):
    """Positions (count, 2) of a layer's nodes, the first on top."""
    x, y, step = place
    return np.stack([np.full(count, x), y + step * ((count - 1) / 2 - np.arange(count))], axis=1)


class NetworkDrawing:
    """The figure.

    Attributes
    ----------
    figure : bokeh figure
    """

    def __init__(self):
        self.figure = plain_figure(
            "network",
            x_range=Range1d(-0.4, 5.9),
            y_range=Range1d(-2.5, 2.45),
            tools="save",
            sizing_mode="stretch_both",
            x_axis_location=None,
            y_axis_location=None,
        )
        self.figure.grid.visible = False
        self._lines = ColumnDataSource({"xs": [], "ys": [], "width": [], "color": [], "alpha": []})
        self._nodes = ColumnDataSource(
            {"x": [], "y": [], "size": [], "color": [], "alpha": [], "name": [], "value": []}
        )
        self.figure.multi_line(
            "xs", "ys", source=self._lines, line_width="width", color="color", line_alpha="alpha", line_cap="round"
        )
        shown = self.figure.scatter(
            "x", "y", source=self._nodes, size="size", fill_color="color", fill_alpha="alpha", line_color=INK
        )
        self.figure.add_tools(HoverTool(renderers=[shown], tooltips=[("", "@name"), ("value", "@value{0.000}")]))
        for x, y, text, align in CAPTIONS:
            self.figure.add_layout(
                Label(
                    x=x, y=y, text=text, text_align=align, text_color=INK, text_font_size="12px", text_baseline="middle"
                )
            )

    def clear(self):
        """Draw nothing."""
        for source in (self._lines, self._nodes):
            source.data = {name: [] for name in source.data}

    def draw(self, flow, lengths):
        """Show a `Flow`; `lengths` (σ) name the inputs."""
        placed = {name: nodes_of(place, len(flow.nodes[name])) for name, place in PLACES.items()}
        inputs = nodes_of((0.35, 0.0, PLACES["attention"][2]), len(lengths))
        lines = [_straight(inputs, placed["attention"], flow.nodes["attention"])]
        for source, target, values in flow.edges:
            start = placed.get(source)
            if start is None:  # the state stands twice, at the entrance of each small network
                start = nodes_of(STATES[target.split(".")[0]], MLP1[0])
            lines.append(_strands(start, placed[target], values))
        merged = {key: [item for line in lines for item in line[key]] for key in self._lines.data}
        self._lines.data = merged
        points = [
            (inputs, np.ones(len(inputs)), [f"descriptors, weights e^(−R/L), L = {value:g} σ" for value in lengths])
        ]
        for place in STATES.values():
            points.append((nodes_of(place, MLP1[0]), flow.nodes["state"], [f"state, {face}" for face in FACES]))
        for name, values in flow.nodes.items():
            if name in placed:
                points.append((placed[name], values, [_named(name, k, lengths) for k in range(len(values))]))
        position = np.concatenate([where for where, _, _ in points])
        value = np.concatenate([values for _, values, _ in points])
        strength = np.concatenate([np.abs(values) / max(np.abs(values).max(), 1e-9) for _, values, _ in points])
        self._nodes.data = {
            "x": position[:, 0],
            "y": position[:, 1],
            "size": np.full(len(value), 10),
            "color": [UP if v >= 0 else DOWN for v in value],
            "alpha": 0.15 + 0.85 * strength,
            "name": [name for _, _, names in points for name in names],
            "value": value,
        }


def _strands(start, end, values):
    """Lines from every node to every node, as wide as what flows along them."""
    share = np.abs(values) / max(np.abs(values).max(), 1e-12)
    found = np.argwhere(share >= FAINT)
    return {
        "xs": [[start[i, 0], end[j, 0]] for i, j in found],
        "ys": [[start[i, 1], end[j, 1]] for i, j in found],
        "width": [0.4 + WIDEST * share[i, j] for i, j in found],
        "color": [UP if values[i, j] >= 0 else DOWN for i, j in found],
        "alpha": [0.25 + 0.55 * share[i, j] for i, j in found],
    }


def _straight(start, end, values):
    """One line from each node to its partner."""
    share = values / max(values.max(), 1e-12)
    return {
        "xs": [[a, b] for a, b in zip(start[:, 0], end[:, 0], strict=True)],
        "ys": [[a, b] for a, b in zip(start[:, 1], end[:, 1], strict=True)],
        "width": list(0.4 + WIDEST * share),
        "color": [INK] * len(values),
        "alpha": [0.6] * len(values),
    }


def _named(layer, k, lengths):
    """What a node is called when pointed at."""
    if layer == "attention":
        return f"attention at L = {lengths[k]:g} σ (1 is the even share)"
    if layer == "bottleneck":
        return f"bottleneck node {k + 1}"
    part, number = layer.split(".")
    last = {"mlp1": len(MLP1), "mlp2": len(MLP2), "head": len(HEAD)}[part] - 2
    if part == "head":
        return "propensity" if int(number) == last else f"hidden layer {int(number) + 1}, node {k + 1}"
    where = "output" if int(number) == last else f"layer {int(number) + 1}, node"
    return f"{part.upper().replace('MLP', 'MLP ')}, {where} {k + 1}"
