r"""The factorised forward pass of one network.

The softmax factorises: exp(A^k) = exp(S^k f_1^k) g_k(s) with g_k(s) = exp(m_1 f_2^k + m_2 f_3^k + f_4^k). With
E = exp(S ∘ f_1) computed once per configuration, the bottleneck of all states is two matrix products,
(S ∘ E)(g ∘ W) / (E g).
"""

from dataclasses import dataclass

import numpy as np

from glassviz.learn import architecture, kernels


@dataclass
class Branch:
    """The networks of one species: their parameters and the standardisation of their input.

    Attributes
    ----------
    weights : dict of str to (network, ...) ndarray of float32
        Parameters as in `architecture.parameter_shapes`, one leading axis over the networks.
    mean, std : (K,) ndarray of float64
        z-score of the descriptors over the training structures.
    kept : (K,) ndarray of bool
        Columns that count; the others have zero input and no attention.
    """

    weights: dict
    mean: np.ndarray
    std: np.ndarray
    kept: np.ndarray

    def __post_init__(self):
        self.index = np.flatnonzero(self.kept)
        self.center = self.mean[self.index].astype(np.float32)
        self.scale = (1 / self.std[self.index]).astype(np.float32)

    def dense(self, name, layer, network):
        """Weight and bias of one dense layer of one network, float32."""
        return self.weights[f"{name}.{layer}.weight"][network], self.weights[f"{name}.{layer}.bias"][network]

    def small(self, name, network, features):
        """MLP1 or MLP2 of one network for (states, 6) features, (states, outputs) float64."""
        x = features
        layers = len(getattr(architecture, name.upper())) - 1
        for layer in range(layers):
            weight, bias = self.dense(name, layer, network)
            x = x @ weight.astype(np.float64) + bias
            if layer < layers - 1:
                x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        return x


class Field:
    """One network on one set of particles; E = exp(S f_1) is computed once, states come and go."""

    def __init__(self, branch, network, columns, reference_temperature):
        self.branch, self.network, self.reference_temperature = branch, network, reference_temperature
        self.attention = branch.weights["attention"][network][:, branch.index].astype(np.float64)
        shape = (len(columns), len(branch.index))
        self.exponentials, self.products = np.empty(shape, np.float32), np.empty(shape, np.float32)
        slope = self.attention[0].astype(np.float32)
        with kernels.EXCLUSIVE:
            kernels.exponentials(
                columns, branch.index, branch.center, branch.scale, slope, self.exponentials, self.products
            )

    def part(self, chosen):
        """The same network on some of the particles only."""
        part = object.__new__(Field)
        part.__dict__.update(self.__dict__)
        part.exponentials, part.products = self.exponentials[chosen], self.products[chosen]
        return part

    def _state_factors(self, features):
        modulation = self.branch.small("mlp1", self.network, features)
        exponent = modulation @ self.attention[1:3] + self.attention[3]
        return np.exp(exponent - exponent.max(axis=1, keepdims=True))

    def _moments(self, features):
        factors = self._state_factors(features)
        weight, _ = self.branch.dense("bottleneck", 0, self.network)
        encoded = len(self.branch.index) * factors * weight[self.branch.index].T[:, None, :]
        moments = np.empty((3, len(features), len(self.exponentials)), np.float32)
        np.matmul(factors.astype(np.float32), self.exponentials.T, out=moments[0])
        np.matmul(encoded.astype(np.float32), self.products.T, out=moments[1:])
        return moments

    def features(self, temperature, inputs):
        """What MLP1 and MLP2 are told of the states, (states, 6)."""
        return architecture.state_features(temperature, inputs, self.reference_temperature)

    def propensity(self, temperature, inputs, out=None):
        """Predictions (states, n) at the given temperatures and state inputs C."""
        features = self.features(temperature, inputs)
        moments = self._moments(features)
        dense = self.branch.dense
        (entry, entry_bias), (hidden, hidden_bias), (last, last_bias) = (
            dense("head", layer, self.network) for layer in range(3)
        )
        nodes = architecture.BOTTLENECK
        constant = self.branch.small("mlp2", self.network, features) @ entry[nodes:].astype(np.float64) + entry_bias
        out = np.empty(moments.shape[1:], np.float32) if out is None else out
        with kernels.EXCLUSIVE:
            kernels.decode(
                moments,
                dense("bottleneck", 0, self.network)[1],
                np.ascontiguousarray(entry[:nodes]),
                constant.astype(np.float32),
                np.ascontiguousarray(hidden),
                hidden_bias,
                np.ascontiguousarray(last[:, 0]),
                last_bias[0],
                out,
            )
        return out

    def bottleneck(self, temperature, inputs):
        """Bottleneck values (states, n, 2)."""
        moments = self._moments(self.features(temperature, inputs))
        bias = self.branch.dense("bottleneck", 0, self.network)[1]
        return np.moveaxis(moments[1:] / moments[0], 0, -1) + bias

    def mean_attention(self, temperature, inputs, groups):
        """Softmax weights averaged over each group of equally many particles, (states, groups, kept columns)."""
        factors = self._state_factors(self.features(temperature, inputs)).astype(np.float32)
        norm = 1 / (factors @ self.exponentials.T)
        grouped = self.exponentials.reshape(groups, -1, self.exponentials.shape[1])
        norm = norm.reshape(len(factors), groups, -1).transpose(1, 0, 2)
        return (norm @ grouped).transpose(1, 0, 2) / grouped.shape[1] * factors[:, None, :]
