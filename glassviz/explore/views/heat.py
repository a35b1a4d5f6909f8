"""A heat map over the descriptors: observable × species of neighbours × length."""

import numpy as np
from bokeh.models import BasicTicker, ColorBar, ColumnDataSource, FactorRange, HoverTool, LinearColorMapper
from bokeh.palettes import PuOr

from glassviz.explore.views.base import plain_figure

SYMBOLS = {"density": "ρ̄", "energy": "Ē", "perimeter": "p̄", "energy_variance": "ΔĒ"}
LEAST_SPAN = 0.25  # of log₂ of the attention: smaller differences stay pale
MASKED = "#9aa1ab33"


class Heat:
    """A heat map over observable × species (rows) and length (columns).

    Parameters
    ----------
    label : str
        What the numbers are called when pointed at.
    """

    def __init__(self, label):
        self._cells = ColumnDataSource({"x": [], "y": [], "tone": [], "value": []})
        self._mapper = LinearColorMapper(list(PuOr[11]), low=-1, high=1, nan_color=MASKED)
        self.figure = plain_figure(
            f"{label} of the descriptors",
            x_range=FactorRange(),
            y_range=FactorRange(),
            x_axis_label="L / σ",
            tools="save",
            sizing_mode="stretch_both",
        )
        self.figure.grid.visible = False
        self.figure.axis.major_tick_line_color = None
        self.figure.axis.axis_line_color = None
        self.figure.yaxis.major_label_text_font_size = "11px"
        cells = self.figure.rect(
            "x",
            "y",
            0.96,
            0.94,
            source=self._cells,
            line_color=None,
            fill_color={"field": "tone", "transform": self._mapper},
        )
        self.figure.add_tools(HoverTool(renderers=[cells], tooltips=[("", "@y, L = @x σ"), (label, "@value{0.00}")]))
        bar = ColorBar(
            color_mapper=self._mapper,
            width=9,
            padding=2,
            ticker=BasicTicker(desired_num_ticks=4),
            background_fill_color=None,
            major_label_text_font_size="11px",
            title=None,
        )
        self.figure.add_layout(bar, "right")

    def clear(self):
        """Show nothing."""
        self._cells.data = {name: [] for name in self._cells.data}

    def draw(self, values, tones, span):
        """Show `values` (observable, length, neighbor_species) in colours of `tones`, from −span to span."""
        values, tones = (a.transpose("observable", "neighbor_species", "length") for a in (values, tones))
        rows = [
            f"{SYMBOLS[str(o)]} {s}" for o in values["observable"].values for s in values["neighbor_species"].values
        ]
        columns = [f"{length:g}" for length in values["length"].values]
        if self.figure.y_range.factors != rows[::-1]:
            self.figure.x_range.factors, self.figure.y_range.factors = columns, rows[::-1]
        self._mapper.update(low=-span, high=span)
        self._cells.data = {
            "x": columns * len(rows),
            "y": [row for row in rows for _ in columns],
            "tone": tones.values.ravel(),
            "value": values.values.ravel(),
        }

    def draw_attention(self, weights):
        """Show attention, 1 being the even share, by its logarithm to base 2."""
        tones = np.log2(weights)
        span = max(float(np.ceil(10 * np.abs(tones).max()) / 10), LEAST_SPAN)
        self.draw(weights, tones, span)
