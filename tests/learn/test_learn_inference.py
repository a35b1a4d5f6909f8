import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from glassviz.learn import architecture, constraint, kernels
from glassviz.mixture import InvalidData

LEVELS = np.array([0.95, 0.8, 0.5, 0.3])


def standardised(ensemble, X, species=0):
    branch = ensemble.branches[species]
    columns = X.values.reshape(-1, 176)[X.species.values.ravel() == species]
    return torch.as_tensor(((columns - branch.mean) / branch.std)[:, branch.kept], dtype=torch.float32)[None]


def features_of(temperature, inputs):
    return torch.as_tensor(architecture.state_features(temperature, inputs), dtype=torch.float32)


def test_exponential_is_accurate_in_float32():
    x = np.linspace(-86, 86, 20001).astype(np.float32)
    found = np.array([kernels.exponential(v) for v in x])
    np.testing.assert_allclose(found, np.exp(x.astype(np.float64)), rtol=1e-6)


def test_predictions_are_the_plain_forward_pass_at_the_constrained_state(random_networks, random_descriptors):
    modules, ensemble = random_networks(networks=3)
    X = random_descriptors()
    C = ensemble.predict(X, 0.23, LEVELS)
    features = features_of(0.23, C.state_input.values)
    with torch.no_grad():
        plain = modules[0](standardised(ensemble, X), features).numpy()
    found = C.values.reshape(3, 4, -1)[:, :, X.species.values.ravel() == 0]
    np.testing.assert_allclose(found, plain, atol=1e-5)
    assert found.std(axis=-1).min() > 1e-3


def test_bottleneck_and_attention_are_those_of_the_plain_forward_pass(random_networks, random_descriptors):
    modules, ensemble = random_networks(networks=2)
    X = random_descriptors()
    B, w = ensemble.bottleneck(X, 0.3, LEVELS), ensemble.attention(X, 0.3, LEVELS)
    features, columns = features_of(0.3, B.state_input.values), standardised(ensemble, X)
    with torch.no_grad():
        bottleneck = modules[0].bottleneck(columns, features).numpy()
        attention = modules[0].attention(columns, features).numpy()
    chosen = X.species.values.ravel() == 0
    np.testing.assert_allclose(B.values.reshape(2, 4, -1, 2)[:, :, chosen], bottleneck, atol=1e-5, rtol=1e-5)
    kept = ensemble.branches[0].kept
    mean = attention.reshape(2, 4, 3, -1, kept.sum()).mean(axis=3)
    np.testing.assert_allclose(w.values.reshape(2, 4, 3, 176)[..., kept], mean, atol=1e-6)
    np.testing.assert_allclose(w.sum(("observable", "length", "neighbor_species")), 1, rtol=1e-5)


def test_masked_columns_have_no_influence_and_no_attention(random_networks, random_descriptors):
    _, ensemble = random_networks()
    X = random_descriptors()
    masked = (~ensemble.branches[0].kept).reshape(4, 11, 4)
    changed = X.copy(data=np.where(masked, 1e6, X.values).astype(np.float32))
    np.testing.assert_array_equal(ensemble.predict(changed, 0.3, 0.7).values, ensemble.predict(X, 0.3, 0.7).values)
    assert np.abs(ensemble.attention(X, 0.3, 0.7).values[..., masked]).max() == 0


def test_mean_over_species_1_of_all_configurations_is_the_level(random_networks, random_descriptors):
    _, ensemble = random_networks(networks=3)
    X = random_descriptors(configurations=6)
    C = ensemble.predict(X, 0.23, LEVELS)
    mean = C.where(C.species == 0).mean(("configuration", "particle"))
    np.testing.assert_allclose(mean, np.broadcast_to(LEVELS, (3, 4)), atol=1.1e-4)
    assert C.converged.all()
    assert C.attrs["converged"] == 1
    assert 1 <= C.attrs["iterations"] <= 6
    apart = C.where(C.species == 0).mean("particle").std("configuration")
    assert apart.min() > 0  # configurations keep their own means: that is χ₄


