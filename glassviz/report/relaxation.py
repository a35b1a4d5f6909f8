"""Time and temperature: curves of all temperatures on one (Fig. 13)."""

import numpy as np

from glassviz.explore.provenance import settled
from glassviz.mixture import GLASS_TRANSITION_TEMPERATURE
from glassviz.observe.relaxation import LAWS
from glassviz.report.plates import MEAN, TIME, Finding, Plate, colors_of, drawing, frame, with_error, within

COLLAPSE = 0.1  # decades of t/τ_BB within which curves count as one
PAPER_TAU = 1e12  # τ_BB at the glass transition temperature
LEVELS = (0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)  # at which the collapse is measured


def figure_13(material):
    """⟨C̄_B⟩(t) of all measured temperatures, raw and rescaled."""
    curves = material.superposition.curves()
    colors = colors_of({*material.temperatures, *map(float, curves["temperature"].values)})
    figure, (top, bottom) = drawing(2, 1, 6.2, 6.4, sharey=True)
    table = []
    for temperature in curves["temperature"].values:
        one = curves.sel(temperature=temperature)
        color = colors[float(temperature)]
        label = f"$T$ = {temperature:.2f}"
        for ax, name in ((top, "time"), (bottom, "scaled_time")):
            ax.errorbar(one[name], one["mean_propensity"], one["error"], color=color, marker="o", ms=3, label=label)
        known = one.isel(point=np.isfinite(one["time"].values))
        table += known.to_dataframe().reset_index(drop=True).assign(temperature=float(temperature)).to_dict("records")
    if (published := material.superposition.published) is not None:
        color = colors.get(published.attrs["temperature"], "k")
        for ax, name in ((top, "time"), (bottom, "scaled_time")):
            label = f"$T$ = {published.attrs['temperature']:.2f}, published sample"
            ax.plot(published[name], published, "s", color=color, mfc="none", ms=4, label=label)
    master = material.superposition.master_curve()
    bottom.plot(master["scaled_time"], master, color="k", linewidth=0.9, linestyle="--", label="master curve")
    bottom.set_xlim(1e-5, 1e2)
    top.set(xscale="log", xlabel=TIME, ylabel=MEAN)
    bottom.set(xscale="log", xlabel=r"$t\;/\;\tau_\mathrm{BB}$", ylabel=MEAN, ylim=(0, 1.02))
    top.legend()
    bottom.legend()
    points = material.superposition.relaxation_times
    overlapped = [float(t) for t, how in zip(points["temperature"], points["method"], strict=True) if how == "overlap"]
    named = ", ".join(f"{t:.2f}" for t in overlapped)
    return Plate(
        "13",
        "Mean propensity against time, and time–temperature superposition",
        "Curves of all temperatures fall on one when time is rescaled by τ_BB, which follows an Arrhenius law below "
        "T = 0.25 and reaches 1e12 at T_g = 0.15.",
        figure,
        frame(table),
        [*_collapse(curves, overlapped), *_glass_transition(material)],
        [
            *[f"τ_BB at T = {named} comes from overlap with the master curve: too few runs there pass 0.5"]
            * bool(overlapped),
            *_unsettled(material),
        ],
    )


def _unsettled(material):
    """One sentence on how many of the structures are in equilibrium, in a list; empty where all are."""
    counts = [(one, settled(material.library, one)) for one in material.superposition.measured]
    few = [f"{n} of {one.structures} at T = {one.temperature:.2f}" for one, n in counts if n < one.structures]
    said = f"not all structures that were run are in equilibrium by this project's measure: {', '.join(few)} are"
    return [said] if few else []


def _collapse(curves, overlapped):
    """How far the rescaled curves of temperatures that were not put there lie apart at levels that several reach."""
    deviations = []
    for level in LEVELS:
        logs = []
        for temperature in np.setdiff1d(curves["temperature"].values, overlapped):
            one = curves.sel(temperature=temperature)
            mean = np.minimum.accumulate(one["mean_propensity"].values[np.isfinite(one["time"].values)])
            if mean[-1] <= level <= mean[0]:
                scaled = one["scaled_time"].values[: len(mean)]
                logs.append(np.interp(-level, -mean, np.log10(scaled)))
        if len(logs) > 1:
            deviations.append((np.std(logs, ddof=1), level, len(logs)))
    if not deviations:
        return [Finding("No level is reached at two temperatures.", None)]
    worst, level, count = max(deviations)
    text = f"Rescaled curves lie within {worst:.3f} decades (standard deviation over {count} temperatures, worst at "
    return [Finding(f"{text}⟨C̄_B⟩ = {level:.2f}).", bool(worst <= COLLAPSE))]


def _glass_transition(material):
    """τ_BB at the glass transition temperature by each law, continued from the data."""
    fits, findings = material.superposition.fits, []
    for law in fits["law"].values:
        one = fits.sel(law=law).sel(temperature=GLASS_TRANSITION_TEMPERATURE, method="nearest")
        value, low, high = (float(np.log10(one[name])) for name in ("relaxation_time", "lower", "upper"))
        if np.isnan(value):
            continue
        undetermined = bool(np.isinf(one["error"]).any())
        weak = ", of which the points do not determine every parameter" if undetermined else ""
        text = f"{LAWS[str(law)].label} law{weak}: "
        if np.isinf(value):
            findings.append(Finding(f"{text}τ_BB diverges above T = {GLASS_TRANSITION_TEMPERATURE}.", None))
            continue
        text += f"log₁₀ τ_BB({GLASS_TRANSITION_TEMPERATURE}) = {with_error(value, (high - low) / 2, '.1f')}; the "
        text += f"paper's {np.log10(PAPER_TAU):.0f} should lie within a decade."
        decided = np.isfinite(low) and not undetermined
        gap, error = value - np.log10(PAPER_TAU), (high - low) / 2
        findings.append(Finding(text, within(gap, 1, error) if decided else None))
    return findings
