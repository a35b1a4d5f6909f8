"""What all views share: panes built once, arrays derived in a thread, data swapped on the session's turn."""

import asyncio
import logging
from contextlib import suppress
from functools import partial
from pathlib import Path

import panel as pn
import param
from bokeh.core.properties import Bool, Float, String
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.model import DataModel
from bokeh.models import CustomJS, LogAxis, NoOverlap, PanTool
from bokeh.plotting import figure

from glassviz.explore.state import ExplorerState
from glassviz.mixture import InvalidData

log = logging.getLogger(__name__)

WRONG = "Something went wrong here; the server's log says what."
FADED = "0.25"  # opacity of what belongs to an earlier choice
JAVASCRIPT = (Path(__file__).parents[1] / "browser.js").read_text()

CARD = """
:host { background: var(--panel-surface-color); border-radius: 12px;
        border: 1px solid color-mix(in srgb, var(--panel-on-surface-color) 17%, transparent);
        padding: 10px 12px 8px; box-sizing: border-box; overflow: hidden; min-width: 0; }
.bk-Figure { min-height: 0; }
"""
HEADING = """
:host { margin: 0 0 2px; width: 100%; font-size: calc(14px * var(--type, 1)); line-height: 1.35;
        color: var(--panel-on-surface-color); }
.head { min-height: 22px; display: flex; align-items: baseline; gap: 8px; flex-wrap: wrap; }
.title { font-weight: 600; white-space: nowrap; }
.value { font-variant-numeric: tabular-nums; white-space: nowrap; }
.note { font-size: calc(12px * var(--type, 1)); opacity: .72; }
button.weak { font-family: inherit; text-align: left; padding: 0; border: none; background: none; cursor: pointer;
              text-decoration: underline dotted; text-underline-offset: 3px; }
.weak { font-size: calc(12px * var(--type, 1)); color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
.about { align-self: center; width: 1.5em; height: 1.5em; padding: 0; border-radius: 50%;
         font: inherit; font-size: calc(11px * var(--type, 1)); line-height: 1; color: inherit; background: none;
         border: 1px solid currentColor; opacity: .8; cursor: pointer; }
[popover] { max-width: min(440px, 100vw - 32px); box-sizing: border-box; padding: 12px 16px; border-radius: 10px;
            font-size: calc(14px * var(--type, 1)); line-height: 1.45; color: var(--panel-on-surface-color);
            background: var(--panel-surface-color); box-shadow: 0 8px 32px rgb(0 0 0 / 35%);
            border: 1px solid color-mix(in srgb, var(--panel-on-surface-color) 25%, transparent); }
[popover] p { margin: 0 0 6px; }
.scale { margin-left: auto; display: inline-flex; align-items: center; gap: 6px; white-space: nowrap;
         font-size: calc(12px * var(--type, 1)); }
.bar { width: clamp(70px, 12vw, 150px); height: 11px; border-radius: 6px; border: 1px solid var(--divider-color); }
i, sub, sup { line-height: 1; }
"""


# Under a finger a figure lets the page scroll, until its pan tool is chosen; once, when the figure gets its size.
SWIPE = """
if (!pan.tags.includes("swipe")) {
  pan.tags.push("swipe")
  if (matchMedia("(pointer: coarse)").matches) { pan.active = false }
}
"""

# Bokeh 3.9 lays a figure out anew when it sees that its size has changed, and not where it took note of the size in
# passing before: axes were cut off on pages opened at a tab. For all figures of the page, as soon as one has a size.
FIT = """
const {prototype} = cb_obj.default_view, {after_resize} = prototype
if (after_resize.fits === undefined) {
  prototype.after_resize = function () {
    after_resize.call(this)
    const {bbox, layout} = this
    if (layout.bbox.width !== bbox.width || layout.bbox.height !== bbox.height) { this.compute_layout() }
  }
  prototype.after_resize.fits = true
}
"""


class Scrub(DataModel):
    """The time of the browser: see browser.js."""

    level = Float(0.8)
    settled = Float(0.8)
    answered = Float(0.8)
    playing = Bool(False)
    speed = Float(0.12)
    loop = Bool(True)
    sweeping = Bool(False)
    session = String()


def run(task, *names, **expressions):
    """JavaScript that runs one task of browser.js on models in scope, under their own name or as an expression."""
    models = ", ".join([*names, *(f"{name}: {expression}" for name, expression in expressions.items())])
    return f"const task = '{task}', models = {{{models}}}\n{JAVASCRIPT}"


def javascript(task, **models):
    """The callback that runs one task of browser.js on some models."""
    return CustomJS(args=models, code=run(task, *models))


def plain_figure(name=None, **options):
    """A figure without clutter in the style of the page.

    Parameters
    ----------
    name : str, optional
        What it is called where it cannot be seen; by default what its axes show.
    **options
        Of Bokeh's figure.
    """
    options = {"toolbar_location": "above", "toolbar_inner": True, "active_scroll": None, **options}
    scroll = options.pop("active_scroll")
    fig = figure(**options)
    name = name or f"{options['y_axis_label']} against {options['x_axis_label']}"
    fig.html_attributes = {"role": "img", "aria-label": name}
    for pan in (tool for tool in fig.tools if isinstance(tool, PanTool)):
        fig.js_on_change("inner_width", CustomJS(args={"pan": pan}, code=SWIPE))
    fig.js_on_change("inner_width", CustomJS(code=FIT))
    fig.toolbar.autohide = True
    fig.toolbar.logo = None
    if scroll:
        fig.toolbar.active_scroll = fig.select_one(scroll)
    for axis in fig.axis:
        axis.axis_label_text_font_size = "13px"
        axis.axis_label_text_font_style = "normal"
        axis.major_label_text_font_size = "12px"
        axis.minor_tick_line_color = None
        if isinstance(axis, LogAxis):
            axis.major_label_policy = NoOverlap(min_distance=4)  # its ticker shows up to nine powers in any width
    fig.outline_line_color = None
    return fig


