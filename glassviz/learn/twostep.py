r"""The paper's two-step training: equal-time networks, transfer, distillation, selection.

Step 1 trains networks for one level of ⟨C̄_B⟩ each, over all temperatures with labels. They are applied where labels are
missing, and kept where they are consistent with themselves: the mean of what they predict is the level they were told,
|X̄ − ⟨C̄_B⟩| < ε. The paper asks for ε = 10⁻⁴ of 16 networks; here ε is the smallest of a ladder at which enough of them
pass, and the file records which. Step 2 trains networks on everything, the predictions of step 1 included as labels,
and the same test together with the loss on held-out structures selects the few that ship, of those that can be moved
onto ε = 10⁻⁴ (`consistency`).
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from glassviz.learn import labels, pattern, training, unlabelled
from glassviz.learn.consistency import make_consistent
from glassviz.learn.factorised import Field
from glassviz.learn.inference import CONSTRAINED_SPECIES, Ensemble
from glassviz.mixture import InvalidData

EQUATION = r"|\overline{\mathcal{X}} - \langle\bar{\mathcal{C}}_B\rangle| < \varepsilon"
CAPTION = "A network is kept where the mean of its predictions is the mean propensity it was told."

LADDER = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 2e-2)  # ε; what is not met at the last one is rejected


@dataclass
class Transfer:
    """What step 1 gives to step 2.

    Attributes
    ----------
    points : list of StatePoints
        Transferred labels.
    tolerance : dict of (temperature, level) to float
        ε at which enough networks passed.
    networks : dict of (temperature, level) to int
        How many passed.
    """

    points: list
    tolerance: dict
    networks: dict


def two_step(
    datasets,
    configurations,
    preset,
    *,
    species=(0, 1, 2),
    minimum_temperature=0.0,
    levels=labels.LEVELS,
    cutoff=16.0,
    tessellation="radical",
    seed=0,
    threads=1,
    folder=None,
    record=None,
    progress=None,
):
    """Train an ensemble in two steps.

    Parameters
    ----------
    datasets : sequence of (path or Dataset)
        Propensity files. Those with the attribute `role` = "test" only name the structures to leave out.
    configurations : sequence of (path or Dataset)
        Structures of the training's box size that labels are transferred to.
    preset : Preset
    species : sequence of int, optional
        0-based; species 1 has to be among them, as its mean tests the networks' consistency.
    minimum_temperature : float, optional
        Labels below it are left out: T_min.
    levels, cutoff, tessellation : optional
        As in `labels.state_points`.
    seed : int, optional
        The same seed gives the same ensemble.
    threads : int, optional
    folder : path, optional
        Where checkpoints are written; the same call continues from them.
    record : dict, optional
        What else the file should say of the training.
    progress : callable, optional
        Called as `progress(title)` for each training and returns what `fit` calls, and as `progress(title, going)` for
        `make_consistent`, with the format of what comes after how many.

    Returns
    -------
    Ensemble

    Raises
    ------
    InvalidData
        Where there are no labels at or above T_min, or species 1 is not asked for.
    """
    if CONSTRAINED_SPECIES not in species:
        raise InvalidData("training: species 1 is not among those asked for; expected it, as its mean is constrained.")
    for dataset in labels.structures(datasets):
        for kind in species:
            labels.require_species(dataset, kind)
    settings = {"cutoff": cutoff, "tessellation": tessellation}
    plan = planned(datasets, configurations, levels, minimum_temperature, **settings)
    ensembles = []
    for kind in sorted(set(species)):
        stage = _Stage(kind, preset, seed, threads, folder, progress)
        points, structures = gathered(datasets, configurations, kind, levels, minimum_temperature, **settings)
        transfer, first = stage.equal_time(points, structures, plan)
        fitted = stage.final(points, transfer.points, structures, plan)
        candidates, tolerance = _candidates(fitted, transfer.points, preset.keep, kind)
        chosen, own = sorted(candidates[: preset.keep]), {"consistency": tolerance}
        if kind == CONSTRAINED_SPECIES and preset.consistent:
            every = every_structure(datasets, configurations, kind, structures, **settings)
            told = progress and progress(f"species {kind + 1}, onto the level", "networks, largest error {:.1e}")
            chosen, before, after = make_consistent(fitted, candidates, preset.keep, every, plan.levels, progress=told)
            own = {"consistency_of_training": before, "consistency": after}
        header = training.described(points[0]) | {"minimum_temperature": min(p.temperature for p in points)}
        own |= training.recorded(points + transfer.points, fitted, chosen, seed)
        own["equal_time"] = first
        own["transferred"] = [
            {"temperature": t, "level": c, "tolerance": transfer.tolerance[t, c], "networks": transfer.networks[t, c]}
            for t, c in sorted(transfer.networks)
        ]
        header["training"] = {f"species{kind + 1}": own | (record or {})}
        ensembles.append(Ensemble({kind: fitted.branch(chosen)}, header))
    combined = training.combine(ensembles)
    combined.header["pattern"] = plan.record()
    return combined


def gathered(datasets, configurations, species, levels=labels.LEVELS, minimum_temperature=0.0, **settings):
    """Labelled state points at T ≥ T_min, and structures at every temperature that labels can be transferred to."""
    found = labels.structures(datasets)
    tests = _test_names(found)
    chosen = [
        ds for ds in found if ds.attrs.get("role") != "test" and ds.attrs["temperature"] >= minimum_temperature - 1e-9
    ]
    if not chosen:
        raise InvalidData(f"training data: there are no training structures at T ≥ {minimum_temperature:g}.")
    points = training.training_points(chosen, species, levels, **settings)
    training.check_structures(points)
    labelled = {p.temperature: p for p in reversed(points)}
    others = unlabelled.configuration_sets(configurations)
    size = min(ds.sizes["particle"] for ds in chosen)
    for ds in others:
        if ds.sizes["particle"] != size:
            raise InvalidData(
                f"configurations at T = {ds.attrs['temperature']:g}: {ds.sizes['particle']} particles; expected "
                f"{size}, as the training structures have."
            )
    others = [ds for ds in others if round(float(ds.attrs["temperature"]), 6) not in labelled]
    structures = [p.structures(slice(unlabelled.STRUCTURES)) for p in labelled.values()]
    return points, structures + unlabelled.structures_without_labels(others, species, without=tests, **settings)


def every_structure(datasets, configurations, species, structures, **settings):
    """All structures of a temperature but the test structures; those at hand where there are no configurations."""
    sets, tests = unlabelled.configuration_sets(configurations), _test_names(labels.structures(datasets))
    found = unlabelled.structures_without_labels(sets, species, without=tests, most=None, **settings)
    known = {p.temperature for p in found}
    return found + [p for p in structures if p.temperature not in known]


def _test_names(found):
    return {str(ds["configuration"].values[0]) for ds in found if ds.attrs.get("role") == "test"}


def planned(datasets, configurations, levels=labels.LEVELS, minimum_temperature=0.0, **settings):
    """The pattern of Table 1 that the data allow, before any training.

    Parameters are those of `two_step`.

    Returns
    -------
    Pattern
    """
    points, structures = gathered(
        datasets, configurations, CONSTRAINED_SPECIES, levels, minimum_temperature, **settings
    )
    return pattern.pattern_of(points, [p.temperature for p in structures], levels)


class _Stage:
    """The two trainings of one species."""

    def __init__(self, species, preset, seed, threads, folder, progress):
        self.species, self.preset, self.seed, self.threads = species, preset, seed, threads
        self.folder, self.progress = None if folder is None else Path(folder), progress

    def _fit(self, points, networks, plan, step, levels=None, known=()):
        title = f"species {self.species + 1}, step {step}: {networks} networks"
        return training.fit(
            points,
            networks,
            plan.of(self.species),
            self.seed + 100 * self.species + 10 * step,
            levels=levels,
            known=known,
            threads=self.threads,
            checkpoint=None
            if self.folder is None
            else f"{self.folder}/species{self.species + 1}-step{step}.safetensors",
            progress=None if self.progress is None else self.progress(title),
        )

    def equal_time(self, points, structures, plan):
        """Train step 1 and transfer; states that are not self-consistent are rejected from the plan."""
        wanted = plan.equal_time_levels
        if not len(wanted):
            return Transfer([], {}, {}), None
        chosen = [p for p in (p.at_levels(wanted) for p in points) if len(p.levels)]
        levels = np.repeat(wanted, self.preset.seeds)
        missing = self._without_labels(points, structures, plan, pattern.TRANSFERRED)
        fitted = self._fit(chosen, len(levels), self.preset.equal_time, 1, levels, missing)
        found = transferred(fitted, levels, missing, plan, self.preset.keep, self.species)
        record = {
            "levels": wanted.round(6).tolist(),
            "seeds": self.preset.seeds,
            "plan": asdict(fitted.plan),
            "held_out_loss": [
                round(float(np.mean(known)), 5) if len(known) else None
                for known in (part[np.isfinite(part)] for part in np.split(fitted.last, len(wanted)))
            ],
            "diverged": np.flatnonzero(~fitted.alive).tolist(),
        }
        return found, record

    def final(self, points, given, structures, plan):
        """Train step 2, on simulated labels and those that step 1 has given."""
        missing = self._without_labels(points, structures, plan, pattern.TRANSFERRED, pattern.PREDICTED)
        return self._fit(points + given, self.preset.seeds, self.preset.final, 2, known=missing)

    def _without_labels(self, points, structures, plan, *marks):
        """Structures of every temperature, the levels that are so marked there, and their species' mean at these."""
        marked, found = [state for mark in marks for state in plan.where(mark)], []
        for p in structures:
            levels = np.array([level for t, level in marked if np.isclose(t, p.temperature)])
            means = unlabelled.species_means(points, levels, self.species)
            known = np.isfinite(means)
            if known.any():
                found.append((p, levels[known], means[known]))
        return found


