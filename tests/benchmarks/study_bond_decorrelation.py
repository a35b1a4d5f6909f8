"""How much sooner than plain swap at T = 0.15: processor seconds of a sample until so many bonds are lost.

    python tests/benchmarks/study_bond_decorrelation.py FOLDER [--level 0.015] [--samples 3] [--ladders 2]

Plain swap from so many samples takes hours to the level; balanced swap follows from twice as many, then ladders of
replica exchange, whose time is shared among their walkers. Each keeps its curve in FOLDER, and one that is there is not
run again, so that the three may be run side by side or later. Errors of ratios: samples and ladders drawn anew.
"""

import argparse
from pathlib import Path

import numba
import numpy as np
from bench_swap import decay, exchanged_decay

TEMPERATURES = ("0.15", "0.18", "0.21", "0.23", "0.25")
SETTLE, SWEEPS, EVERY = 10_000, 200_000, 1000  # of a walker
LEVELS = (0.002, 0.004, 0.008, 0.015)
DRAWS = 400


def chains(path, swap, samples, level):
    """Processor seconds, (time,), and bonds lost by each sample, (time, sample), until a level is reached."""
    if not path.exists():
        times, lost = [], []
        for time, now in decay(float(TEMPERATURES[0]), samples, swap, 500):
            times.append(time)
            lost.append(now)
            if np.mean(lost[-_tenth(len(lost)) :]) >= level:
                break
        np.savez(path, times=times, lost=lost)
    with np.load(path) as saved:
        return saved["times"], saved["lost"]


def ladders(path, count):
    """Processor seconds of a walker, (ladder, time), and bonds lost, (ladder, time)."""
    if not path.exists():
        curves = [exchanged_decay(TEMPERATURES, SETTLE, SWEEPS, EVERY, number) for number in range(count)]
        times, lost = np.moveaxis(curves, 1, 0)
        np.savez(path, times=times, lost=lost)
    with np.load(path) as saved:
        return saved["times"], saved["lost"]


def _tenth(count):
    return -(-count // 10)


def smooth(values):
    """Mean over the last tenth of everything up to each time."""
    sums = np.concatenate([[0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    widths = _tenth(ends)
    return (sums[ends] - sums[ends - widths]) / widths


def first(times, lost, levels):
    """When each of the levels is reached, not a number where it is not."""
    return np.array([times[np.argmax(lost >= level)] if np.any(lost >= level) else np.nan for level in levels])


def drawn(generator, count):
    """Which of so many to take, with replacement; all of them once without a generator."""
    return generator.integers(count, size=count) if generator else np.arange(count)


def durations(curves, generator=None):
    """Seconds to the levels by plain swap, balanced swap and exchanges, (3, level)."""
    found = []
    for times, lost in curves[:2]:
        mean = lost[:, drawn(generator, lost.shape[1])].mean(axis=1)
        found.append(first(smooth(times), smooth(mean), LEVELS))
    which = drawn(generator, len(curves[2][0]))
    times, lost = (values[which].mean(axis=0) for values in curves[2])
    return np.array([*found, first(times, lost, LEVELS)])


def main(folder, level, samples, number):
    """Run what is missing and print the table."""
    numba.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    curves = [
        chains(folder / "plain.npz", "plain", samples, level),
        chains(folder / "balanced.npz", "balanced", 2 * samples, level),
        ladders(folder / "exchanges.npz", number),
    ]
    generator = np.random.default_rng(0)
    resampled = np.array([durations(curves, generator) for _ in range(DRAWS)])
    print("| bonds lost | plain swaps | balanced swaps | with exchanges | balanced | exchanges |\n" + "|---" * 6 + "|")
    for k, (plain, balanced, exchanges) in enumerate(durations(curves).T):
        errors = np.nanstd(resampled[:, 0, None, k] / resampled[:, 1:, k], axis=0)
        ratios = [f"{plain / time:.0f} ± {e:.0f} ×" for time, e in zip((balanced, exchanges), errors, strict=True)]
        print(
            f"| {100 * LEVELS[k]:.1f} % | {plain:.0f} s | {balanced:.1f} s | {exchanges:.1f} s | {' | '.join(ratios)} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--level", type=float, default=max(LEVELS))
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--ladders", type=int, default=2)
    given = parser.parse_args()
    main(given.folder, given.level, given.samples, given.ladders)
