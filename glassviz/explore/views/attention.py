"""The attention: over which lengths L the network gathers what it knows of a particle's surroundings."""

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, Range1d, Span, Whisker

from glassviz.explore import derive
from glassviz.explore.views.base import CARD, HEADING, View, plain_figure
from glassviz.observe.fields import network_spread

BAR, LINE = "#5b8fd6", "#e0553f"
TITLE = (
    '<div class="head"><span class="title">Attention <i>P</i><sub>int</sub>(<i>L</i>)</span>'
    f'<span class="value" style="color:{LINE}">{{}}</span></div>'
)


class Attention(View):
    """P_int(L) as bars with ξ_int as a line, for the chosen sample and state."""

    def __init__(self, state, **params):
        super().__init__(state, **params)
        state.param.watch(self.refresh, ["sample", "temperature", "network", "mean_propensity"])

    def _build(self):
        self._bars = ColumnDataSource({"x": [], "top": [], "left": [], "right": [], "low": [], "high": []})
        self.figure = plain_figure(
            x_range=Range1d(-0.5, 9.75),
            y_range=Range1d(0, 0.2),
            x_axis_label="L / σ",
            y_axis_label="Pᵢₙₜ / σ⁻¹",
            tools="save",
            sizing_mode="stretch_both",
        )
        self.figure.xgrid.visible = False
        self.figure.quad("left", "right", "top", 0, source=self._bars, color=BAR, alpha=0.9, line_color=None)
        whisker = Whisker(base="x", lower="low", upper="high", source=self._bars, line_color="#7d8694", level="overlay")
        whisker.upper_head.size = whisker.lower_head.size = 5
        whisker.upper_head.line_color = whisker.lower_head.line_color = "#7d8694"
        self.figure.add_layout(whisker)
        self._line = Span(
            dimension="height", location=0, line_color=LINE, line_width=2, line_dash="dashed", visible=False
        )
        self.figure.add_layout(self._line)
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
        passed, _ = derive.transfer(library, sample.temperature, sample.particles, choice.network)
        if not library.ensemble(choice.network).has_attention:
            yield "no attention in this ensemble", None
        else:
            yield "", derive.attention(library, choice) if passed else None

    def _show(self, result):
        note, found = result
        if found is None:
            self._heading.object = TITLE.format(note)
            self._bars.data = {name: [] for name in self._bars.data}
            self._line.visible = False
            return
        distribution, xi = found
        length = distribution["length"].values
        mean = distribution.mean("network").values
        error = network_spread(distribution).values
        borders = np.concatenate([[-0.25], (length[1:] + length[:-1]) / 2, [length[-1] + 0.5]])
        self._bars.data = {
            "x": length,
            "top": mean,
            "left": borders[:-1] + 0.05,
            "right": borders[1:] - 0.05,
            "low": np.maximum(mean - error, 0),
            "high": mean + error,
        }
        top = float((mean + error).max()) * 1.1
        if not 0.5 * self.figure.y_range.end < top <= self.figure.y_range.end:
            self.figure.y_range.end = top
        self._line.update(location=float(xi), visible=True)
        spread = f" ± {float(xi['error']):.2f}" if np.isfinite(xi["error"]) else ""
        self._heading.object = TITLE.format(f"<i>ξ</i><sub>int</sub> = {float(xi):.2f}{spread} σ")
