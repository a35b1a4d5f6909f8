"""The goals this project set itself, met or missed and by how much."""

from dataclasses import dataclass

import numpy as np

from glassviz.learn.constraint import MAX_ITERATIONS
from glassviz.report import published
from glassviz.report.comparison import CHI4_WITHIN, susceptibilities
from glassviz.report.heterogeneity import curves, lengths
from glassviz.report.material import lowest_temperature
from glassviz.report.pearson import difference, scores
from glassviz.report.plates import with_error, within

TIMES = (1781.79, 20000.0)
WITHIN_SE3 = 0.03
WITHIN_TRAINED = 0.05
TRANSFER = (0.30, 0.25)  # T_min of the transferred ensemble, and the temperature it is judged at


@dataclass(frozen=True)
class Goal:
    """One goal: what is asked, what was found, and whether it is met (None where the data do not say)."""

    text: str
    found: str
    met: bool | None


def goals(material):
    """All goals, a list of `Goal`."""
    return [
        *(goal for time in TIMES for goal in _pearson(material, time)),
        _transfer(material),
        _susceptibility(material),
        _constraint(material),
    ]


def _pearson(material, time):
    """ρ_P at T = 0.30 and a published time against GlassMLP and SE3."""
    reference = published.PEARSON.set_index("time").loc[time]
    wanted = [
        (f"T = 0.30, t = {time:g}: ρ_P above GlassMLP ({reference['GlassMLP']:.3f})", reference["GlassMLP"]),
        (
            f"T = 0.30, t = {time:g}: ρ_P within {WITHIN_SE3} of SE3 ({reference['SE3']:.3f})",
            reference["SE3"] - WITHIN_SE3,
        ),
    ]
    group = material.tested(published.TEMPERATURE)
    level = material.level_at(group, time)
    if level is None:
        return [Goal(text, _not_reached(material, group, time), None) for text, _ in wanted]
    row = scores(material, material.main, published.TEMPERATURE, levels=(level,))[0]
    found = with_error(row["pearson"], row["error"], ".3f")
    found += f" at ⟨C̄_B⟩ = {level:.3f} ({row['structures']} structures)"
    return [_judged(text, found, row["pearson"] - least, row["error"]) for text, least in wanted]


def _judged(text, found, margin, error):
    """A goal that is met where a margin is not negative; of one without an error nothing is said."""
    if not np.isfinite(error):
        return Goal(text, found, None)
    return Goal(text, f"{found}: {'met' if margin >= 0 else 'missed'} by {abs(margin):.3f}", bool(margin >= 0))


def _not_reached(material, group, time):
    """How far our runs come instead."""
    if not group:
        return "there are no labelled test structures at T = 0.30"
    last = min(float(ds["time"].values[-1]) for ds in group)
    level = material.superposition.mean_propensity(time, published.TEMPERATURE)
    found = f"our test runs end at t = {last:.0f}"
    reached = scores(material, material.main, published.TEMPERATURE)
    if reached:
        deepest = reached[-1]
        found += f", where ρ_P = {with_error(deepest['pearson'], deepest['error'], '.3f')} (⟨C̄_B⟩ = "
        found += f"{deepest['mean_propensity']:.2f})"
    return f"{found}; at t = {time:g} ⟨C̄_B⟩ would be about {level:.2f}"


def _transfer(material):
    """An ensemble that never saw a temperature against one that did, on the test structures there."""
    lowest, temperature = TRANSFER
    text = f"T_min = {lowest:.2f} transferred to T = {temperature:.2f}: within {WITHIN_TRAINED} in ρ_P of a network "
    text += "trained there"
    ending = {round(lowest_temperature(e), 3): e for e in material.transferable}
    stranger = ending.get(lowest)
    native = next((e for t, e in sorted(ending.items()) if t <= temperature + 1e-3), None)
    if stranger is None or native is None:
        return Goal(text, f"the ensembles end at T_min = {', '.join(f'{t:.2f}' for t in ending)}", None)
    pairs = list(zip(scores(material, stranger, temperature), scores(material, native, temperature), strict=True))
    if not pairs:
        return Goal(text, f"there are no labelled test structures at T = {temperature:.2f}", None)
    losses = [(*difference(a, b), a["mean_propensity"]) for a, b in pairs]
    loss, error, level = min(losses)
    mean = np.mean([one for one, _, _ in losses])
    found = f"at worst {with_error(loss, error, '+.3f')} at ⟨C̄_B⟩ = {level:.2f}, mean {mean:+.3f} over {len(losses)} "
    return _judged(text, f"{found}levels", loss + WITHIN_TRAINED, error)


def _susceptibility(material):
    """χ₄ predicted over measured where the error allows the statement."""
    text = f"predicted χ₄ within {100 * CHI4_WITHIN:.0f} % of molecular dynamics where the error allows the statement"
    rows = [row for t in material.labelled_temperatures for row in susceptibilities(material, material.main, t)]
    # Whether the error is small enough must not depend on the value: else only what is far off would be judged.
    sharp = [row for row in rows if row["ratio_error"] < CHI4_WITHIN]
    if not sharp:
        return Goal(text, f"the error is below that at none of {len(rows)} states", None)
    verdicts = [within(row["ratio"] - 1, CHI4_WITHIN, row["ratio_error"]) for row in sharp]
    ratios = [row["ratio"] for row in sharp]
    worst = max(sharp, key=lambda row: abs(row["ratio"] - 1))
    found = f"the error is below that at {len(sharp)} of {len(rows)} states, where predicted over measured is "
    found += f"{min(ratios):.2f} to {max(ratios):.2f}; within at {verdicts.count(True)}, not by two errors at "
    found += f"{verdicts.count(False)}, furthest at T = {worst['temperature']:.2f}, ⟨C̄_B⟩ = "
    found += f"{worst['mean_propensity']:.2f} ({with_error(worst['ratio'], worst['ratio_error'])})"
    return Goal(text, found, False if False in verdicts else True if True in verdicts else None)


def _constraint(material):
    """Convergence of the mean constraint over all temperatures, sizes and levels."""
    text = f"X̄ constraint converged at every state within the {MAX_ITERATIONS} iterations that it is given"
    found = [curves(material, t) for t in material.temperatures]
    found += [lengths(material, t) for t in material.temperatures if material.large(t)]
    share = np.concatenate([f["converged"].values for f in found])
    most = max(f.attrs["iterations"] for f in found)
    open_states = [
        f"T = {t:.2f}, ⟨C̄_B⟩ = {level:.2f}"
        for t in material.temperatures
        for level, value in zip(
            curves(material, t)["mean_propensity"].values, curves(material, t)["converged"].values, strict=True
        )
        if value < 1
    ]
    sentence = f"all networks converged at {int((share == 1).sum())} of {len(share)} states, in at most {most} "
    sentence += "iterations over all particles"
    if open_states:
        sentence += f"; not at {', '.join(open_states[:6])}{' …' if len(open_states) > 6 else ''} (small boxes)"
    return Goal(text, sentence, bool((share == 1).all()))
