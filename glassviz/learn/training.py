"""Training networks on labelled state points, all of them together, and putting ensembles together."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numba
import numpy as np
import torch
import xarray as xr

from glassviz.learn import architecture, labels, start
from glassviz.learn.batches import assign_folds, mixed, prepared, standardisation
from glassviz.learn.checkpoint import Checkpoint, digest
from glassviz.learn.inference import Ensemble
from glassviz.learn.network import TGlassMLP
from glassviz.learn.plan import Plan
from glassviz.learn.tables import COLUMN_DIMS
from glassviz.learn.trainer import Trainer
from glassviz.mixture import InvalidData, require_counts
from glassviz.structure import descriptors


@dataclass
class Fitted:
    """Trained networks before any selection.

    Attributes
    ----------
    net : TGlassMLP
    mean, std, kept : (K,) ndarray
        Standardisation of the columns.
    fold : (network,) Tensor of int
        What each network kept back.
    losses : (phase, network) ndarray
        Held-out losses, NaN for a phase that was not run.
    alive : (network,) ndarray of bool
        False for networks that diverged and were stopped.
    history : list of (step, phase, losses)
    plan : Plan
        As it was run.
    """

    net: TGlassMLP
    mean: np.ndarray
    std: np.ndarray
    kept: np.ndarray
    fold: torch.Tensor
    losses: np.ndarray
    alive: np.ndarray
    history: list
    plan: Plan

    reference_temperature = architecture.REFERENCE_TEMPERATURE

    def branch(self, networks):
        """Some of the networks for inference."""
        return self.net.branch(self.mean, self.std, self.kept, list(networks))

    @property
    def last(self):
        """(network,) ndarray: held-out loss of the last phase that was run, infinite where nothing is known."""
        last = np.where(np.isnan(self.losses[1]), self.losses[0], self.losses[1])
        return np.where(np.isnan(last) | ~self.alive, np.inf, last)


def fit(points, networks, plan, seed, *, levels=None, known=(), threads=1, checkpoint=None, progress=None):
    """Train networks on state points.

    Parameters
    ----------
    points : list of StatePoints
    networks : int
        How many, all together.
    plan : Plan
    seed : int
        Seed of initial weights and order of structures: the same seed gives the same networks.
    levels : (network,) array_like, optional
        The one level of ⟨C̄_B⟩ that each network learns; by default all learn all levels.
    known : sequence of (StatePoints, levels, means), optional
        Structures without labels at these levels, and what the mean of the predictions has to be there.
    threads : int, optional
        Threads of the compiled kernels and of torch, for the whole process from now on; the result does not depend on
        it beyond rounding in torch.
    checkpoint : path, optional
        File to write at intervals and to continue from; it is deleted by whoever asked for it.
    progress : callable, optional
        Called as `progress(step, steps, held_out_loss)`.

    Returns
    -------
    Fitted

    Raises
    ------
    InvalidData
        Where every network diverges, a number of networks or threads is none, or there are not two folds.
    """
    require_counts("training", networks=networks, threads=threads, folds=plan.folds)
    if plan.folds < 2:
        raise InvalidData("training: folds = 1; expected at least 2, as networks keep one of them back.")
    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    plan = replace(plan, folds=min(plan.folds, max(len(p) for p in points)))
    mean, std, kept = standardisation(points)
    if not kept.any():
        raise InvalidData("training data: no descriptor varies from particle to particle; expected different ones.")
    batches = prepared(points, assign_folds(points, plan.folds), mean, std, kept, plan.stretch)
    plan = plan.counted(len(batches))
    if plan.consistency:
        batches += [batch for p, at, m in known for batch in mixed(p, at, m, plan.folds, mean, std, kept)]
    lengths = np.broadcast_to(np.array(descriptors.LENGTHS)[:, None], _column_shape()).ravel()[kept]
    net = TGlassMLP(networks, int(kept.sum()), seed)
    fold = torch.arange(networks) % plan.folds
    if plan.linear:
        found = start.LinearStart(batches, net.columns, lengths if plan.reach else None, plan.means)
        found.apply(net, fold, seed, levels)
    elif not plan.state:
        start.follow_the_level(net)
    frozen = None if plan.state else start.only_the_mean(net)
    if checkpoint is not None:
        state_points = [*points, *(p for p, *_ in known)]
        told = [p.temperature for p in state_points], [list(map(float, values)) for _, *of in known for values in of]
        names = "columns", "labels", "levels", "noise", "mean_noise", "position", "box_length"
        data = [getattr(p, name) for p in state_points for name in names]
        key = digest(asdict(plan), networks, seed, None if levels is None else list(map(float, levels)), told, *data)
        checkpoint = Checkpoint(checkpoint, key)
    decay = plan.decay * lengths**2
    trainer = Trainer(
        net,
        batches,
        plan,
        fold,
        decay,
        seed,
        levels=levels,
        frozen=frozen,
        checkpoint=checkpoint,
        progress=progress,
    )
    losses = trainer.run()
    return Fitted(net, mean, std, kept, fold, losses, trainer.state["alive"].numpy(), trainer.history, plan)


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
    """Train an ensemble on propensity files in one step, without transferred labels (see `twostep` for those).

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
        Keep of each fold the network that does best on it; otherwise all that did not diverge.
    threads : int, optional
        Threads. One is the safe choice: on a busy machine several wait for each other at every operation.
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
    points = [datasets] if isinstance(datasets, (str, Path, xr.Dataset, labels.StatePoints)) else list(datasets)
    if not points or not isinstance(points[0], labels.StatePoints):
        points = training_points(points, species, levels, cutoff=cutoff, tessellation=tessellation)
    check_structures(points)
    fitted = fit(points, seeds, (plan or Plan()).of(species), seed, threads=threads, progress=progress)
    chosen = best_of_each_fold(fitted) if select else np.flatnonzero(fitted.alive).tolist()
    header = described(points[0])
    header["training"] = {f"species{species + 1}": recorded(points, fitted, chosen, seed) | (record or {})}
    return Ensemble({species: fitted.branch(chosen)}, header)


