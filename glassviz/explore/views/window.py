"""What part of the box one figure or several show: moved in the browser, then drawn sharply by the server."""

from bokeh.core.properties import Float, List
from bokeh.model import DataModel
from bokeh.models import Range1d

from glassviz.explore.views.base import javascript

FAR = 1000.0  # sides of the box beyond which nobody looks
WIDEST = 3.0  # window, in sides of the box
NARROWEST = 1.0  # window (σ)


class Seen(DataModel):
    """Limits (x0, x1, y0, y1) that the browser asks for, and those that were drawn last: see `look` in browser.js."""

    wanted = List(Float)
    drawn = List(Float)


class Window:
    """The ranges of one figure, or of several that are zoomed together.

    Parameters
    ----------
    draw : callable
        Draws the window anew; it says so by `drawn`. The browser asks again only then, so nothing ever queues.

    Attributes
    ----------
    x, y : Range1d
        For the figures.
    """

    def __init__(self, draw):
        self.x, self.y = Range1d(0, 1), Range1d(0, 1)
        self._length = 1.0
        self._draw = draw
        self._seen = Seen()
        look = javascript("look", seen=self._seen, x=self.x, y=self.y)
        for limits in (self.x, self.y):
            limits.js_on_change("start", look)
            limits.js_on_change("end", look)
        self._seen.js_on_change("drawn", look)
        self._seen.on_change("wanted", self._asked)

    @property
    def limits(self):
        """((x0, x1), (y0, y1)) in σ; the whole box where a browser asks for what no window can be."""
        return self._checked(self.x), self._checked(self.y)

    def _checked(self, limits):
        start, end, length = limits.start, limits.end, self._length
        # The browser's own limits are not exact.
        if abs(start) <= FAR * length and NARROWEST / 2 <= end - start <= 1.01 * WIDEST * length:
            return start, end
        return 0.0, length

    def show_all(self, length):
        """Show the whole of a box of some side length (σ), now and on reset."""
        self._length = length
        for limits in (self.x, self.y):
            limits.update(start=0, end=length, reset_start=0, reset_end=length)
            limits.update(min_interval=NARROWEST, max_interval=WIDEST * length)

    def drawn(self):
        """What the figures show now is drawn."""
        limits = [value for pair in self.limits for value in pair]
        self._seen.drawn = limits
        self._seen.wanted = limits

    def _asked(self, _attr, _old, new):
        if new != self._seen.drawn:
            self._draw()
