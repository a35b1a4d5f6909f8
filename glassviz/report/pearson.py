"""How well the networks tell the mobile particles of structures never trained on: Pearson correlation (Fig. 2)."""

import numpy as np

from glassviz.mixture import InvalidData
from glassviz.observe.agreement import correlation
from glassviz.report import published
from glassviz.report.material import LEVELS, lowest_temperature, title
from glassviz.report.plates import (
    COLORS,
    GREY,
    TIME,
    Finding,
    Plate,
    drawing,
    exceeds,
    frame,
    mark_relaxation,
    with_error,
    within,
)

HIGHEST = 0.8  # what the paper's Fig. 2 reaches
AS_GOOD = 0.05  # in ρ_P
FEW = 8  # structures below which an error over structures is itself a guess


def scores(material, ensemble, temperature, particles=None, role="test", levels=LEVELS):
    """How well an ensemble predicts labelled structures at every level their runs reach.

    Returns
    -------
    list of dict
        Numbers of one state: `pearson` of the networks' mean over all species-1 particles of all structures, `error`
        its bootstrap over structures (NaN for one), `ceiling` set by the replicas, `spread` = predicted over true
        standard deviation, `converged`, `iterations`; and the bootstrap `replicates` of ρ_P, drawn alike for all
        ensembles.
    """

    def compute():
        rows = []
        for boxes in material.labelled(temperature, particles, role, ensemble, levels):
            predicted = boxes.predict(ensemble, boxes.levels)
            mean, truth = predicted.mean("network").values.astype(float), boxes.propensity.astype(float)
            value, replicates = correlation(mean, truth, np.ones(truth.shape, bool))
            spread, true = truth.std(axis=(1, 2)), np.sqrt(boxes.variance)
            for k, level in enumerate(boxes.levels):
                rows.append(
                    {
                        "ensemble": ensemble.name,
                        "temperature": temperature,
                        "particles": boxes.particles,
                        "structures": len(boxes),
                        "mean_propensity": float(level),
                        "time": float(boxes.times[k]),
                        "pearson": float(value[k]),
                        "error": float(replicates[:, k].std(ddof=1)),
                        "ceiling": float(true[k] / spread[k]),
                        "spread": float(mean[k].std() / true[k]) if true[k] else np.nan,
                        "converged": bool(predicted["converged"].values[:, k].all()),
                        "iterations": int(predicted.attrs["iterations"]),
                        "replicates": replicates[:, k],
                    }
                )
        return rows

    return material.library.memo(("scores", ensemble.name, temperature, particles, role, levels), compute)


def difference(first, second):
    """ρ_P of one score less that of another on the same structures, and its paired bootstrap error."""
    return first["pearson"] - second["pearson"], float((first["replicates"] - second["replicates"]).std(ddof=1))


def tested_temperatures(material):
    """Temperatures with labelled test structures, from hot to cold."""
    return [t for t in material.labelled_temperatures if material.labelled(t, role="test")]


