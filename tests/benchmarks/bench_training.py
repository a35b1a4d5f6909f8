"""Speed of training: milliseconds of one core are printed (CPU time, one thread), ratios in one run are asserted."""

from time import perf_counter, process_time

import numba
import numpy as np
import pytest
import torch

from glassviz.learn.batches import Batch
from glassviz.learn.fused import padded
from glassviz.learn.network import TGlassMLP
from glassviz.learn.plan import Plan
from glassviz.learn.trainer import Trainer

pytestmark = pytest.mark.benchmark

PARTICLES, COLUMNS = 600, 164
LEVELS = np.array([0.99, 0.94, 0.9, 0.85, 0.8, 0.75, 0.65, 0.5, 0.25, 0.15, 0.075])
SEEDS = 16
PLAN = Plan(squared=((1, 1e-3),), full=((1, 1e-4),), folds=2)


@pytest.fixture(scope="module")
def structure():
    rng = np.random.default_rng(0)
    labels = torch.as_tensor(rng.uniform(size=(len(LEVELS), PARTICLES)), dtype=torch.float32)
    columns = rng.normal(size=(PARTICLES, COLUMNS))
    return Batch(
        padded(columns),
        0.4,
        LEVELS,
        labels,
        torch.ones(len(LEVELS)),
        rng.uniform(0, 32.9, (PARTICLES, 2)),
        32.9,
        1,
    )


def best(call, repeats=3, clock=process_time):
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def our_step(structure, networks, phase, levels):
    net = TGlassMLP(networks, COLUMNS)
    trainer = Trainer(net, [structure], PLAN, torch.zeros(networks, dtype=int), np.zeros(COLUMNS), 0, levels=levels)
    drawn = np.random.default_rng(0)
    return lambda: trainer._step(0, phase, 1e-4, drawn)


def plain_step(structure, phase):
    """One network at one state, as the paper trains: torch's own softmax, gradient and optimiser, the same loss."""
    net = TGlassMLP(1, COLUMNS)
    net.table.requires_grad_()
    columns = torch.from_numpy(structure.columns[None, :, :COLUMNS])
    optimiser = torch.optim.Adam([net.table])
    states = torch.tensor([[4]])

    def run():
        optimiser.zero_grad()
        prediction = TGlassMLP.of(net.table, COLUMNS)(columns, structure.features[states])
        structure.loss(prediction, states, phase, PLAN).sum().backward()
        optimiser.step()

    return run


@pytest.mark.parametrize("phase", ["squared", "full"])
def test_equal_time_networks_together_against_one_by_one(structure, phase):
    """Step 1: 16 × 11 networks, each at its own level, against one network at one level, per network and core.

    Seen 6.5 to 9 times on a busy core.
    """
    torch.set_num_threads(1)
    levels = np.repeat(LEVELS, SEEDS)
    together = best(our_step(structure, len(levels), phase, levels)) / len(levels)
    alone, plain = best(our_step(structure, 1, phase, levels[:1])), best(plain_step(structure, phase))
    print(
        f"\n{phase}: {1e3 * together:.2f} ms per network and step of {len(levels)} together, {1e3 * alone:.2f} of one "
        f"({alone / together:.1f}×), {1e3 * plain:.2f} ms of one in plain torch ({plain / together:.1f}×)"
    )
    assert plain / together >= 5


@pytest.mark.parametrize("phase", ["squared", "full"])
def test_equal_time_networks_on_all_cores(structure, phase):
    """Step 1 by the clock on the wall, all cores to both: networks of a batch share out over them, as one cannot.

    Seen 11.5 and 12.0 times on two quiet cores; the bar is 10.
    """
    cores = numba.config.NUMBA_NUM_THREADS
    torch.set_num_threads(cores)
    levels = np.repeat(LEVELS, SEEDS)
    together = best(our_step(structure, len(levels), phase, levels), clock=perf_counter) / len(levels)
    plain = best(plain_step(structure, phase), 9, clock=perf_counter)
    torch.set_num_threads(1)
    plain = min(plain, best(plain_step(structure, phase), 9, clock=perf_counter))
    print(
        f"\n{phase}, {cores} cores: {1e3 * together:.2f} ms per network and step of {len(levels)} together, "
        f"{1e3 * plain:.2f} ms of one in plain torch ({plain / together:.1f}×)"
    )
    assert plain / together >= 4 * min(cores, 2)


@pytest.mark.parametrize("phase", ["squared", "full"])
def test_final_networks_together_against_one_by_one(structure, phase):
    """Step 2: 16 networks at four of the levels per step, per network and state."""
    torch.set_num_threads(1)
    together = best(our_step(structure, SEEDS, phase, None)) / SEEDS / PLAN.states
    plain = best(plain_step(structure, phase))
    print(
        f"\n{phase}: {1e3 * together:.2f} ms per network, state and step of {SEEDS} networks together, "
        f"{1e3 * plain:.2f} ms of one in plain torch ({plain / together:.1f}×)"
    )
    assert plain / together >= 10
