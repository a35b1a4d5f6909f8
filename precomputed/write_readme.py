"""Write `precomputed/README.md` from what the files say of themselves and an evaluation of the networks."""

import csv
import re
from pathlib import Path

import numpy as np

import glassviz as gv
from glassviz.explore.derive import sizes_compared
from glassviz.explore.library import Library
from glassviz.explore.provenance import settled
from glassviz.files import netcdf, store
from glassviz.learn import labels
from glassviz.observe.decay import by_temperature, shipped_curves
from glassviz.observe.propensity import label_ceiling
from glassviz.report import published

HERE = Path(__file__).parent
ABLATION = HERE / "ablation.csv"
TEST_LEVELS = (0.95, 0.8, 0.5, 0.2)
COMPARED_AT = (0.95, 0.8, 0.5)  # ⟨C̄_B⟩ of structures of different coolings
FEWEST_COMPARED = 3
SETS = ("prototype", "s31", "s51", "s61")

COMPARED = """
Does it matter? ⟨C̄_B⟩ of N = 1290 by sets of coolings, which differ in length, and in brackets of how many structures.
Errors are the scatter within all sets together over the root of that number. Structures of one set are not compared by
their verdicts, which a percent more or less of the bonds decides.

"""
HEAD = """# What the app opens with

Every file here was made by this project's own commands, but for the configurations whose command reads "see below":
these are prototype runs of the same swap Monte Carlo. This page is written by `python precomputed/write_readme.py` from
the files themselves.

"""
HOW = """
`python precomputed/import_prototype.py` added inherent structures to the prototype runs, whose own files are not here;
`python precomputed/assess.py` says what is known of their equilibration, from a continued run of the same length at the
same temperature. Samples whose names begin with s31, s51 or s61 are independent coolings from random starts, each with
the record of its whole cooling. Those of s51 were made by the engine as it was before the moves got their present width
and interval; 58 coolings were finished, of which as many are kept at each temperature as make 60 samples with the
others. So that there are 60 with such a record at every temperature, without the prototype's, 22 coolings of s61 stand
beside them: all at T = 0.30, the first 16 at 0.35 and 0.40.

Samples of s31 and s51 without labels from T = 0.40 to 0.18, and those of `N1290_T0.15.nc`, were then run on at their
own temperature, by the present engine, until half of their bonds were forgotten (at 0.25 nearly so for nine); that run
is the last stage of their cooling, and its command names the file they were taken from as it was before (`runs/starts`
for a part of a file). Samples with labels are kept as they were when the dynamics began.

The boxes of N = 82560 are one cooling, s81. From T = 0.25 on it went on with kernels that make the same moves faster
and round them differently, so its command typed again makes another, equally distributed cooling. Of the labels of the
box at T = 0.40 every other output time is kept.

Files of earlier versions were written anew by `python precomputed/repack.py`, every stored value as it was; energies of
inherent structures, which follow from the inherent positions, are not kept.

"equilibrium" is where the energy is settled and the run lasted at least one decorrelation time of the bonds, "nearly"
where it does not fall, but still rises or the run was shorter, "glass" where it still falls or the run lasted less than
a tenth of a decorrelation time ([more](../docs/equilibration.md)). **Only "equilibrium" is equilibrium by this
project's measure**; what is called "nearly" agrees in energy with independent coolings, but has not forgotten its past.
"""


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def commands(text):
    """Commands that differ in the samples alone as one, with all that stood there."""
    alike = {}
    for command in text.split("; "):
        alike.setdefault(re.sub(r"--samples \S+", "", command), []).append(command)
    shown = []
    for first, *others in alike.values():
        more = ", ".join(re.findall(r"--samples (\S+)", " ".join(others)))
        shown.append(f"`{first}` and --samples {more}" if more else f"`{first}`")
    return "; ".join(shown)


def configurations():
    """What the configuration files hold."""
    rows = []
    for file in store.available_configurations():
        attrs = netcdf.load(file.path).attrs
        made = attrs["provenance"].partition(":")[0]
        rows.append((file.path.name, len(file.names), made, attrs.get("command", "see below"), attrs["verdict"]))
    header = ("file", "samples", "made by", "command", "verdict")
    return "## configurations/\n\n" + table(header, [(f"`{r[0]}`", *r[1:3], commands(r[3]), r[4]) for r in rows]) + HOW