def test_large_sets_are_constrained_through_a_sample(random_networks):
    modules, ensemble = random_networks(networks=1, masked=0)
    columns = np.random.default_rng(0).normal(size=(12000, 176)).astype(np.float32)
    levels = np.array([0.6, 0.5, 0.4, 0.3])
    C, report = ensemble.propensity(columns, np.zeros(12000, int), 0.2, levels)
    np.testing.assert_allclose(C.mean(axis=-1, dtype=np.float64), levels[None], atol=1e-4)
    assert report["iterations"] <= 3
    branch = ensemble.branches[0]
    some = torch.as_tensor((columns[::40] - branch.mean) / branch.std, dtype=torch.float32)[None]
    with torch.no_grad():
        plain = modules[0](some, features_of(0.2, report["inputs"])).numpy()
    np.testing.assert_allclose(C[:, :, ::40], plain, atol=1e-5)


def test_a_constraint_out_of_reach_is_reported():
    calls = []

    def saturates(inputs, states):
        calls.append(len(states))
        return np.where(states == 0, inputs, 0.9)

    _, _, converged, iterations = constraint.solve_inputs(saturates, np.array([0.5, 0.4]))
    assert converged.tolist() == [True, False]
    assert iterations == constraint.MAX_ITERATIONS
    assert calls[1:] == [1] * 5  # the converged state is not computed again


def test_the_constraint_goes_down_where_the_mean_is_too_large():
    inputs, slope, converged, iterations = constraint.solve_inputs(
        lambda c, _: 0.1 + 0.7 * c + 0.2 * c**2, np.array([0.9, 0.6, 0.2])
    )
    np.testing.assert_allclose(0.1 + 0.7 * inputs + 0.2 * inputs**2, [0.9, 0.6, 0.2], atol=1e-4)
    assert converged.all()
    assert iterations <= 4
    np.testing.assert_allclose(slope, 0.7 + 0.4 * inputs, atol=0.05)


def test_other_species_use_the_input_found_for_species_1(random_networks, random_descriptors):
    modules, ensemble = random_networks(networks=2, species=(0, 2))
    X = random_descriptors()
    C = ensemble.predict(X, 0.3, LEVELS)
    with torch.no_grad():
        plain = modules[2](standardised(ensemble, X, 2), features_of(0.3, C.state_input.values)).numpy()
    kinds = X.species.values.ravel()
    np.testing.assert_allclose(C.values.reshape(2, 4, -1)[:, :, kinds == 2], plain, atol=1e-5)
    assert np.isnan(C.values.reshape(2, 4, -1)[:, :, kinds == 1]).all()


def test_dimensions_and_coordinates(random_networks, random_descriptors):
    _, ensemble = random_networks()
    X = random_descriptors()
    assert ensemble.predict(X, 0.23, 0.76).dims == ("network", "configuration", "particle")
    one = ensemble.predict(X.isel(configuration=0), 0.23, [0.9, 0.7])
    assert one.dims == ("network", "state", "particle")
    assert one.mean_propensity.values.tolist() == [0.9, 0.7]
    assert one.temperature.values.tolist() == [0.23, 0.23]
    assert ensemble.predict(X, [0.2, 0.3], [0.9, 0.7]).temperature.values.tolist() == [0.2, 0.3]
    assert ensemble.bottleneck(X, 0.23, 0.76).dims == ("network", "configuration", "particle", "node")
    assert ensemble.attention(X.isel(configuration=0), 0.23, 0.76).dims == (
        "network",
        "observable",
        "length",
        "neighbor_species",
    )


def test_same_answer_from_several_threads(random_networks, random_descriptors):
    _, ensemble = random_networks(networks=2)
    X = random_descriptors(configurations=10, particles=300)
    expected = ensemble.predict(X, 0.3, LEVELS).values
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: ensemble.predict(X, 0.3, LEVELS).values, range(12)):
            np.testing.assert_array_equal(found, expected)


REASONS = [
    "cutoff",
    "tessellation",
    "'length'",
    "'species'",
    "not finite",
    "positive temperatures",
    "not finite; expected higher",
    r"\(0, 1\]",
    "equally long",
    "no particle of species 1",
]


