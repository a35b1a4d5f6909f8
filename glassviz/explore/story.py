"""The tour's story: what each step says, shows and lets try, in an order a student can follow.

Equations and their captions belong to the modules that compute them. Numbers come from the loaded data, through the
step's `evidence`, or are quoted from the paper and say so.
"""

import html
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from glassviz.explore import comparison, derive, heterogeneity
from glassviz.learn import architecture
from glassviz.observe import agreement, attention, propensity, structure_factor, superposition, susceptibility
from glassviz.structure.descriptors import descriptors

PAPER = "https://arxiv.org/abs/2310.20252"
GLASS_TRANSITION = 0.15  # T_g of the paper, ε/k_B
LEVEL = 0.8  # ⟨C̄_B⟩ at which the paper compares lengths


@dataclass(frozen=True)
class Step:
    """One step of the tour.

    Attributes
    ----------
    title, text, try_it : str
        HTML; `text` is the story, `try_it` asks to do something.
    temperature : "hot", "warm", "middle" or "cold"
        Which of the loaded temperatures is shown.
    mean_propensity : float
    tab : str
        The tab that is opened, "Live" where the page does not have it.
    side : "left" or "right"
        Where the card leaves the view of what it speaks of.
    source : module or None
        Has the EQUATION and CAPTION to show.
    evidence : callable or None
        Called with (library, network), gives a sentence of numbers computed from what is loaded.
    """

    title: str
    text: str
    try_it: str
    temperature: str = "middle"
    mean_propensity: float = LEVEL
    tab: str = "Live"
    side: str = "right"
    source: ModuleType | None = None
    evidence: Callable | None = field(default=None, repr=False)


def temperature_of(step, library):
    """The loaded temperature a step is shown at."""
    order = sorted(library.temperatures, reverse=True)
    wanted = {"hot": order[0], "warm": 0.3, "middle": 0.25, "cold": GLASS_TRANSITION}[step.temperature]
    return min(order, key=lambda t: abs(t - wanted))


def contrast(library, network):
    """The largest χ₄ of the hottest temperature and of the one in the middle of the story."""
    found = []
    for temperature in (max(library.temperatures), temperature_of(Step("", "", ""), library)):
        curve = heterogeneity.fluctuations(library, temperature, network)
        if np.isfinite(curve["chi4"]).any():
            k = int(np.nanargmax(curve["chi4"].values))
            value, error = float(curve["chi4"][k]), float(curve["chi4_error"][k])
            structures = curve.attrs["structures"]
            found.append(f"{value:.2g} ± {error:.1g} at <i>T</i> = {temperature:g} ({structures} structures)")
    if not found:
        return "There are too few loaded structures for a variance."
    return f"Predicted here, the largest <i>χ</i><sub>4</sub> is {' and '.join(found)}; errors over the networks alone."


def senses(library, network):
    """ξ_int at the hottest and the coldest temperature."""
    found = []
    for temperature in (max(library.temperatures), min(library.temperatures)):
        particles = library.sizes(temperature)[-1]
        X = library.descriptors(temperature, particles, network)
        weights = library.ensemble(network).attention(X, temperature=temperature, mean_propensity=LEVEL)
        xi = attention.xi_int(attention.length_distribution(weights.isel(configuration=0)))
        found.append(f"{float(xi):.2f} σ at <i>T</i> = {temperature:g}")
    return f"Computed here, the mean distance <i>ξ</i><sub>int</sub> is {' and '.join(found)}."


def agreement_with_dynamics(library, network):
    """ρ_P with simulations of test structures at the coldest temperature that has some.

    By networks that learned no dynamics there; where all loaded ones did, by those that are shown.
    """
    for temperature in sorted(library.temperatures):
        if not any(row.role == "test" for row in library.propensity_files(temperature)):
            continue
        ensembles = {name: library.ensemble(name) for name in (network, *library.networks)}
        new = [name for name, one in ensembles.items() if one.has_attention and one.untrained_at(temperature)]
        name = (new or [network])[0]
        curve = comparison.pearson_curve(library, temperature, name)
        best = curve.isel(state=int(np.abs(curve["mean_propensity"].values - LEVEL).argmin()))
        rho, error, level, count = (
            float(best[quantity]) for quantity in ("pearson", "error", "mean_propensity", "structures")
        )
        what = "which learned dynamics " + (f"at {ensembles[name].untrained_at(temperature)}" if new else "there too")
        what = "whose training is not recorded" if ensembles[name].temperatures is None else what
        bar = f" ± {error:.2f}" if np.isfinite(error) else ""
        return (
            f"Computed here: the networks {html.escape(name)}, {what}, reach <i>ρ</i><sub>P</sub> = {rho:.2f}{bar} "
            f"at <i>T</i> = {temperature:g} and ⟨<i>C̄</i><sub>B</sub>⟩ = {level:.2f} against molecular "
            f"dynamics of {count:.0f} test structure{'s' * (count > 1)}."
        )
    return "Among the loaded data there are no simulations of structures that the networks have not seen."


def stopwatch(library, network):
    """How long it takes, on this machine and now, from positions to predictions at all times."""
    temperature = temperature_of(Step("", "", "", temperature="cold"), library)
    particles = library.sizes(temperature)[-1]
    ds = library.configurations(temperature, particles).isel(configuration=[0])
    ensemble = library.ensemble(network)
    header = ensemble.header
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        X = descriptors(ds, cutoff=header["cutoff"], tessellation=header["tessellation"])
        ensemble.predict(X, temperature=temperature, mean_propensity=derive.LEVELS)
        spent.append(time.perf_counter() - started)
    return (
        f"Measured just now on this machine: from the positions of {particles} particles at <i>T</i> = "
        f"{temperature:g} to "
        f"their propensities at {len(derive.LEVELS)} times, by {ensemble.networks} networks: <b>{min(spent):.2f} s</b> "
        "(the best of three)."
    )


