"""Inside the network: what flows through it at a state, what it attends to, and where it puts a particle.

Attention weights are multiplied by the number of columns, so that 1 is the even share.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from glassviz.explore import derive
from glassviz.explore.library import Sample
from glassviz.learn.architecture import BOTTLENECK, HEAD, MLP1, MLP2, state_features
from glassviz.learn.tables import COLUMN_DIMS

TYPICAL = 1200  # particles that stand for all of a sample
CLOUD_LEVELS = (0.95, 0.80, 0.50, 0.20)  # of the bottleneck across time
CLOUD_TEMPERATURES = 4  # of the bottleneck across temperature


@dataclass(frozen=True)
class Flow:
    """What each part of one network hands on at a state.

    Attributes
    ----------
    nodes : dict of str to (n,) ndarray
        Activations by layer: "state", "mlp1.0" …, "attention", "bottleneck", "mlp2.0" …, "head.0" …, the output last.
    edges : list of (str, str, (m, n) ndarray)
        From which layer, to which, and what each node hands to each: weight times activation.
    propensity : float
        The output.
    particle : int or None
        Whose; None for the average.
    """

    nodes: dict
    edges: list
    propensity: float
    particle: int | None


@dataclass(frozen=True)
class Cloud:
    """One small picture of the bottleneck.

    Attributes
    ----------
    title : str
    sample : Sample
    nodes : (n, 2) ndarray
    propensity : (n,) ndarray
    particles : (n,) ndarray of int
        Their numbers in the sample.
    """

    title: str
    sample: Sample
    nodes: np.ndarray
    propensity: np.ndarray
    particles: np.ndarray


@dataclass(frozen=True)
class Seen:
    """What the networks are told of one particle and make of it.

    Attributes
    ----------
    particle, species : int
        0-based.
    scores : DataArray (observable, length, neighbor_species)
        Its descriptors as z-scores over the training structures; NaN where the network sees nothing.
    weights : DataArray (observable, length, neighbor_species)
        Its attention, averaged over the networks.
    nodes : (2,) ndarray
        Bottleneck of the first network.
    propensity : float
        Ensemble mean of C_B.
    """

    particle: int
    species: int
    scores: xr.DataArray
    weights: xr.DataArray
    nodes: np.ndarray
    propensity: float


def state_inputs(library, choice):
    """The constrained inputs C of every network at the choice, (network,), interpolated between the levels."""
    sample = choice.sample
    every = derive.predictions(library, sample.temperature, sample.particles, choice.network)["inputs"]
    return np.array([np.interp(-choice.mean_propensity, -derive.LEVELS, row) for row in every])


def standardised(library, choice, particles, species=derive.SPECIES):
    """z-scores (n, kept column) of some particles of the chosen sample, all of one species."""
    X = library.described(choice.sample, choice.network).isel(configuration=0)
    branch = library.ensemble(choice.network).branches[species]
    columns = X.transpose("particle", *COLUMN_DIMS).values[particles].reshape(len(particles), -1)
    return (columns[:, branch.index] - branch.center) * branch.scale


def typical(library, choice):
    """Numbers of at most `TYPICAL` particles of species 1 of the chosen sample, evenly drawn."""
    sample = choice.sample
    ds = library.configurations(sample.temperature, sample.particles)
    found = np.flatnonzero(ds["species"].values[sample.index] == derive.SPECIES)
    return found[:: max(len(found) // TYPICAL, 1)]


def attend(branch, network, scores, features):
    """Attention of one network at one state, (n, kept column), mean 1; Eqs. 5–7."""
    first, *rest = branch.weights["attention"][network][:, branch.index].astype(np.float64)
    exponent = scores * first + branch.small("mlp1", network, features) @ rest[:2] + rest[2]
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return weights.shape[1] * weights / weights.sum(axis=1, keepdims=True)


def _features(library, choice, inputs):
    reference = library.ensemble(choice.network).header["reference_temperature"]
    return state_features(choice.temperature, inputs, reference)


def _labelled(library, choice, branch, values):
    """Values of the kept columns as a DataArray of all, NaN where masked."""
    columns = library.ensemble(choice.network).header["columns"]
    every = np.full(len(branch.kept), np.nan)
    every[branch.index] = values
    shape = [len(columns[dim]) for dim in COLUMN_DIMS]
    return xr.DataArray(every.reshape(shape), dims=COLUMN_DIMS, coords={dim: columns[dim] for dim in COLUMN_DIMS})


def weights(library, choice):
    """Attention averaged over the particles of species 1 and the networks, (observable, length, neighbor_species)."""
    branch = library.ensemble(choice.network).branches[derive.SPECIES]
    scores = standardised(library, choice, typical(library, choice))
    features = _features(library, choice, state_inputs(library, choice))
    mean = np.mean([attend(branch, k, scores, f[None]).mean(axis=0) for k, f in enumerate(features)], axis=0)
    return _labelled(library, choice, branch, mean)


def seen(library, choice):
    """The first of the selected particles, a `Seen`; None where there is none, or no network speaks about it."""
    ensemble, sample = library.ensemble(choice.network), choice.sample
    if not choice.selected:
        return None
    particle = choice.selected[0]
    ds = library.configurations(sample.temperature, sample.particles)
    species = int(ds["species"].values[sample.index, particle])
    if species not in ensemble.branches:
        return None
    branch = ensemble.branches[species]
    scores = standardised(library, choice, np.array([particle]), species)
    features = _features(library, choice, state_inputs(library, choice))
    mean = np.mean([attend(branch, k, scores, f[None])[0] for k, f in enumerate(features)], axis=0)
    nodes, propensity = derive.bottleneck(library, choice)
    return Seen(
        particle,
        species,
        _labelled(library, choice, branch, scores[0]),
        _labelled(library, choice, branch, mean),
        nodes[particle],
        float(propensity[particle]),
    )


def flow(library, choice):
    """What the first network hands from layer to layer: for the selected particle, else on average over species 1.

    Descriptors are gathered by length. Without a selection the bottleneck's edges are standard deviations over the
    particles: how far each length moves them.
    """
    ensemble = library.ensemble(choice.network)
    chosen = choice.selected[:1]
    sample = choice.sample
    ds = library.configurations(sample.temperature, sample.particles)
    species = int(ds["species"].values[sample.index, chosen[0]]) if chosen else derive.SPECIES
    if species not in ensemble.branches:
        chosen, species = (), derive.SPECIES
    branch = ensemble.branches[species]
    scores = standardised(library, choice, np.array(chosen) if chosen else typical(library, choice), species)
    features = _features(library, choice, state_inputs(library, choice)[:1])
    weight = attend(branch, 0, scores, features)
    encoder, bias = branch.dense("bottleneck", 0, 0)
    gathered = _by_length(ensemble.header, branch)
    parts = np.einsum("nk,kl,kb->nlb", weight * scores, gathered, encoder[branch.index])
    bottleneck = parts.sum(axis=1) + bias
    nodes, edges = {"state": features[0], "attention": weight.mean(axis=0) @ gathered / gathered.sum(axis=0)}, []
    nodes["bottleneck"] = bottleneck.mean(axis=0)
    edges.append(("attention", "bottleneck", parts[0] if chosen else parts.std(axis=0)))
    modulation = _through(branch, "mlp1", MLP1, features[0], "state", nodes, edges)
    rows = branch.weights["attention"][0][1:3, branch.index] @ gathered / gathered.sum(axis=0)
    edges.append((f"mlp1.{len(MLP1) - 2}", "attention", modulation[:, None] * rows))
    handed = _through(branch, "mlp2", MLP2, features[0], "state", nodes, edges)
    inputs = np.concatenate([nodes["bottleneck"], handed])
    output = _through(branch, "head", HEAD, inputs, "joined", nodes, edges)
    joined = next(k for k, (source, _, _) in enumerate(edges) if source == "joined")
    _, target, both = edges.pop(joined)
    edges += [("bottleneck", target, both[:BOTTLENECK]), (f"mlp2.{len(MLP2) - 2}", target, both[BOTTLENECK:])]
    return Flow(nodes, edges, float(output[0]), chosen[0] if chosen else None)


def _by_length(header, branch):
    """Which kept column belongs to which length, (kept column, length) of 0 and 1."""
    shape = [len(header["columns"][dim]) for dim in COLUMN_DIMS]
    length = np.broadcast_to(np.arange(shape[1])[:, None], shape).ravel()[branch.index]
    return (length[:, None] == np.arange(shape[1])).astype(float)


def _through(branch, name, sizes, x, source, nodes, edges):
    """Pass x through a part, noting activations and edges; its output."""
    for layer in range(len(sizes) - 1):
        weight, bias = branch.dense(name, layer, 0)
        target = f"{name}.{layer}"
        edges.append((source, target, x[:, None] * weight))
        x = x @ weight.astype(np.float64) + bias
        if layer < len(sizes) - 2:
            x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        nodes[target], source = x, target
    return x


def at_temperature(library, choice, temperature):
    """The choice at another temperature, on its opening sample."""
    return replace(choice, temperature=temperature, sample=library.opening_sample(temperature), selected=())


def lengths(library, choice, temperature):
    """P_int(L) (length,), ξ_int and its error over the networks, at another temperature and the chosen level."""
    distribution, xi = derive.attention(library, at_temperature(library, choice, temperature))
    return distribution["length"].values, distribution.mean("network").values, float(xi), float(xi["error"])


def cloud_temperatures(library):
    """Temperatures of the small pictures, spread from hot to cold."""
    every = library.temperatures
    return [every[k] for k in np.unique(np.linspace(0, len(every) - 1, CLOUD_TEMPERATURES).round().astype(int))]


def cloud(library, choice, title):
    """The `Cloud` of a choice's sample, at most about `TYPICAL` particles of species 1."""
    nodes, propensity = derive.bottleneck(library, choice)
    particles = typical(library, choice)
    return Cloud(title, choice.sample, nodes[particles], propensity[particles], particles)
