"""The card of the selected particles: C_B(t) predicted and measured, and the descriptors the prediction is owed to."""

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import ColumnDataSource, Range1d, Whisker

from glassviz.explore.selected import selected
from glassviz.explore.views.base import CARD, HEADING, View, javascript, plain_figure
from glassviz.explore.views.heat import SYMBOLS
from glassviz.observe.overlap import level

PREDICTED, MEASURED, MEAN, MARKER = "#3a7fc4", "#d9713c", "#8b93a1", "#e8b50c"
WORDS = {
    "density": "density",
    "energy": "potential energy",
    "perimeter": "cell perimeter",
    "energy_variance": "variance of the energy",
}
BASELINE = "<p>This ensemble is a baseline without attention: what its prediction is owed to is not told.</p>"
SEEN = {
    True: "the networks were trained on it",
    False: "never trained on",
    None: "whether networks were trained on it is not recorded",
}
STRONGEST = 3  # descriptors that are named
CLOSE = {"position": "absolute", "right": "6px", "top": "6px", "z-index": "2"}
STYLE = """
:host { position: relative; box-shadow: 0 4px 22px rgb(0 0 0 / 22%);
        display: grid !important; grid-template: auto minmax(130px, 1fr) auto / minmax(0, 1fr); }
"""
TEXT = """
:host { margin: 0; font-size: calc(12.5px * var(--type, 1)); line-height: 1.45; color: var(--panel-on-surface-color); }
p { margin: 4px 0; }
.weak { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
.predicted { color: color-mix(in srgb, #3a7fc4 80%, var(--panel-on-surface-color)); font-weight: 600; }
.measured { color: color-mix(in srgb, #d9713c 80%, var(--panel-on-surface-color)); font-weight: 600; }
table { border-collapse: separate; border-spacing: 1px; width: 100%; table-layout: fixed; }
th { font-weight: 400; font-size: calc(11px * var(--type, 1)); opacity: .85; padding: 0; text-align: center; }
th:first-child { width: 24px; text-align: left; }
td { height: 15px; border-radius: 2px; background: color-mix(in srgb, var(--tone) var(--share), transparent);
     outline: 1px solid color-mix(in srgb, var(--panel-on-surface-color) 10%, transparent); }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 4px; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
"""


class Selection(View):
    """What is known of the selected particles, on a card to be shown while there are some.

    Parameters
    ----------
    state : ExplorerState
    scrub : Scrub
        The browser's time, which moves the marker.
    """

    shown = param.Boolean(False, doc="Whether there is something on the card.")

    def __init__(self, state, scrub, **params):
        self._scrub = scrub
        super().__init__(state, **params)
        state.param.watch(self.refresh, ["selected", "network", "mean_propensity"])

    def _build(self):
        self._curve = ColumnDataSource({"levels": [], "times": [], "values": [], "low": [], "high": [], "mean": []})
        self._points = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
        self._marker = ColumnDataSource({"x": [], "y": []})
        self.figure = plain_figure(
            x_axis_type="log",
            x_range=Range1d(1, 1e6),
            y_range=Range1d(-0.02, 1.03),
            x_axis_label="t / σ√(m/ε)",
            y_axis_label="propensity",
            tools="save",
            sizing_mode="stretch_both",
            min_height=120,
        )
        self.figure.xaxis.ticker.desired_num_ticks = 4
        self.figure.varea("times", "low", "high", source=self._curve, color=PREDICTED, alpha=0.2)
        self.figure.line("times", "mean", source=self._curve, color=MEAN, line_dash=[4, 3])
        self.figure.line("times", "values", source=self._curve, color=PREDICTED, line_width=2.5)
        self.figure.scatter("x", "y", source=self._points, color=MEASURED, size=6, line_color=None)
        bars = Whisker(base="x", lower="low", upper="high", source=self._points, line_color=MEASURED)
        bars.upper_head = bars.lower_head = None
        self.figure.add_layout(bars)
        self.figure.scatter(
            "x", "y", source=self._marker, marker="diamond", size=14, color=MARKER, line_color="#3b3000"
        )
        move = javascript("mark", curve=self._curve, marker=self._marker, scrub=self._scrub)
        self._scrub.js_on_change("level", move)
        self._curve.js_on_change("data", move)
        self._heading = pn.pane.HTML(stylesheets=[HEADING], sizing_mode="stretch_width", margin=(0, 30, 0, 0))
        self._text = pn.pane.HTML(stylesheets=[TEXT], sizing_mode="stretch_width")
        close = pmui.IconButton(
            icon="close", size="small", margin=0, styles=CLOSE, description="Select nothing", on_click=self._close
        )
        return pn.Column(
            self._heading,
            close,
            pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", margin=0),
            self._text,
            stylesheets=[CARD, STYLE],
            sizing_mode="stretch_both",
            margin=0,
        )

    def _close(self, _event):
        self.state.selected = []

    def _derive(self, choice):
        found = selected(self.state.library, choice)
        yield choice, found, self.state.library.ensemble(choice.network).has_attention

    def _show(self, result):
        choice, found, attends = result
        if found is not None:
            self._heading.object = f'<div class="head"><span class="title">{_title(found)}</span></div>'
            self._draw(found)
            self._text.object = _values(found, choice) + (_owed(found) if attends else BASELINE)
        self.shown = found is not None

    def _draw(self, found):
        curve, points = found.curve, found.measured
        if curve is None:
            self._curve.data = {name: [] for name in self._curve.data}
        else:
            self._curve.data = {
                "levels": curve["level"].values,
                "times": curve["time"].values,
                "values": curve["mean"].values,
                "low": curve["low"].values,
                "high": curve["high"].values,
                "mean": curve["level"].values,
            }
        if points is None:
            self._points.data = {name: [] for name in self._points.data}
        else:
            y, error = points["propensity"].values, points["error"].values
            error = np.nan_to_num(error)
            self._points.data = {"x": points["time"].values, "y": y, "low": y - error, "high": y + error}
        times = np.concatenate([*([curve["time"]] if curve is not None else []), *([points["time"]] if points else [])])
        if len(times):
            self.figure.x_range.update(start=float(times.min()) / 1.5, end=float(times.max()) * 1.5)