def refusals(X):
    no_species = X.drop_vars("species")
    spoiled = X.copy()
    spoiled.values[0, 0, 0, 0, 0] = np.nan
    return {
        "cutoff": (X.assign_attrs(cutoff=20.0), 0.3, 0.7),
        "tessellation": (X.assign_attrs(tessellation="plain"), 0.3, 0.7),
        "'length'": (X.isel(length=slice(0, 5)), 0.3, 0.7),
        "'species'": (no_species, 0.3, 0.7),
        "not finite": (spoiled, 0.3, 0.7),
        "positive temperatures": (X, 0.0, 0.7),
        "not finite; expected higher": (X, 1e-300, 0.7),
        r"\(0, 1\]": (X, 0.3, 1.2),
        "equally long": (X, [0.3, 0.2], [0.5, 0.6, 0.7]),
        "no particle of species 1": (X.assign_coords(species=X.species * 0 + 1), 0.3, 0.7),
    }


@pytest.mark.parametrize("reason", REASONS)
def test_what_cannot_be_predicted_is_refused(reason, random_networks, random_descriptors):
    _, ensemble = random_networks()
    X, temperature, level = refusals(random_descriptors())[reason]
    with pytest.raises(InvalidData, match=reason):
        ensemble.predict(X, temperature, level)


def test_inputs_of_an_earlier_prediction_spare_the_constraint(random_networks, random_descriptors):
    _, ensemble = random_networks()
    X = random_descriptors()
    for level in (0.7, [0.8, 0.6]):
        found = ensemble.predict(X, 0.3, level).state_input
        for inputs in (found, found.values):
            for ask in (ensemble.bottleneck, ensemble.attention):
                np.testing.assert_array_equal(ask(X, 0.3, level, inputs=inputs), ask(X, 0.3, level))
        with pytest.raises(InvalidData, match="inputs of shape"):
            ensemble.attention(X, 0.3, level, inputs=found.values[:1])
        with pytest.raises(InvalidData, match="positive temperatures"):
            ensemble.bottleneck(X, -0.3, level, inputs=found)


def test_attention_of_unlike_compositions_is_refused(random_networks, random_descriptors):
    _, ensemble = random_networks()
    X = random_descriptors()
    X["species"][1, 0] = 1
    for unlike in (X, X.assign_coords(species=X.species * 0 + 1)):
        with pytest.raises(InvalidData, match="differ in their number of species-1 particles"):
            ensemble.attention(unlike, 0.3, 0.7, inputs=[0.7, 0.7])


def test_inference_does_not_load_torch():
    code = "import sys, glassviz.learn.networkfile; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_scan_finds_where_a_bent_mean_rises_through_the_target():
    """Steep, then falling between 0.8 and 0.9: six steps from the target itself do not find the way."""

    def bent(inputs, _states=None):
        return np.interp(inputs, [-0.25, 0.6, 0.8, 0.9, 1.25], [0.0, 0.3, 0.96, 0.95, 1.2])

    target = np.array([0.2, 0.9, 0.94, 1.3])
    _, _, alone, _ = constraint.solve_inputs(bent, target)
    start, slope = constraint.scanned(bent(constraint.SCAN), target)
    inputs, _, converged, _ = constraint.solve_inputs(bent, target, start, slope)
    assert not alone.all()
    np.testing.assert_array_equal(converged, [True, True, True, False])
    np.testing.assert_allclose(bent(inputs[:3]), target[:3], atol=constraint.TOLERANCE)
    assert inputs[2] < 0.8


def test_an_ensemble_says_in_a_line_what_it_is(random_networks):
    _, ensemble = random_networks(species=(0, 2))
    assert repr(ensemble) == f"<Ensemble {ensemble.name}: 2 × tglassmlp for species 1, 3>"
    states = [{"temperature": 0.4}, {"temperature": 0.15}]
    trained = dataclasses.replace(ensemble, header={"training": {"species1": {"states": states}}})
    assert trained.temperatures == (0.15, 0.4)
    assert repr(trained).endswith(", trained on dynamics at T = 0.15 to 0.4>")


def test_temperatures_that_labels_were_transferred_to_are_not_learned(random_networks):
    _, ensemble = random_networks()
    states = [{"temperature": t, "times": [time]} for t, time in ((0.4, 10.0), (0.25, 100.0), (0.15, None))]
    record = {"states": states, "plan": {"stretch": 2.0}}
    trained = dataclasses.replace(ensemble, header={"training": {"species1": record}})
    assert trained.temperatures == (0.25, 0.4)
    assert trained.untrained_at(0.15) == "T = 0.25 to 0.4"
    assert trained.untrained_at(0.3) == ""
    assert (trained.stretch, ensemble.stretch) == (2.0, 0.0)
