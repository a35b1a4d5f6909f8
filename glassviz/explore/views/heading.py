"""A card's heading: a title whose help stays open while the notes beside it change."""

import panel as pn

from glassviz.explore.views.base import HEADING

EMPTY = "&#8203;"  # no width, but the baseline that the title is aligned with
LABEL = 'aria-label="What this is" title="What this is"'


class Heading(pn.viewable.Viewer):
    """A title with a button that opens what there is to know about it, for fingers and keys too, and notes beside it.

    Title and notes are panes of their own, for a pane drawn anew closes what was open in it.

    Parameters
    ----------
    title, about : str
        HTML.
    """

    def __init__(self, title, about, **params):
        super().__init__(**params)
        self._notes = _pane("", flex="1 1 0", **{"min-width": "7em"})
        explained = f'<span class="title">{title}</span>{_opener("about", "?", about, LABEL)}'
        self._row = pn.FlexBox(_pane(explained), self._notes, align_items="baseline", gap="0 8px", margin=0)

    def __panel__(self):
        return self._row

    def say(self, html):
        """Put notes, HTML, beside the title."""
        self._notes.object = _head(html)


def warning(sentences):
    """What to know before trusting a figure, for `Heading.say`: the first sentence, which opens the others."""
    if len(sentences) < 2:
        return "".join(f'<span class="weak">{sentence}</span>' for sentence in sentences)
    text = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    return _opener("weak", sentences[0], text)


def _opener(name, label, text, attributes=""):
    """A button and the text that it opens."""
    return (
        f'<button class="{name}" popovertarget="{name}" {attributes}>{label}</button>'
        f'<div id="{name}" popover>{text}</div>'
    )


def _head(html):
    return f'<div class="head">{html or EMPTY}</div>'


def _pane(html, **styles):
    return pn.pane.HTML(_head(html), stylesheets=[HEADING], styles={"width": "auto", **styles}, margin=0)
