"""Training an ensemble of tGlassMLP networks, all of them together.

One step takes one structure at one temperature with all its levels of ⟨C̄_B⟩, for every network at once. Structures
are dealt into folds; each network keeps one fold back, never learns from it, and is kept as it was when its loss there
was lowest. So every structure is used by most networks, and no network judges itself by what it has learned.
"""

import math
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch

from glassviz.learn import architecture, labels, loss, start
from glassviz.learn.inference import Ensemble
from glassviz.learn.network import TGlassMLP
from glassviz.learn.tables import COLUMN_DIMS
from glassviz.mixture import InvalidData
from glassviz.structure import descriptors

CONSTANT = 1e-6  # a column whose spread is below this part of its size says nothing
CHECKS = 60  # looks at the held-out structures


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    Attributes
    ----------
    squared, full : tuple of (steps, learning rate)
        Stages of phase 1 (mean squared error) and of phase 2 (full loss), in the proportions of the paper's Table 2.
    folds : int
        Number of folds of structures; network n keeps back fold n modulo this.
    decay : float
        Weight of the squared bottleneck weights, grown with the square of a column's length L, in the loss.
    encoder : float
        Learning rate of attention and bottleneck relative to that of the small networks: the columns are much alike,
        so a step that all their weights take together goes far.
    """

    squared: tuple = ((1000, 1e-3), (1500, 5e-4), (1000, 2e-4))
    full: tuple = ((3000, 1e-4),)
    folds: int = 4
    decay: float = 5e-3
    encoder: float = 0.1

    @property
    def steps(self):
        """Steps of all stages."""
        return sum(steps for steps, _ in self.squared + self.full)

    def lasting(self, steps):
        """The same plan with every stage longer or shorter in proportion, about `steps` steps in all."""
        factor = steps / self.steps
        stages = (tuple((max(1, round(n * factor)), rate) for n, rate in part) for part in (self.squared, self.full))
        return replace(self, squared=next(stages), full=next(stages))


@dataclass
class _Batch:
    """One structure at one temperature, ready for torch."""

    columns: torch.Tensor  # (1, n, kept)
    features: torch.Tensor  # (1, level, 6)
    labels: torch.Tensor  # (level, n)
    signal: torch.Tensor  # (level,)
    position: np.ndarray
    box_length: float
    fold: int
    full: loss.FullLoss | None = field(default=None)

    def loss(self, prediction, phase):
        """Loss per network (network,) in the given phase."""
        if phase == "squared":
            return loss.squared_error(prediction, self.labels).mean(dim=-1)
        if self.full is None:
            self.full = loss.FullLoss(self.labels, loss.ring_averages(self.position, self.box_length), self.signal)
        return self.full(prediction).mean(dim=-1)


def standardisation(points):
    """Mean, spread and usefulness of every column over all training structures.

    Parameters
    ----------
    points : list of StatePoints

    Returns
    -------
    mean, std : (K,) ndarray of float64
        std is 1 where the column is masked.
    kept : (K,) ndarray of bool
        False for columns that are constant.
    """
    count = sum(p.columns.shape[0] * p.columns.shape[1] for p in points)
    mean = sum(p.columns.sum(axis=(0, 1), dtype=np.float64) for p in points) / count
    std = np.sqrt(sum(np.square(p.columns - mean).sum(axis=(0, 1), dtype=np.float64) for p in points) / count)
    kept = std > CONSTANT * np.maximum(np.abs(mean), 1)
    return mean, np.where(kept, std, 1.0), kept


def _folds(points, folds):
    """Fold of every structure: the same name falls in the same fold at all temperatures; a cut box is dealt in runs."""
    names = sorted({name for p in points for name in p.names})
    assigned = []
    for p in points:
        chosen = np.array([names.index(name) % folds for name in p.names])
        for name in set(p.names):
            rows = np.flatnonzero(p.names == name)
            if len(rows) > 1:
                chosen[rows] = np.arange(len(rows)) * folds // len(rows)
        assigned.append(chosen)
    return assigned


def _batches(points, folds, mean, std, kept):
    batches = []
    for p, assigned in zip(points, folds, strict=True):
        features = torch.as_tensor(architecture.state_features(p.temperature, p.levels), dtype=torch.float32)[None]
        signal = torch.as_tensor(loss.signal_fraction(p.labels, p.noise), dtype=torch.float32)
        for k in range(len(p)):
            columns = ((p.columns[k] - mean) / std)[:, kept].astype(np.float32)
            batches.append(
                _Batch(
                    torch.from_numpy(columns)[None],
                    features,
                    torch.from_numpy(np.ascontiguousarray(p.labels[k], dtype=np.float32)),
                    signal,
                    p.position[k],
                    p.box_length[k],
                    int(assigned[k]),
                )
            )
    return batches


class _Trainer:
    """Networks, optimiser and the best state of each network so far."""

    def __init__(self, batches, networks, columns, lengths, plan, seed, progress):
        self.batches, self.plan, self.progress = batches, plan, progress
        self.net = TGlassMLP(networks, columns, seed)
        self.random = np.random.default_rng(seed)
        self.fold = torch.arange(networks) % plan.folds
        self.ridge = plan.decay * torch.as_tensor(lengths, dtype=torch.float32).square()[None, :, None]
        self.history = []
        self.done = 0

    def held_out(self, phase):
        """Mean loss of every network over the structures that it keeps back, (network,)."""
        total, count = torch.zeros(self.net.networks), torch.zeros(self.net.networks)
        with torch.no_grad():
            for batch in self.batches:
                mine = self.fold == batch.fold
                total += torch.where(mine, batch.loss(self.net.fast_forward(batch.columns, batch.features), phase), 0)
                count += mine
        return total / count

    def run(self, phase, stages):
        """Run the stages of one phase and go back to the best state of each network."""
        encoder = [self.net.weights["attention"], self.net.weights["bottleneck_0_weight"]]
        others = [p for p in self.net.parameters() if all(p is not e for e in encoder)]
        optimiser = torch.optim.Adam([{"params": others}, {"params": encoder}], fused=True)
        every = max(1, sum(steps for steps, _ in stages) // (CHECKS // 2))
        best = self.held_out(phase)
        kept = [p.detach().clone() for p in self.net.parameters()]
        order = np.empty(0, int)
        step = 0
        for steps, rate in stages:
            for group, factor in zip(optimiser.param_groups, (1.0, self.plan.encoder), strict=True):
                group["lr"] = rate * factor
            for _ in range(steps):
                if len(order) == 0:
                    order = self.random.permutation(len(self.batches))
                batch, order = self.batches[order[0]], order[1:]
                self._step(optimiser, batch, phase)
                step += 1
                self.done += 1
                if step % every == 0:
                    now = self.held_out(phase)
                    better = torch.nan_to_num(now, nan=math.inf) < torch.nan_to_num(best, nan=math.inf)
                    best = torch.where(better, now, best)
                    for old, new in zip(kept, self.net.parameters(), strict=True):
                        old[better] = new.detach()[better]
                    self.history.append((self.done, phase, now.tolist()))
                    if self.progress is not None:
                        self.progress(self.done, self.plan.steps, float(now.nanmean()))
        with torch.no_grad():
            for parameter, values in zip(self.net.parameters(), kept, strict=True):
                parameter.copy_(values)
        return best

    def _step(self, optimiser, batch, phase):
        optimiser.zero_grad(set_to_none=True)
        losses = batch.loss(self.net.fast_forward(batch.columns, batch.features), phase)
        total = torch.where(self.fold == batch.fold, 0, losses).sum()
        if self.plan.decay:
            total = total + (self.ridge * self.net.dense("bottleneck", 0)[0].square()).sum()
        total.backward()
        optimiser.step()


def train(
    datasets,
    *,
    species=0,
    seeds=8,
    seed=0,
    plan=None,
    levels=labels.LEVELS,
    cutoff=16.0,
    tessellation="radical",
    select=True,
    threads=1,
    record=None,
    progress=None,
):
    """Train an ensemble on propensity files.

    Parameters
    ----------
    datasets : sequence of (path or Dataset), or list of StatePoints
        Training structures with propensities; those with the attribute `role` = "test" are refused.
    species : int, optional
        Whose propensities to learn, 0-based.
    seeds : int, optional
        Networks trained, all together.
    seed : int, optional
        Seed of initial weights and order of structures: the same seed gives the same ensemble.
    plan : Plan, optional
        Steps, learning rates, folds.
    levels, cutoff, tessellation : optional
        As in `labels.state_points`.
    select : bool, optional
        Keep of each fold the network that does best on it; otherwise all.
    threads : int, optional
        Threads of torch. One is the safe choice: on a busy machine several wait for each other at every operation.
    record : dict, optional
        What else the file should say of the training, for example the command.
    progress : callable, optional
        Called as `progress(step, steps, held_out_loss)`.

    Returns
    -------
    Ensemble

    Raises
    ------
    InvalidData
        Where there are no labels, test structures among them, fewer than two structures, or no network survives.
    """
    plan = plan or Plan()
    points = list(datasets)
    if not points or not isinstance(points[0], labels.StatePoints):
        points = labels.structures(points)
        if any(ds.attrs.get("role") == "test" for ds in points):
            raise InvalidData("training data: a structure is marked 'test'; expected training structures only.")
        points = labels.state_points(points, species, levels, cutoff=cutoff, tessellation=tessellation)
    cutoff, tessellation = points[0].cutoff, points[0].tessellation
    units = max(len(p) for p in points)
    if units < 2:
        raise InvalidData(
            "training data: only one structure at each temperature; expected at least two, one to hold back."
        )
    plan = replace(plan, folds=min(plan.folds, units))
    mean, std, kept = standardisation(points)
    lengths = np.broadcast_to(np.array(descriptors.LENGTHS)[:, None], _column_shape())
    torch.set_num_threads(threads)
    assigned = _folds(points, plan.folds)
    batches = _batches(points, assigned, mean, std, kept)
    trainer = _Trainer(batches, seeds, int(kept.sum()), lengths.ravel()[kept], plan, seed, progress)
    start.LinearStart(points, assigned, mean, std, kept).apply(trainer.net, trainer.fold, seed)
    first = trainer.run("squared", plan.squared)
    last = trainer.run("full", plan.full) if plan.full else first
    chosen = _chosen(last, trainer.fold, select)
    header = {
        "columns": _column_names(),
        "cutoff": cutoff,
        "tessellation": tessellation,
        "reference_temperature": architecture.REFERENCE_TEMPERATURE,
        "training": {
            f"species{species + 1}": {
                "states": [
                    {
                        "temperature": p.temperature,
                        "levels": p.levels.round(6).tolist(),
                        "times": np.round(p.times, 4).tolist(),
                        "structures": len(p),
                        "names": sorted({str(n) for n in p.names}),
                    }
                    for p in points
                ],
                "seed": seed,
                "seeds": seeds,
                "chosen": chosen,
                "plan": asdict(plan),
                "held_out_loss": [round(float(v), 5) for v in last[chosen]],
                "held_out_squared_error": [round(float(v), 7) for v in first[chosen]],
                "history": [(step, phase, [round(v, 6) for v in values]) for step, phase, values in trainer.history],
                **(record or {}),
            }
        },
    }
    return Ensemble({species: trainer.net.branch(mean, std, kept, chosen)}, header)


def combine(ensembles, name="combined"):
    """One ensemble from ensembles of different species, with as many networks as the smallest has.

    Raises
    ------
    InvalidData
        Where two have the same species, or other descriptors.
    """
    networks = min(e.networks for e in ensembles)
    branches, training = {}, {}
    for ensemble in ensembles:
        if set(ensemble.branches) & set(branches):
            raise InvalidData(f"{ensemble.name}: its species already have networks; expected different species.")
        for key in ("columns", "cutoff", "tessellation", "reference_temperature"):
            if ensemble.header[key] != ensembles[0].header[key]:
                raise InvalidData(f"{ensemble.name}: its {key} differs; expected {ensembles[0].header[key]}.")
        branches |= ensemble.select(slice(networks)).branches
        training |= ensemble.header["training"]
    return Ensemble(branches, {**ensembles[0].header, "training": training}, name)


def _chosen(losses, fold, select):
    finite = torch.isfinite(losses)
    if not finite.any():
        raise InvalidData("training: every network diverged; expected smaller learning rates or finite labels.")
    if not select:
        return torch.nonzero(finite)[:, 0].tolist()
    groups = [torch.nonzero((fold == f) & finite)[:, 0] for f in fold.unique()]
    return sorted(int(g[losses[g].argmin()]) for g in groups if len(g))


def _column_names():
    coords = (descriptors.OBSERVABLES, [float(length) for length in descriptors.LENGTHS], descriptors.NEIGHBOR_SPECIES)
    return {dim: list(values) for dim, values in zip(COLUMN_DIMS, coords, strict=True)}


def _column_shape():
    return tuple(len(values) for values in _column_names().values())
