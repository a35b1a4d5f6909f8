"""Do the networks say what molecular dynamics says? Snapshots and χ₄ of the same structures (Figs. 3 and 4)."""

import numpy as np
from matplotlib.collections import EllipseCollection

from glassviz.mixture import RADII, InvalidData
from glassviz.observe.agreement import correlation
from glassviz.observe.susceptibility import chi4, variance_over_structures
from glassviz.report.cautions import stretched
from glassviz.report.material import LEVEL, listed, plain_title, title
from glassviz.report.pearson import FEW, HIGHEST
from glassviz.report.plates import (
    MEAN,
    TIME,
    Finding,
    Plate,
    colors_of,
    drawing,
    frame,
    mark_relaxation,
    propensity_map,
    within,
)

CONTRAST = 0.2  # relative deviation of the predicted standard deviation
CHI4_WITHIN = 0.2  # relative deviation of χ₄
WINDOW = 66.0  # side of a snapshot's cut-out (σ)


def figure_3(material):
    """Snapshots of a test structure: molecular dynamics and every ensemble."""
    shown = _snapshot_states(material)
    ensembles = [*material.transferable[:2], *[e for e in material.ensembles if not e.has_attention][:1]]
    columns = 1 + len(ensembles)
    figure, axes = drawing(len(shown), columns, 2.4 * columns + 0.7, 2.6 * len(shown), squeeze=False)
    findings, table = [], []
    for line, boxes in zip(axes, shown, strict=True):
        truth = boxes.propensity[0]
        fields = [("molecular dynamics", truth[0])]
        for ensemble in ensembles:
            own = material.labelled(boxes.temperature, boxes.particles, "test", ensemble, tuple(boxes.levels))[0]
            mean = own.predict(ensemble, own.levels).mean("network").values[0]
            rho = float(correlation(mean.astype(float), truth.astype(float), np.ones(truth.shape, bool))[0])
            true = float(np.sqrt(boxes.variance[0]))
            ratio = float(mean.std() / true) if true else np.nan
            fields.append((f"{title(ensemble)}\n$\\rho_P$ = {rho:.2f}, contrast {ratio:.2f}", mean[0]))
            row = {"temperature": boxes.temperature, "particles": boxes.particles, "structures": len(boxes)}
            table.append({**row, "mean_propensity": float(boxes.levels[0]), "ensemble": ensemble.name})
            table[-1] |= {"pearson": rho, "contrast": ratio}
            if ensemble.has_attention:
                text = f"T = {boxes.temperature:.2f}, N = {boxes.particles}: {plain_title(ensemble)} has ρ_P = "
                text += f"{rho:.2f} and {100 * ratio:.0f} % of the measured standard deviation."
                findings.append(Finding(text, bool(rho > HIGHEST - 0.1 and abs(ratio - 1) < CONTRAST)))
        side = min(WINDOW, boxes.box_length)
        for ax, (name, values) in zip(line, fields, strict=True):
            image = _discs(ax, boxes.position[0], values, side)
            ax.set_title(name, fontsize=8.5)
        line[0].set_ylabel(f"$T$ = {boxes.temperature:.2f}, $N$ = {boxes.particles}\n{MEAN} = {boxes.levels[0]:.2f}")
    figure.colorbar(image, ax=axes, label=r"$\mathcal{C}_B^i$", shrink=0.8, fraction=0.03)
    return Plate(
        "3",
        "Snapshots: molecular dynamics and predictions for a test structure, species 1",
        "tGlassMLP locates rearranging and frozen regions very accurately; a GlassMLP transferred from another state "
        "correlates too but its contrast is too weak.",
        figure,
        frame(table),
        findings,
        [f"contrast and ρ_P over {len(shown[0])} structures, the first of which is shown"],
    )


def _snapshot_states(material):
    """Test structures at the paper's level: the coldest temperature that reaches it, and the largest box that does."""
    reached = []
    for temperature in reversed(material.labelled_temperatures):
        for particles in material.labelled_sizes(temperature):
            reached += material.labelled(temperature, particles, "test", levels=(LEVEL,))[:1]
    if not reached:
        tested = [t for t in material.labelled_temperatures if material.labelled(t, role="test")]
        if not tested:
            raise InvalidData("figure 3: there is no labelled test structure; expected some never trained on.")
        temperature = tested[0]
        deepest = material.labelled(temperature, role="test")[-1]
        return [material.labelled(temperature, role="test", levels=(float(deepest.levels[-1]),))[0]]
    largest = max(reached, key=lambda boxes: boxes.particles)
    return [reached[0]] if largest is reached[0] else [reached[0], largest]


def _discs(ax, position, values, side):
    inside = (position < side + 1).all(axis=1)
    discs = EllipseCollection(
        *np.full((2, inside.sum()), 2 * RADII[0]),
        0,
        units="x",
        offsets=position[inside],
        offset_transform=ax.transData,
        array=np.clip(values[inside], 0, 1),
        cmap=propensity_map(),
        rasterized=True,
    )
    discs.set_clim(0, 1)
    ax.add_collection(discs)
    ax.set(xlim=(0, side), ylim=(0, side), aspect="equal", xticks=[], yticks=[])
    ax.set_xlabel(rf"{side:.0f} $\sigma$", fontsize=8)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
    return discs


