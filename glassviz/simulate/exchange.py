r"""Replica exchange: swap Monte Carlo at a ladder of temperatures, whose neighbours trade configurations.

Every so often two neighbouring temperatures exchange their configurations with the probability EQUATION, which leaves
the canonical distribution of each as it is (Hukushima and Nemoto 1996). A walker, one configuration on its way through
the temperatures, forgets at the hot ones what the cold ones would hold on to for long.

What that gains at N = 1290 is in docs/equilibration.md, measured as in `tests/benchmarks/bench_swap.py`.
"""

from itertools import pairwise

import numpy as np

from glassviz import mixture
from glassviz.simulate.swap_chain import SwapMonteCarlo

EQUATION = r"\min\left(1, e^{(\beta_1 - \beta_2)(E_1 - E_2)}\right)"
CAPTION = "Neighbouring temperatures exchange their configurations as often as their energies overlap."

SWEEPS_BETWEEN_EXCHANGES = 20
SPACING = 2.0  # (ΔT)² N c / T² of neighbours, c the configurational heat capacity: a third of the exchanges succeeds


class ReplicaExchange:
    """Markov chains at the temperatures of a ladder, whose neighbours exchange their configurations.

    The same seed gives the same walkers, bit for bit, whatever the number of threads.

    Parameters
    ----------
    position : (walker, n, 2) array_like
        Positions (σ) in [0, L); walker k begins at temperature k.
    species : (walker, n) array_like of int
        Species, 0-based.
    box_length : float
        Side of the periodic box (σ).
    temperatures : (walker,) sequence of float
        The ladder, from cold to hot (ε/k_B).
    seed : int or sequence of int, optional
        Seed.
    swap : {"balanced", "plain"}, optional
        The swap moves.

    Attributes
    ----------
    chains : list of SwapMonteCarlo
        The walkers, each at its present temperature.
    rung : (walker,) ndarray of int
        Where in the ladder each walker is.
    exchanges : (2, walker − 1) ndarray of int
        Exchanges tried and made between each temperature and the next.
    visited : (2, walker) ndarray of bool
        Whether each walker has been at the coldest and at the hottest temperature.
    """

    def __init__(self, position, species, box_length, temperatures, seed=0, swap="balanced"):
        self.beta = 1 / np.asarray(temperatures, dtype=float)
        *streams, own = np.random.SeedSequence(seed).spawn(len(self.beta) + 1)
        self.chains = [
            SwapMonteCarlo(*configuration, box_length, temperature, stream, swap)
            for *configuration, temperature, stream in zip(position, species, temperatures, streams, strict=True)
        ]
        self.key = own.generate_state(4)
        self.rung = np.arange(len(self.beta))
        self.exchanges = np.zeros((2, len(self.beta) - 1), np.int64)
        self.visited = np.zeros((2, len(self.beta)), bool)
        self._visit()
        self.rounds = 0

    def _visit(self):
        self.visited |= self.rung == [[0], [len(self.beta) - 1]]

    @property
    def walker(self):
        """Which walker is at each temperature, (walker,) ndarray of int."""
        return np.argsort(self.rung)

    @property
    def moves(self):
        """What the chains do, for the record."""
        ladder = " ".join(f"{1 / beta:.6g}" for beta in self.beta)
        return (
            f"{self.chains[0].moves}, exchanges at least every {SWEEPS_BETWEEN_EXCHANGES} sweeps between T = {ladder}"
        )

    def energies(self):
        """Potential energy (ε) of each walker, (walker,) ndarray."""
        return np.array([one.energy for one in self.chains])

    def run(self, sweeps, pool):
        """Make `sweeps` sweeps of every walker, side by side on a pool of threads, and the exchanges after them."""
        while sweeps > 0:
            block = min(sweeps, SWEEPS_BETWEEN_EXCHANGES)
            list(pool.map(lambda one, block=block: one.run(block), self.chains))
            self.exchange(self.energies())
            sweeps -= block

    def exchange(self, energies):
        """Try to exchange the even pairs of neighbours, or the odd ones, in turn; `energies` (walker,) in ε."""
        chance = np.random.default_rng([*self.key, self.rounds]).random(len(self.beta))
        for cold in range(self.rounds % 2, len(self.beta) - 1, 2):
            walker = self.walker
            one, other = walker[cold], walker[cold + 1]
            gain = (self.beta[cold] - self.beta[cold + 1]) * (energies[one] - energies[other])
            made = np.log(chance[cold]) < gain
            self.exchanges[:, cold] += 1, made
            if made:
                self.rung[[one, other]] = self.rung[[other, one]]
                self.chains[one].beta, self.chains[other].beta = self.beta[self.rung[[one, other]]]
        self._visit()
        self.rounds += 1

    def checkpoint(self):
        """Everything walkers of the same start and options need to go on as these: (dimension, array) by name."""
        saved = {f"{name}_{k}": value for k, one in enumerate(self.chains) for name, value in one.checkpoint().items()}
        return saved | {
            "rung": ("walker", self.rung),
            "exchanges": (("tried_made", "pair"), self.exchanges),
            "visited": (("end", "walker"), self.visited),
        }

    def restore(self, saved, rounds):
        """Go on from a checkpoint after so many rounds of exchanges, given as arrays by name."""
        self.rung, self.exchanges, self.visited = (np.array(saved[name]) for name in ("rung", "exchanges", "visited"))
        self.rounds = rounds
        for k, one in enumerate(self.chains):
            one.beta = self.beta[self.rung[k]]
            one.restore({name: saved[f"{name}_{k}"] for name in one.checkpoint()})


