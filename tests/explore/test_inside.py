from dataclasses import replace

import numpy as np
import pytest

from glassviz.explore import derive, inside
from glassviz.explore.state import ExplorerState


@pytest.fixture
def choice(library):
    state = ExplorerState(library)
    small = [s for s in library.samples(state.temperature) if s.particles < derive.LARGE]
    if not small or not library.ensemble(state.network).has_attention:
        pytest.fail("the store holds no small sample with networks that attend")
    return replace(state.choice(), sample=small[0], mean_propensity=float(derive.LEVELS[8]))


def test_mean_attention_is_that_of_the_networks(library, choice):
    found = inside.weights(library, choice)
    X = library.described(choice.sample, choice.network)
    inputs = inside.state_inputs(library, choice)[:, None]
    ensemble = library.ensemble(choice.network)
    expected = ensemble.attention(X, choice.temperature, [choice.mean_propensity], inputs=inputs)
    expected = expected.isel(state=0, configuration=0).mean("network") * ensemble.branches[0].kept.sum()
    assert np.allclose(found.fillna(0), expected, atol=1e-3)
    assert float(found.mean()) == pytest.approx(1, abs=1e-6)


def test_the_flow_of_a_particle_ends_in_its_prediction(library, choice):
    particle = int(inside.typical(library, choice)[5])
    found = inside.flow(library, replace(choice, selected=(particle,)))
    first = library.ensemble(choice.network).select([0])
    X = library.described(choice.sample, choice.network)
    B = first.bottleneck(X, choice.temperature, [choice.mean_propensity], inputs=_inputs(library, choice))
    assert np.allclose(found.nodes["bottleneck"], B.values[0, 0, 0, particle], atol=1e-3)
    level = int(np.flatnonzero(choice.mean_propensity == derive.LEVELS)[0])
    every = derive.propensities(library, choice.temperature, choice.sample.particles, choice.network)
    expected = every.isel(network=0, state=level, configuration=choice.sample.index).values[particle]
    assert found.propensity == pytest.approx(float(expected), abs=1e-3)
    assert found.particle == particle
    assert inside.flow(library, replace(choice, selected=())).particle is None
    for source, target, values in found.edges:
        assert values.shape == (len(found.nodes[source]), len(found.nodes[target]))
    first_hidden = sum(values.sum(axis=0) for _, target, values in found.edges if target == "head.0")
    bias = library.ensemble(choice.network).branches[0].dense("head", 0, 0)[1]
    activation = first_hidden + bias
    activation = np.where(activation > 0, activation, np.expm1(np.minimum(activation, 0)))
    assert np.allclose(activation, found.nodes["head.0"], atol=1e-5)


def _inputs(library, choice):
    return inside.state_inputs(library, choice)[:1, None]


def test_a_selected_particle_shows_its_own_descriptors(library, choice):
    assert inside.seen(library, choice) is None
    particle = int(inside.typical(library, choice)[3])
    found = inside.seen(library, replace(choice, selected=(particle,)))
    X = library.described(choice.sample, choice.network).isel(configuration=0, particle=particle)
    branch = library.ensemble(choice.network).branches[found.species]
    expected = (X.transpose(*found.scores.dims).values.ravel() - branch.mean) / branch.std
    assert np.allclose(found.scores.values.ravel()[branch.kept], expected[branch.kept], atol=1e-3)
    assert np.isnan(found.scores.values.ravel()[~branch.kept]).all()
    assert float(found.weights.mean()) == pytest.approx(1, abs=1e-6)
    nodes, propensity = derive.bottleneck(library, choice)
    assert np.array_equal(found.nodes, nodes[particle])
    assert found.propensity == pytest.approx(float(propensity[particle]))


def test_lengths_and_clouds_follow_the_temperature(library, choice):
    temperatures = inside.cloud_temperatures(library)
    assert temperatures == sorted(temperatures, reverse=True)
    assert temperatures[0] == library.temperatures[0]
    length, distribution, xi, _ = inside.lengths(library, choice, temperatures[-1])
    assert np.trapezoid(distribution, length) == pytest.approx(1, abs=1e-4)
    assert 0 < xi < length[-1]
    found = inside.cloud(library, inside.at_temperature(library, choice, temperatures[-1]), "coldest")
    assert np.isfinite(found.nodes).all()
    assert len(found.nodes) == len(found.propensity) == len(found.particles) <= 2 * inside.TYPICAL
