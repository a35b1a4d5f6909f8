"""Which particles a tap or a drawn outline means, in the periodic box and in any other plane of points."""

import numpy as np

CLOSE = 0.03  # of the window's width: how far from a point a tap still means it
WIDEST = 4.0  # sides of the box beside it, beyond which an outline means nothing more
MOST_CORNERS = 2000  # of an outline; of more, every k-th counts


def disc_at(x, y, position, radius, length):
    """The particle whose disc is drawn at a point: among those that cover it, the one of least power distance.

    Parameters
    ----------
    x, y : float
        The point (σ), in the box or in one of its periodic images.
    position : (particle, 2) ndarray
    radius : (particle,) ndarray
    length : float
        Side of the box (σ).

    Returns
    -------
    int or None
    """
    away = position - (x, y)
    away -= length * np.rint(away / length)
    power = (away**2).sum(axis=1) - radius**2
    nearest = int(power.argmin())
    return nearest if power[nearest] <= 0 else None


def point_at(x, y, points, window):
    """The point nearest to (x, y) as seen on the screen, None where none is within 3 % of the window.

    Parameters
    ----------
    x, y : float
    points : (particle, 2) ndarray
        NaN where a particle is not shown.
    window : (2, 2) array_like
        Start and end of the x and y axes.
    """
    (x0, x1), (y0, y1) = window
    with np.errstate(invalid="ignore"):
        away = np.hypot((points[:, 0] - x) / (x1 - x0), (points[:, 1] - y) / (y1 - y0))
    away = np.where(np.isfinite(away), away, np.inf)
    nearest = int(away.argmin())
    return nearest if away[nearest] <= CLOSE else None


def inside(polygon, points, length=None):
    """Numbers of the points within an outline (even-odd rule).

    Parameters
    ----------
    polygon : (corner, 2) array_like
        Corners in order; the last is joined to the first.
    points : (particle, 2) ndarray
        NaN where a particle is not shown.
    length : float, optional
        Side of the periodic box whose images may be under the outline.

    Returns
    -------
    ndarray of int
        Sorted, each once; none where a corner is no number.
    """
    polygon = np.asarray(polygon, dtype=np.float64)
    polygon = polygon[:: len(polygon) // MOST_CORNERS + 1]
    if len(polygon) < 3 or not np.isfinite(polygon).all():
        return np.empty(0, dtype=int)
    if length is not None:
        polygon = polygon - length * np.floor(polygon.mean(axis=0) / length)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if length is not None:
        low, high = np.maximum(low, -WIDEST * length), np.minimum(high, (1 + WIDEST) * length)
    found = np.zeros(len(points), dtype=bool)
    for shift in _images(low, high, length):
        near = np.flatnonzero(((points + shift >= low) & (points + shift <= high)).all(axis=1))
        found[near] |= _even_odd(polygon, points[near] + shift)
    return np.flatnonzero(found)


def _images(low, high, length):
    """Shifts of the box whose image may lie under the rectangle."""
    if length is None:
        return [np.zeros(2)]
    first, last = np.floor(low / length).astype(int), np.floor(high / length).astype(int)
    return [length * np.array([i, j]) for i in range(first[0], last[0] + 1) for j in range(first[1], last[1] + 1)]


def _even_odd(polygon, points):
    """Whether a ray from each point crosses the outline an odd number of times."""
    x, y = points.T
    result = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        if crosses.any():
            result ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1))
    return result


def state_at(x, y, curves, window):
    """The point of several curves that a tap means, the x axis being logarithmic.

    Parameters
    ----------
    x, y : float
        The point tapped, in data units.
    curves : dict of key to (x, y, level)
        Arrays of each curve; NaN where it is not drawn.
    window : (2, 2) array_like
        Start and end of the x and y axes.

    Returns
    -------
    (key, level) or None
        None where no curve is near.
    """
    if not curves or x <= 0:
        return None
    points = [np.stack([np.log(along), values], axis=1) for along, values, _ in curves.values()]
    found = point_at(np.log(x), y, np.concatenate(points), (np.log(window[0]), window[1]))
    if found is None:
        return None
    keys = np.repeat(np.arange(len(points)), [len(p) for p in points])
    levels = np.concatenate([level for *_, level in curves.values()])
    return list(curves)[keys[found]], float(levels[found])
