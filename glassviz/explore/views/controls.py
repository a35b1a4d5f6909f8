"""What is chosen and what time it is: temperature, mean propensity with its player, sample and networks."""

import html

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Div

from glassviz.explore import derive
from glassviz.explore.views.base import CARD, View, javascript, run

STOPS = [round(0.99 - 0.01 * k, 2) for k in range(95)]
"""Stops of the ⟨C̄_B⟩ slider, 0.99 … 0.05, forward in time."""
SPEEDS = {"½×": 0.06, "1×": 0.12, "2×": 0.24, "4×": 0.48}
"""Change of ⟨C̄_B⟩ per second while playing."""

READOUT = """
:host { margin: 0; font-family: var(--bokeh-base-font), sans-serif; color: var(--panel-on-surface-color); }
.line { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 12px; white-space: nowrap; min-height: 27px; }
.name { font-size: 14px; opacity: .8; }
.time { font-size: 18px; font-weight: 600; font-variant-numeric: tabular-nums; }
.kind { font-size: 12px; padding: 0 8px; border-radius: 9px; border: 1px solid currentColor; }
.simulated { color: color-mix(in srgb, #16a34a 78%, var(--panel-on-surface-color)); }
.extrapolated { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
sup, sub { line-height: 0; font-size: .7em; }
"""
HIDDEN_LABEL = {"& .MuiFormLabel-root": {"position": "absolute", "opacity": 0, "pointerEvents": "none"}}
NOTE = """
:host { margin: 0; font-size: 12px; line-height: 1.4; color: var(--panel-on-surface-color); opacity: .85; }
.weak { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
"""

GRID = """
:host { display: grid !important; gap: 6px 28px; align-items: start; grid-template-columns: minmax(0, 1fr);
        grid-template-areas: "time" "temperature" "choice"; }
@media (min-width: 900px) {
  :host { grid-template-columns: minmax(0, 5fr) minmax(0, 4fr) minmax(0, 3fr);
          grid-template-areas: "time temperature choice"; }
}
"""


