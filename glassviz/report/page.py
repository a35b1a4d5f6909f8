"""The page: goals, plates and data as one HTML file that needs nothing beside it."""

import base64
import html

import pandas as pd

from glassviz.report.plates import AGREES, DISAGREES, IN_PART, UNDECIDED
from glassviz.report.published import CITATION

MARKS = {True: ("✓", "yes", "holds"), False: ("✗", "no", "does not hold"), None: ("?", "open", "not decided")}
BADGES = {AGREES: "yes", IN_PART: "yes", DISAGREES: "no", UNDECIDED: "open"}
CSS = """
:root { color-scheme: light dark; --ink: #1b2330; --paper: #fff; --soft: #5b6675; --line: #d8dde5; --card: #f6f8fb;
        --yes: #14713d; --no: #b3261e; --open: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf2; --paper: #12161d; --soft: #a5b0bf; --line: #333c49; --card: #1b212b;
          --yes: #5fd08b; --no: #ff8a80; --open: #f0b455; } }
body { margin: 0 auto; padding: 28px 20px 60px; max-width: 940px; background: var(--paper); color: var(--ink);
       font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 44px 0 8px; }
.sub, .files { color: var(--soft); font-size: 14px; }
figure { margin: 12px 0; background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 10px; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px; }
.verdict p { margin: 4px 0; } ul { margin: 6px 0; padding-left: 0; list-style: none; }
li { padding-left: 26px; text-indent: -26px; margin: 3px 0; }
li b { display: inline-block; width: 26px; text-indent: 0; }
.yes { color: var(--yes); } .no { color: var(--no); } .open { color: var(--open); }
.weak { color: var(--open); font-size: 14px; margin: 6px 0 0; } a { color: inherit; }
nav { display: flex; flex-wrap: wrap; gap: 2px 12px; } nav a { white-space: nowrap; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""


def page(plates, failures, goals, beside, data, about):
    """The report as HTML.

    Parameters
    ----------
    plates : list of (Plate, bytes)
        Each with its figure as SVG.
    failures : dict of str to str
        Figures that could not be made and why.
    goals : list of Goal
    beside : pandas.DataFrame
        Published numbers and ours.
    data : pandas.DataFrame
        What the store holds.
    about : str
        One line on version and networks.

    Returns
    -------
    str
    """
    links = "".join(f'<a href="#{plate.number}">{_name(plate.number)}</a>' for plate, _ in plates)
    missing = "".join(f"<p class=weak>{_name(n)} is missing: {html.escape(why)}</p>" for n, why in failures.items())
    body = "".join(_section(plate, svg) for plate, svg in plates)
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>glassviz: evidence</title>"
        f'<meta name=viewport content="width=device-width, initial-scale=1"><style>{CSS}</style></head><body>'
        f"<h1>What the shipped data show</h1><p class=sub>{html.escape(about)} Every number and every verdict below "
        f"is computed from the data that ship; the paper is Jung, Biroli and Berthier.</p><nav>{links}</nav>{missing}"
        f"<h2>Goals</h2>{_goals(goals)}<h2>Beside published networks, T = 0.30</h2>{_beside(beside)}{body}"
        f"<h2>The data</h2>{_table(data)}</body></html>"
    )


def _name(number):
    return f"Figure {number}" if number.isdigit() else f"{number.capitalize()} transfer"


def _mark(holds):
    sign, kind, meaning = MARKS[holds]
    return f'<b class="{kind}" role=img aria-label="{meaning}">{sign}</b>'


def _section(plate, svg):
    findings = "".join(f"<li>{_mark(f.holds)}{html.escape(f.text)}</li>" for f in plate.findings)
    weak = "".join(f"<p class=weak>Weak: {html.escape(caution)}.</p>" for caution in plate.cautions)
    title = f"{_name(plate.number)}: {html.escape(plate.title)}"
    image = base64.b64encode(svg).decode()
    numbers = base64.b64encode(plate.table.to_csv(index=False).encode()).decode()
    return (
        f'<section id="{plate.number}"><h2>{title}</h2><figure><img alt="{html.escape(plate.title)}" '
        f'src="data:image/svg+xml;base64,{image}"></figure><div class=verdict><p><b>The paper:</b> '
        f"{html.escape(plate.paper)}</p><p><b>Ours: "
        f'<span class="{BADGES[plate.verdict]}">{plate.verdict}</span></b></p><ul>{findings}</ul>{weak}</div>'
        f'<p class=files><a download="{stem(plate.number)}.csv" href="data:text/csv;base64,{numbers}">'
        "numbers as CSV</a></p></section>"
    )


def stem(number):
    """File name of a plate, without suffix."""
    return f"figure_{number}" if number.isdigit() else f"{number}_transfer"


def _goals(goals):
    if not goals:
        return "<p class=sub>Judged in the whole report only.</p>"
    rows = "".join(
        f"<tr><td>{_mark(goal.met)}</td><td>{html.escape(goal.text)}</td><td>{html.escape(goal.found)}</td></tr>"
        for goal in goals
    )
    return f"<div class=wide><table><tr><th></th><th>goal</th><th>found</th></tr>{rows}</table></div>"


def _beside(table):
    names = {
        "time": "t / σ√(m/ε)",
        "ceiling": "their ceiling",
        "glassviz": "ours",
        "glassviz_error": "± (bootstrap)",
        "glassviz_ceiling": "our ceiling",
        "mean_propensity": "⟨C̄_B⟩",
    }
    rounded = table.round(3).assign(mean_propensity=table["mean_propensity"].round(5))
    return _table(rounded.rename(columns=names)) + (
        f"<p class=sub>Published: {html.escape(CITATION)}. "
        "Ours: one ensemble for all times and temperatures; a dash where our test runs do not reach.</p>"
    )


def _table(table):
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table)
    rows = "".join(
        "<tr>" + "".join(f"<td class=n>{_cell(value)}</td>" for value in row) + "</tr>" for row in table.values
    )
    return f"<div class=wide><table><tr>{head}</tr>{rows}</table></div>"


def _cell(value):
    if not isinstance(value, str) and pd.isna(value):
        return "–"
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))
