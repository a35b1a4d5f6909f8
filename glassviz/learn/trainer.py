"""The optimiser's loop: many networks, one step for all of them, checkpoints and the best state of each.

One step takes one structure at one temperature, for every network at once: for each at its own level in step 1 of the
two-step training, at several levels drawn at random where networks learn all states. Structures are dealt into folds;
each network keeps one fold back, never learns from it, and is kept as it was when its loss there was lowest, or as it
was on average since the look before. So every structure is used by most networks, and no network judges itself by what
it has learned.
"""

import math

import numpy as np
import torch

from glassviz.learn.network import TGlassMLP
from glassviz.mixture import InvalidData

CHECKS = 16  # looks at the held-out structures in each phase
DIVERGED = 5.0  # a held-out loss so many times its first value (or 1, that of a constant) ends a network's training
MOMENTS = (0.9, 0.999)
SMALLEST = 1e-8
PHASES = ("squared", "full")


class Trainer:
    """Networks, Adam's moments and the best state of each network so far.

    Parameters
    ----------
    net : TGlassMLP
        Networks at their start; changed in place.
    batches : list of Batch
    plan : Plan
        With lengths in steps.
    fold : (network,) Tensor of int
        What each network keeps back.
    decay : (K,) ndarray
        Weights of the squared bottleneck weights in the loss.
    seed : int
        Seed of the order of structures and states.
    levels : (network,) ndarray, optional
        The one level each network learns; by default all networks learn all levels.
    frozen : (parameters,) Tensor of bool, optional
        Parameters that are not changed.
    checkpoint : Checkpoint, optional
        Where to go on from and what to write at every look at the held-out structures.
    progress : callable, optional
        Called as `progress(step, steps, held_out_loss)`.
    """

    def __init__(
        self, net, batches, plan, fold, decay, seed, *, levels=None, frozen=None, checkpoint=None, progress=None
    ):
        self.net, self.batches, self.plan, self.fold, self.seed = net, batches, plan, fold, seed
        self.checkpoint, self.progress = checkpoint, progress
        self.decay = torch.as_tensor(decay, dtype=torch.float32)[None, :, None]
        self.rates = {
            phase: torch.cat([torch.full((w[0].numel(),), plan.rate_of(n, phase)) for n, w in net.weights.items()])
            for phase in PHASES
        }
        if frozen is not None:
            for rates in self.rates.values():
                rates[frozen] = 0
        self.joint = levels is None
        self.own = [self._own_states(batch, levels) for batch in batches]
        self.unjudged = torch.tensor([self._unjudged(network) for network in range(net.networks)])
        self.history = []
        self.judged, self.since = net.table.clone(), 0  # weights that a look judges, and steps since the last look
        self.state = {
            "table": net.table,
            "kept": net.table.clone(),
            "first_moment": torch.zeros_like(net.table),
            "second_moment": torch.zeros_like(net.table),
            "count": torch.zeros(net.networks),
            "alive": torch.ones(net.networks, dtype=torch.bool),
            "best": torch.full((len(PHASES), net.networks), math.nan),
            "reference": torch.full((len(PHASES), net.networks), math.nan),
        }

    @staticmethod
    def _own_states(batch, levels):
        """Number of its level in the batch for every network, −1 where the labels do not reach it."""
        if levels is None:
            return None
        same = np.isclose(np.asarray(levels)[:, None], batch.levels)
        return torch.as_tensor(np.where(same.any(axis=1), same.argmax(axis=1), -1))

    # -- one step -----------------------------------------------------------------------------------------------

    def _losses(self, index, net, states, phase):
        batch = self.batches[index]
        losses = batch.loss(net.fast_forward(batch.columns, batch.features[states]), states, phase, self.plan)
        if batch.unlabelled:
            return losses * self.plan.consistency
        return losses * self.plan.transferred if batch.transferred else losses

    def _states(self, index, rows, drawn=None):
        """Numbers of the states that the networks predict, (1, states) or (network, 1)."""
        if not self.joint:
            return self.own[index][rows][:, None]
        count = len(self.batches[index].levels)
        if drawn is None or not 0 < self.plan.states < count:
            return torch.arange(count)[None]
        return torch.as_tensor(np.sort(drawn.choice(count, self.plan.states, replace=False)))[None]

    def _able(self, index):
        """Networks that still train and whose level the batch's labels reach."""
        return self.state["alive"] if self.joint else self.state["alive"] & (self.own[index] >= 0)

    def _step(self, index, phase, rate, drawn):
        rows = torch.nonzero(self._able(index) & (self.fold != self.batches[index].fold))[:, 0]
        if not len(rows):
            return
        table = self.net.table[rows].requires_grad_()
        net = TGlassMLP.of(table, self.net.columns)
        total = self._losses(index, net, self._states(index, rows, drawn), phase).sum()
        if self.plan.decay:
            total = total + (self.decay * net.dense("bottleneck", 0)[0].square()).sum()
        (gradient,) = torch.autograd.grad(total, table)
        if self.plan.clip:
            gradient = gradient * (self.plan.clip / gradient.norm(dim=1, keepdim=True).clamp_min(self.plan.clip))
        self._adam(rows, gradient, rate * self.rates[phase])

    def _adam(self, rows, gradient, rate):
        first, second, count = (self.state[name] for name in ("first_moment", "second_moment", "count"))
        count[rows] += 1
        mean = torch.lerp(gradient, first[rows], MOMENTS[0])
        square = torch.lerp(gradient.square(), second[rows], MOMENTS[1])
        first[rows], second[rows] = mean, square
        unbiased = [1 - moment ** count[rows, None] for moment in MOMENTS]
        root = (square / unbiased[1]).sqrt_().add_(SMALLEST)
        self.net.table[rows] -= rate * (mean / unbiased[0]) / root

    # -- held-out structures ------------------------------------------------------------------------------------

    def _follow(self):
        """After a step: the mean of the weights since the last look, or the weights as they are."""
        self.since += 1
        self.judged.lerp_(self.net.table, 1 / self.since if self.plan.averaged else 1)

    def held_out(self, phase):
        """Mean loss of every network over the structures that it keeps back, (network,); NaN where there is none."""
        total, count = torch.zeros(self.net.networks), torch.zeros(self.net.networks)
        with torch.no_grad():
            for index, batch in enumerate(self.batches):
                rows = torch.nonzero(self._able(index) & (self.fold == batch.fold))[:, 0]
                if len(rows):
                    net = TGlassMLP.of(self.judged[rows], self.net.columns)
                    total[rows] += self._losses(index, net, self._states(index, rows), phase)
                    count[rows] += 1
        return torch.where(self.state["alive"], total / count, math.inf)

    def _look(self, number, step):
        """Keep the networks that have become better on what they keep back, stop those that diverge."""
        state, phase = self.state, PHASES[number]
        now = self.held_out(phase)
        best, reference = state["best"][number], state["reference"][number]
        lost = torch.isinf(now) | (now > DIVERGED * reference.clamp_min(1.0)) | (now.isnan() & ~self.unjudged)
        lost |= ~self.judged.isfinite().all(dim=1)
        state["alive"] &= ~lost
        better = ((now < best) | best.isnan() | self.unjudged) & ~lost
        state["reference"][number] = torch.where(reference.isnan(), now, reference)
        state["best"][number] = torch.where(better, now, best)
        state["kept"][better] = self.judged[better]
        self.since = 0
        done = self._length(number) + step
        self.history.append((done, phase, [round(float(v), 6) for v in now]))
        if not state["alive"].any():
            raise InvalidData(
                f"training: every network diverged by step {done} of {self.plan.steps}; "
                "expected smaller learning rates or finite labels."
            )
        if self.progress is not None:
            self.progress(done, self.plan.steps, float(now[torch.isfinite(now)].mean()))
        if self.checkpoint is not None:
            self.checkpoint.save(state, {"phase": number, "step": step, "history": self.history})

    def _unjudged(self, network):
        """Whether no structure with the network's level is in the fold that it keeps back."""
        return not any(
            batch.fold == int(self.fold[network]) and (self.joint or self.own[index][network] >= 0)
            for index, batch in enumerate(self.batches)
        )

    # -- all steps ----------------------------------------------------------------------------------------------

    def _stages(self, number):
        return getattr(self.plan, PHASES[number])

    def _length(self, number):
        """Steps of all phases before a numbered one."""
        return sum(steps for before in range(number) for steps, _ in self._stages(before))

    def run(self):
        """Run both phases, each to the best state of every network.

        Returns
        -------
        (phase, network) ndarray
            Held-out losses of the networks as they are kept, NaN for a phase that has no steps.
        """
        reached = self._resume()
        for number, phase in enumerate(PHASES):
            if not self._stages(number) or (reached is not None and number < reached[0]):
                continue
            rates = [rate for steps, rate in self._stages(number) for _ in range(steps)]
            first = reached[1] if reached is not None and number == reached[0] else None
            if first is None:
                self._go_back()
                self._look(number, 0)
            looks = set(np.linspace(0, len(rates), CHECKS + 1)[1:].round().astype(int).tolist())
            for step in range(first or 0, len(rates)):
                order = np.random.default_rng([self.seed, number, step // len(self.batches)])
                index = int(order.permutation(len(self.batches))[step % len(self.batches)])
                self._step(index, phase, rates[step], np.random.default_rng([self.seed, number, step, 1]))
                self._follow()
                if step + 1 in looks:
                    self._look(number, step + 1)
        self._go_back()
        return self.state["best"].numpy()

    def _go_back(self):
        """To the best state of every network, with fresh moments."""
        self.net.table.copy_(self.state["kept"])
        self.judged.copy_(self.state["kept"])
        for name in ("first_moment", "second_moment", "count"):
            self.state[name].zero_()

    def _resume(self):
        """Take up the checkpoint, where there is one: phase and step that were reached, else None."""
        found = self.checkpoint.load() if self.checkpoint is not None else None
        if found is None:
            return None
        tensors, record = found
        for name, values in tensors.items():
            self.state[name].copy_(values)
        self.history = [tuple(entry) for entry in record["history"]]
        return record["phase"], record["step"]