def transferred(fitted, levels, missing, plan, keep, species=CONSTRAINED_SPECIES):
    """Labels that equal-time networks give to structures without labels.

    Parameters
    ----------
    fitted : Fitted
        Networks of step 1.
    levels : (network,) ndarray
        The level each was trained for.
    missing : list of (StatePoints, levels, means)
        Structures that lack labels at these levels, and the mean of their species there.
    plan : Pattern
        For species 1, states that fail are rejected from it.
    keep : int
        Networks that must be self-consistent at a state.
    species : int, optional
        0-based; only the mean of species 1 can be tested.

    Returns
    -------
    Transfer
        Labels are the mean over the networks that passed, moved so that its mean is that of the species, and with the
        variance that these networks have one by one.
    """
    branch = fitted.branch(range(fitted.net.networks))
    found = Transfer([], {}, {})
    for p, at, means in missing:
        columns = p.columns.reshape(-1, p.columns.shape[-1])
        given = []
        for level, center in zip(at, means, strict=True):
            own = np.flatnonzero(np.isclose(levels, level) & fitted.alive)
            if not len(own):
                plan.reject(p.temperature, level)
                continue
            told = (np.array([p.temperature]), np.array([level]))
            reference = fitted.reference_temperature
            values = np.stack([Field(branch, n, columns, reference).propensity(*told)[0] for n in own])
            passed, tolerance = consistent(values.mean(axis=1, dtype=np.float64), level, keep, species)
            if passed is None:
                plan.reject(p.temperature, level)
                continue
            chosen = values[passed].astype(np.float64)
            mean = chosen.mean(axis=0)
            width = np.sqrt(chosen.var(axis=1).mean() / max(mean.var(), 1e-12))
            given.append((level, center + width * (mean - mean.mean())))
            found.tolerance[p.temperature, float(level)] = tolerance
            found.networks[p.temperature, float(level)] = int(passed.sum())
        if given:
            values = np.stack([v.reshape(p.columns.shape[:2]) for _, v in given], axis=1).astype(np.float32)
            found.points.append(
                replace(
                    p,
                    levels=np.array([level for level, _ in given]),
                    times=np.full(len(given), np.nan),
                    labels=values,
                    noise=np.zeros(values.shape[:2]),
                    mean_noise=np.zeros(values.shape[:2]),
                )
            )
    return found


