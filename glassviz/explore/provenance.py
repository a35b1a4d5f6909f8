"""The account of a sample in words: the verdict, what that means, the numbers it rests on, and where it comes from."""

import html

import numpy as np

from glassviz.explore import making
from glassviz.mixture import temperature_name
from glassviz.simulate import order, verdict

MEANING = {
    "equilibrium": "The energy is at rest, and the run was long enough to lose the structure it began with.",
    "nearly": "The energy does not fall any more, but it still rises, or the run was shorter than one decorrelation "
    "time: part of the structure it began with is still there.",
    "glass": "The energy was still falling, or the run lasted less than a tenth of a decorrelation time: this is a "
    "glass, not the liquid at this temperature.",
    "crystal": "The particles have ordered: this is no longer the disordered mixture.",
    "demixed": "The species have separated: this is no longer the mixture.",
    making.NOT_ASSESSED: "The run that made this sample is not recorded, so that nobody can check here whether it is "
    "in equilibrium.",
}
MOVED = {-1: '<span class="weak">still falling</span>', 0: "at rest", 1: '<span class="weak">still rising</span>'}
UNKNOWN = '<span class="weak">not recorded in this file</span>'


WIDE = ("Cooled differently", "Command", "The file on all its samples")  # take the whole width


def verdicts_of(ds):
    """The verdicts on configurations, each in its first word: a list of str."""
    stated = ds["verdict"].values if "verdict" in ds else [ds.attrs.get("verdict", "")] * ds.sizes["configuration"]
    return [str(one).split(":")[0].strip() or making.NOT_ASSESSED for one in stated]


def settled(library, decay):
    """How many of the structures of a Decay are in equilibrium, by the configurations of their sizes and names."""
    here = [t for t in library.temperatures if abs(t - decay.temperature) < 1e-3]
    known = set()
    for temperature in here:
        for particles in {n for n, _ in decay.samples} & set(library.sizes(temperature)):
            ds = library.configurations(temperature, particles)
            names = zip(ds["configuration"].values, verdicts_of(ds), strict=True)
            known |= {(particles, str(name)) for name, verdict in names if verdict == "equilibrium"}
    return sum(sample in known for sample in decay.samples)


def headline(sample, run):
    """The verdict on a sample and what it means, as HTML; `run` is from `making.run_of`."""
    stated = str(run.attrs.get("verdict", "")).split(":")[0].strip()
    if making.is_recorded(run):
        name = str(run["verdict"].values[0])
        meaning = MEANING[name]
    else:
        name = stated if stated in MEANING else making.NOT_ASSESSED
        meaning = (f"So says the file. {MEANING[name]} " if name == stated else "") + MEANING[making.NOT_ASSESSED]
    weak = "" if name == "equilibrium" else " weak"
    return (
        f'<p><span class="verdict{weak}">{name}</span> · '
        f"{html.escape(sample.label)} at <i>T</i> = {temperature_name(sample.temperature)}. {meaning}</p>"
    )


def account(sample, run, compared=None):
    """Every number the verdict on a sample rests on, and where the sample comes from.

    Parameters
    ----------
    sample : Sample
    run : Dataset
        From `making.run_of`.
    compared : tuple, optional
        From `making.comparisons`; while it is missing, the account says so.

    Returns
    -------
    str
        HTML, all that comes from files escaped.
    """
    rows = {**_findings(run), "Cooled differently": _compared(compared), **_origin(sample, run)}
    listed = ""
    for term, text in rows.items():
        kind = ' class="wide"' if term in WIDE else ""
        listed += f"<dt{kind}>{term}</dt><dd{kind}>{text}</dd>"
    return f"<dl>{listed}</dl>"


def _signed(text):
    """Numbers with a proper minus sign."""
    return text.replace("-", "−")


def _findings(run):
    """What the record of the run shows, by name."""

    def first(name):
        return float(np.asarray(run[name].values).reshape(run.sizes["configuration"], -1)[0, -1])

    found = {"Energy": _signed(f"{verdict.sample_energies(run)[0]:.4f} ε per particle")}
    if making.is_recorded(run):
        change, error = first("energy_drift"), first("energy_drift_error")
        found["Drift over the last half"] = (
            _signed(f"{change:+.4f} ± {error:.4f} ε: ") + MOVED[verdict.trend(change, error)]
        )
        found["Bonds that survive"] = f"{100 * first('bond_series'):.0f} % of those species 1 had at the start"
        times = first("decorrelations")
        asked = f"equilibrium asks for {verdict.ENOUGH:g}, below {verdict.TOO_FEW:g} it is a glass"
        found["Decorrelation times"] = f'{times:.2g} <span class="note">({asked})</span>'
    else:
        found |= dict.fromkeys(("Drift over the last half", "Bonds that survive", "Decorrelation times"), UNKNOWN)
    found["Species changed"] = (
        f"{100 * first('species_changed'):.0f} % of the particles" if "species_changed" in run else UNKNOWN
    )
    if "bonds_shared" in run and np.isfinite(first("bonds_shared")):
        found["Shared with earlier samples"] = (
            f"at most {100 * first('bonds_shared'):.0f} % of the bonds of one that the same ladder gave before"
        )
    for title, name, limit, what in (
        ("Hexatic order", "hexatic_order", order.CRYSTALLINE, "crystal"),
        ("Demixing", "demixing", order.DEMIXED, "demixed"),
    ):
        note = f'<span class="note">({what} above {limit:g})</span>'
        found[title] = UNKNOWN
        if name in run:
            found[title] = "too few particles to tell" if np.isnan(first(name)) else f"{first(name):.3f} {note}"
    return found


def _compared(compared):
    """Energies against samples that were cooled differently."""
    if compared is None:
        return "reading …"
    own, others = compared
    if not others:
        return '<span class="note">there are no such samples at this temperature</span>'
    mine = f"{len(own.samples)} samples like this one" if len(own.samples) > 1 else "this sample"
    lines = []
    for group, found in others:
        count = len(group.samples)
        theirs = f"{count} of N = {group.particles}, {group.verdict}"
        said = html.escape(_signed(str(found))) if found else "too few to tell"
        kind = "" if found and found.agrees else ' class="weak"'
        lines.append(f"{mine} against {theirs}: <span{kind}>{said}</span>")
    return "<br>".join(lines)


def _origin(sample, run):
    """Where the sample comes from: the command, seed and version, and what the file says of all its samples."""
    attributes = run.attrs
    command = str(attributes.get("command", ""))
    seed = int(run["seed"].values[0]) if "seed" in run else attributes.get("seed", -1)
    found = {
        "Sample": html.escape(sample.name),
        "Made by": html.escape(str(attributes.get("provenance", ""))) or UNKNOWN,
        "Command": f"<code>{html.escape(command)}</code>" if command else UNKNOWN,
        "Seed": f"{seed}" if seed >= 0 else UNKNOWN,
        "Version": html.escape(str(attributes.get("version", ""))) or UNKNOWN,
    }
    if command and command in str(attributes.get("provenance", "")):
        found["Made by"] = html.escape(attributes["provenance"].replace(command, "").rstrip(": "))
    if "exchanges" in attributes:
        found["Made by"] += f" ({html.escape(str(attributes['exchanges']))})"
    said = str(attributes.get("verdict", ""))
    return found | {"The file on all its samples": html.escape(said) or UNKNOWN}