def propensities():
    """What the propensity files hold."""
    library, rows = Library(), []
    for file in store.available_propensities():
        ds = netcdf.load(file.path)
        about = f"{file.temperature:.2f}", file.particles, file.role, len(file.names), in_equilibrium(library, ds)
        rows.append((*about, file.replicas, *quality(ds), commands(ds.attrs["dynamics_command"])))
    header = (
        *("T", "N", "role", "structures", "in equilibrium", "replicas", "until t", "lowest ⟨C̄_B⟩"),
        *("error of a label there", "ceiling of ρ_P there", "highest ceiling", "command"),
    )
    return (
        "\n## propensities/\n\nStructures that were run alike are together in one file, "
        "`N{N}_T{T}_{role}_{replicas}x{output times}_t{last time}.nc`, put there by `glassviz campaign gather`. Test "
        "structures are never trained on, at whatever T. Roles were drawn by `glassviz campaign dynamics` with the "
        "seed of the split 0, where a sample had none at another temperature; where the command has `--role` they "
        "were given by hand, by place in a file; 13 of s61 at T = 0.35 were run as test structures and are training "
        "structures since, before anything was trained with them. The standard error of a label is "
        "√(`propensity_variance`/`replicas`); the table has its root mean square over species 1. The ceiling is the "
        "highest ρ_P that any prediction can reach with these labels: the mean of all split-half correlations, "
        "corrected for the full number of replicas (`glassviz.observe.propensity.label_ceiling`), the highest of the "
        "times at which ⟨C̄_B⟩ is below 0.99. `mean_propensity_variance` is the variance over replicas of the mean "
        "over all particles of a species (`component`), which measured χ₄ needs; files made before it was recorded "
        "are without. The attribute `command` is what made the structures, also where they are not among the "
        "configurations (N = 20640); prototype structures have none. Commands of the dynamics, too, name files as they "
        "were then: which velocities a structure had, its `dynamics_seed` says, and of which runs its replicas are "
        "where it was run more than once (-1 where others of the file were run more often). Positions are whole steps "
        "of 6e-5 σ; the file of N = 82560 keeps every other output time of its command.\n\n"
        "Labels are what the dynamics does from a given structure, in equilibrium or not; ⟨C̄_B⟩(t), τ_BB and χ₄ are "
        "means over structures, to which the difference matters. The configurations of N = 20640 are not here, and "
        "their verdicts are not known.\n\n" + table(header, rows) + by_cooling()
    )


def in_equilibrium(library, ds):
    """How many structures of a propensity file are, by the verdicts of their configurations."""
    (decay,) = by_temperature([ds])
    sizes = {n for t in library.temperatures if np.isclose(t, decay.temperature) for n in library.sizes(t)}
    return settled(library, decay) if ds.sizes["particle"] in sizes else "not known"


def by_cooling():
    """⟨C̄_B⟩ of the structures of each set of coolings, at times that many of two sets were run to."""
    rows = []
    for decay in by_temperature(shipped_curves()):
        small = [k for k, (particles, _) in enumerate(decay.samples) if particles == min(decay.samples)[0]]
        curves = decay.mean_propensity[small]
        names = [decay.samples[k][1] for k in small]
        sets = np.array([name.split("-")[0] if name.startswith("s") else "prototype" for name in names])
        members = [sets == one for one in SETS]
        counts = np.array([np.isfinite(curves[chosen]).sum(axis=0) for chosen in members])
        times = np.flatnonzero((counts >= FEWEST_COMPARED).sum(axis=0) > 1)
        mean = np.nanmean(curves, axis=0)[times]
        for k in dict.fromkeys(times[[np.abs(mean - level).argmin() for level in COMPARED_AT]]):
            values = [curves[chosen, k][np.isfinite(curves[chosen, k])] for chosen in members]
            rows.append((f"{decay.temperature:.2f}", f"{decay.time[k]:.0f}", *means(values)))
    return COMPARED + table(("T", "t", *SETS), rows)


def means(groups):
    """Mean, error and number of values of each group of some, the scatter taken from all of them together."""
    enough = [values for values in groups if len(values) >= FEWEST_COMPARED]
    scatter = np.sqrt(sum(((v - v.mean()) ** 2).sum() for v in enough) / sum(len(v) - 1 for v in enough))
    return [
        f"{v.mean():.4f} ± {scatter / np.sqrt(len(v)):.4f} ({len(v)})" if len(v) >= FEWEST_COMPARED else ""
        for v in groups
    ]


def quality(ds):
    """Last time, ⟨C̄_B⟩ there, the error of a label, its ceiling there and the highest one, of structures run alike."""
    mean, ceiling = ds["mean_propensity"].mean("configuration"), label_ceiling(ds)
    variance = ds["propensity_variance"].isel(time=-1).where(ds["species"] == 0).mean() / ds.attrs["replicas"]
    return (
        f"{float(ds['time'][-1]):.0f}",
        f"{float(mean[-1]):.3f}",
        f"± {np.sqrt(float(variance)):.3f}",
        f"{float(ceiling[-1]):.3f}",
        f"{float(ceiling.where(mean < 0.99).max()):.3f}",
    )


