"""Table 1 of the paper for the labels at hand: which states are simulated, which transferred, which only predicted."""

from dataclasses import dataclass

import numpy as np

SIMULATED, TRANSFERRED, PREDICTED = "x", "t", "r"
LEGEND = "x: labels from molecular dynamics, t: labels transferred in step 1, r: predicted by the final networks only"


@dataclass
class Pattern:
    """Marks of all states.

    Attributes
    ----------
    levels : (level,) ndarray
        ⟨C̄_B⟩, from high to low.
    temperatures : (temperature,) ndarray
        T (ε/k_B), from low to high.
    marks : (level, temperature) ndarray of str
        "x", "t" or "r", see `LEGEND`.
    """

    levels: np.ndarray
    temperatures: np.ndarray
    marks: np.ndarray

    def reject(self, temperature, level):
        """A state whose transferred labels are not self-consistent is predicted only."""
        self.marks[self._place(temperature, level)] = PREDICTED

    def _place(self, temperature, level):
        return (
            int(np.argmin(np.abs(self.levels - level))),
            int(np.argmin(np.abs(self.temperatures - temperature))),
        )

    def where(self, mark):
        """States with a mark, a list of (temperature, level)."""
        rows, columns = np.nonzero(self.marks == mark)
        return [(float(self.temperatures[c]), float(self.levels[r])) for r, c in zip(rows, columns, strict=True)]

    @property
    def equal_time_levels(self):
        """Levels that step 1 trains networks for: those with something to transfer."""
        return self.levels[(self.marks == TRANSFERRED).any(axis=1)]

    def record(self):
        """The pattern as a network file's header keeps it."""
        return {
            "levels": self.levels.round(6).tolist(),
            "temperatures": self.temperatures.tolist(),
            "marks": ["".join(row) for row in self.marks],
            "text": str(self),
        }

    def __str__(self):
        lines = [" ⟨C̄_B⟩ \\ T" + "".join(f"{t:>6.2f}" for t in self.temperatures)]
        for level, row in zip(self.levels, self.marks, strict=True):
            lines.append(f"{level:>10.3f}" + "".join(f"{mark:>6}" for mark in row))
        return "\n".join([*lines, LEGEND])


def pattern_of(points, temperatures, levels):
    """The pattern that labels allow, before any network has been trained.

    A state without labels is transferred to where networks of its level learn from two temperatures at least and see
    two structures at one of them; else nothing is known of how the level's propensities depend on temperature.

    Parameters
    ----------
    points : list of StatePoints
        The labels.
    temperatures : sequence of float
        Of the labels and of the structures to transfer to.
    levels : sequence of float
        ⟨C̄_B⟩.

    Returns
    -------
    Pattern
    """
    temperatures = np.array(sorted({round(float(t), 6) for t in temperatures}))
    levels = np.array(sorted(levels, reverse=True))
    marks = np.full((len(levels), len(temperatures)), PREDICTED)
    for k, level in enumerate(levels):
        at = {p.temperature: len(p) for p in points if np.isclose(p.levels, level).any()}
        if len(at) > 1 and max(at.values()) > 1:
            marks[k] = TRANSFERRED
        for temperature in at:
            marks[k, np.argmin(np.abs(temperatures - temperature))] = SIMULATED
    return Pattern(levels, temperatures, marks)
