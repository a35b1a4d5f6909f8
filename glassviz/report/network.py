"""What the network has learned: lengths it attends to, and the plane in which it sorts particles (Figs. 9, 10, 11)."""

import numpy as np

from glassviz.learn.factorised import Field
from glassviz.learn.inference import CONSTRAINED_SPECIES
from glassviz.mixture import InvalidData
from glassviz.observe.attention import length_distribution, xi_int
from glassviz.report.cautions import unsettled
from glassviz.report.material import LEVEL
from glassviz.report.plates import (
    MEAN,
    Finding,
    Plate,
    colors_of,
    drawing,
    exceeds,
    frame,
    propensity_map,
    slopes,
    with_error,
)

CLOUD_TEMPERATURE = 0.25  # of the paper's Fig. 10
CLOUD_LEVELS = (0.94, 0.80, 0.50, 0.25)
SEPARATED = 0.9  # probability that an arrested particle lies beyond a mobile one, from which on they are separated
MOST = 4000  # points drawn in one cloud
TAIL = 0.1  # share of the particles that counts as the most mobile, or the most arrested


def distribution(material, temperature):
    """P_int(L) of the small boxes at the paper's level, (network, length) in 1/σ."""

    def compute():
        particles = material.small(temperature)
        X = material.library.descriptors(temperature, particles, material.main.name)
        return length_distribution(material.main.attention(X, temperature, LEVEL))

    return material.library.memo(("report attention", temperature), compute)


def intrinsic_length(material, temperature):
    """ξ_int (σ) with the coordinate `error`: standard deviation over the networks."""
    return xi_int(distribution(material, temperature))


def figure_9(material):
    """P_int(L) at several temperatures."""
    figure, (ax, inset) = drawing(1, 2, 8.4, 3.8, width_ratios=(3, 2))
    colors, table, lengths = colors_of(material.temperatures), [], []
    for temperature, color in colors.items():
        found = distribution(material, temperature)
        mean, error = found.mean("network"), found.std("network", ddof=1 if found.sizes["network"] > 1 else 0)
        length = found["length"].values
        ax.errorbar(length, mean, error, color=color, marker="o", elinewidth=0.8, label=f"$T$ = {temperature:.2f}")
        xi = intrinsic_length(material, temperature)
        inset.errorbar(temperature, float(xi), float(xi["error"]), fmt="o", color=color)
        per_network = (found * found["length"]).integrate("length").values
        lengths.append(per_network)
        for k, value in enumerate(length):
            row = {"temperature": temperature, "length": value, "p_int": float(mean[k]), "p_int_error": float(error[k])}
            table.append({**row, "xi_int": float(xi), "xi_int_error": float(xi["error"])})
    ax.set(xlabel=r"$L\;/\;\sigma$", ylabel=r"$P_\mathrm{int}(L)\;/\;\sigma^{-1}$", ylim=(0, None))
    ax.legend(ncols=2)
    inset.set(xlabel=r"$T\;/\;\varepsilon k_B^{-1}$", ylabel=r"$\xi_\mathrm{int}\;/\;\sigma$")
    inverse, lengths = 1 / np.array(list(colors)), np.array(lengths)
    rise = slopes(inverse, lengths.T)
    error = rise.std(ddof=1) if len(rise) > 1 else np.nan
    return Plate(
        "9",
        "Attention over the coarse-graining length L, at ⟨C̄_B⟩ = 0.8",
        "The network puts increasing weight on larger lengths as the temperature decreases.",
        figure,
        frame(table),
        [
            Finding(
                f"ξ_int goes from {lengths[0].mean():.2f} σ at T = {1 / inverse[0]:.2f} to {lengths[-1].mean():.2f} σ "
                f"at T = {1 / inverse[-1]:.2f}; dξ_int/d(1/T) = {with_error(rise.mean(), error, '.3f')} (over the "
                "networks).",
                exceeds(rise.mean(), error, sigmas=1),
            )
        ],
        unsettled(material, material.temperatures, material.small),
    )


