"""tGlassMLP as a torch module: many networks with one leading axis, trained by one optimiser.

`forward` is the plain reference that writes the softmax out; `fast_forward` is the same function with the softmax
factorised and its gradient written by hand, which is what makes training on two cores quick.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from glassviz.learn import architecture
from glassviz.learn.factorised import Branch


class TGlassMLP(nn.Module):
    """A batch of independent tGlassMLP networks.

    Parameters
    ----------
    networks : int
        Number of networks, the leading axis of every parameter.
    columns : int, optional
        Number M_S of descriptor columns that count (masked ones are not fed in).
    seed : int, optional
        Seed of the initial weights: Glorot-uniform dense layers with zero bias, attention of width 0.1.
    """

    def __init__(self, networks, columns=176, seed=0):
        super().__init__()
        self.networks, self.columns = networks, columns
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterDict()
        for name, shape in architecture.parameter_shapes(columns).items():
            values = torch.zeros(networks, *shape)
            if name.endswith("weight"):
                values.uniform_(-1, 1, generator=generator).mul_((6 / sum(shape)) ** 0.5)
            elif name == "attention":
                values.normal_(0, 0.1, generator=generator)
            self.weights[name.replace(".", "_")] = nn.Parameter(values)

    def dense(self, name, layer):
        """Weight (network, inputs, outputs) and bias (network, 1, outputs) of one dense layer."""
        return self.weights[f"{name}_{layer}_weight"], self.weights[f"{name}_{layer}_bias"][:, None]

    def _mlp(self, name, x):
        layers = len(getattr(architecture, name.upper())) - 1
        for layer in range(layers):
            weight, bias = self.dense(name, layer)
            x = torch.baddbmm(bias, x, weight)
            if layer < layers - 1:
                x = functional.elu(x)
        return x

    def _decode(self, bottleneck, features):
        nodes, (batch, states, particles) = architecture.BOTTLENECK, bottleneck.shape[:3]
        weight, bias = self.dense("head", 0)
        constant = torch.baddbmm(bias, self._mlp("mlp2", features), weight[:, nodes:])
        first = torch.bmm(bottleneck.reshape(batch, -1, nodes), weight[:, :nodes])
        x = functional.elu(first.view(batch, states, particles, -1) + constant[:, :, None])
        x = functional.elu(torch.baddbmm(self.dense("head", 1)[1], x.flatten(1, 2), self.dense("head", 1)[0]))
        x = torch.baddbmm(self.dense("head", 2)[1], x, self.dense("head", 2)[0])
        return x.view(batch, states, particles)

    def _attended(self, columns, features):
        f1, f2, f3, f4 = self.weights["attention"][:, :, None, None].unbind(1)
        m1, m2 = self._mlp("mlp1", features)[..., None, None].unbind(2)
        return torch.softmax(columns[:, None] * f1 + m1 * f2 + m2 * f3 + f4, dim=-1)

    def _expanded(self, columns, features):
        return columns.expand(self.networks, -1, -1), features.expand(self.networks, -1, -1)

    def attention(self, columns, features):
        """Softmax weights (network, states, n, K); arguments as in `forward`."""
        return self._attended(*self._expanded(columns, features))

    def bottleneck(self, columns, features):
        """Bottleneck values (network, states, n, 2); arguments as in `forward`."""
        columns, features = self._expanded(columns, features)
        weighted = self.columns * self._attended(columns, features) * columns[:, None]
        weight, bias = self.dense("bottleneck", 0)
        return weighted @ weight[:, None] + bias[:, None]

    def forward(self, columns, features):
        """Propensities.

        Parameters
        ----------
        columns : (network or 1, n, K) Tensor
            Standardised descriptors.
        features : (network or 1, states, 6) Tensor
            State inputs, from `architecture.state_features`.

        Returns
        -------
        (network, states, n) Tensor
        """
        columns, features = self._expanded(columns, features)
        return self._decode(self.bottleneck(columns, features), features)

    def fast_forward(self, columns, features):
        """The same as `forward`, factorised; the softmax's exponentials must stay in the range of float32."""
        features = features.expand(self.networks, -1, -1)
        f1, modulated, f4 = self.weights["attention"].split([1, 2, 1], dim=1)
        exponent = torch.baddbmm(f4, self._mlp("mlp1", features), modulated)
        factors = torch.exp(exponent - exponent.amax(dim=-1, keepdim=True).detach())
        weight, bias = self.dense("bottleneck", 0)
        encoded = self.columns * factors[:, None] * weight.mT[:, :, None]
        norm, moments = _Moments.apply(columns, f1, factors, encoded.flatten(1, 2))
        moments = moments.view(self.networks, architecture.BOTTLENECK, *norm.shape[1:])
        bottleneck = (moments / norm[:, None]).permute(0, 2, 3, 1) + bias[:, None]
        return self._decode(bottleneck, features)

    def branch(self, mean, std, kept, networks=None):
        """The parameters as a `Branch` for inference, over all columns with zeros where masked.

        Parameters
        ----------
        mean, std : (K,) ndarray
            Standardisation of the input.
        kept : (K,) ndarray of bool
            Which of the K columns this module was given.
        networks : list of int, optional
            The networks to take; all by default.
        """
        weights = {}
        for name in architecture.parameter_shapes(self.columns):
            values = self.weights[name.replace(".", "_")].detach().numpy()
            values = values.copy() if networks is None else values[networks]
            if name == "attention":
                attention = np.zeros((*values.shape[:2], len(kept)), np.float32)
                attention[:, :, kept] = values
                values = attention
            elif name == "bottleneck.0.weight":
                encoder = np.zeros((len(values), len(kept), architecture.BOTTLENECK), np.float32)
                encoder[:, kept] = values
                values = encoder
            weights[name] = values
        return Branch(weights, mean, std, kept)


class _Moments(torch.autograd.Function):
    """E g and (S ∘ E)(g ∘ W) with E = exp(S ∘ f_1): two products forward, four back, E kept instead of recomputed."""

    @staticmethod
    def forward(ctx, columns, slope, factors, encoded):
        exponentials = torch.exp(columns * slope)
        products = exponentials * columns
        ctx.save_for_backward(columns, exponentials, products, factors, encoded)
        return torch.bmm(factors, exponentials.mT), torch.bmm(encoded, products.mT)

    @staticmethod
    def backward(ctx, of_norm, of_moments):
        columns, exponentials, products, factors, encoded = ctx.saved_tensors
        inner = torch.bmm(of_moments.mT, encoded).mul_(columns)
        inner = inner.baddbmm_(of_norm.mT, factors).mul_(products)
        return (
            None,
            inner.sum(dim=1, keepdim=True),
            torch.bmm(of_norm, exponentials),
            torch.bmm(of_moments, products),
        )