class Controls(View):
    """The bar of controls.

    Parameters
    ----------
    state : ExplorerState
    scrub : Scrub
        The browser's time; its `settled` value becomes the state's mean propensity.
    """

    def __init__(self, state, scrub, **params):
        self._scrub, self._followed = scrub, []
        self._timed = None
        super().__init__(state, **params)
        scrub.on_change("settled", self._settle)
        state.param.watch(self.refresh, ["temperature", "sample", "network"])
        state.param.watch(self._move, "mean_propensity")

    def follow(self, views):
        """Answer the browser only when these views, too, have been brought up to date."""
        self._followed += views
        for view in views:
            view.param.watch(self._answer, "busy")

    def _build(self):
        state, scrub = self.state, self._scrub
        full = {"sizing_mode": "stretch_width", "margin": 0}
        self.temperature = pmui.DiscreteSlider.from_param(
            state.param.temperature,
            label="Temperature",
            options={f"{t:.2f}": t for t in state.library.temperatures},
            sx=HIDDEN_LABEL,
            **full,
        )
        self._temperature_text = pn.pane.HTML(stylesheets=[READOUT], **full)
        start = _nearest_stop(state.mean_propensity)
        self.level = pmui.DiscreteSlider(
            label="Mean propensity",
            sx=HIDDEN_LABEL,
            options={f"{stop:.2f}": stop for stop in STOPS},
            value=STOPS[start],
            styles={"flex": "1 1 200px"},
            **full,
        )
        self.play = pmui.Toggle(label="Play", icon="play_arrow", color="primary", size="small", width=96, margin=0)
        self.speed = pmui.Select(
            label="Speed",
            options=list(SPEEDS),
            value="1×",
            width=84,
            margin=0,
            size="small",
        )
        self.sample = pmui.Select.from_param(state.param.sample, label="Sample", size="small", **full)
        self.network = pmui.Select.from_param(state.param.network, label="Networks", size="small", **full)
        self._clock = ColumnDataSource({"levels": [], "times": [], "simulated": []})
        self._readout = Div(text="", stylesheets=[READOUT], sizing_mode="stretch_width")
        self._note = pn.pane.HTML(stylesheets=[NOTE], sizing_mode="stretch_width", margin=0)

        read = javascript("read", clock=self._clock, scrub=scrub, readout=self._readout)
        scrub.js_on_change("level", read)
        self._clock.js_on_change("data", read)
        scrub.js_on_change("answered", javascript("follow", scrub=scrub))
        self.level.jscallback({"scrub": scrub, "stops": STOPS}, value=run("drag", "scrub", "stops", slider="source"))
        self.speed.jscallback({"scrub": scrub, "speeds": SPEEDS}, value="scrub.speed = speeds[source.value]")
        self.play.jscallback(
            {"scrub": scrub, "stops": STOPS, "level": self.level},
            value="scrub.playing = source.value; source.label = source.value ? 'Pause' : 'Play'\n"
            "source.icon = source.value ? 'pause' : 'play_arrow'\n"
            + run("play", "scrub", "stops", slider="level.data"),
        )
        player = pn.Row(
            self.play,
            self.speed,
            self.level,
            styles={"align-items": "center", "gap": "8px 14px", "padding-top": "8px", "flex-wrap": "wrap"},
            **full,
        )
        return pn.Column(
            pn.Column(self._readout, player, styles={"grid-area": "time"}, **full),
            pn.Column(
                self._temperature_text, self.temperature, self._note, styles={"grid-area": "temperature"}, **full
            ),
            pn.Column(self.sample, self.network, styles={"grid-area": "choice", "gap": "10px"}, **full),
            stylesheets=[CARD, GRID],
            **full,
        )

    def _derive(self, choice):
        library, sample = self.state.library, choice.sample
        configuration = library.configurations(sample.temperature, sample.particles).isel(configuration=sample.index)
        yield sample, configuration, None
        yield sample, configuration, derive.times(library, choice.temperature)

    def _show(self, result):
        sample, configuration, times = result
        if times is not None:
            time, simulated = times
            self._clock.data = {"levels": derive.LEVELS, "times": time, "simulated": simulated.astype(int)}
        elif sample.temperature != self._timed:
            self._clock.data = {"levels": [], "times": [], "simulated": []}
        self._timed = sample.temperature
        self._temperature_text.object = (
            '<div class="line"><span class="name">Temperature <i>T</i></span>'
            f'<span class="time">{sample.temperature:.2f} ε/<i>k</i><sub>B</sub></span></div>'
        )
        self._note.object = _provenance(sample, configuration)

    def _move(self, event):
        """The mean propensity was set elsewhere than in the browser."""
        if abs(event.new - self._scrub.settled) > 1e-9:
            self.level.value = STOPS[_nearest_stop(event.new)]
            self._scrub.update(level=event.new, settled=event.new, answered=event.new)

    def _settle(self, _attr, _old, new):
        """The browser asks for a mean propensity."""
        low, high = self.state.param.mean_propensity.bounds
        self.state.mean_propensity = min(max(new, low), high)
        self._answer()

    def _answer(self, *_event):
        """Tell the browser that everything is up to date."""
        if not any(view.busy for view in self._followed):
            self._scrub.answered = self._scrub.settled


def _provenance(sample, configuration):
    """What is known of the sample: the verdict on its equilibration and how it was made."""
    stated = configuration["verdict"].item() if "verdict" in configuration else configuration.attrs.get("verdict", "")
    verdict = html.escape(str(stated) or "equilibration not assessed")
    weak = "" if verdict.startswith("equilibrium") else ' class="weak"'
    made = html.escape(str(configuration.attrs.get("provenance", "")))
    label = html.escape(sample.label)
    return f'<div title="{made}">{label}: <span{weak}>{verdict}</span></div>'


def _nearest_stop(level):
    return min(range(len(STOPS)), key=lambda k: abs(STOPS[k] - level))
