"""The keyboard: which key does what, heard in the browser wherever nobody is typing."""

import panel as pn
from bokeh.core.properties import Bool, List, String
from bokeh.model import DataModel

from glassviz.explore.views.base import javascript
from glassviz.explore.views.dialog import dialog

KEYS = {
    " ": ("Space", "play time, pause"),
    "ArrowLeft": ("←", "back in time"),
    "ArrowRight": ("→", "forward in time"),
    "ArrowUp": ("↑", "hotter"),
    "ArrowDown": ("↓", "colder"),
    "[": ("[", "play slower"),
    "]": ("]", "play faster"),
    "s": ("S", "sweep through all temperatures, stop"),
    "l": ("L", "large type for the back row"),
    "f": ("F", "full screen"),
    "?": ("?", "this list"),
}
"""For every key, by the name the browser gives it, how it is called and what it does."""

TABLE = """
:host { color: var(--panel-on-surface-color); font-size: calc(15px * var(--type, 1)); }
table { border-collapse: collapse; } td { padding: 5px 14px 5px 0; }
kbd { display: inline-block; min-width: 1.8em; text-align: center; padding: 1px 7px; border-radius: 5px;
      border: 1px solid currentColor; font: inherit; }
"""


class Pressed(DataModel):
    """What was pressed last: the key's name, a space, and something that differs each time."""

    last = String("")
    heard = Bool(False)
    names = List(String, default=list(KEYS))


class Keyboard:
    """Calls actions on keys, and the list of keys as a dialog.

    Parameters
    ----------
    actions : dict of callable
        What to do, by key; without arguments. "f" stays in the browser, "?" opens the list.
    """

    def __init__(self, actions):
        rows = "".join(f"<tr><td><kbd>{name}</kbd></td><td>{does}</td></tr>" for name, does in KEYS.values())
        self.dialog = dialog(pn.pane.HTML(f"<table>{rows}</table>", stylesheets=[TABLE]), "Keys", "xs")
        self._actions = {**actions, "?": self._list}
        self._pressed = Pressed()
        self._pressed.on_change("last", self._act)
        listen = javascript("keys", pressed=self._pressed)
        self._pressed.js_on_change("heard", listen)
        self.dialog.jscallback({"pressed": self._pressed}, open="pressed.heard = true")  # which puts it on the page
        pn.state.onload(lambda: setattr(self._pressed, "heard", True))

    def _list(self):
        self.dialog.open = True

    def _act(self, _attr, _old, new):
        action = self._actions.get(new[0] if new[0] == " " else new.split(" ")[0])
        if action is not None:
            action()