def ladder(temperatures, energies, particles):
    """Temperatures at which neighbours exchange configurations now and then, the given ones among them.

    Parameters
    ----------
    temperatures : sequence of float
        At least two temperatures (ε/k_B), from cold to hot.
    energies : sequence of float
        Mean potential energy per particle (ε) at each.
    particles : int
        Number of particles.

    Returns
    -------
    (rung,) ndarray
        Rungs between two of them in equal steps of ln T, so close that neighbours' distributions of energy overlap.

    Raises
    ------
    InvalidData
        Where there are fewer than two temperatures, or the energy does not rise with them.
    """
    if len(temperatures) < 2 or not np.all(np.diff(temperatures) > 0):
        raise mixture.InvalidData(
            f"exchange: temperatures {' '.join(f'{t:g}' for t in temperatures)}; expected at least two."
        )
    rungs = [temperatures[:1]]
    for (cold, low), (hot, high) in pairwise(zip(temperatures, energies, strict=True)):
        heat_capacity = (high - low) / (hot - cold)
        if not heat_capacity > 0:
            raise mixture.InvalidData(
                f"exchange: the energy falls from {low:.4f} to {high:.4f} ε between T = {cold:g} and {hot:g}; "
                "expected configurations near equilibrium."
            )
        steps = max(1, round(np.log(hot / cold) * np.sqrt(particles * heat_capacity / SPACING)))
        rungs.append(np.geomspace(cold, hot, steps + 1)[1:])
    return np.concatenate(rungs)


def one_box(datasets):
    """`InvalidData` where configurations differ in their number of particles of a species, or in their box."""
    first = datasets[0]
    for ds in datasets:
        counts = [np.bincount(one["species"].values[0], minlength=3).tolist() for one in (first, ds)]
        lengths = [one.attrs["box_length"] for one in (first, ds)]
        if counts[0] != counts[1] or not np.isclose(*lengths, rtol=1e-5, atol=0):
            raise mixture.InvalidData(
                f"exchange: {counts[1]} particles in a box of {lengths[1]:.6g} σ beside {counts[0]} in one of "
                f"{lengths[0]:.6g} σ; expected one size."
            )
