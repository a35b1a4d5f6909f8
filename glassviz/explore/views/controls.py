"""What is chosen and what time it is: temperature and mean propensity with their players, sample, networks, colours."""

import asyncio
import html

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Div

from glassviz.explore import derive
from glassviz.explore.views.base import CARD, View, javascript, on_session, run, tell
from glassviz.mixture import temperature_name

STOPS = [round(0.99 - 0.01 * k, 2) for k in range(95)]
"""Stops of the ⟨C̄_B⟩ slider, 0.99 … 0.05, forward in time."""
SPEEDS = {"½×": 0.06, "1×": 0.12, "2×": 0.24, "4×": 0.48}
"""Change of ⟨C̄_B⟩ per second while playing."""
DWELL = 0.24  # seconds a temperature is shown in a sweep at a speed of one per second, once all views have come

READOUT = """
:host { margin: 0; font-family: var(--bokeh-base-font), sans-serif; color: var(--panel-on-surface-color); }
.line { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 12px; white-space: nowrap; min-height: 27px; }
.name { font-size: calc(14px * var(--type, 1)); opacity: .8; }
.time { font-size: calc(18px * var(--type, 1)); font-weight: 600; font-variant-numeric: tabular-nums; }
.kind { font-size: calc(12px * var(--type, 1)); padding: 0 8px; border-radius: 9px; border: 1px solid currentColor; }
.simulated { color: color-mix(in srgb, #16a34a 78%, var(--panel-on-surface-color)); }
.extrapolated { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
sup, sub { line-height: 0; font-size: .7em; }
"""
HELP = {
    "play": "Play or Pause: ⟨C̄_B⟩ falls from 0.99, when nothing has moved, to 0.05, when nearly all is rearranged.",
    "sweep": "Sweep or Stop: goes through all temperatures, from hot to cold, at the present ⟨C̄_B⟩.",
    "loop": "Loop: begin anew at the end.",
    "speed": "How fast time or temperature passes while playing or sweeping.",
    "level": "The mean propensity: the share of neighbours that particles of species 1 still have. It falls with time.",
    "temperature": "Temperature, in units of ε/k_B; the experimental glass transition is at 0.15.",
    "sample": "The configuration shown: its number of particles and its name. Each temperature has its own.",
    "network": "The ensemble of neural networks that predicts; numbers are means over its networks.",
    "colors": "The colours of the propensity, here and in exports. Cividis suits every kind of colour blindness.",
}
"""What the controls are for; of buttons it begins with their names, since readers hear it in place of these."""
FLAT = {"padding": "4px 8px", "height": "36px", "lineHeight": 1}
ICON_ONLY = {**FLAT, "fontSize": 0}
ONLY_HELP = {  # of a slider whose name and value stand above it
    "& .MuiFormLabel-root": {"position": "absolute", "right": -8, "top": -12, "fontSize": 0},
    "& .MuiFormLabel-root .MuiSvgIcon-root": {"fontSize": "14px"},
}
NOTE = """
:host { margin: 0; font-size: calc(12px * var(--type, 1)); line-height: 1.4; opacity: .85;
        color: var(--panel-on-surface-color); }
.weak { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
@media (min-width: 900px) { div { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; } }
"""