def frame_size(fig):
    """Width and height (pixels) of a figure's frame; zeros until the browser has told them."""
    try:
        return fig.inner_width, fig.inner_height
    except UnsetValueError:
        return 0, 0


class View(pn.viewable.Viewer):
    """A view of the state.

    A subclass builds its panes in `_build`; its generator `_derive(choice)` runs in a thread, touches no pane and
    yields what `_show(result)` then puts on the page. `refresh` does both for the latest choice, never two at a time,
    and waits while the view is not on the screen: a hidden tab costs nothing. Where a choice cannot be shown, a
    sentence says why and what the view shows of the one before is faded.
    """

    state = param.ClassSelector(class_=ExplorerState, doc="What is chosen.")
    busy = param.Boolean(False, doc="Whether the view is behind the state.")
    on_screen = param.Boolean(True, doc="Whether the view's tab is open.")
    _sample = None  # whose particles are drawn, in a view that draws those of one

    def __init__(self, state, **params):
        super().__init__(state=state, **params)
        self._wanted = self._done = 0
        self._layout = self._build()

    def __panel__(self):
        return self._layout

    @property
    def followed(self):
        """The views which the browser's clock waits for: this one."""
        return [self]

    @property
    def _up_to_date(self):
        """Whether the particles that are drawn are those of the chosen sample."""
        return self._sample == self.state.chosen_sample

    def refresh(self, *_events):
        """Bring the view up to the present choice, in the background, as soon as it is on the screen."""
        self._wanted += 1
        self._start()

    @param.depends("on_screen", watch=True)
    def _start(self):
        if self.on_screen and not self.busy and self._done != self._wanted:
            self.busy = True
            asyncio.ensure_future(self._work(pn.state.curdoc))  # noqa: RUF006, held by the loop until done

    async def _work(self, document):
        try:
            while self._done != self._wanted:
                turn, steps = self._wanted, self._derive(self.state.choice())
                try:
                    while (result := await asyncio.to_thread(next, steps, None)) is not None and turn == self._wanted:
                        await on_session(document, partial(self._show_now, result))
                except InvalidData as error:
                    await on_session(document, partial(self._fail, str(error)))
                except Exception:
                    log.exception("a view could not be derived")
                    await on_session(document, partial(self._fail, WRONG))
                self._done = turn
        finally:
            self._done = self._wanted
            if not await on_session(document, partial(self._rest, document)):
                self.busy = False  # nobody is there to see it, but others wait for it

    def _rest(self, document):
        """Rest, unless there was another choice since the work ended."""
        if self.on_screen and self._done != self._wanted:
            asyncio.ensure_future(self._work(document))  # noqa: RUF006, held by the loop until done
        else:
            self.busy = False

    def _show_now(self, result):
        self._fade("1")
        self._show(result)

    def _fail(self, sentence):
        self._fade(FADED)
        report(sentence)

    def _fade(self, opacity):
        for pane in self._of_choice():
            if pane.styles.get("opacity", "1") != opacity:
                pane.styles = {**pane.styles, "opacity": opacity}

    def _of_choice(self):
        """The panes that show what belongs to a choice."""
        return [self._layout]

    def _build(self):
        raise NotImplementedError

    def _derive(self, choice):
        raise NotImplementedError

    def _show(self, result):
        raise NotImplementedError


def tell(model, **values):
    """Change a model that is not Panel's, whether or not the session's lock is held.

    Panel runs what follows a change in the browser with the lock, but not where another event comes within its 50 ms of
    grace; its own components are written past the lock, and so is this.
    """
    with pn.io.unlocked():
        model.update(**values)


def put(place, view, then):
    """Put a new view in a place of a page that is already shown; `then` is called once the browser has its models.

    Panel writes the changes of its own components past the queue of Bokeh's, or after it while the connection is busy:
    the first data for a model would come before the model. So here they are left to Bokeh's queue.
    """
    document = pn.state.curdoc

    def placed():
        document.hold("collect")
        try:
            place.append(view)
        finally:
            document.unhold()
        document.add_next_tick_callback(then)  # when the queue has been written

    document.add_next_tick_callback(placed)


def report(sentence):
    """Show one sentence to the user until it is dismissed."""
    if pn.state.notifications is not None:
        pn.state.notifications.error(sentence, duration=0)


async def on_session(document, change):
    """Run `change` with the session's lock and wait for it; False where the session is gone."""
    if _gone(document):
        return False
    done = asyncio.get_running_loop().create_future()

    def locked():
        try:
            change()
        finally:
            if not done.done():
                done.set_result(None)

    document.add_next_tick_callback(locked)
    while not done.done():
        if _gone(document):
            return False
        await asyncio.wait([done], timeout=1)
    return True


def told(document, loop, change):
    """`on_session` from another thread; False also where the loop of the server has ended."""
    future = asyncio.run_coroutine_threadsafe(on_session(document, change), loop) if loop.is_running() else None
    while loop.is_running():
        with suppress(TimeoutError):
            return future.result(timeout=1)
    return False


def _gone(document):
    return document.session_context is None or document.session_context.destroyed