def bottleneck(boxes, ensemble, levels):
    """Bottleneck of the first network at constrained states, (state, configuration · n, 2)."""
    ensemble.require_bottleneck()
    first = ensemble.select([0])
    columns = boxes.columns.reshape(-1, boxes.columns.shape[-1])
    inputs, _, _ = first.state_inputs(columns, np.zeros(len(columns), np.int8), boxes.temperature, np.asarray(levels))
    field = Field(first.branches[CONSTRAINED_SPECIES], 0, columns, first.header["reference_temperature"])
    return field.bottleneck(np.full(len(levels), boxes.temperature), inputs[0])


def direction(nodes, propensity):
    """Unit vector in the bottleneck plane (nodes in standard deviations) along which the propensity rises most."""
    scaled = (nodes - nodes.mean(axis=0)) / nodes.std(axis=0)
    found = np.linalg.lstsq(scaled, propensity - propensity.mean(), rcond=None)[0]
    return found / np.linalg.norm(found), scaled


def separation(nodes, propensity):
    """Probability that one of the most arrested tenth lies further along `direction` than one of the most mobile.

    Propensities of few replicas are alike for many particles: which of these belong to a tenth is drawn.
    """
    along, scaled = direction(nodes, propensity)
    order = np.lexsort((np.random.default_rng(0).random(len(propensity)), propensity))
    tenth = max(round(TAIL * len(order)), 1)
    position = (scaled @ along)[order]
    mobile, arrested = np.sort(position[:tenth]), position[-tenth:]
    return float(np.searchsorted(mobile, arrested).mean() / len(mobile))