def ablation():
    """What `ablation.py` found, where it has been run."""
    if not ABLATION.exists():
        return ""
    with ABLATION.open() as file:
        header, *rows = csv.reader(file)
    return (
        "\n## Choices the paper leaves open\n\n`python precomputed/ablation.py`: four networks of species 1, one "
        "step of training, each judged on the quarter of the training structures that it kept back (with the "
        "labels of 1 December 2026, before the last ones at T = 0.27); means over two seeds and the levels of ⟨C̄_B⟩ "
        "below 0.98, early and late ones apart. ρ_P of single networks with labels of 8 "
        "replicas, so lower than of the ensembles below; of seeds: the standard deviation of ρ_P from seed to seed; "
        "ceiling and spread are corrected for the replicas' noise (not given where the correction itself is left out). "
        "Means of structures (χ₄) are compared among those that one network kept back: the predicted variance over "
        "that of the labels, noise included, and the correlation of the two."
        "\n\n" + table(header, [[cell.replace("nan", "–") for cell in row] for row in rows])
    )


def evaluation(name):
    """Commands, pattern, Pearson correlations on the test structures and size-transfer test of one ensemble."""
    ensemble = gv.load_networks(name)
    text = f"\n## networks/{name}.safetensors\n\n"
    for species, record in ensemble.header["training"].items():
        text += f"- {species}: `{record['command']}` ({len(record['chosen'])} of {record['seeds']} networks kept)\n"
        if "consistency_of_training" in record:
            text += (
                f"  - largest |X̄ − ⟨C̄_B⟩| over all states: {record['consistency_of_training']:.1e} as trained, "
                f"{record['consistency']:.1e} as they ship\n"
            )
    if name == "tglassmlp":
        text += (
            "\nSeed 3 was chosen among 1, 2 and 3 by the loss on structures kept back when training was another. With "
            "the present training and labels the three are alike: the losses of their chosen networks of species 1, "
            "less the mean of all that kept back the same structures, are −0.001, −0.009 and 0.013, of 1.3. Seed 3 is "
            "here.\n"
        )
    text += labelled_since(ensemble.header)
    if "pattern" in ensemble.header:
        text += f"\n```\n{ensemble.header['pattern']['text']}\n```\n"
    text += (
        "\nOn test structures: ρ_P of the ensemble's mean prediction with its bootstrap error over structures, the "
        "most that the replicas allow, and the predicted spread over the true one.\n"
    )
    files = [file.path for file in store.available_propensities()]
    for species in ensemble.species:
        text += f"\nSpecies {species + 1}:\n\n" + judged(gv.evaluate(ensemble, files, labels.LEVELS, species=species))
    return text + transfer(ensemble)


def labelled_since(header):
    """Training structures whose labels are newer than the networks, in a sentence."""
    states = [state for record in header["training"].values() for state in record["states"]]
    known = {(round(state["temperature"], 2), name) for state in states for name in state["names"]}
    begins = {}  # the earliest time that is learned at each temperature; a shorter run teaches nothing
    for state in states:
        temperature = round(state["temperature"], 2)
        begins[temperature] = min(begins.get(temperature, np.inf), *(time or np.inf for time in state["times"]), np.inf)
    trained = {t for t, _ in known if t > header["minimum_temperature"] - 1e-3}
    new = {
        (file.temperature, name)
        for file in store.available_propensities()
        if file.role == "train" and file.temperature in trained
        for name in file.names
        if netcdf.load(file.path)["time"][-1] >= begins[file.temperature]
    } - known
    if not new:
        return ""
    counts = ", ".join(f"{sum(t == one for t, _ in new)} at T = {one:.2f}" for one in sorted({t for t, _ in new}))
    return f"\nTraining structures that these networks have not seen yet, labelled since: {counts}.\n"


def judged(found):
    """The table of an evaluation."""
    rows = []
    for k in range(found.sizes["state"]):
        s = found.isel(state=k)
        error = "one structure" if np.isnan(s["error"]) else f"± {s['error']:.3f}"
        rows.append(
            (
                f"{s['temperature']:.2f}",
                int(s["particles"]),
                f"{s['time']:.0f}",
                f"{s['mean_propensity']:.2f}",
                f"{s['pearson']:.3f} {error}",
                f"{s['ceiling']:.3f}",
                f"{s['spread']:.2f}",
            )
        )
    return table(("T", "N", "t", "⟨C̄_B⟩", "ρ_P", "ceiling", "spread"), rows)


def beside_published():
    """The published numbers that stand beside ours."""
    numbers = table(published.PEARSON.columns, published.PEARSON.to_numpy().tolist())
    about = f"On the same system at T = {published.TEMPERATURE:.2f}: {published.CITATION}."
    return f"\n## Published\n\n{about}\n\n{numbers}"


def transfer(ensemble):
    """The size-transfer test at every temperature with two sizes, of all samples."""
    library = Library()
    text = "\nSize transfer, N = 1290 to N = 82560:\n\n"
    for temperature in library.temperatures:
        sizes = library.sizes(temperature)
        if len(sizes) == 2:
            text += f"- {sizes_compared(library, temperature, sizes[0], ensemble.name, TEST_LEVELS)}\n"
    return text


if __name__ == "__main__":
    pages = [HEAD, configurations(), propensities(), ablation(), *map(evaluation, gv.available_networks())]
    (HERE / "README.md").write_text("".join([*pages, beside_published()]))
