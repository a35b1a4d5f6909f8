"""How far heterogeneity extends, down to the glass transition: χ₄, ξ₄ and chords (Figs. 6, 7 and 8)."""

import numpy as np
import xarray as xr

from glassviz.mixture import InvalidData
from glassviz.observe.chords import chord_length
from glassviz.observe.structure_factor import fit_xi4, structure_factor, xi4_error
from glassviz.observe.susceptibility import chi4
from glassviz.report.cautions import extrapolated, stretched, unsettled
from glassviz.report.material import LARGE, LEVELS
from glassviz.report.plates import (
    TIME,
    Finding,
    Plate,
    bend,
    colors_of,
    drawing,
    exceeds,
    frame,
    mark_relaxation,
    with_error,
)

WINDOW = (0.0, 0.6)  # of wave numbers in the fit of ξ₄; from 0.2, as in the paper, one box does not determine it
FEW = 20  # structures below which a variance over structures is a rough guess
CROSSOVER = 0.21  # the paper: below it χ₄ grows very modestly
LONGEST_XI4, LONGEST_CHORD = 7.0, 14.0  # σ, the paper's largest
CHORD_RANGE = (0.3, 0.95)  # of ⟨C̄_B⟩ in the paper's Fig. 8


def curves(material, temperature):
    """χ₄ and ⟨ξ_chord⟩ at `LEVELS`, predicted for the small boxes of a temperature.

    Returns
    -------
    Dataset (state)
        `chi4`, `chord` with `_error` (over the networks) and `_structure_error`; NaN where the constraint did not
        converge. Coordinates `mean_propensity`, `time`, `simulated`; attributes `structures`, `particles`.
    """

    def compute():
        particles = material.small(temperature)
        boxes = material.boxes(temperature, particles)
        predicted = boxes.predict(material.main, LEVELS)
        chords = chord_length(predicted, boxes.dataset())
        variables = _with_errors("chord", chords)
        if len(boxes) > 1:
            variables |= _with_errors("chi4", chi4(predicted, boxes.dataset(), unbiased=True))
        variables = {name: ("state", values) for name, values in variables.items()}
        return _reached(variables, boxes, predicted)

    found = material.library.memo(("report curves", temperature), compute)
    return _timed(material, temperature, found)


def lengths(material, temperature):
    """ξ₄ and A at `LEVELS`, predicted for the largest box of a temperature.

    Returns
    -------
    Dataset (state) or None
        `xi4`, `A` with `_error`, NaN where not determined, and `xi4_paper_window` fitted over the paper's wave numbers;
        None where there is no large box.
    """
    particles = material.large(temperature)
    if particles is None:
        return None

    def compute():
        boxes = material.boxes(temperature, particles)
        predicted = boxes.predict(material.main, LEVELS)
        s4 = structure_factor(predicted, boxes.dataset())
        fit = fit_xi4(s4, window=WINDOW)
        variables = {name: ("state", fit[name].values) for name in ("xi4", "A", "A_error")}
        variables["xi4_error"] = "state", xi4_error(fit).values
        variables["xi4_paper_window"] = "state", fit_xi4(s4)["xi4"].values
        return _reached(variables, boxes, predicted)

    found = material.library.memo(("report lengths", temperature), compute)
    return _timed(material, temperature, found)


def _reached(variables, boxes, predicted):
    """A Dataset of variables along `state`, NaN where not all networks converged, and the share that did."""
    converged = xr.DataArray(predicted["converged"].values.mean(axis=0), dims="state")
    attributes = {"structures": len(boxes), "particles": boxes.particles, "networks": predicted.sizes["network"]}
    attributes["iterations"] = predicted.attrs["iterations"]
    return xr.Dataset(variables, attrs=attributes).where(converged == 1).assign(converged=converged)


def _with_errors(name, observable):
    return {
        name: observable.values,
        f"{name}_error": observable["error"].values,
        f"{name}_structure_error": observable["structure_error"].values,
    }


