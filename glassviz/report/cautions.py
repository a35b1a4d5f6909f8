"""What makes the data of several figures weak, each a list of one sentence, or of none where nothing does."""

from glassviz.report.material import LEVELS, listed


def unsettled(material, temperatures, *sizes):
    """One sentence that says which samples are not in equilibrium, in a list; else empty.

    Parameters
    ----------
    material : Material
    temperatures : sequence of float
    *sizes : callable
        `material.small`, `material.large`: the size that is shown at a temperature, or None.
    """
    found = {}
    for temperature in temperatures:
        for particles in {size(temperature) for size in sizes} - {None}:
            verdicts = material.verdicts(temperature, particles)
            for verdict in set(verdicts) - {"equilibrium"}:
                share = f"{temperature:.2f} ({verdicts[verdict]} of {verdicts.total()})"
                found.setdefault((particles, verdict), []).append(share)
    named = "; ".join(f"N = {n} {verdict} at T = {', '.join(found[n, verdict])}" for n, verdict in sorted(found))
    return [f"some samples are not in equilibrium: {named}"] if found else []


def extrapolated(material, temperatures):
    """What of the times of `LEVELS` is extrapolated, one sentence in a list; else empty."""
    cold, in_part = [], []
    for temperature in temperatures:
        reached = material.superposition.measured_range(temperature)
        if reached is None:
            cold.append(temperature)
        elif reached[1] > min(LEVELS):
            in_part.append(f"{reached[1]:.2f} at T = {temperature:.2f}")
    said = [f"at T = {listed(cold)}"] * bool(cold) + [f"below ⟨C̄_B⟩ = {', '.join(in_part)}"] * bool(in_part)
    return [f"times are extrapolated {' and '.join(said)}"] if said else []


def stretched(material):
    """One sentence on labels that were altered to train the main ensemble, in a list; empty where none were."""
    stretch = material.main.stretch
    said = (
        f"trained on means of structures put 1 + {stretch:g} (1 − C) / √C times as far from the level C as measured, "
    )
    return [said + "which raises predicted χ₄"] * bool(stretch)