def susceptibilities(material, ensemble, temperature):
    """χ₄ measured and predicted on the same structures, with the paired bootstrap error of their ratio.

    Test structures are compared where there are enough of them, they have more replicas and no network has seen them;
    else all.

    Returns
    -------
    list of dict
        For every level the runs reach; χ₄ is the unbiased estimate, the noise of the replicas subtracted where it is
        known.
    """

    def compute():
        rows = []
        tested = material.labelled(temperature, role="test", ensemble=ensemble)
        role = "test" if tested and len(tested[0]) >= FEW else None
        for boxes in material.labelled(temperature, role=role, ensemble=ensemble):
            predicted = boxes.predict(ensemble, boxes.levels)
            noise = boxes.replica_noise()
            truth = chi4(boxes.measured(), boxes.dataset(), unbiased=True, noise=noise)
            model = chi4(predicted, boxes.dataset(), unbiased=True)
            networks = predicted.mean("particle", dtype=np.float64).values
            means = boxes.propensity.mean(axis=2, dtype=np.float64)
            _, measured = variance_over_structures(means, None if noise is None else noise.values.T)
            each = np.stack([variance_over_structures(means)[1] for means in networks]).mean(axis=0)
            error = np.full(len(boxes.levels), np.nan)
            if len(boxes) > 1:
                with np.errstate(divide="ignore", invalid="ignore"):
                    low, high = np.nanpercentile(each / measured, [16, 84], axis=0)
                error = (high - low) / 2
            for k, level in enumerate(boxes.levels):
                rows.append(
                    {
                        "ensemble": ensemble.name,
                        "temperature": temperature,
                        "role": role or "all",
                        "structures": len(boxes),
                        "mean_propensity": float(level),
                        "time": float(boxes.times[k]),
                        "chi4_md": float(truth[k]),
                        "replica_noise": "included" if noise is None else "subtracted",
                        "chi4_md_error": float(truth["error"][k]),
                        "chi4_predicted": float(model[k]),
                        "chi4_predicted_network_error": float(model["error"][k]),
                        "ratio": float(model[k] / truth[k]),
                        "ratio_error": float(error[k]),
                        "converged": bool(predicted["converged"].values[:, k].all()),
                    }
                )
        return rows

    return material.library.memo(("susceptibilities", ensemble.name, temperature), compute)


def figure_4(material):
    """χ₄(t) measured and predicted on the same structures."""
    temperatures = [t for t in material.labelled_temperatures if any(len(boxes) > 1 for boxes in material.labelled(t))]
    if not (temperatures and material.transferable):
        raise InvalidData("figure 4: expected two labelled structures at one temperature, and a tGlassMLP.")
    figure, ax = drawing(width=6.4, height=4.4)
    colors, table = colors_of({*material.temperatures, *temperatures}), []
    for temperature in temperatures:
        for number, ensemble in enumerate(material.transferable):
            rows = susceptibilities(material, ensemble, temperature)
            table += rows
            x, md, error, model = (
                np.array([row[key] for row in rows]) for key in ("time", "chi4_md", "chi4_md_error", "chi4_predicted")
            )
            if number == 0:
                ax.errorbar(
                    x, md, error, fmt="o", color=colors[temperature], elinewidth=1, label=f"$T$ = {temperature:.2f}, MD"
                )
            ax.plot(x, model, "-" if number == 0 else "--", color=colors[temperature])
    for number, ensemble in enumerate(material.transferable):
        ax.plot([], [], "-" if number == 0 else "--", color="k", label=title(ensemble))
    ax.set(xscale="log", yscale="log", xlabel=TIME, ylabel=r"$\chi_4$")
    mark_relaxation(ax, material, {t: colors[t] for t in temperatures})
    ax.legend()
    return Plate(
        "4",
        "Dynamic susceptibility χ₄(t), measured and predicted for the same structures",
        "The susceptibilities of molecular dynamics and of tGlassMLP agree very well at every temperature.",
        figure,
        frame(table),
        [_ratio_finding(material, temperature) for temperature in temperatures],
        [*stretched(material), *_replica_cautions(material, temperatures)],
    )


def _replica_cautions(material, temperatures):
    """What finitely many replicas and structures do to the measured χ₄."""
    cautions = []
    included = [t for t in temperatures if any(boxes.replica_noise() is None for boxes in material.labelled(t))]
    subtracted = [t for t in temperatures if t not in included]
    if subtracted:
        cautions.append(
            f"T = {listed(subtracted)}: what finitely many replicas add to measured χ₄ is subtracted; of runs that do "
            "not tell it, as much as the others at that temperature tell"
        )
    if included:
        cautions.append(
            f"T = {listed(included)}: measured χ₄ includes what finitely many replicas add, not known of enough runs"
        )
    for temperature in temperatures:
        groups = [material.labelled(temperature, role=role) for role in ("train", "test")]
        if not all(groups):
            continue
        common = np.intersect1d(*(group[0].levels for group in groups))
        if not len(common):
            continue
        level = common[np.abs(common - LEVEL).argmin()]
        values = [
            chi4(g[0].measured(), g[0].dataset(), unbiased=True, noise=g[0].replica_noise()).values[
                list(g[0].levels).index(level)
            ]
            for g in groups
        ]
        named = " and ".join(
            f"{value:.3f} ({len(g[0])} structures of {g[0].replicas.min()} replicas)"
            for value, g in zip(values, groups, strict=True)
        )
        cautions.append(f"T = {temperature:.2f}, ⟨C̄_B⟩ = {level:.2f}: measured χ₄ is {named}")
    return cautions


def _ratio_finding(material, temperature):
    """The ratio of predicted to measured χ₄ at the reached level that is nearest to the paper's."""
    rows = susceptibilities(material, material.main, temperature)
    row = min(rows, key=lambda r: abs(r["mean_propensity"] - LEVEL))
    text = f"T = {temperature:.2f}, ⟨C̄_B⟩ = {row['mean_propensity']:.2f}: predicted over measured "
    text += f"{row['ratio']:.2f} ± {row['ratio_error']:.2f} ({row['structures']} structures, {row['role']})."
    return Finding(text, within(row["ratio"] - 1, CHI4_WITHIN, row["ratio_error"]))