ABOUT = """
:host { align-items: center; flex-wrap: wrap; }
@media (min-width: 900px) { :host { flex-wrap: nowrap; } }
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
    beside : Viewable
        What stands beside the verdict on the sample.
    """

    def __init__(self, state, scrub, beside, **params):
        self._scrub, self._followed, self._beside = scrub, [], beside
        self._timed = None
        self._sweeping = False
        super().__init__(state, **params)
        scrub.on_change("settled", self._settle)
        scrub.on_change("sweeping", self._sweep)
        state.param.watch(self.refresh, ["temperature", "sample", "network"])
        state.param.watch(self._move, "mean_propensity")
        state.param.watch(self._offer, "temperature", what="objects")

    def follow(self, views):
        """Answer the browser only when these views, too, have been brought up to date."""
        self._followed += views
        for view in views:
            view.param.watch(self._answer, "busy")

    def _build(self):
        state = self.state
        full = {"sizing_mode": "stretch_width", "margin": 0}
        small = {"size": "small", "margin": 0, "height": 36, "icon_size": "20px"}
        self.temperature = pmui.DiscreteSlider.from_param(
            state.param.temperature,
            label="Temperature",
            description=HELP["temperature"],
            options=_temperatures(state),
            sx=ONLY_HELP,
            styles={"flex": "1 1 160px"},
            **full,
        )
        self._temperature_text = pn.pane.HTML(stylesheets=[READOUT], **full)
        self.level = pmui.DiscreteSlider(
            label="Mean propensity",
            description=HELP["level"],
            sx=ONLY_HELP,
            options={f"{stop:.2f}": stop for stop in STOPS},
            value=STOPS[_nearest_stop(state.mean_propensity)],
            styles={"flex": "1 1 170px"},
            **full,
        )
        self.play = pmui.Toggle(
            label="Play", icon="play_arrow", color="primary", description=HELP["play"], width=96, sx=FLAT, **small
        )
        self.sweep = pmui.Toggle(
            label="Sweep", icon="thermostat", description=HELP["sweep"], width=104, sx=FLAT, **small
        )
        self.loop = pmui.Toggle(
            label="Loop", icon="repeat", value=True, description=HELP["loop"], width=44, sx=ICON_ONLY, **small
        )
        self.speed = pmui.Select(
            label="Speed", options=list(SPEEDS), value="1×", description=HELP["speed"], width=92, size="small", margin=0
        )
        choices = {"sample": "Sample", "network": "Networks", "colors": "Colours"}
        self.choices = [
            pmui.Select.from_param(state.param[name], label=label, size="small", description=HELP[name], **full)
            for name, label in choices.items()
        ]
        self._clock = ColumnDataSource({"levels": [], "times": [], "simulated": []})
        self._readout = Div(text="", stylesheets=[READOUT], sizing_mode="stretch_width")
        self._note = pn.pane.HTML(stylesheets=[NOTE], margin=0, styles={"min-width": "160px", "flex": "0 1 auto"})
        self._connect()

        row = {"align-items": "center", "gap": "8px 10px", "padding-top": "8px", "flex-wrap": "wrap"}
        player = pn.Row(self.play, self.speed, self.loop, self.level, styles=row, **full)
        cooler = pn.Row(self.sweep, self.temperature, styles=row, **full)
        about = pn.Row(self._note, self._beside, stylesheets=[ABOUT], **full)
        return pn.Column(
            pn.Column(self._readout, player, styles={"grid-area": "time"}, **full),
            pn.Column(self._temperature_text, cooler, about, styles={"grid-area": "temperature"}, **full),
            pn.Column(
                self.choices[0],
                pn.Row(*self.choices[1:], styles={"gap": "10px"}, **full),
                styles={"grid-area": "choice", "gap": "10px"},
                **full,
            ),
            stylesheets=[CARD, GRID],
            **full,
        )

    def _offer(self, _event):
        """There are other temperatures to choose from."""
        self.temperature.options = _temperatures(self.state)

    def _connect(self):
        """What happens in the browser without asking the server."""
        scrub = self._scrub
        read = javascript("read", clock=self._clock, scrub=scrub, readout=self._readout)
        scrub.js_on_change("level", read)
        self._clock.js_on_change("data", read)
        scrub.js_on_change("answered", javascript("follow", scrub=scrub))
        self.level.jscallback({"scrub": scrub, "stops": STOPS}, value=run("drag", "scrub", "stops", slider="source"))
        self.speed.jscallback({"scrub": scrub, "speeds": SPEEDS}, value="scrub.speed = speeds[source.value]")
        self.loop.jscallback({"scrub": scrub}, value="scrub.loop = source.value")
        self.sweep.jscallback({"scrub": scrub}, value="scrub.sweeping = source.value")
        self.play.jscallback(
            {"scrub": scrub, "stops": STOPS, "level": self.level},
            value="scrub.playing = source.value; source.label = source.value ? 'Pause' : 'Play'\n"
            "source.icon = source.value ? 'pause' : 'play_arrow'\n"
            + run("play", "scrub", "stops", slider="level.data", button="source"),
        )

    @property
    def actions(self):
        """What the keys do, by key."""
        return {
            " ": lambda: setattr(self.play, "value", not self.play.value),
            "s": lambda: setattr(self.sweep, "value", not self.sweep.value),
            "ArrowLeft": lambda: self._step_level(-1),
            "ArrowRight": lambda: self._step_level(1),
            "ArrowUp": lambda: _step(self.temperature, self.state.param.temperature.objects, -1),
            "ArrowDown": lambda: _step(self.temperature, self.state.param.temperature.objects, 1),
            "[": lambda: _step(self.speed, list(SPEEDS), -1),
            "]": lambda: _step(self.speed, list(SPEEDS), 1),
        }

    def _step_level(self, by):
        """Go to the stop before or after the nearest one."""
        k = _nearest_stop(self.state.mean_propensity) + by
        if 0 <= k < len(STOPS):
            self.state.mean_propensity = STOPS[k]

    def still(self):
        """Stop what plays or sweeps."""
        self.play.value = self.sweep.value = False

    def _sweep(self, _attr, _old, new):
        self.sweep.param.update(value=new, label="Stop" if new else "Sweep")
        if new and not self._sweeping:
            self._sweeping = True
            asyncio.ensure_future(self._go_through(pn.state.curdoc))  # noqa: RUF006, held by the loop until done

    async def _go_through(self, document):
        """Show one temperature after the other, each once the page has caught up with the one before."""
        try:
            while self._scrub.sweeping:
                await asyncio.sleep(DWELL / SPEEDS[self.speed.value])
                while self.busy or any(view.busy for view in self._followed):
                    await asyncio.sleep(0.05)
                if self._scrub.sweeping and not await on_session(document, self._colder):
                    break
        finally:
            self._sweeping = False

    def _colder(self):
        order = self.state.param.temperature.objects
        following = order.index(self.state.temperature) + 1
        if following < len(order) or self._scrub.loop:
            self.state.temperature = order[following % len(order)]
        else:
            self.sweep.value = self._scrub.sweeping = False

    def _of_choice(self):
        return [self._readout, self._temperature_text, self._note]

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
            f'<span class="time">{temperature_name(sample.temperature)} ε/<i>k</i><sub>B</sub></span></div>'
        )
        self._note.object = _provenance(sample, configuration)

    def _move(self, event):
        """The mean propensity was set elsewhere than in the browser."""
        if abs(event.new - self._scrub.settled) > 1e-9:
            self.level.value = STOPS[_nearest_stop(event.new)]
            tell(self._scrub, level=event.new, settled=event.new, answered=event.new)

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
    verdict = html.escape(_stated(configuration, "verdict") or "equilibration not assessed")
    weak = "" if verdict.startswith("equilibrium") else ' class="weak"'
    made = html.escape(_stated(configuration, "provenance"))
    label = html.escape(sample.label)
    return f'<div title="{verdict}. {made}">{label}: <span{weak}>{verdict}</span></div>'


def _stated(configuration, name):
    """What is said of this configuration, else of all of its group."""
    return str(configuration[name].item() if name in configuration else configuration.attrs.get(name, ""))


def _temperatures(state):
    return {temperature_name(t): t for t in state.param.temperature.objects}


def _step(widget, order, by):
    """Move a widget along an order, not beyond its ends."""
    k = order.index(widget.value) + by
    if 0 <= k < len(order):
        widget.value = order[k]


def _nearest_stop(level):
    return min(range(len(STOPS)), key=lambda k: abs(STOPS[k] - level))
