"""Decays brought to overlap: what makes one master curve of many temperatures, and how well (App. A).

A level of ⟨C̄_B⟩ is measured by y = ln(−ln ⟨C̄_B⟩), in which a stretched exponential is a straight line in ln t.
"""

import numpy as np

RESAMPLES = 100
HALF = np.log(np.log(2.0))  # the level ⟨C̄_B⟩ = 0.5
LEVELS = np.linspace(np.log(-np.log(1 - 1e-4)), np.log(-np.log(1e-3)), 600)
_OVERLAP = np.log(3.0)  # curves are matched from their deepest level up to a third of that decay
_FADE = 1.0  # below its deepest level a curve's own shape fades into the master curve over this range of y


def level(mean_propensity):
    """y = ln(−ln C) of a mean propensity, clipped to the range of the tables."""
    c = np.clip(np.asarray(mean_propensity, dtype=np.float64), np.exp(-np.exp(LEVELS[-1])), 1 - 1e-4)
    return np.log(-np.log(c))


def superpose(measured, weights=None):
    """Put the curves of all temperatures on one.

    Parameters
    ----------
    measured : sequence of Decay
        One for each temperature, from hot to cold.
    weights : sequence of (structure,) ndarray, optional
        How much each structure counts.

    Returns
    -------
    log_tau : (temperature,) ndarray
        ln τ_BB.
    master : (level,) ndarray
        ln(t/τ_BB) of the master curve on `LEVELS`.
    lowest : (temperature,) ndarray
        Deepest y of each curve.
    mismatch : (temperature,) ndarray
        See `Superposition.relaxation_times`; NaN for the temperature that gives the master curve.
    """
    curves = [m.curve(None if weights is None else weights[k]) for k, m in enumerate(measured)]
    lowest = np.array([y[-1] for y, _ in curves])
    passing = np.flatnonzero(lowest >= HALF)
    reference = passing[-1] if len(passing) else np.argmax(lowest)
    master = _extended(*_continued(curves[reference], [curves[k] for k in np.argsort(lowest)]))
    master = master - np.interp(HALF, LEVELS, master)
    log_tau, mismatch = np.transpose([_shift(curve, curve[0][-1], master) for curve in curves])
    log_tau[passing] = [np.interp(HALF, *curves[k]) for k in passing]
    for k in np.flatnonzero(lowest < HALF):
        others = [p for p in passing[:-1] if curves[p][0][0] < lowest[k]]
        wrong = [_shift(curves[p], lowest[k], master)[0] - log_tau[p] for p in others]
        mismatch[k] = np.sqrt(mismatch[k] ** 2 + np.mean(np.square(wrong or [0.0])))
    mismatch[reference] = np.nan
    return log_tau, master, lowest, mismatch


def _continued(curve, others):
    """A curve (y, ln t), beyond its deepest level continued by others that go deeper, in this order, without a step."""
    y, log_time = curve
    for other, other_time in others:
        deeper = other > y[-1]
        step = log_time[-1] - np.interp(y[-1], other, other_time)
        y = np.concatenate([y, other[deeper]])
        log_time = np.concatenate([log_time, other_time[deeper] + step])
    return y, log_time


def _shift(curve, deepest, master):
    """Mean and scatter of the distance in ln t from the master curve, from a level up to a third of that decay."""
    y, log_time = curve
    at = np.linspace(max(deepest - _OVERLAP, y[0]), deepest, 50)
    distance = np.interp(at, y, log_time) - np.interp(at, LEVELS, master)
    return distance.mean(), distance.std()


def _extended(y, log_time):
    """ln t on `LEVELS`: linear in y between the points, beyond them stretched exponentials with the ends' slopes."""
    result = np.interp(LEVELS, y, log_time)
    for end, near, outside in (
        (-1, y >= y[-1] - _OVERLAP, y[-1] < LEVELS),
        (0, y <= y[0] + _OVERLAP, y[0] > LEVELS),
    ):
        slope = np.polyfit(y[near], log_time[near], 1)[0] if near.sum() > 1 else 1.0
        result = np.where(outside, log_time[end] + slope * (LEVELS - y[end]), result)
    return result


def deviation(measured, log_tau, master):
    """ln t of a temperature's own curve, a Decay, minus that of the master curve shifted to its τ_BB, on `LEVELS`."""
    y, log_time = measured.curve()
    own = np.interp(LEVELS, y, log_time - log_tau - np.interp(y, LEVELS, master))
    fade = np.clip(1 - (LEVELS - y[-1]) / _FADE, 0, 1)
    return own * np.where(y[-1] < LEVELS, fade, 1.0)


def resampled(measured):
    """ln τ_BB of each temperature (Decay) on resampled structures, (resample, temperature) ndarray."""
    generator = np.random.default_rng(0)
    values = np.empty((RESAMPLES, len(measured)))
    for b in range(RESAMPLES):
        values[b] = superpose(measured, [_drawn(generator, m) for m in measured])[0]
    return values


def _drawn(generator, measured):
    """How often each structure is drawn; anew where none of those drawn has lost a bond."""
    while True:
        weights = generator.multinomial(measured.structures, np.full(measured.structures, 1 / measured.structures))
        if len(measured.curve(weights)[0]):
            return weights
