r"""The mean constraint of Appendix B: the network's input C is moved until its predictions have the mean asked for.

The sign printed in the paper diverges, because the mean prediction X̄ grows with C; here C goes down where X̄ is too
large. The first step is the paper's, 0.75 of the error; later steps divide by the secant's slope.
"""

import numpy as np

EQUATION = (
    r"\mathcal{C}_B \leftarrow \mathcal{C}_B - "
    r"\left(\overline{\mathcal{X}} - \langle\bar{\mathcal{C}}_B\rangle\right)/\overline{\mathcal{X}}'"
)
CAPTION = "The network's input is moved until the mean of its predictions is the mean propensity asked for."

MAX_ITERATIONS = 6
TOLERANCE = 1e-4
RELAXATION = 0.75  # the paper's step; its inverse is the first guess of dX̄/dC
SLOPES = (0.2, 5.0)
INPUTS = (-0.25, 1.25)
SCAN = np.linspace(-0.1, 1.1, 61)


def solve_inputs(mean_of, target, start=None, slope=None, tolerance=TOLERANCE):
    """State inputs C at which the mean prediction equals the target, C ← C − (X̄(C) − target) / X̄'.

    X̄' is 1/0.75 in the first step, the paper's, and the secant's slope after it.

    Parameters
    ----------
    mean_of : callable
        `mean_of(inputs, states)` returns X̄ of the numbered states at their inputs.
    target : (states,) ndarray
        The mean propensities asked for.
    start, slope : (states,) ndarray, optional
        First inputs and slopes, see `scanned`.
    tolerance : float, optional
        Largest |X̄ − target| that counts as converged.

    Returns
    -------
    inputs : (states,) ndarray of float64
    slope : (states,) ndarray of float64
        Last estimate of dX̄/dC.
    converged : (states,) ndarray of bool
    iterations : int
        Evaluations of `mean_of`, at most 6.
    """
    inputs = target.astype(np.float64) if start is None else start.copy()
    slope = np.full(len(target), 1 / RELAXATION) if slope is None else slope.copy()
    error = np.full(len(target), np.nan)
    step = np.full(len(target), np.nan)
    open_states = np.arange(len(target))
    for iteration in range(1, MAX_ITERATIONS + 1):
        previous = error[open_states]
        error[open_states] = mean_of(inputs[open_states], open_states) - target[open_states]
        with np.errstate(invalid="ignore", divide="ignore"):
            secant = (error[open_states] - previous) / step[open_states]
        usable = np.isfinite(secant) & (np.abs(step[open_states]) > 1e-6)
        slope[open_states] = np.where(usable, np.clip(secant, *SLOPES), slope[open_states])
        open_states = np.flatnonzero(~(np.abs(error) < tolerance))
        if len(open_states) == 0 or iteration == MAX_ITERATIONS:
            break
        moved = np.clip(inputs[open_states] - error[open_states] / slope[open_states], *INPUTS)
        step[open_states] = moved - inputs[open_states]
        inputs[open_states] = moved
    return inputs, slope, np.abs(error) < tolerance, iteration


def scanned(means, target):
    """Inputs C and slopes dX̄/dC where X̄ rises through the targets, from its values on `SCAN`.

    Parameters
    ----------
    means : (61,) ndarray
        X̄ at the inputs `SCAN`.
    target : (states,) ndarray

    Returns
    -------
    inputs, slopes : (states,) ndarray of float64
        Of the crossing whose input is nearest to the target; the target itself and 1/0.75 where there is none.
    """
    inputs, slopes = target.astype(np.float64), np.full(len(target), 1 / RELAXATION)
    rises = np.diff(means) / np.diff(SCAN)
    for state, wanted in enumerate(target):
        below = np.flatnonzero((means[:-1] <= wanted) & (wanted < means[1:]))
        if len(below):
            crossings = SCAN[below] + (wanted - means[below]) / rises[below]
            nearest = np.abs(crossings - wanted).argmin()
            inputs[state], slopes[state] = crossings[nearest], np.clip(rises[below[nearest]], *SLOPES)
    return inputs, slopes