def _timed(material, temperature, found):
    time = material.superposition.time(LEVELS, temperature)
    simulated = material.superposition.is_simulated(LEVELS, temperature)
    return found.assign_coords(
        mean_propensity=("state", np.array(LEVELS)), time=("state", time), simulated=("state", simulated)
    )


def rows_of(temperature, found, trusted=True):
    """The rows of a CSV from a Dataset along `state`."""
    table = found.to_dataframe().reset_index(drop=True).to_dict("records")
    return [{"temperature": temperature, **found.attrs, **row, "trusted": trusted} for row in table]


def measured_chords(material, temperature):
    """⟨ξ_chord⟩ of labels and of predictions for the same structures, a list of dict; empty without labels."""
    rows = []
    for boxes in material.labelled(temperature):
        truth = chord_length(boxes.measured(), boxes.dataset())
        model = chord_length(boxes.predict(material.main, boxes.levels), boxes.dataset())
        for k, level in enumerate(boxes.levels):
            rows.append(
                {
                    "temperature": temperature,
                    "mean_propensity": float(level),
                    "time": float(boxes.times[k]),
                    "md": float(truth[k]),
                    "md_error": float(truth["error"][k]),
                    "predicted": float(model[k]),
                    "predicted_error": float(model["error"][k]),
                }
            )
    return rows


def _plot(axes, temperature, found, name, color, trusted=True):
    """One curve with its error bars: full where the time is simulated, dashed where it is extrapolated."""
    x, y, error = found["time"].values, found[name].values, found[f"{name}_error"].values
    known = found["simulated"].values
    alpha = 1.0 if trusted else 0.35
    label = f"$T$ = {temperature:.2f}" + ("" if trusted else ", size test failed")
    axes.errorbar(x, y, error, fmt="none", ecolor=color, elinewidth=0.8, alpha=0.6 * alpha)
    axes.plot(x, y, "--", color=color, alpha=alpha, linewidth=1.1)
    axes.plot(x, np.where(known, y, np.nan), "-", color=color, alpha=alpha)
    axes.plot(x, y, "o", color=color, markersize=3, alpha=alpha, mfc=color if trusted else "none", label=label)


def _finished(axes, material, colors, label):
    axes.set(xscale="log", xlabel=TIME, ylabel=label)
    mark_relaxation(axes, material, colors)
    axes.legend(ncols=2)


def whole_error(found, name):
    """Error of a curve over networks and over structures together (state,); of one network the former is the latter."""
    error = found[f"{name}_error"].values
    if f"{name}_structure_error" not in found or found.attrs["networks"] == 1:
        return error
    return np.hypot(error, found[f"{name}_structure_error"].values)


def peak(found, name):
    """The largest value of a curve, its error and the state it is at; None where the curve is nowhere determined."""
    values = found[name].values
    if not np.isfinite(values).any():
        return None
    at = int(np.nanargmax(values))
    finite = np.isfinite(values)
    inside = finite[:at].any() and finite[at + 1 :].any()
    return {"value": values[at], "error": whole_error(found, name)[at], "at": at, "inside": inside}


