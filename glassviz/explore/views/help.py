"""The help in the sidebar; each equation comes from the module that computes it."""

import panel as pn

from glassviz.learn import architecture, constraint
from glassviz.observe import agreement, attention, chords, propensity, structure_factor, superposition, susceptibility

GUIDE = """
### What you see
Each disc is a particle of a two-dimensional glass former, drawn with its true radius. Its colour is the
**propensity** <i>C</i><sub>B</sub>: the share of its neighbours it still has after a time *t*, averaged over many runs
from the same positions. <b style="color:#123f8c">Blue</b> is arrested, <b style="color:#a50f26">red</b> has rearranged.
It is predicted from the positions alone by an ensemble of neural networks, while you watch.

### How to use it
- Drag ⟨<i>C̄</i><sub>B</sub>⟩ or press **Play**: time passes. The time it stands for is shown beside it.
- Drag *T*: colder liquids are slower, by many orders of magnitude, and more heterogeneous.
- Scroll or drag on the snapshot to zoom and move; point at a particle to read its propensity.
- The **bottleneck** shows the two numbers in which the network sums up each particle's surroundings; the **attention**
  shows over which distances it gathers them.
- **Sweep** goes through all temperatures. Press **?** for what the keyboard does, **L** for large type.
- Tap a particle or draw a lasso, in the snapshot or in the bottleneck, and see it everywhere; tap a curve to go there.
- **Tour** tells the story in eight steps. **Copy link** keeps this very state, **Export** makes movies, pictures, data
  and pages for your own work, **Cite** says how to refer to it.
- The curves show how strongly, and how far, mobility is correlated. They are computed here and now, from the loaded
  networks and configurations; points with error bars are molecular dynamics.

### Equations
"""

SOURCES = (
    propensity,
    susceptibility,
    structure_factor,
    chords,
    architecture,
    attention,
    superposition,
    constraint,
    agreement,
)
"""Where the equations and their captions come from."""


def help_text():
    """The sidebar's text and equations."""
    pieces = [pn.pane.Markdown(GUIDE, margin=(0, 12), sizing_mode="stretch_width")]
    for module in SOURCES:
        pieces.append(pn.pane.Markdown(module.CAPTION, margin=(6, 12, 0, 12), sizing_mode="stretch_width"))
        pieces.append(
            pn.pane.LaTeX(
                f"$${module.EQUATION}$$",
                renderer="katex",
                margin=(0, 12),
                sizing_mode="stretch_width",
                styles={"overflow-x": "auto", "font-size": "13px"},
            )
        )
    return pn.Column(*pieces, sizing_mode="stretch_width")
