"""Lengths against temperature, and whether small boxes may speak for large ones (Figs. 12 and 14, size transfer)."""

import numpy as np

from glassviz.mixture import InvalidData
from glassviz.observe.structure_factor import fit_xi4, structure_factor, xi4_error
from glassviz.report.cautions import unsettled
from glassviz.report.heterogeneity import WINDOW, curves, growth, lengths, measured_chords, whole_error
from glassviz.report.material import LARGE, LEVEL, LEVELS
from glassviz.report.network import intrinsic_length
from glassviz.report.plates import MEAN, Finding, Plate, colors_of, drawing, exceeds, frame, with_error, within

MODE_COUPLING = 0.30  # T_MCT
OVERLAP = 0.25  # relative deviation of three lengths that still counts as good overlap
AMPLITUDE = 1 / 3  # relative deviation of S₄ that still counts as the same


def length_scales(material):
    """ξ₄, ⟨ξ_chord⟩/2 and 1.5 ξ_int with errors at the paper's level, one dict for each temperature."""
    at = LEVELS.index(LEVEL)
    rows = []
    for temperature in material.temperatures:
        chords, found = curves(material, temperature).isel(state=at), lengths(material, temperature)
        intrinsic = intrinsic_length(material, temperature)
        row = {"temperature": temperature, "chord_half": float(chords["chord"]) / 2}
        row["chord_half_error"] = float(whole_error(chords, "chord")) / 2
        row |= {"xi_int_scaled": 1.5 * float(intrinsic), "xi_int_scaled_error": 1.5 * float(intrinsic["error"])}
        determined = found is not None and material.trusted(temperature)
        for name in ("xi4", "A"):
            row[name] = float(found[name][at]) if determined else np.nan
            row[f"{name}_error"] = float(found[f"{name}_error"][at]) if determined else np.nan
        md = [r for r in measured_chords(material, temperature) if abs(r["mean_propensity"] - LEVEL) < 1e-6]
        row["md_chord_half"] = md[0]["md"] / 2 if md else np.nan
        row["md_chord_half_error"] = md[0]["md_error"] / 2 if md else np.nan
        rows.append(row)
    return rows


def figure_12(material):
    """The three lengths against temperature."""
    rows = length_scales(material)
    figure, ax = drawing(width=6.2, height=4.2)
    T = np.array([row["temperature"] for row in rows])
    for name, label, style in (
        ("xi4", r"$\xi_4$", "o-"),
        ("chord_half", r"$\langle\xi_\mathrm{chord}\rangle/2$", "s-"),
        ("xi_int_scaled", r"$1.5\,\xi_\mathrm{int}$", "^-"),
        ("md_chord_half", r"MD, $\langle\xi_\mathrm{chord}\rangle/2$", "D"),
    ):
        y, error = (np.array([row[key] for row in rows]) for key in (name, f"{name}_error"))
        color = {"xi4": "#1d4e9e", "chord_half": "#d9822b", "xi_int_scaled": "#5d8a3a"}.get(name, "k")
        ax.errorbar(T, y, error, fmt=style, color=color, label=label, mfc="white" if name.startswith("md") else color)
    ax.axvline(MODE_COUPLING, color="k", linestyle=":", linewidth=1)
    ax.set(xlabel=r"$T\;/\;\varepsilon k_B^{-1}$", ylabel=r"$\xi\;/\;\sigma$")
    ax.set_ylim(bottom=0)
    ax.legend()
    findings = []
    for name, label in (("xi4", "ξ₄"), ("chord_half", "⟨ξ_chord⟩"), ("xi_int_scaled", "ξ_int")):
        known = [row for row in rows if np.isfinite(row[name])]
        values = {row["temperature"]: {"value": row[name], "error": row[f"{name}_error"]} for row in known}
        findings += growth(values, label, MODE_COUPLING)
    spreads, errors = [], []
    for row in rows:
        three = np.array([row[name] for name in ("xi4", "chord_half", "xi_int_scaled")])
        if np.isfinite(three).all():
            error = [row[f"{name}_error"] for name in ("xi4", "chord_half", "xi_int_scaled")]
            relative = three / three.mean()
            furthest = int(np.abs(relative - 1).argmax())
            gradient = (np.eye(3)[furthest] - relative[furthest] / 3) / three.mean()
            spreads.append(abs(relative[furthest] - 1))
            errors.append(float(np.linalg.norm(gradient * error)))
    if spreads:
        worst = int(np.argmax(spreads))
        findings.append(
            Finding(
                f"Where all three are determined ({len(spreads)} temperatures) they deviate from their mean by up to "
                f"{100 * spreads[worst]:.0f} % ± {100 * errors[worst]:.0f} %.",
                within(spreads[worst], OVERLAP, errors[worst]),
            )
        )
    return Plate(
        "12",
        "Dynamic lengths at ⟨C̄_B⟩ = 0.8 against temperature",
        "All methods overlap: lengths increase quickly at high temperature and much more slowly below T_MCT = 0.3.",
        figure,
        frame(rows),
        findings,
        [
            "ξ₄ is left out where it is not determined or the size-transfer test fails",
            *unsettled(material, material.temperatures, material.small, material.large),
        ],
    )