def consistent(means, level, keep, species=CONSTRAINED_SPECIES):
    """Which networks are consistent with themselves, and the smallest ε at which enough of them are.

    Parameters
    ----------
    means : (network,) ndarray
        X̄ of each.
    level : float
        What they were told.
    keep : int
        How many must pass.
    species : int, optional
        The mean of other species than the first is only about known: all finite networks pass, ε is None.

    Returns
    -------
    passed : (network,) ndarray of bool, or None where too few pass at the largest ε
    tolerance : float or None
    """
    if species != CONSTRAINED_SPECIES:
        return np.isfinite(means), None
    error = np.abs(means - level)
    for tolerance in LADDER:
        if np.count_nonzero(error < tolerance) >= min(keep, len(means)):
            return error < tolerance, tolerance
    return None, None


def _candidates(fitted, points, keep, species):
    """The networks, the consistent ones first, of them those first that do best on what they kept back.

    The error of a network is its largest |X̄ − ⟨C̄_B⟩| over the states with transferred labels; where too few are below
    the largest ε, the better half counts as consistent.
    """
    alive = np.flatnonzero(fitted.alive)
    near, tolerance = np.ones(len(alive), bool), None
    if species == CONSTRAINED_SPECIES and points:
        branch = fitted.branch(alive)
        error = np.zeros(len(alive))
        for p in points:
            columns = p.columns.reshape(-1, p.columns.shape[-1])
            told = (np.full(len(p.levels), p.temperature), p.levels)
            for n in range(len(alive)):
                predicted = Field(branch, n, columns, fitted.reference_temperature).propensity(*told)
                error[n] = max(error[n], np.abs(predicted.mean(axis=1, dtype=np.float64) - p.levels).max())
        tolerance = next((e for e in LADDER if np.count_nonzero(error < e) >= min(keep, len(alive))), None)
        half = np.sort(error)[: max(keep, len(alive) // 2)][-1]
        near = error <= half if tolerance is None else error < tolerance
    return _best_first(fitted, alive[near]) + _best_first(fitted, alive[~near]), tolerance


def _best_first(fitted, networks):
    """Networks in the order of their loss on what they kept back, those of different folds first."""
    order = networks[np.argsort(fitted.last[networks], kind="stable")]
    folds = fitted.fold.numpy()
    rank = [np.count_nonzero(folds[order[:k]] == folds[n]) for k, n in enumerate(order)]
    return [int(n) for n in order[np.argsort(rank, kind="stable")]]