def figure_6(material):
    """χ₄(t) predicted at all temperatures."""
    colors = colors_of(material.temperatures)
    figure, ax = drawing(width=6.8, height=4.6)
    table, peaks, few = [], {}, []
    for temperature, color in colors.items():
        found = curves(material, temperature)
        if "chi4" not in found:
            continue
        _plot(ax, temperature, found, "chi4", color)
        table += rows_of(temperature, found)
        if found.attrs["structures"] < FEW:
            few.append(f"T = {temperature:.2f}: {found.attrs['structures']}")
        if top := peak(found, "chi4"):
            peaks[temperature] = top
    if not table:
        raise InvalidData("figure 6: no temperature has two structures of a size; expected several for a variance.")
    _finished(ax, material, colors, r"$\chi_4$")
    ax.set(yscale="log", ylim=(0.7 * min((row["chi4"] for row in table if row["chi4"] > 0), default=1e-3), None))
    hump = [t for t, top in peaks.items() if top["inside"]]
    findings = [
        Finding(
            f"χ₄ passes through a maximum in time at {len(hump)} of {len(peaks)} temperatures.",
            len(hump) == len(peaks) if peaks else None,
        )
    ]
    findings += growth(peaks, "χ₄", CROSSOVER)
    cautions = [f"few structures for a variance over structures ({', '.join(sorted(few))})"] * bool(few)
    return Plate(
        "6",
        "Dynamic susceptibility χ₄(t) down to the glass transition",
        "χ₄(t) has a maximum in time at every temperature; the maximum grows very modestly below T = 0.21.",
        figure,
        frame(table),
        findings,
        [
            *cautions,
            *stretched(material),
            *extrapolated(material, peaks),
            *unsettled(material, peaks, material.small),
        ],
    )


def growth(peaks, name, crossover):
    """Whether ln of the maximum grows less steeply in 1/T below a temperature than above it."""
    known = {t: top for t, top in peaks.items() if top["error"] > 0}
    value, error = (np.array([top[key] for top in known.values()]) for key in ("value", "error"))
    hot, cold, apart = bend(1 / np.array(list(known)), np.log(value), error / value, 1 / crossover)
    text = f"d ln {name} / d(1/T): {with_error(*hot)} above T = {crossover:.2f}, {with_error(*cold)} below."
    return [Finding(text, exceeds(hot[0] - cold[0], apart))]


def _near_relaxation(material, temperature, top):
    """Whether ξ₄ is largest within a decade of τ_BB; None where it is as large there within the errors."""
    found = lengths(material, temperature)
    tau = material.superposition.relaxation_time(temperature)
    near = np.abs(np.log10(found["time"].values / tau)) <= 1
    if near[top["at"]]:
        return True
    values = np.where(near, found["xi4"].values, np.nan)
    if not np.isfinite(values).any():
        return None
    best = int(np.nanargmax(values))
    beyond = exceeds(top["value"] - values[best], np.hypot(top["error"], found["xi4_error"].values[best]), sigmas=1)
    return False if beyond else None


def figure_7(material):
    """ξ₄(t) predicted at all temperatures with a large box."""
    colors = colors_of(material.temperatures)
    figure, ax = drawing(width=6.8, height=4.4)
    table, peaks, failed = [], {}, []
    for temperature, color in colors.items():
        found = lengths(material, temperature)
        if found is None:
            continue
        trusted = material.trusted(temperature)
        _plot(ax, temperature, found, "xi4", color, trusted)
        table += rows_of(temperature, found, trusted)
        if not trusted:
            failed.append(
                str(material.transfer(temperature) or f"T = {temperature:.2f}: no small boxes to test against")
            )
        elif top := peak(found, "xi4"):
            peaks[temperature] = top
    if not table:
        raise InvalidData(f"figure 7: there is no box of {LARGE} particles or more; expected one for ξ₄.")
    _finished(ax, material, colors, r"$\xi_4\;/\;\sigma$")
    ax.set_ylim(bottom=0)
    findings = []
    if peaks:
        coldest = min(peaks)
        longest = max(peaks, key=lambda t: peaks[t]["value"])
        top = peaks[longest]
        findings.append(
            Finding(
                f"The longest ξ₄ is {with_error(top['value'], top['error'], '.1f')} σ, at T = {longest:.2f}; the "
                f"paper's is at most {LONGEST_XI4:.0f} σ.",
                exceeds(LONGEST_XI4 - top["value"], top["error"], sigmas=1),
            )
        )
        findings += growth(peaks, "ξ₄", 0.25)
        near = [_near_relaxation(material, t, top) for t, top in peaks.items()]
        findings.append(
            Finding(
                f"The maximum lies within a decade of τ_BB at {near.count(True)} of {len(peaks)} temperatures, and "
                f"does not beyond the errors at {near.count(False)} (at T = {coldest:.2f} it is at ⟨C̄_B⟩ = "
                f"{LEVELS[peaks[coldest]['at']]:.2f}).",
                False if False in near else None if None in near else True,
            )
        )
    return Plate(
        "7",
        "Dynamic length ξ₄(t) from the four-point structure factor",
        "ξ₄ grows with time to a maximum near τ_BB; the maximum increases steeply down to T = 0.25 and much less "
        "below, to 6–7 σ at most.",
        figure,
        frame(table),
        findings,
        [_window(table), *failed, *extrapolated(material, peaks), *unsettled(material, peaks, material.large)],
    )


