"""The swap Monte Carlo chain: sweeps of displacements, with plain or locally balanced swaps between them."""

from typing import NamedTuple

import numpy as np

from glassviz import mixture
from glassviz.simulate.neighbors import pair_list
from glassviz.simulate.swap import REACH, allowed_travel, balanced_swap, displace, plain_swap

STEP = 0.11  # half-width of the displacement square (σ)
SKIN = 1.0
SWEEPS_BETWEEN_SWAPS = 20
PROPOSALS_PER_PARTICLE = 0.31  # balanced swap proposals after every SWEEPS_BETWEEN_SWAPS sweeps
PLAIN_SHARE = 0.2  # of all moves, in the plain chain
CLASS_SHARES = np.array([0.795, 0.2, 0.005])  # of 1↔3, 2↔3, 1↔2


class Neighbors(NamedTuple):
    """Full neighbour list of every particle under any species, and the positions it was made at."""

    start: np.ndarray
    neighbor: np.ndarray
    x: np.ndarray
    y: np.ndarray


class SwapMonteCarlo:
    """A Markov chain of displacements and swaps with invariant distribution exp(−βE) at fixed composition.

    Parameters
    ----------
    position : (n, 2) array_like
        Positions (σ) in [0, L).
    species : (n,) array_like of int
        Species, 0-based.
    box_length : float
        Side of the periodic box (σ).
    temperature : float
        Temperature (ε/k_B).
    seed : int or numpy.random.Generator
        A seed gives the same chain on every machine.
    swap : {"balanced", "plain"}
        The swap moves of the chain.
    """

    def __init__(self, position, species, box_length, temperature, seed=0, swap="balanced"):
        if swap not in ("balanced", "plain"):
            raise mixture.InvalidData(f"swap Monte Carlo: unknown swap move '{swap}'; expected balanced or plain.")
        position = mixture.wrap(position, box_length)
        self.x, self.y = (position[:, axis].astype(np.float32) for axis in range(2))
        self.species = np.array(species, dtype=np.int8)
        self.length = float(box_length)
        self.beta = 1 / float(temperature)
        self.swap = swap
        self.rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
        self.displacements = np.zeros(2, np.int64)  # made, accepted
        self.swaps = np.zeros(2, np.int64)
        self.renew_neighbors()

    @property
    def position(self):
        """Positions (σ) in [0, L), (n, 2)."""
        return mixture.wrap(np.stack([self.x, self.y], axis=-1).astype(np.float64), self.length)

    def renew_neighbors(self):
        """Make the neighbour list anew at the present positions."""
        position = self.position
        self.x, self.y = (position[:, axis].astype(np.float32) for axis in range(2))
        pairs = pair_list(position, self.species, self.length, skin=SKIN, reach=REACH)
        self.neighbors = Neighbors(*pairs, self.x.copy(), self.y.copy())

    def run(self, sweeps):
        """Make `sweeps` sweeps of N displacements, with the swaps that belong to them."""
        n = len(self.x)
        while sweeps > 0:
            block = min(sweeps, SWEEPS_BETWEEN_SWAPS if self.swap == "balanced" else 1)
            self._displace(block * n)
            if self.swap == "balanced":
                proposals = round(PROPOSALS_PER_PARTICLE * n * block / SWEEPS_BETWEEN_SWAPS)
                proposed, accepted = balanced_swap(
                    *self._state(), proposals, CLASS_SHARES, *self.neighbors[:2], self.rng
                )
                self.swaps += [proposed.sum(), accepted.sum()]
            else:
                moves = round(n * PLAIN_SHARE / (1 - PLAIN_SHARE))
                self.swaps += [moves, plain_swap(*self._state(), moves, *self.neighbors[:2], self.rng)]
            sweeps -= block

    def _state(self):
        return self.x, self.y, self.species, self.length, self.beta

    def _displace(self, moves):
        row, length = self.species.astype(np.int32), np.float32(self.length)
        while moves > 0:
            _, _, from_x, from_y = self.neighbors
            if ((self.x - from_x) ** 2 + (self.y - from_y) ** 2).max() > allowed_travel(SKIN, STEP) ** 2:
                self.renew_neighbors()
            state = (self.x, self.y, row, length, self.beta)
            done, accepted = displace(*state, STEP, moves, *self.neighbors, SKIN, self.rng)
            self.displacements += [done, accepted]
            moves -= done
