import numpy as np
import pytest
import torch

from glassviz.learn import architecture
from glassviz.learn.fused import padded
from glassviz.learn.network import TGlassMLP

PARTS = {"attention": 688, "mlp1": 98, "bottleneck": 346, "mlp2": 137, "head": 191}


def test_parameter_counts_are_the_papers():
    assert {part: architecture.parameter_count(172, part) for part in PARTS} == PARTS
    assert architecture.parameter_count(172) == 1460
    assert architecture.parameter_count(176) == 1484
    assert architecture.parameter_count(164) == 1412


@pytest.mark.parametrize("columns", [164, 176])
def test_module_holds_what_is_counted(columns):
    net = TGlassMLP(3, columns)
    assert net.table.shape == (3, architecture.parameter_count(columns))
    assert {name: tuple(w.shape[1:]) for name, w in net.weights.items()} == architecture.parameter_shapes(columns)


def test_weights_are_views_of_the_table():
    net = TGlassMLP(2, 20)
    net.weights["head.2.bias"][1] = 7.0
    assert net.table[1, -1] == 7
    assert TGlassMLP.of(net.table, 20).weights["head.2.bias"][1] == 7


def test_state_inputs_stay_of_order_one():
    features = architecture.state_features([0.40, 0.15], [0.99, 0.05])
    np.testing.assert_allclose(features[0], [0.5, 0.25, 0.125, 0.99, 0.99**2, 0.99**3])
    assert np.abs(features).max() < 3


def inputs(networks=2, columns=20, particles=30, states=4, seed=0):
    torch.manual_seed(seed)
    net = TGlassMLP(networks, columns, seed)
    features = architecture.state_features(0.3, np.linspace(0.3, 0.9, states))
    return net, torch.randn(1, particles, columns), torch.as_tensor(features, dtype=torch.float32)[None]


def test_attention_sums_to_one_and_follows_equation_5():
    net, columns, features = inputs()
    weights = net.attention(columns, features)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4, 30))
    f1, f2, f3, f4 = net.weights["attention"][1].detach()
    m = net._mlp("mlp1", features.expand(2, -1, -1))[1, 2].detach()
    exponent = columns[0, 7] * f1 + m[0] * f2 + m[1] * f3 + f4
    torch.testing.assert_close(weights[1, 2, 7], torch.softmax(exponent, dim=0))


def gradient(net, forward, outcome):
    table = net.table.clone().requires_grad_()
    values = forward(TGlassMLP.of(table, net.columns))
    return values.detach(), torch.autograd.grad(outcome(values), table)[0]


def test_networks_of_a_batch_do_not_touch_each_other():
    net, columns, features = inputs()
    _, found = gradient(net, lambda n: n.fast_forward(padded(columns[0]), features), lambda x: x[1].sum())
    assert found[0].abs().max() == 0
    assert found[1].abs().max() > 0


@pytest.mark.parametrize("own", [False, True])
def test_fast_forward_and_its_gradients_are_those_of_the_plain_one(own):
    """All networks at the same four states, or each network at a state of its own."""
    net, columns, features = inputs()
    if own:
        features = features[0, :2, None]
    plain, expected = gradient(net, lambda n: n(columns, features), lambda x: x.sin().sum())
    fast, found = gradient(net, lambda n: n.fast_forward(padded(columns[0]), features), lambda x: x.sin().sum())
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_padding_adds_zeros_up_to_whole_lanes():
    values = padded(np.ones((3, 20)))
    assert values.shape == (3, 32)
    assert values.dtype == np.float32
    assert values[:, 20:].max() == 0


def test_same_seed_same_start():
    first, second, other = TGlassMLP(2, 20, 5), TGlassMLP(2, 20, 5), TGlassMLP(2, 20, 6)
    assert torch.equal(first.weights["attention"], second.weights["attention"])
    assert not torch.equal(first.weights["attention"], other.weights["attention"])
    assert not torch.equal(first.weights["attention"][0], first.weights["attention"][1])
