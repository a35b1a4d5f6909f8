"""tGlassMLP in torch: many networks whose parameters are the rows of one table, trained by one optimiser.

Calling it is the plain reference that writes the softmax out; `fast_forward` is the same function with the softmax
factorised, compiled (see `fused`), which is what makes training on two cores quick.
"""

import numpy as np
import torch
from torch.nn import functional

from glassviz.learn import architecture
from glassviz.learn.factorised import Branch
from glassviz.learn.fused import LANES, Predict


class TGlassMLP:
    """A batch of independent tGlassMLP networks.

    Parameters
    ----------
    networks : int
        Number of networks.
    columns : int, optional
        Number M_S of descriptor columns that count (masked ones are not fed in).
    seed : int, optional
        Seed of the initial weights: Glorot-uniform dense layers with zero bias, attention of width 0.1.

    Attributes
    ----------
    table : (network, parameters) Tensor
        All parameters, one row per network.
    weights : dict of str to (network, ...) Tensor
        The same by name, as in `architecture.parameter_shapes`: views, so that a change to one changes the table.
    """

    def __init__(self, networks, columns=176, seed=0):
        generator = torch.Generator().manual_seed(seed)
        table = torch.zeros(networks, architecture.parameter_count(columns))
        self._wrap(table, columns)
        for name, values in self.weights.items():
            if name.endswith("weight"):
                values.uniform_(-1, 1, generator=generator).mul_((6 / sum(values.shape[1:])) ** 0.5)
            elif name == "attention":
                values.normal_(0, 0.1, generator=generator)

    def _wrap(self, table, columns):
        self.table, self.columns, self.networks = table, columns, len(table)
        shapes = architecture.parameter_shapes(columns)
        parts = table.split([int(np.prod(shape)) for shape in shapes.values()], dim=1)
        self.weights = {
            name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }

    @classmethod
    def of(cls, table, columns):
        """Networks around a table of parameters, which is not copied."""
        net = object.__new__(cls)
        net._wrap(table, columns)
        return net

    def dense(self, name, layer):
        """Weight (network, inputs, outputs) and bias (network, 1, outputs) of one dense layer."""
        return self.weights[f"{name}.{layer}.weight"], self.weights[f"{name}.{layer}.bias"][:, None]

    def _mlp(self, name, x):
        layers = len(getattr(architecture, name.upper())) - 1
        for layer in range(layers):
            weight, bias = self.dense(name, layer)
            x = torch.baddbmm(bias, x, weight)
            if layer < layers - 1:
                x = functional.elu(x)
        return x

    def decode(self, bottleneck, features):
        """Propensities (network, states, n) from bottleneck values (network, states, n, 2) and state inputs."""
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
        """Softmax weights (network, states, n, K); arguments as in a call."""
        return self._attended(*self._expanded(columns, features))

    def bottleneck(self, columns, features):
        """Bottleneck values (network, states, n, 2); arguments as in a call."""
        columns, features = self._expanded(columns, features)
        weighted = self.columns * self._attended(columns, features) * columns[:, None]
        weight, bias = self.dense("bottleneck", 0)
        return weighted @ weight[:, None] + bias[:, None]

    def __call__(self, columns, features):
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
        return self.decode(self.bottleneck(columns, features), features)

    def fast_forward(self, columns, features):
        """The same as a call, compiled; the softmax's exponentials must stay in the range of float32.

        `columns` are those of one structure, (n, K) or padded by `fused.padded`.
        """
        features = features.expand(self.networks, -1, -1)
        missing = -self.columns % LANES
        f1, modulated, f4 = self.weights["attention"].split([1, 2, 1], dim=1)
        exponent = torch.baddbmm(f4, self._mlp("mlp1", features), modulated)
        weight, bias = self.dense("bottleneck", 0)
        nodes = architecture.BOTTLENECK
        entry, entry_bias = self.dense("head", 0)
        (hidden, hidden_bias), (last, last_bias) = self.dense("head", 1), self.dense("head", 2)
        return Predict.apply(
            columns,
            functional.pad(f1[:, 0], (0, missing)),
            functional.pad(exponent, (0, missing), value=-torch.inf),
            functional.pad(self.columns * weight.mT, (0, missing)),
            bias[:, 0],
            entry[:, :nodes],
            torch.baddbmm(entry_bias, self._mlp("mlp2", features), entry[:, nodes:]),
            hidden,
            hidden_bias[:, 0],
            last[..., 0],
            last_bias[:, 0],
        )

    def branch(self, mean, std, kept, networks=None):
        """The parameters as a `Branch` for inference, over all columns with zeros where masked.

        Parameters
        ----------
        mean, std : (K,) ndarray
            Standardisation of the input.
        kept : (K,) ndarray of bool
            Which of the K columns the networks were given.
        networks : list of int, optional
            The networks to take; all by default.
        """
        weights = {}
        for name in architecture.parameter_shapes(self.columns):
            values = self.weights[name].detach().numpy()
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
