import numpy as np
import pytest
import torch

from glassviz.learn import architecture
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
    assert sum(p.numel() for p in net.parameters()) == 3 * architecture.parameter_count(columns)
    assert all(p.shape[0] == 3 for p in net.parameters())


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


def test_networks_of_a_batch_do_not_touch_each_other():
    net, columns, features = inputs()
    (gradient,) = torch.autograd.grad(net.fast_forward(columns, features)[1].sum(), net.weights["attention"])
    assert gradient[0].abs().max() == 0
    assert gradient[1].abs().max() > 0


def test_fast_forward_and_its_gradients_are_those_of_the_plain_one():
    net, columns, features = inputs()
    plain, fast = net(columns, features), net.fast_forward(columns, features)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-5)
    parameters = list(net.parameters())
    expected = torch.autograd.grad(plain.sin().sum(), parameters)
    found = torch.autograd.grad(fast.sin().sum(), parameters)
    for want, got in zip(expected, found, strict=True):
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-3)


def test_same_seed_same_start():
    first, second, other = TGlassMLP(2, 20, 5), TGlassMLP(2, 20, 5), TGlassMLP(2, 20, 6)
    assert torch.equal(first.weights["attention"], second.weights["attention"])
    assert not torch.equal(first.weights["attention"], other.weights["attention"])
    assert not torch.equal(first.weights["attention"][0], first.weights["attention"][1])
