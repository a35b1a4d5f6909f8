"""How this sample was made: its cooling, the energies of all samples, and the verdict with its numbers."""

import html

import panel as pn
import panel_material_ui as pmui

from glassviz.explore import making
from glassviz.explore.colors import temperature_colors
from glassviz.explore.provenance import account, headline
from glassviz.explore.views.base import CARD, HEADING, View, put
from glassviz.explore.views.dialog import dialog
from glassviz.explore.views.energies import Course, Energies, course_legend, energies_legend, grouped
from glassviz.mixture import temperature_name
from glassviz.simulate import order, verdict

GRID = """
:host { display: grid !important; gap: 10px; grid-template-columns: minmax(0, 1fr);
        grid-template-areas: "verdict" "course" "energies" "words" "equations"; }
@media (min-width: 900px) {
  :host { grid-template-columns: repeat(2, minmax(0, 1fr));
          grid-template-areas: "verdict verdict" "course energies" "words words" "equations equations"; }
}
"""
WORDS = """
:host { margin: 0; color: var(--panel-on-surface-color); font-size: calc(13.5px * var(--type, 1)); line-height: 1.45; }
p { margin: 0; }
.verdict { font-size: calc(16px * var(--type, 1)); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr) max-content minmax(0, 1fr); gap: 2px 14px;
     margin: 0; }
dt { opacity: .75; }
dt.wide { grid-column: 1; }
dd.wide { grid-column: 2 / -1; }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
@media (max-width: 800px) {
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd, dd.wide { grid-column: 1; margin-bottom: 5px; }
}
code { font-size: .92em; overflow-wrap: anywhere; }
.note { opacity: .75; }
.weak { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); }
"""
LEGEND = """
:host { margin: 0; color: var(--panel-on-surface-color); font-size: calc(12px * var(--type, 1)); line-height: 1.45; }
.legend { display: flex; flex-wrap: wrap; gap: 0 12px; min-height: 36px; align-content: start; }
.legend span { white-space: nowrap; }
"""
OPENER = {
    "padding": "0 4px",
    "minHeight": 0,
    "height": "18px",
    "fontSize": "calc(12px * var(--type, 1))",
    "marginTop": "-6px",
    "textTransform": "none",
    "textDecoration": "underline",
}


class Made(View):
    """A dialog about the chosen sample, and the button that opens it; what it shows is built when it is first opened.

    Parameters
    ----------
    state : ExplorerState
    """

    def __init__(self, state, **params):
        super().__init__(state, on_screen=False, **params)
        state.param.watch(self.refresh, ["temperature", "sample"])
        self.dialog.param.watch(lambda event: setattr(self, "on_screen", event.new), "open")
        self.refresh()

    def _build(self):
        self._place = pn.Column(sizing_mode="stretch_width", margin=0)
        self.dialog = dialog(self._place, "How this sample was made", "lg")
        self.button = pmui.Button(
            label="How this sample was made",
            description="How this sample was made: its cooling, its energy, and whether it is in equilibrium.",
            variant="text",
            size="small",
            margin=0,
            height=18,
            sx=OPENER,
            on_click=self._open,
        )
        return self.button

    def _open(self, _event):
        if self._place.objects:
            self._show_dialog()
        else:
            put(self._place, self._contents(), self._show_dialog)

    def _show_dialog(self):
        self.dialog.open = True

    def _contents(self):
        full = {"sizing_mode": "stretch_width", "margin": 0}
        self._colors = temperature_colors(self.state.library.temperatures)
        self._course, self._energies = Course(), Energies()
        self._verdict, self._words = (pn.pane.HTML("reading …", stylesheets=[WORDS], **full) for _ in range(2))
        self._headings, panes, cards = {}, {}, []
        for name, plot in (("course", self._course), ("energies", self._energies)):
            heading = pn.pane.HTML("", stylesheets=[HEADING], **full)
            legend = pn.pane.HTML("", stylesheets=[LEGEND], **full)
            self._headings[name] = heading, legend
            pane = panes[name] = pn.pane.Bokeh(plot.figure, **full)
            cards.append(pn.Column(heading, pane, legend, stylesheets=[CARD], styles={"grid-area": name}, **full))
        self._recorded = panes["course"]
        for name, pane in (("verdict", self._verdict), ("words", self._words)):
            cards.append(pn.Column(pane, stylesheets=[CARD], styles={"grid-area": name}, **full))
        equations = []
        for module in (verdict, order):
            equations.append(pn.pane.HTML(html.escape(module.CAPTION), stylesheets=[WORDS], **full))
            formula = {"overflow-x": "auto", "overflow-y": "hidden", "font-size": "14px"}
            equations.append(pn.pane.LaTeX(f"$${module.EQUATION}$$", renderer="katex", styles=formula, **full))
        foot = pn.Column(*equations, stylesheets=[CARD], styles={"grid-area": "equations"}, **full)
        return pn.Column(*cards, foot, stylesheets=[GRID], **full)

    def _of_choice(self):
        return [self._place]

    def _derive(self, choice):
        library, sample = self.state.library, choice.sample
        run = making.run_of(library, sample)
        yield sample, run, making.course(run), None, None
        found = making.groups(library)
        yield sample, run, making.course(run), making.comparisons(library, sample), (found, making.best(found))

    def _show(self, result):
        sample, run, course, compared, energies = result
        self._verdict.object = headline(sample, run)
        self._words.object = account(sample, run, compared)
        heading, legend = self._headings["course"]
        line = [] if energies is None else energies[1]
        self._course.draw(course, {g.temperature: float(g.energies.mean()) for g in line}, self._colors)
        self._recorded.visible = course is not None
        if course is None:
            heading.object = _heading("Energy along the cooling", "not recorded in this file", weak=True)
            legend.object = ""
        else:
            heading.object = _heading("Energy along the cooling", f"{sample.label}, {_sweeps(course)}")
            legend.object = course_legend(course, self._colors)
        heading, legend = self._headings["energies"]
        if energies is None:
            heading.object = _heading("<i>E</i>(<i>T</i>) of all samples", "reading …", weak=True)
            return
        found, line = energies
        heading.object = _heading("<i>E</i>(<i>T</i>) of all samples", *_line_note(line))
        self._energies.draw(found, line)
        self._energies.mark(sample.temperature, run)
        legend.object = energies_legend(found)


def _heading(title, note, weak=False):
    kind = "weak" if weak else "note"
    return f'<div class="head"><span class="title">{title}</span><span class="{kind}">{note}</span></div>'


def _line_note(line):
    """What the line through the energies goes through, and whether that is less than equilibrium."""
    settled = [group for group in line if group.verdict == "equilibrium"]
    if not settled:
        return "no temperature is in equilibrium; the dashed line joins the best equilibrated samples", True
    rest = "; dashed: through the best equilibrated ones" if len(settled) < len(line) else ""
    share = "" if all(set(group.verdicts) == {"equilibrium"} for group in settled) else "mostly "
    temperatures = ", ".join(temperature_name(group.temperature) for group in settled)
    return f"line: samples {share}in equilibrium, T = {temperatures}{rest}", bool(rest)


def _sweeps(course):
    stages = course["temperature"].values
    hot = f", from T = {stages[0]:.2f} to {stages[-1]:.2f}" if len(stages) > 1 else ""
    return f"{grouped(course['length'].values.sum())} sweeps{hot}"