def figure_14(material):
    """The prefactor A of the cubic term against temperature."""
    rows = [{key: r[key] for key in ("temperature", "A", "A_error")} for r in length_scales(material)]
    known = [row for row in rows if np.isfinite(row["A"])]
    figure, ax = drawing(width=5.6, height=3.6)
    x, y, error = ([row[key] for row in known] for key in ("temperature", "A", "A_error"))
    ax.errorbar(x, y, error, fmt="o", color="#1d4e9e")
    ax.axvline(MODE_COUPLING, color="k", linestyle=":", linewidth=1)
    ax.set(xlabel=r"$T\;/\;\varepsilon k_B^{-1}$", ylabel="$A$")
    hot, middle, cold = (
        [r for r in known if low <= r["temperature"] < high] for low, high in ((0.27, 1), (0.22, 0.27), (0, 0.22))
    )
    findings = []
    for first, second, text, expected in (
        (hot, middle, "Change of A from T ≥ 0.27 to 0.23–0.25:", True),
        (middle, cold, "Change of A from 0.23–0.25 to T ≤ 0.21:", False),
    ):
        (a, ea), (b, eb) = _mean(first), _mean(second)
        change, error = b - a, np.hypot(ea, eb)
        grows = exceeds(change, error)
        holds = grows if expected else within(change, max(abs(b), 1e-9) / 2, error)
        findings.append(Finding(f"{text} {with_error(change, error, '+.2f')}.", holds))
    return Plate(
        "14",
        "Prefactor A of the cubic term in S₄(q), at ⟨C̄_B⟩ = 0.8",
        "A increases strongly around T_MCT = 0.3 and reaches a plateau deep in the glassy regime.",
        figure,
        frame(rows),
        findings,
        [
            f"determined at {len(known)} of {len(rows)} temperatures; one box hardly determines A",
            *unsettled(material, [row["temperature"] for row in known], material.large),
        ],
    )


def _mean(rows):
    """Weighted mean of A and its error; NaN without rows."""
    if not rows:
        return np.nan, np.nan
    value, error = (np.array([r[key] for r in rows]) for key in ("A", "A_error"))
    weight = 1 / error**2
    return np.average(value, weights=weight), np.sqrt(1 / weight.sum())


def large_boxes(material):
    """Labelled boxes that are large, at every temperature that has them."""
    found = []
    for temperature in material.labelled_temperatures:
        for particles in material.labelled_sizes(temperature):
            if particles >= LARGE:
                found += material.labelled(temperature, particles)
    return found


def size_transfer_plate(material):
    """S₄(q) and the variance of C_B in large boxes, measured and predicted, and the size-transfer tests."""
    table, findings, shown = [], [], []
    for boxes in large_boxes(material):
        predicted = boxes.predict(material.main, boxes.levels)
        ds, truth = boxes.dataset(), boxes.measured()
        s4 = [structure_factor(C, ds) for C in (truth, predicted)]
        fits = [fit_xi4(s, window=WINDOW) for s in s4]
        mean = predicted.mean("network")
        for k, level in enumerate(boxes.levels):
            row = {"temperature": boxes.temperature, "particles": boxes.particles, "mean_propensity": float(level)}
            row |= {"time": float(boxes.times[k]), "variance_md": float(boxes.variance[k])}
            row |= {"variance_predicted": float(mean[k].var())}
            for name, fit in zip(("md", "predicted"), fits, strict=True):
                row |= {f"xi4_{name}": float(fit["xi4"][k]), f"xi4_{name}_error": float(xi4_error(fit)[k])}
            table.append(row)
        at = int(np.abs(boxes.levels - LEVEL).argmin())
        shown.append((boxes, at, s4))
        findings.append(_low_q(boxes, at, s4, _replica_share(material, boxes, at)))
        findings += _same_length(boxes, table[at - len(boxes.levels)])
    tests = [material.transfer(t) for t in material.temperatures if material.large(t) and material.transfer(t)]
    findings += [Finding(str(test), test.passed) for test in tests]
    if not shown:
        raise InvalidData(
            f"size transfer: no box of {LARGE} particles or more is labelled; expected molecular dynamics."
        )
    figure, ax = drawing(width=6.4, height=4.2)
    colors = colors_of(material.temperatures)
    for boxes, at, (truth, model) in shown:
        label = f"$T$ = {boxes.temperature:.2f}, $N$ = {boxes.particles}, {MEAN} = {boxes.levels[at]:.2f}"
        color = colors.get(boxes.temperature, "k")
        first = truth.isel(state=at)
        ax.errorbar(first["q"], first, first["error"], fmt="o", markersize=3, color=color, label=f"MD, {label}")
        ax.plot(model["q"], model.isel(state=at).mean("network"), color=color, label="predicted")
    ax.set(xscale="log", yscale="log", xlabel=r"$q\;/\;\sigma^{-1}$", ylabel="$S_4(q)$")
    ax.legend()
    return Plate(
        "size",
        "Networks trained on small boxes, asked about large ones",
        "The paper applies networks trained at N = 1290 to N = 82560 and reads ξ₄ from them; that this is allowed is "
        "what has to be shown here.",
        figure,
        frame(table),
        findings,
        [
            f"{len(shown)} large labelled sets; measured S₄ and ξ₄ are shown with the noise of their "
            f"{min(int(boxes.replicas.min()) for boxes, *_ in shown)} replicas; its share at small q is told above"
        ],
    )


