"""The tour: the paper's story, step by step, on the page as it is."""

import asyncio
from functools import partial

import panel as pn
import panel_material_ui as pmui
import param

from glassviz.explore.state import TABS
from glassviz.explore.story import STEPS, temperature_of
from glassviz.explore.views.base import on_session, run
from glassviz.explore.views.share import BUTTON
from glassviz.mixture import InvalidData

KEPT = ("temperature", "sample", "network", "mean_propensity", "tab", "selected")
"""What is as it was before when the tour ends; the temperature before the sample that belongs to it."""

# A card over the page: at the right edge, where the snapshot stays to be seen; at the bottom of a phone.
CARD = """
:host { position: fixed !important; z-index: 1100; right: 14px; bottom: 14px;
        width: min(430px, 100vw - 28px) !important; max-height: min(72vh, 100vh - 100px);
        overflow-y: auto; box-sizing: border-box; padding: 14px 18px 12px;
        border-radius: 14px; background: var(--panel-surface-color); color: var(--panel-on-surface-color);
        border: 1px solid color-mix(in srgb, var(--panel-on-surface-color) 25%, transparent);
        box-shadow: 0 8px 32px rgb(0 0 0 / 35%); }
@media (max-width: 640px) { :host { max-height: 46vh; } }
:host(.left) { right: auto; left: 14px; }
:host(.large) { width: min(760px, 100vw - 28px) !important; max-height: calc(100vh - 100px); }
"""
TEXT = """
:host { margin: 0; font-size: calc(15px * var(--type, 1)); line-height: 1.5; color: var(--panel-on-surface-color); }
h2 { font-size: calc(19px * var(--type, 1)); line-height: 1.25; margin: 0 0 6px; } p { margin: 0 0 8px; }
.count, .caption { font-size: calc(13px * var(--type, 1)); opacity: .8; margin: 0; }
.evidence { padding: 6px 10px; border-radius: 8px;
            background: color-mix(in srgb, var(--panel-on-surface-color) 8%, transparent); }
.try { border-left: 4px solid #e8b50c; padding-left: 10px; }
kbd { padding: 0 6px; border-radius: 4px; border: 1px solid currentColor; font: inherit; }
a { color: inherit; } sub, sup { line-height: 0; }
"""
FLAT = {"padding": "4px 8px", "height": "36px", "lineHeight": 1, "fontSize": 0}
NEXT = "Next or Finish: the next step; after the last one all is as it was before."
END = "End tour: all is as it was before."
LARGE = "Large type: text to be read from the back row."
FOOT = {  # stays to be seen while the story scrolls
    "gap": "6px",
    "flex-wrap": "wrap",
    "align-items": "center",
    "padding": "6px 0",
    "position": "sticky",
    "bottom": "-12px",
    "background": "var(--panel-surface-color)",
}
EQUATION = {
    "overflow-x": "auto",
    "overflow-y": "hidden",
    "padding-bottom": "4px",
    "max-width": "100%",
    "font-size": "calc(14px * var(--type, 1))",
}


