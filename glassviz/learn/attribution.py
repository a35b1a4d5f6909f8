r"""What a prediction owes to each structural descriptor: integrated gradients (Sundararajan et al., ICML 2017).

The prediction of one particle is compared with that of a particle whose standardised descriptors S^k are all zero, the
mean of its species over the training structures. Along the straight line between the two the gradient of the network is
integrated, so that the contributions of all descriptors add up to the whole difference, whatever the network.
"""

import numpy as np
import xarray as xr

from glassviz.learn import architecture
from glassviz.learn.tables import COLUMN_DIMS, Table
from glassviz.mixture import InvalidData

EQUATION = (
    r"\phi_k = S^k \int_0^1 \mathrm{d}\alpha\, \frac{\partial \mathcal{X}}{\partial S^k}(\alpha S), \qquad "
    r"\sum_k \phi_k = \mathcal{X}(S) - \mathcal{X}(0)"
)
CAPTION = (
    "What a particle's prediction owes to each descriptor, compared with a particle of its species in average "
    "surroundings; all contributions add up to the difference of the two predictions."
)

NODES = 64  # of the Gauss-Legendre rule along the line


def attribution(ensemble, descriptors, temperature, state_input):
    r"""Contribution of every descriptor to the predictions of some particles.

    .. math:: \phi_k = S^k \int_0^1 d\alpha\, \partial X/\partial S^k (\alpha S), \quad \sum_k \phi_k = X(S) - X(0)

    Parameters
    ----------
    ensemble : Ensemble
        Networks with an attention layer and a bottleneck.
    descriptors : DataArray (particle, observable, length, neighbor_species)
        Those of the particles in question, with the coordinate `species`.
    temperature : float
        T (ε/k_B).
    state_input : (network,) array_like
        The input C at which each network meets its mean constraint (`state_input` of `Ensemble.predict`).

    Returns
    -------
    Dataset
        `contribution` (network, particle, observable, length, neighbor_species), zero in masked columns;
        `prediction` X(S) and `average` X(0) (network, particle). All are propensities; the contributions of a particle
        add up to `prediction` − `average` within 1e-3, the error of the quadrature.

    Raises
    ------
    InvalidData
        Where the descriptors are not those of the networks, a particle's species has no networks, or the temperature
        or an input cannot be one.
    """
    table = Table(ensemble.name, ensemble.header, descriptors, float(temperature), 1.0)
    if table.configurations != 1:
        raise InvalidData(f"attribution: {table.configurations} configurations; expected the particles of one.")
    missing = sorted(set(table.species.tolist()) - set(ensemble.species))
    if missing:
        raise InvalidData(f"{ensemble.name}: there are no networks for species {missing[0] + 1}.")
    state_input = np.atleast_1d(np.asarray(state_input, np.float64))
    if state_input.shape != (ensemble.networks,) or not np.isfinite(state_input).all():
        raise InvalidData(
            f"attribution: inputs of shape {state_input.shape}; expected a number for each of {ensemble.networks}."
        )
    shape = (ensemble.networks, len(table.columns))
    contribution = np.zeros((*shape, table.columns.shape[1]))
    prediction, average = np.empty(shape), np.empty(shape)
    for species in np.unique(table.species):
        members, branch = np.flatnonzero(table.species == species), ensemble.branches[species]
        for network in range(ensemble.networks):
            one = _Network(branch, network, ensemble.header["reference_temperature"], temperature, state_input[network])
            standard = (table.columns[members][:, branch.index] - branch.mean[branch.index]) / branch.std[branch.index]
            contribution[network][np.ix_(members, branch.index)] = one.integrated(standard)
            prediction[network, members] = one(standard)[0]
            average[network, members] = one(np.zeros((1, standard.shape[1])))[0]
    sizes = [len(table.column_coords[dim]) for dim in COLUMN_DIMS]
    return xr.Dataset(
        {
            "contribution": (("network", "particle", *COLUMN_DIMS), contribution.reshape(*shape, *sizes)),
            "prediction": (("network", "particle"), prediction),
            "average": (("network", "particle"), average),
        },
        coords={**table.column_coords, "species": ("particle", table.species)},
    )


class _Network:
    """One network at one state in float64, with its gradient."""

    def __init__(self, branch, network, reference_temperature, temperature, state_input):
        features = architecture.state_features([temperature], [state_input], reference_temperature)
        attention = branch.weights["attention"][network][:, branch.index].astype(np.float64)
        modulation = branch.small("mlp1", network, features)[0]
        self.slope, self.offset = attention[0], modulation @ attention[1:3] + attention[3]
        encode, self.encode_bias = branch.dense("bottleneck", 0, network)
        self.encode = len(branch.index) * encode[branch.index].astype(np.float64)
        (entry, entry_bias), self.hidden, self.last = (branch.dense("head", layer, network) for layer in range(3))
        nodes = self.encode.shape[1]
        self.entry = entry[:nodes].astype(np.float64)
        self.constant = branch.small("mlp2", network, features)[0] @ entry[nodes:].astype(np.float64) + entry_bias

    def __call__(self, standard):
        """Predictions (n,) for standardised descriptors (n, K), and their gradient (n, K)."""
        exponent = standard * self.slope + self.offset
        weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        encoded = (weight * standard) @ self.encode
        first, first_slope = _elu((encoded + self.encode_bias) @ self.entry + self.constant)
        second, second_slope = _elu(first @ self.hidden[0] + self.hidden[1])
        value = (second @ self.last[0] + self.last[1])[:, 0]
        back = (self.last[0][:, 0] * second_slope) @ self.hidden[0].T * first_slope @ self.entry.T
        through = back @ self.encode.T
        attention = standard * through - (back * encoded).sum(axis=1, keepdims=True)
        return value, weight * (through + self.slope * attention)

    def integrated(self, standard):
        """Contributions (n, K) by Gauss-Legendre quadrature along the line from zero to the descriptors."""
        at, weights = np.polynomial.legendre.leggauss(NODES)
        total = np.zeros_like(standard)
        for alpha, weight in zip((at + 1) / 2, weights / 2, strict=True):
            total += weight * self(alpha * standard)[1]
        return standard * total


def _elu(x):
    """ELU and its derivative."""
    low = np.exp(np.minimum(x, 0))
    return np.where(x > 0, x, low - 1), np.where(x > 0, 1.0, low)