def _replica_share(material, boxes, at):
    """The most that finitely many replicas add to the measured S₄ of large boxes, and its error.

    It is what they add as q → 0, N₁ Var_rep/R, which does not depend on the size: one box of 8 replicas hardly knows
    its own, the small ones of that temperature and level do. NaN where there are none.
    """
    for small in material.labelled(boxes.temperature):
        same = np.flatnonzero(np.isclose(small.levels, boxes.levels[at]))
        if len(same) and small.particles < boxes.particles:
            variance = small.mean_noise[:, same[0]] * small.replicas
            noise = variance[np.isfinite(variance)] * small.propensity.shape[-1] / boxes.replicas.min()
            if len(noise) > 1:
                return noise.mean(), noise.std(ddof=1) / np.sqrt(len(noise))
    return np.nan, np.nan


def _low_q(boxes, at, s4, noise):
    """Predicted over measured S₄, less what its replicas add, averaged over the fit's small wave numbers.

    Bonds break together in one replica as well, so the noise falls with q from its value at 0, at these wave numbers by
    an amount that is not known: half of it is subtracted, with the standard deviation of anything between none and all.
    """
    truth, model = s4[0].isel(state=at), s4[1].isel(state=at)
    low = (truth["q"] < WINDOW[1] / 2).values
    weight = truth["modes"].values[low]
    measured = np.average(truth.values[low], weights=weight)
    predicted = np.average(model.values[:, low], axis=1, weights=weight)
    most, unsure = (0.0, 0.0) if np.isnan(noise[0]) else noise
    signal = measured - most / 2
    ratio = predicted / signal
    relative = np.sqrt(measured**2 / weight.sum() + unsure**2 / 4 + most**2 / 12) / signal
    error = np.hypot(ratio.std(ddof=1) if len(ratio) > 1 else 0.0, ratio.mean() * relative)
    less = "with the noise of its replicas" if np.isnan(noise[0]) else f"less 0 to {most / measured:.0%} replica noise"
    return Finding(
        f"T = {boxes.temperature:.2f}, N = {boxes.particles}, ⟨C̄_B⟩ = {boxes.levels[at]:.2f}: predicted S₄ over "
        f"measured below q = {WINDOW[1] / 2} σ⁻¹ ({less}) is {ratio.mean():.2f} ± {error:.2f}.",
        within(ratio.mean() - 1, AMPLITUDE, error),
    )


def _same_length(boxes, row):
    """ξ₄ measured and predicted on the same box, where both are determined."""
    gap, error = row["xi4_predicted"] - row["xi4_md"], np.hypot(row["xi4_predicted_error"], row["xi4_md_error"])
    if not np.isfinite(gap):
        return [Finding(f"T = {boxes.temperature:.2f}: ξ₄ is not determined in both.", None)]
    text = f"T = {boxes.temperature:.2f}: ξ₄ = {row['xi4_md']:.1f} ± {row['xi4_md_error']:.1f} σ measured, "
    text += f"{row['xi4_predicted']:.1f} ± {row['xi4_predicted_error']:.1f} σ predicted."
    mean = (row["xi4_predicted"] + row["xi4_md"]) / 2
    return [Finding(text, within(gap / mean, OVERLAP, error / mean))]