def _cloud(ax, nodes, propensity, title):
    every = max(len(nodes) // MOST, 1)
    ax.scatter(*nodes[::every].T, s=2, c=propensity[::every], cmap=propensity_map(), vmin=0, vmax=1, rasterized=True)
    ax.set_title(title, fontsize=9)
    ax.set_xlabel("node 1")
    return ax.collections[-1]


def figure_10(material):
    """The bottleneck at one temperature and several times, coloured by molecular dynamics."""
    late = [t for t in material.labelled_temperatures if material.labelled(t, levels=(LEVEL,))]
    temperature = min(late or material.labelled_temperatures, key=lambda t: abs(t - CLOUD_TEMPERATURE))
    sets = material.labelled(temperature, role="test") or material.labelled(temperature)
    reached = [level for boxes in sets for level in boxes.levels]
    if not reached:
        raise InvalidData(f"figure 10: no run gets to any of its times at T = {temperature:.2f}; expected longer runs.")
    levels = sorted({min(reached, key=lambda r: abs(r - level)) for level in CLOUD_LEVELS}, reverse=True)
    figure, axes = drawing(1, len(levels), 2.3 * len(levels) + 1, 2.9, squeeze=False, sharex=True, sharey=True)
    table, ways = [], []
    for ax, level in zip(axes[0], levels, strict=True):
        boxes = next(b for b in sets if level in b.levels)
        nodes = bottleneck(boxes, material.main, (level,))[0]
        propensity = boxes.propensity[list(boxes.levels).index(level)].ravel()
        points = _cloud(ax, nodes, propensity, f"{MEAN} = {level:.2f}")
        ways.append(direction(nodes, propensity)[0])
        row = {"temperature": temperature, "mean_propensity": float(level), "structures": len(boxes)}
        row |= {"separation": separation(nodes, propensity), "mobile_share": float((propensity < 0.5).mean())}
        table.append({**row, "direction_1": float(ways[-1][0]), "direction_2": float(ways[-1][1])})
    axes[0, 0].set_ylabel("node 2")
    figure.colorbar(points, ax=axes, label=r"$\mathcal{C}_B^i$, molecular dynamics")
    worst = min(table, key=lambda row: row["separation"])
    findings = [
        Finding(
            f"The tenth most arrested lies beyond the tenth most mobile with a probability of at least "
            f"{worst['separation']:.2f} (at ⟨C̄_B⟩ = {worst['mean_propensity']:.2f}).",
            worst["separation"] >= SEPARATED,
        )
    ]
    if len(levels) > 1:
        turn = float(np.degrees(np.arccos(np.clip(ways[0] @ ways[-1], -1, 1))))
        text = f"From ⟨C̄_B⟩ = {levels[0]:.2f} to {levels[-1]:.2f} mobile particles go from "
        text += (
            f"{100 * table[0]['mobile_share']:.0f} to {100 * table[-1]['mobile_share']:.0f} % and the direction that "
        )
        text += f"sorts them turns by {turn:.0f}°."
        findings.append(Finding(text, bool(table[-1]["mobile_share"] > table[0]["mobile_share"] and turn < 45)))
    cautions = []
    if abs(temperature - CLOUD_TEMPERATURE) > 1e-3:
        cautions.append(
            f"at T = {temperature:.2f}, the labelled temperature nearest to the paper's {CLOUD_TEMPERATURE:.2f}"
        )
    if levels[-1] > min(CLOUD_LEVELS) + 0.01:
        cautions.append(f"runs at this temperature reach ⟨C̄_B⟩ = {min(reached):.2f}, not the paper's late times")
    return Plate(
        "10",
        f"The bottleneck at T = {temperature:.2f} and different times",
        "In the figure active and passive particles separate clearly, and mobility spreads gradually from one corner "
        "of the plane; in the discussion there is no clear separation in this plane.",
        figure,
        frame(table),
        findings,
        [*cautions, "axes of one network; another network may mirror or turn the plane"],
    )


def figure_11(material):
    """The bottleneck at one level and all temperatures, coloured by molecular dynamics or, where none is, predicted."""
    temperatures = material.temperatures
    columns = min(4, len(temperatures))
    rows = -(-len(temperatures) // columns)
    figure, axes = drawing(rows, columns, 2.2 * columns + 1, 2.3 * rows + 0.3, squeeze=False, sharex=True, sharey=True)
    table, spreads = [], []
    for ax, temperature in zip(axes.flat, temperatures, strict=False):
        measured = material.labelled(temperature, levels=(LEVEL,))
        boxes = measured[0] if measured else material.boxes(temperature, material.small(temperature))
        predicted = boxes.predict(material.main, (LEVEL,)).isel(state=0)
        shown = (boxes.propensity[0] if measured else predicted.mean("network").values).ravel()
        nodes = bottleneck(boxes, material.main, (LEVEL,))[0]
        source = "MD" if measured else "predicted"
        points = _cloud(ax, nodes, shown, f"$T$ = {temperature:.2f}, {source}")
        spread = predicted.std(("configuration", "particle")).values
        spreads.append(spread)
        row = {"temperature": temperature, "mean_propensity": LEVEL, "colour": source, "structures": len(boxes)}
        row |= {"separation": separation(nodes, shown), "predicted_std": float(spread.mean())}
        table.append({**row, "predicted_std_error": float(spread.std(ddof=1)) if len(spread) > 1 else np.nan})
    for ax in axes[:, 0]:
        ax.set_ylabel("node 2")
    for ax in axes.flat[len(temperatures) :]:
        ax.remove()
    figure.colorbar(points, ax=figure.axes, label=r"$\mathcal{C}_B^i$")
    rise = slopes(1 / np.array(temperatures), np.array(spreads).T)
    error = rise.std(ddof=1) if len(rise) > 1 else np.nan
    first, last = table[0], table[-1]
    finding = Finding(
        f"The predicted standard deviation of C_B goes from {first['predicted_std']:.3f} at T = "
        f"{first['temperature']:.2f} to {last['predicted_std']:.3f} at T = {last['temperature']:.2f}; its "
        f"slope in 1/T is {with_error(rise.mean(), error, '.4f')} (over the networks).",
        exceeds(rise.mean(), error, sigmas=1),
    )
    predicted_only = [f"{row['temperature']:.2f}" for row in table if row["colour"] != "MD"]
    return Plate(
        "11",
        "The bottleneck at ⟨C̄_B⟩ = 0.8 and different temperatures",
        "Active and passive particles separate more and more on cooling.",
        figure,
        frame(table),
        [finding],
        [
            *[f"no runs reach this level at T = {', '.join(predicted_only)}: colours there are predictions"]
            * bool(predicted_only),
            *unsettled(material, temperatures, material.small),
        ],
    )