def _title(found):
    kinds = found.species + 1
    if len(kinds) == 1:
        return f"Particle {found.particles[0]} · species {kinds[0]}"
    parts = [f"{np.count_nonzero(kinds == kind)} of species {kind}" for kind in np.unique(kinds)]
    return f"{len(kinds)} particles · {', '.join(parts)}"


def _values(found, choice):
    """The predicted and the measured value at the chosen state, with the names of the lines."""
    many = len(found.particles) > 1
    lines = []
    if found.curve is None:
        lines.append('<span class="weak">No prediction: no trusted network speaks about these particles here.</span>')
    else:
        levels = found.curve["level"].values
        value = np.interp(-choice.mean_propensity, -levels, found.curve["mean"].values)
        of = f" of the {found.spoken} with networks" if found.spoken < len(found.particles) else ""
        band = f"{of}, band: 10 to 90 % of them" if many else ""
        lines.append(
            f'<span class="predicted">━ predicted <i>C</i><sub>B</sub> = <span class="number">{value:.2f}</span></span>'
            f" at ⟨<i>C̄</i><sub>B</sub>⟩ = {choice.mean_propensity:.2f} (┅){'; mean' if many else ''}{band}"
        )
        if not levels[-1] <= choice.mean_propensity <= levels[0]:
            nearest = np.clip(choice.mean_propensity, levels[-1], levels[0])
            lines.append(
                f'<span class="weak">Networks miss ⟨<i>C̄</i><sub>B</sub>⟩ = {choice.mean_propensity:.2f} here: the '
                f"value is that at {nearest:.2f}.</span>"
            )
    if found.measured is None:
        lines.append("No molecular dynamics of this sample.")
    else:
        seen = SEEN[found.measured.attrs["seen"]]
        lines.append(
            f'<span class="measured">● molecular dynamics{_measured_now(found, choice)}</span> '
            f"{found.measured.attrs['replicas']} replicas, {seen}"
        )
    return f"<p>{'<br>'.join(lines)}</p>"


def _measured_now(found, choice):
    """The value measured at the time of the chosen state, or where the run ends or begins, with its error and time."""
    times = found.measured["time"].values
    now = times[-1]
    if found.curve is not None:
        levels = found.curve["level"].values
        now = np.exp(np.interp(level(choice.mean_propensity), level(levels), np.log(found.curve["time"].values)))
    at = np.clip(now, times[0], times[-1])
    value, error = (
        np.interp(np.log(at), np.log(times), found.measured[name].values) for name in ("propensity", "error")
    )
    where = "" if at == now else ", where the run ends" if at == times[-1] else ", where the run begins"
    known = f" ± {error:.2f}" if np.isfinite(error) else ""
    said = f'<span class="number">{value:.2f}{known}</span> at <i>t</i> = {at:.3g}{where};'
    return f" {said}"


def _owed(found):
    """The contributions as a table of observables and lengths, the strongest ones in words."""
    if found.contribution is None:
        return ""
    total = float(found.contribution.sum())
    by_length = found.contribution.sum("neighbor_species")
    largest = float(np.abs(by_length).max()) or 1.0
    head = "".join(f"<th>{length:g}</th>" for length in by_length["length"].values)
    rows = ""
    for observable in by_length["observable"].values:
        cells = ""
        for value in by_length.sel(observable=observable):
            tone = "#1f5fb4" if value > 0 else "#c22f26"
            title = f"{WORDS[observable]} at L = {float(value['length']):g} σ: {_signed(float(value), 3)}"
            cells += f'<td style="--tone:{tone};--share:{100 * abs(float(value)) / largest:.0f}%" title="{title}"></td>'
        rows += f"<tr><th><i>{SYMBOLS[observable]}</i></th>{cells}</tr>"
    of = f" (every k-th, {found.explained} in all)" if found.explained < found.spoken else ""
    return (
        f'<p>Owed to: average surroundings <span class="number">{found.average:.2f}</span>, '
        f'these surroundings <span class="number">{_signed(total, 2)}</span>{of}, of which '
        f'<span class="key" style="background:#c22f26"></span>looser, '
        f'<span class="key" style="background:#1f5fb4"></span>firmer by <i>L</i> / σ:</p>'
        f"<table><tr><th></th>{head}</tr>{rows}</table><p>{_strongest(found.contribution)}</p>"
    )


def _signed(value, digits):
    """A number with its sign, a proper minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _strongest(contribution):
    flat = contribution.stack(column=("observable", "length", "neighbor_species"))
    order = np.argsort(-np.abs(flat.values))[:STRONGEST]
    names = []
    for k in order:
        observable, length, kind = flat["column"].values[k]
        around = "all species" if kind == "all" else f"species {kind}"
        within = f"at L = {length:g} σ" if length > 0 else "of its own"
        names.append(f"{WORDS[observable]} {within}, {around} ({_signed(float(flat[k]), 3)})")
    return f"Strongest: {'; '.join(names)}."
