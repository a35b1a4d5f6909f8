"""The arrays the views show, each a function of the library and of what is chosen, computed once.

Nothing here is stored with the project: every number follows, while the page is open, from the loaded configurations
and networks.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from glassviz.explore.colors import LEVELS as CODES
from glassviz.explore.colors import UNKNOWN, encode
from glassviz.explore.kept import kept
from glassviz.learn.transfer import LEVELS as TRANSFER_LEVELS
from glassviz.learn.transfer import size_transfer
from glassviz.observe.attention import length_distribution, xi_int

LEVELS = np.round(np.linspace(0.99, 0.05, 40), 4)
"""The mean propensities ⟨C̄_B⟩ at which the snapshot is predicted; in between it is interpolated."""
LARGE = 10_000  # particles a box needs to have wave numbers in the window of the fit of ξ₄
SPECIES = 0
HEADLINES = {
    # name: column of the descriptors (observable, L)
    "density": ("density", 2.0),
    "energy": ("energy", 0.0),
    "perimeter": ("perimeter", 0.0),
}
"""What a particle is described by in a few words: ρ̄ of all species at L = 2 σ, its own energy and cell perimeter."""
UNTRUSTED = "not coloured: the networks are not trusted with this box"


@dataclass(frozen=True)
class Frames:
    """A sample at all `LEVELS`.

    Attributes
    ----------
    codes : (level, particle) ndarray of uint8
        Ensemble mean of C_B^i as `colors.encode` writes it.
    reached : (level,) ndarray of bool
        Whether all networks meet their mean constraint at the level.
    """

    codes: np.ndarray
    reached: np.ndarray

    def at(self, mean_propensity):
        """C_B^i (particle,) float32 at any mean propensity between the levels; NaN without a prediction."""
        first, fraction = _between(mean_propensity)
        low, high = self.codes[first].astype(np.float32), self.codes[first + 1].astype(np.float32)
        mixed = (low + np.float32(fraction) * (high - low)) / np.float32(CODES - 1)
        return np.where(self.codes[first] == UNKNOWN, np.nan, mixed)

    def missed(self, mean_propensity):
        """Whether a network misses its mean there, or at one of the two levels between which it lies."""
        first, fraction = _between(mean_propensity)
        return not self.reached[first + (fraction == 1) : first + 1 + (fraction > 0)].all()


def propensities(library, temperature, particles, network, progress=None):
    """Constrained predictions of all configurations of one temperature and size at all levels.

    Returns
    -------
    DataArray (network, state, configuration, particle), float32
        With the coordinate `mean_propensity` along `state` and the attribute `converged`. The mean is constrained over
        all configurations together, so that they keep their differences.
    """

    def compute():
        ensemble = library.ensemble(network)
        X = library.descriptors(temperature, particles, network, progress)
        return ensemble.predict(X, temperature=temperature, mean_propensity=LEVELS)

    return library.memo(("propensities", temperature, particles, network), compute)


def predictions(library, temperature, particles, network, progress=None):
    """What of the `propensities` every view needs, kept on disk: dict of ndarray.

    Returns
    -------
    dict of str to ndarray
        `codes` (level, configuration, particle) uint8, `reached` (level,) bool, `inputs` (network, level) float64: the
        constrained inputs C of the networks.
    """

    def compute():
        C = propensities(library, temperature, particles, network, progress)
        return {
            "codes": encode(C.mean("network").values),
            "reached": C["converged"].values.all(axis=0),
            "inputs": C["state_input"].values,
        }

    return remember(library, "predictions", temperature, (particles,), network, compute)


def remember(library, name, temperature, sizes, network, compute, *more):
    """Arrays derived from the configurations of some sizes and a network, from memory, from disk or computed."""
    key = (name, temperature, *sizes, network, *more)

    def get():
        digests = [library.digest(temperature, particles) for particles in sizes]
        return Arrays(kept((name, temperature, *digests, library.network_digest(network), *more), compute))

    return library.memo(key, get)


class Arrays(dict):
    """Arrays by name."""

    @property
    def nbytes(self):
        """Size in memory."""
        return sum(array.nbytes for array in self.values())


def frames(library, sample, network, progress=None):
    """The `Frames` of a sample."""
    every = predictions(library, sample.temperature, sample.particles, network, progress)
    return Frames(every["codes"][:, sample.index], every["reached"])


def at_hand(library, sample, network):
    """Whether the `frames` of a sample, and the finding of its `transfer`, are in memory."""
    temperature, particles = sample.temperature, sample.particles
    smallest = library.sizes(temperature)[-1]
    tested = particles <= smallest or ("transfer", temperature, smallest, particles, network) in library.memo
    return tested and ("predictions", temperature, particles, network) in library.memo


def headlines(library, sample, network):
    """The `HEADLINES` of every particle of a sample: dict of name to (particle,) ndarray of float32."""
    X = library.described(sample, network).sel(neighbor_species="all").isel(configuration=0)
    return {
        name: np.ascontiguousarray(X.sel(observable=observable, length=length).values)
        for name, (observable, length) in HEADLINES.items()
    }


def sizes_compared(library, temperature, particles, network, levels=TRANSFER_LEVELS):
    """The size-transfer test (`glassviz.learn.transfer`) of boxes of one size against the smallest there."""
    small, large = (library.descriptors(temperature, n, network) for n in (library.sizes(temperature)[-1], particles))
    return size_transfer(library.ensemble(network), small, large, temperature, levels)


def transfer(library, temperature, particles, network):
    """Whether predictions for a box of this size may be shown.

    The size-transfer test of `glassviz.learn.transfer` compares the box with the smallest ones at the same temperature,
    the size the networks were trained on. A box that does not hold the discs over which descriptors are averaged shows
    the networks what they have never seen.

    Returns
    -------
    passed : bool
    reason : str
        The finding in one sentence; empty where the box is itself one of the smallest.
    """
    length = float(library.configurations(temperature, particles).attrs["box_length"])
    reach = float(library.ensemble(network).header["cutoff"])
    if length < 2 * reach:
        return False, f"The box is {length:.3g} σ wide, less than the {2 * reach:g} σ across which the networks look."
    smallest = library.sizes(temperature)[-1]
    if particles <= smallest:
        return (
            (True, "") if particles < LARGE else (False, "There is no small box at this temperature to test against.")
        )

    def compute():
        found = sizes_compared(library, temperature, particles, network)
        return {"passed": np.array([found.passed]), "reason": np.frombuffer(str(found).encode(), np.uint8)}

    found = remember(library, "transfer", temperature, (smallest, particles), network, compute)
    return bool(found["passed"][0]), found["reason"].tobytes().decode()


def times(library, temperature, mean_propensity=LEVELS):
    """Times (σ(m/ε)^½) of mean propensities at a temperature, and whether molecular dynamics reached them."""
    superposition = library.superposition
    return (
        superposition.time(mean_propensity, temperature),
        superposition.is_simulated(mean_propensity, temperature),
    )


def bottleneck(library, choice):
    """Bottleneck of every particle of the chosen sample in the first network of the ensemble.

    Returns
    -------
    nodes : (particle, 2) ndarray of float32
        Interpolated between the `LEVELS`; NaN for species without networks.
    propensity : (particle,) ndarray of float32
        Ensemble mean of C_B^i.
    """
    sample, network = choice.sample, choice.network

    def compute():
        X, inputs = library.described(sample, network), _inputs(library, sample, network)
        first = library.ensemble(network).select([0])
        B = first.bottleneck(X, temperature=sample.temperature, mean_propensity=LEVELS, inputs=inputs[:1])
        return B.isel(network=0, configuration=0).values

    every = library.memo(("bottleneck", sample, network), compute)
    first, fraction = _between(choice.mean_propensity)
    nodes = every[first] + np.float32(fraction) * (every[first + 1] - every[first])
    return nodes, frames(library, sample, network).at(choice.mean_propensity)


def _inputs(library, sample, network):
    """The constrained inputs C (network, level) at which the sample is predicted."""
    return predictions(library, sample.temperature, sample.particles, network)["inputs"]


def _between(mean_propensity):
    """Index of the level before a mean propensity, and the share of the way to the next."""
    at = np.interp(-mean_propensity, -LEVELS, np.arange(len(LEVELS)))
    first = min(int(at), len(LEVELS) - 2)
    return first, at - first


def attention(library, choice):
    """P_int(L) of the chosen sample and state, (network, length), and ξ_int with its `error` over the networks.

    P_int is interpolated between the `LEVELS`.
    """
    sample, network = choice.sample, choice.network

    def compute():
        X, inputs = library.described(sample, network), _inputs(library, sample, network)
        weights = library.ensemble(network).attention(X, sample.temperature, LEVELS, inputs=inputs)
        distribution = length_distribution(weights).transpose("state", "network", "length")
        return {"distribution": distribution.values, "length": distribution["length"].values}

    sizes = (sample.particles,)
    found = remember(library, "attention", sample.temperature, sizes, network, compute, sample.index)
    first, fraction = _between(choice.mean_propensity)
    every = found["distribution"]
    distribution = xr.DataArray(
        every[first] + fraction * (every[first + 1] - every[first]),
        dims=("network", "length"),
        coords={"length": found["length"]},
    )
    return distribution, xi_int(distribution)