class Tour(pn.viewable.Viewer):
    """A card that leads through `STEPS`; each opens its state, the end brings back what was there before.

    Parameters
    ----------
    state : ExplorerState
    tabs : Viewable
        The bar of tabs; what stands under it is what the story speaks of.
    still : callable
        Stops what plays or sweeps, so that a step stays as it opens.
    """

    step = param.Integer(-1, bounds=(-1, len(STEPS) - 1), doc="The step shown; −1 where the tour is not open.")

    def __init__(self, state, tabs, still, **params):
        super().__init__(**params)
        self._state, self._still = state, still
        self._before = None
        full = {"sizing_mode": "stretch_width", "margin": 0}
        self._story = pn.pane.HTML("", stylesheets=[TEXT], **full)
        self._story.jscallback({"tabs": tabs}, text=run("uncover", "tabs"))
        self._equation = pn.pane.LaTeX("", renderer="katex", styles=EQUATION, **full)
        self._rest = pn.pane.HTML("", stylesheets=[TEXT], **full)
        small = {"size": "small", "margin": 0}
        self.back = pmui.Button(
            label="Back",
            icon="arrow_back",
            variant="text",
            description="Back: the step before.",
            on_click=_in_turn(partial(self._go, -1)),
            **small,
        )
        self.next = pmui.Button(
            label="Next", color="primary", description=NEXT, on_click=_in_turn(partial(self._go, 1)), **small
        )
        self.end = pmui.Button(
            label="End tour", variant="text", description=END, on_click=_in_turn(self._leave), **small
        )
        self.large = pmui.Toggle(
            label="Large type",
            icon="format_size",
            icon_size="20px",
            description=LARGE,
            height=36,
            width=44,
            sx=FLAT,
            **small,
        )
        self.large.jscallback({}, value=run("type", large="source.value"))
        self.card = pn.Column(
            self._story,
            self._equation,
            self._rest,
            pn.Row(
                self.back,
                self.next,
                self.large,
                self.end,
                styles=FOOT,
                **full,
            ),
            stylesheets=[CARD],
            visible=False,
            margin=0,
        )
        self.large.param.watch(self._widen, "value")
        self.button = pmui.Button(
            label="Tour",
            icon="explore",
            description="Tour: the story of dynamic heterogeneity in eight steps.",
            on_click=_in_turn(self._begin),
            **{**BUTTON, "margin": (0, 1, 0, 10)},
        )

    def __panel__(self):
        return self.card

    def toggle_type(self):
        """Large type on or off."""
        self.large.value = not self.large.value

    def _widen(self, _event):
        self._arrange()

    def _arrange(self):
        """The card stands on its side of the page, larger for large type."""
        self.card.css_classes = [STEPS[max(self.step, 0)].side, *(["large"] if self.large.value else [])]

    def _begin(self):
        if self.step < 0:
            self._before = {name: getattr(self._state, name) for name in KEPT}
            self.step = 0

    def _leave(self):
        self.step = -1
        self._still()
        for name, value in self._before.items():
            setattr(self._state, name, value)

    def _go(self, by):
        if self.step < 0:  # a click that came after the end
            return
        if self.step + by >= len(STEPS):
            self._leave()
        else:
            self.step = max(self.step + by, 0)

    @param.depends("step", watch=True)
    def _show(self):
        self.card.param.update(visible=self.step >= 0, scroll_position=0)
        if self.step < 0:
            return
        step, state = STEPS[self.step], self._state
        self._still()
        state.tab = step.tab if step.tab in TABS else TABS[0]
        state.temperature = temperature_of(step, state.library)
        state.sample = state.library.opening_sample(state.temperature).label
        state.mean_propensity = step.mean_propensity
        self._arrange()
        self.back.disabled = self.step == 0
        self.next.label = "Next" if self.step + 1 < len(STEPS) else "Finish"
        self._story.object = (
            f'<p class="count">Step {self.step + 1} of {len(STEPS)}</p><h2>{step.title}</h2><p>{step.text}</p>'
        )
        self._equation.visible = step.source is not None
        self._equation.object = f"$${step.source.EQUATION}$$" if step.source else ""
        self._write("Computing …" if step.evidence else "")
        if step.evidence:
            asyncio.ensure_future(self._prove(self.step, pn.state.curdoc))  # noqa: RUF006, held by the loop

    def _write(self, evidence):
        step = STEPS[self.step]
        caption = f'<p class="caption">{step.source.CAPTION}</p>' if step.source else ""
        said = f'<p class="evidence" aria-live="polite">{evidence}</p>' if evidence else ""
        self._rest.object = f'{caption}{said}<p class="try"><b>Try it:</b> {step.try_it}</p>'

    async def _prove(self, shown, document):
        """Compute the numbers of a step and write them if it is still the one shown."""
        try:
            evidence = await asyncio.to_thread(STEPS[shown].evidence, self._state.library, self._state.network)
        except InvalidData as error:
            evidence = str(error)
        if shown == self.step:
            await on_session(document, partial(self._write, evidence))


def _in_turn(action):
    """What a click does, on the session's turn: the state's watchers change models of every view."""
    return lambda _event: pn.state.curdoc.add_next_tick_callback(action)
