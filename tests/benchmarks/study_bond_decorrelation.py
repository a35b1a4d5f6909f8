"""How much sooner than plain swap at the coldest temperature of a ladder: processor seconds until bonds are lost.

    python tests/benchmarks/study_bond_decorrelation.py FOLDER [--start 0.15 0.18 0.21 0.23 0.25] [--level 0.1] ...

Plain swap from so many samples takes hours to the level at T = 0.15; balanced swap follows from twice as many, then
ladders of replica exchange, whose time is shared among their walkers. Each keeps its curve in FOLDER as it goes; one
that is there is not run again, so that the three may be run side by side or later (`--only`), and one interrupted
counts as far as it came. Errors of ratios: samples and ladders drawn anew.
"""

import argparse
from pathlib import Path

import numba
import numpy as np
from bench_swap import decay, exchanged_decay

SETTLE = 10_000  # sweeps of a walker before the first bonds are counted
LEVELS = (0.004, 0.008, 0.015, 0.03, 0.06, 0.1, 0.16, 0.25)
STEPS_BETWEEN_SAVES = 20
DRAWS = 400


def chains(path, temperature, swap, samples, level):
    """Processor seconds, (time,), and bonds lost by each sample, (time, sample), until a level is reached."""
    if not path.exists():
        times, lost = [], []
        reached = False
        for time, now in decay(temperature, samples, swap, 500):
            times.append(time)
            lost.append(now)
            reached = np.mean(lost[-_tenth(len(lost)) :]) >= level
            if reached or len(times) % STEPS_BETWEEN_SAVES == 0:
                np.savez(path, times=times, lost=lost)
            if reached:
                break
    with np.load(path) as saved:
        return saved["times"], saved["lost"]


def ladders(folder, start, count, sweeps, every):
    """Processor seconds of a walker, (ladder, time), and bonds lost, (ladder, time)."""
    curves = []
    for number in range(count):
        path = folder / f"exchanges-{number}.npz"
        if not path.exists():
            times, lost = exchanged_decay(start, SETTLE, sweeps, every, number)
            np.savez(path, times=times, lost=lost)
        with np.load(path) as saved:
            curves.append([saved["times"], saved["lost"]])
    return np.moveaxis(curves, 1, 0)


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


def main(folder, given):
    """Run what is missing and print the table, as far as plain swap came."""
    numba.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    coldest = float(given.start[0].split("_")[0])
    runs = {
        "plain": lambda: chains(folder / "plain.npz", coldest, "plain", given.samples, given.level),
        "balanced": lambda: chains(folder / "balanced.npz", coldest, "balanced", 2 * given.samples, given.level),
        "exchanges": lambda: ladders(folder, given.start, given.ladders, given.sweeps, given.every),
    }
    if given.only:
        runs[given.only]()
        return
    curves = [run() for run in runs.values()]
    generator = np.random.default_rng(0)
    resampled = np.array([durations(curves, generator) for _ in range(DRAWS)])
    print("| bonds lost | plain swaps | balanced swaps | with exchanges | balanced | exchanges |\n" + "|---" * 6 + "|")
    for k, (plain, balanced, exchanges) in enumerate(durations(curves).T):
        if np.isfinite(plain):
            errors = np.nanstd(resampled[:, 0, None, k] / resampled[:, 1:, k], axis=0)
            ratios = [f"{plain / time:.3g} ± {e:.2g} ×" for time, e in zip((balanced, exchanges), errors, strict=True)]
            print(
                f"| {100 * LEVELS[k]:.1f} % | {plain:.3g} s | {balanced:.3g} s | {exchanges:.3g} s | "
                f"{' | '.join(ratios)} |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", nargs="+", default=["0.15", "0.18", "0.21", "0.23", "0.25"])
    parser.add_argument("--level", type=float, default=0.1)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--ladders", type=int, default=2)
    parser.add_argument("--sweeps", type=int, default=500_000)
    parser.add_argument("--every", type=int, default=2000)
    parser.add_argument("--only", choices=["plain", "balanced", "exchanges"])
    arguments = parser.parse_args()
    main(arguments.folder, arguments)