def _window(table):
    """What the choice of wave numbers means, in one sentence."""
    known, of_paper = (sum(np.isfinite(row[name]) for row in table) for name in ("xi4", "xi4_paper_window"))
    return (
        f"one box of each temperature, fitted over q < {WINDOW[1]} σ⁻¹: that determines ξ₄ at {known} of {len(table)} "
        f"states, the paper's window from 0.2 at {of_paper}"
    )


def figure_8(material):
    """⟨ξ_chord⟩(t) predicted at all temperatures, and measured."""
    colors = colors_of(material.temperatures)
    figure, ax = drawing(width=6.8, height=4.4)
    table, peaks, offsets = [], {}, {}
    for temperature, color in colors.items():
        found = curves(material, temperature)
        levels = found["mean_propensity"].values
        found = found.isel(state=np.flatnonzero((levels >= CHORD_RANGE[0]) & (levels <= CHORD_RANGE[1])))
        _plot(ax, temperature, found, "chord", color)
        table += [{"source": "prediction", **row} for row in rows_of(temperature, found)]
        if top := peak(found, "chord"):
            peaks[temperature] = top
        md = [
            r
            for r in measured_chords(material, temperature)
            if CHORD_RANGE[0] <= r["mean_propensity"] <= CHORD_RANGE[1]
        ]
        if md:
            x, y, error = (np.array([r[key] for r in md]) for key in ("time", "md", "md_error"))
            ax.errorbar(x, y, error, fmt="s", color=color, mfc="white", markersize=5, elinewidth=1)
            ratios = y / [r["predicted"] for r in md]
            if len(md) > 1:
                offsets[temperature] = ratios.mean() - 1, ratios.std(ddof=1)
            table += [{"source": "MD and prediction for the same structures", **r} for r in md]
    ax.plot([], [], "s", color="k", mfc="white", label="MD")
    _finished(ax, material, colors, r"$\langle\xi_\mathrm{chord}\rangle\;/\;\sigma$")
    if not peaks:
        raise InvalidData("figure 8: the mean constraint converges at no state; expected trained networks.")
    longest = max(peaks, key=lambda t: peaks[t]["value"])
    top = peaks[longest]
    findings = [
        Finding(
            f"The longest mean chord is {with_error(top['value'], top['error'], '.1f')} σ, at T = {longest:.2f}; the "
            f"paper's do not exceed {LONGEST_CHORD:.0f} σ.",
            exceeds(LONGEST_CHORD - top["value"], top["error"], sigmas=1),
        )
    ]
    for temperature, (offset, scatter) in offsets.items():
        findings.append(
            Finding(
                f"T = {temperature:.2f}: measured over predicted chords of the same structures {1 + offset:.2f} ± "
                f"{scatter:.2f} (scatter over time); the paper's are slightly longer.",
                bool(0 <= offset <= 0.2),
            )
        )
    return Plate(
        "8",
        "Mean chord length of mobile regions",
        "Chords show the same dependence on temperature as ξ₄ and do not grow beyond 14 σ; measured ones are "
        "systematically slightly longer than predicted ones.",
        figure,
        frame(table),
        findings,
        [
            "noise of finitely many replicas breaks measured chords up",
            *extrapolated(material, peaks),
            *unsettled(material, peaks, material.small),
        ],
    )