def training_points(datasets, species=0, levels=labels.LEVELS, **settings):
    """State points of training structures; refuses those marked as test structures."""
    found = labels.structures(datasets)
    if any(ds.attrs.get("role") == "test" for ds in found):
        raise InvalidData("training data: a structure is marked 'test'; expected training structures only.")
    return labels.state_points(found, species, levels, **settings)


def check_structures(points):
    """Complain where there is nothing to learn or no structure could be held back."""
    if not points:
        raise InvalidData("training data: no run gets to a ⟨C̄_B⟩ that is learned; expected longer runs.")
    if max(len(p) for p in points) < 2:
        raise InvalidData(
            "training data: only one structure at each temperature; expected at least two, one to hold back."
        )


def described(points):
    """What a network file says of its input."""
    return {
        "columns": _column_names(),
        "cutoff": points.cutoff,
        "tessellation": points.tessellation,
        "reference_temperature": architecture.REFERENCE_TEMPERATURE,
    }


def recorded(points, fitted, chosen, seed):
    """The record of one training for the header of a network file."""
    squared, last = fitted.losses[0], fitted.last
    return {
        "states": state_records(points),
        "seed": seed,
        "seeds": fitted.net.networks,
        "chosen": list(map(int, chosen)),
        "diverged": np.flatnonzero(~fitted.alive).tolist(),
        "plan": asdict(fitted.plan),
        "held_out_loss": [round(float(v), 5) for v in last[chosen]],
        "held_out_squared_error": [round(float(v), 7) for v in squared[chosen]],
        "history": [(step, phase, [v if np.isfinite(v) else None for v in row]) for step, phase, row in fitted.history],
    }


def state_records(points):
    """The states and structures that something was trained on, for the header of a network file."""
    return [
        {
            "temperature": p.temperature,
            "levels": p.levels.round(6).tolist(),
            "times": [None if np.isnan(t) else round(float(t), 4) for t in p.times],
            "structures": len(p),
            "names": sorted({str(n) for n in p.names}),
        }
        for p in points
    ]


def best_of_each_fold(fitted):
    """Numbers of the networks that do best on the fold they kept back."""
    chosen = []
    for fold in fitted.fold.unique().tolist():
        members = np.flatnonzero((fitted.fold.numpy() == fold) & fitted.alive)
        if len(members):
            chosen.append(int(members[fitted.last[members].argmin()]))
    return sorted(chosen)


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


def _column_names():
    coords = (descriptors.OBSERVABLES, [float(length) for length in descriptors.LENGTHS], descriptors.NEIGHBOR_SPECIES)
    return {dim: list(values) for dim, values in zip(COLUMN_DIMS, coords, strict=True)}


def _column_shape():
    return tuple(len(values) for values in _column_names().values())
