"""Speed of learning and prediction: seconds are printed, ratios in one run are asserted."""

from time import perf_counter

import numpy as np
import pytest
import torch

from glassviz.learn import architecture
from glassviz.learn.factorised import Branch
from glassviz.learn.inference import Ensemble
from glassviz.learn.network import TGlassMLP
from glassviz.learn.start import follow_the_level

pytestmark = pytest.mark.benchmark

STATES = np.linspace(0.97, 0.3, 40)
PARTICLES = 38400
NETWORKS = 4
CHUNK = 1200  # particles the plain way takes at a time, as its memory grows with states × particles × columns


def best(call, repeats=3):
    call()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


@pytest.fixture(scope="module")
def field():
    """An untrained ensemble whose mean prediction is its input C (one path of the head carries it), and columns."""
    kept = np.arange(176) >= 12
    net = TGlassMLP(NETWORKS, int(kept.sum()), seed=1)
    follow_the_level(net)
    branch: Branch = net.branch(np.zeros(176), np.ones(176), kept)
    columns = np.random.default_rng(0).normal(size=(PARTICLES, 176)).astype(np.float32)
    return net, Ensemble({0: branch}, {"reference_temperature": architecture.REFERENCE_TEMPERATURE}), columns, kept


def test_factorised_inference_against_the_plain_forward_pass(field):
    """40 states × 38400 particles, one network, unconstrained: ≥ 20×, the bar is 50×."""
    from glassviz.learn.factorised import Field

    net, ensemble, columns, kept = field
    branch = ensemble.select(slice(1)).branches[0]
    single = TGlassMLP(1, int(kept.sum()), seed=1)
    single.table.copy_(net.table[:1])
    features = torch.as_tensor(architecture.state_features(0.23, STATES), dtype=torch.float32)[None]
    standard = torch.as_tensor(columns[:, kept])[None]

    def plain():
        with torch.no_grad():
            return torch.cat([single(part, features) for part in standard.split(CHUNK, dim=1)], dim=-1)

    def fast():
        return Field(branch, 0, columns, architecture.REFERENCE_TEMPERATURE).propensity(np.full(40, 0.23), STATES)

    np.testing.assert_allclose(fast(), plain()[0].numpy(), atol=1e-5)
    slow, quick = best(plain, 1), best(fast)
    print(f"\nplain {slow:.2f} s, factorised {1e3 * quick:.0f} ms: {slow / quick:.0f}×")
    assert slow / quick >= 20


def test_constrained_curves_of_an_ensemble(field):
    """40 states × 38400 particles × 4 networks with the constraint: no more than 5 unconstrained passes' time."""
    _, ensemble, columns, _ = field
    species = np.zeros(PARTICLES, int)
    _, report = ensemble.propensity(columns, species, 0.23, STATES)
    constrained = best(lambda: ensemble.propensity(columns, species, 0.23, STATES))

    from glassviz.learn.factorised import Field

    def once():
        for network in range(NETWORKS):
            one = Field(ensemble.branches[0], network, columns, architecture.REFERENCE_TEMPERATURE)
            one.propensity(np.full(40, 0.23), STATES)

    unconstrained = best(once)
    print(f"\n4 networks: {unconstrained:.2f} s unconstrained, {constrained:.2f} s constrained,", end=" ")
    print(f"{report['iterations']} iterations, converged {report['converged'].mean():.0%}")
    assert report["converged"].all()
    assert constrained < 5 * unconstrained