def figure_2(material):
    """Pearson correlation against time, on structures never trained on."""
    temperatures = tested_temperatures(material)
    if not temperatures:
        raise InvalidData("figure 2: there is no labelled test structure; expected some that were never trained on.")
    columns = min(len(temperatures), 3)
    rows = -(-len(temperatures) // columns)
    figure, axes = drawing(rows, columns, 3.3 * columns, 2.9 * rows + 0.5, squeeze=False, sharey=True)
    table = []
    for ax, temperature in zip(axes.flat, temperatures, strict=False):
        ax.set_xscale("log")
        ax.set(title=f"$T$ = {temperature:.2f}", xlabel=TIME, ylim=(0, 1))
        for number, ensemble in enumerate(material.ensembles):
            found = scores(material, ensemble, temperature)
            table += found
            x, y, error = (np.array([row[key] for row in found]) for key in ("time", "pearson", "error"))
            line = "-" if ensemble.has_attention else ":"
            ax.errorbar(x, y, error, color=COLORS[number % 4], linestyle=line, marker="o", label=title(ensemble))
        ax.plot(x, [row["ceiling"] for row in found], color=GREY, linestyle="--", label="ceiling of the replicas")
        if abs(temperature - published.TEMPERATURE) < 1e-3:
            for name, marker in published.MARKERS.items():
                ax.plot(published.PEARSON["time"], published.PEARSON[name], marker, mfc="none", color="k", label=name)
        mark_relaxation(ax, material, {temperature: "k"})
    for ax in axes[:, 0]:
        ax.set_ylabel(r"$\rho_P$")
    for ax in axes.flat[len(temperatures) :]:
        ax.remove()
    handles = {label: h for ax in figure.axes for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(4, len(handles)))
    for temperature in temperatures:
        for particles in material.labelled_sizes(temperature)[1:]:
            table += [row for e in material.ensembles for row in scores(material, e, temperature, particles)]
    few = min(row["structures"] for row in table if row["particles"] == material.labelled_sizes(temperatures[0])[0])
    return Plate(
        "2",
        "Pearson correlation with molecular dynamics on test structures",
        "ρ_P reaches about 0.8 at the lowest temperatures, rises on cooling, is as good as that of networks trained at "
        "each state (GlassMLP), and nearly as good below T_min as that of networks trained there.",
        figure,
        frame([{k: v for k, v in row.items() if k != "replicates"} for row in table]),
        _pearson_findings(material, temperatures),
        [f"at some states only {few} test structures: the bootstrap error there is itself a guess"] * (few < FEW),
    )


def _pearson_findings(material, temperatures):
    found = {t: scores(material, material.main, t) for t in temperatures}
    top = max((row for rows in found.values() for row in rows), key=lambda row: row["pearson"])
    findings = [
        Finding(
            f"The highest ρ_P is {_score(top)} at T = {top['temperature']:.2f} (ceiling {top['ceiling']:.2f}); "
            f"the paper's is about {HIGHEST}.",
            within(top["pearson"] - HIGHEST, AS_GOOD, top["error"]),
        )
    ]
    ends = [{row["mean_propensity"]: row for row in found[t]} for t in (temperatures[0], temperatures[-1])]
    common = set(ends[0]) & set(ends[1])
    if len(temperatures) > 1 and common:
        hot, cold = (end[min(common)] for end in ends)
        gain, error = cold["pearson"] - hot["pearson"], np.hypot(cold["error"], hot["error"])
        findings.append(
            Finding(
                f"From T = {hot['temperature']:.2f} to {cold['temperature']:.2f} ρ_P at ⟨C̄_B⟩ = {min(common):.2f}, "
                f"the latest both reach, changes by {with_error(gain, error, '+.3f')}.",
                exceeds(gain, error, sigmas=1),
            )
        )
    if any(abs(t - published.TEMPERATURE) < 1e-3 for t in temperatures):
        findings += _against_published(material)
    return findings + _transfer_findings(material, temperatures)


def _score(row):
    return with_error(row["pearson"], row["error"], ".3f")


def beside_published(material):
    """The published numbers at T = 0.30 and ours at the same times, where test runs reach them.

    Returns
    -------
    pandas.DataFrame
        `published.PEARSON` with `glassviz`, `glassviz_error`, `glassviz_ceiling` and the `mean_propensity` of our test
        structures at these times; NaN where our runs do not reach.
    """
    table = published.PEARSON.copy()
    group = material.tested(published.TEMPERATURE)
    for row, time in enumerate(table["time"]):
        level = material.level_at(group, time)
        found = scores(material, material.main, published.TEMPERATURE, levels=(level,)) if level else []
        values = (found[0]["pearson"], found[0]["error"], found[0]["ceiling"], level) if found else [np.nan] * 4
        names = ("glassviz", "glassviz_error", "glassviz_ceiling", "mean_propensity")
        for name, value in zip(names, values, strict=True):
            table.loc[row, name] = value
    return table


def _against_published(material):
    """Our ρ_P at the published times our runs reach, beside GlassMLP's."""
    findings = []
    for _, row in beside_published(material).dropna().iterrows():
        gap, error = row["glassviz"] - row["GlassMLP"], row["glassviz_error"]
        text = f"At T = 0.30, t = {row['time']:g}: {with_error(row['glassviz'], error, '.3f')}, GlassMLP trained there "
        text += f"{row['GlassMLP']:.3f} ({gap:+.3f})."
        findings.append(Finding(text, _as_good(gap, error)))
    return findings


def _as_good(gap, error):
    """Whether a ρ_P is higher than another, or lower by `AS_GOOD` at most; None where the error does not say."""
    return True if np.isfinite(error) and gap >= 0 else within(gap, AS_GOOD, error)


def _transfer_findings(material, temperatures):
    """Every other tGlassMLP against the main one at temperatures it has never seen and the main one has."""
    findings = []
    for other in material.transferable[1:]:
        lowest = lowest_temperature(other)
        for temperature in temperatures:
            if temperature > lowest - 1e-3 or temperature < lowest_temperature(material.main) - 1e-3:
                continue
            pairs = zip(scores(material, other, temperature), scores(material, material.main, temperature), strict=True)
            loss, error, level = min((*difference(a, b), a["mean_propensity"]) for a, b in pairs)
            findings.append(
                Finding(
                    f"T_min = {lowest:.2f} transferred to T = {temperature:.2f}: at worst "
                    f"{with_error(loss, error, '+.3f')} in ρ_P (⟨C̄_B⟩ = {level:.2f}) against the network trained "
                    "there.",
                    _as_good(loss, error),
                )
            )
    return findings