def lengths(library, network):
    """Mean chord at three temperatures."""
    order = sorted(library.temperatures, reverse=True)
    found = []
    for temperature in (order[0], min(order, key=lambda t: abs(t - 0.3)), order[-1]):
        curve = heterogeneity.fluctuations(library, temperature, network)
        k = int(np.abs(derive.LEVELS - LEVEL).argmin())
        if np.isfinite(curve["chord"][k]):
            found.append(f"{float(curve['chord'][k]):.1f} σ at <i>T</i> = {temperature:g}")
    return f"Mean chords computed here, at ⟨<i>C̄</i><sub>B</sub>⟩ = {LEVEL}: {', '.join(found)}."


STEPS = (
    Step(
        "A liquid that slows down unevenly",
        "Cool a liquid fast enough and it does not crystallise: it becomes a glass, solid but as disordered as the "
        "liquid. On the way its motion slows down by many orders of magnitude, yet not everywhere at once: some "
        "regions rearrange while their neighbours stay frozen. This is <b>dynamic heterogeneity</b>. You see a "
        "two-dimensional glass former; red regions have moved, blue ones have not.",
        "Press <kbd>Space</kbd> and watch where red begins and how it spreads.",
    ),
    Step(
        "What a propensity is",
        "Start the same positions many times with different random velocities and ask each particle: what share of "
        "your neighbours do you still have after a time <i>t</i>? Averaged over the runs this is its "
        "<b>propensity</b>. What the velocities decide averages out; what is left is written in the structure.",
        "Point at a red particle, then at a blue one, and read their values.",
        temperature="hot",
        source=propensity,
    ),
    Step(
        "A clock that works at every temperature",
        "The mean propensity ⟨<i>C̄</i><sub>B</sub>⟩ falls from 1 to 0 while the liquid forgets its structure. Curves "
        "of different temperatures have the same shape once time is counted in relaxation times <i>τ</i><sub>BB</sub>,"
        " so it serves as the clock here. The time it stands for is written beside it, and whether it was simulated or"
        " extrapolated.",
        "Drag ⟨<i>C̄</i><sub>B</sub>⟩ to 0.50: that moment is the relaxation time <i>τ</i><sub>BB</sub>.",
        tab="Time",
        source=superposition,
    ),
    Step(
        "Heterogeneity grows on cooling",
        "Hot, nearly all particles are alike. Cold, the liquid splits into islands that move and regions that wait; "
        "the paper finds that this contrast grows on cooling. The susceptibility <i>χ</i><sub>4</sub> measures it: how"
        " much the mean propensity differs from one structure to the next.",
        "Press <kbd>S</kbd> to sweep through all temperatures and watch the contrast.",
        temperature="cold",
        source=susceptibility,
        evidence=contrast,
    ),
    Step(
        "What the network sees",
        "Every particle is described by density, energy, cell perimeter and energy spread around it, near neighbours "
        "counting more than far ones, over eleven decay lengths <i>L</i>. An <b>attention</b> layer decides which of "
        "them count at this temperature and time, then two numbers remain: the <b>bottleneck</b>. In the paper the "
        "weights move to larger distances on cooling; whether those loaded here do is measured below.",
        "Drag a lasso around the red end of the bottleneck cloud: where are these particles?",
        side="left",
        source=architecture,
        evidence=senses,
    ),
    Step(
        "Transfer: learn warm, predict cold",
        "The networks learn from simulations at temperatures where these are affordable. The temperature is one of "
        "their inputs, so they can be asked about colder liquids whose positions come from swap Monte Carlo, a method "
        "that finds equilibrium without following the motion.",
        "Press <kbd>↓</kbd> a few times: the label beside the time turns to <i>extrapolated</i>.",
        temperature="warm",
        source=agreement,
        evidence=agreement_with_dynamics,
    ),
    Step(
        "A hundred days or a moment",
        "At the glass transition, <i>T</i><sub>g</sub> = 0.15, relaxation is about 10<sup>12</sup> times slower than "
        "in the simple liquid. The paper estimates that simulating its data there would take some 10<sup>14</sup> time"
        " steps and 10<sup>11</sup> CPU hours: <q>about 100 days of simulation by completely exhausting the Top 500 "
        "supercomputers in the "
        f'world</q> (<a href="{PAPER}" target="_blank" rel="noopener">arXiv:2310.20252</a>, Sec. IV).',
        "Play time at <i>T</i> = 0.15. Nobody has ever seen this by simulation.",
        temperature="cold",
        mean_propensity=0.6,
        evidence=stopwatch,
    ),
    Step(
        "Lengths that nearly stop growing",
        "How large are the regions that move together? In the paper all lengths grow quickly down to about <i>T</i> = "
        "0.30 and then hardly at all: <i>ξ</i><sub>4</sub> stays at 6 to 7 σ at most, mean chords below about 14 σ. "
        "The relaxation time grows by many orders of magnitude meanwhile, so growing lengths alone do not explain the "
        "glass transition. Below the simulated temperatures this is a prediction, and it should be read as one.",
        "Compare the curves of ⟨<i>ξ</i><sub>chord</sub>⟩ at the coldest temperatures with those at the hottest.",
        temperature="cold",
        tab="Length scales",
        source=structure_factor,
        evidence=lengths,
    ),
)
"""The steps in their order."""
