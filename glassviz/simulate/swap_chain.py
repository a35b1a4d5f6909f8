"""The swap Monte Carlo chain: sweeps of displacements, with plain or locally balanced swaps between them.

Step width, sweeps between swaps and proposals were compared by `tests/benchmarks/study_swap_ratio.py`: bonds of
species 1 lost in two processor seconds at N = 1290, mean and error of eight runs from shipped samples.

| step (σ) | sweeps | proposals per particle | 1 − C_B, T = 0.25 | 1 − C_B, T = 0.18 | 1 − C_B, T = 0.15 |
|---|---|---|---|---|---|
| 0.11 | 20 | 0.31 | 0.0451 ± 0.0027 | 0.0061 ± 0.0006 | 0.0012 ± 0.0002 |
| 0.08 | 20 | 0.31 | 0.0507 ± 0.0019 | 0.0063 ± 0.0008 | 0.0013 ± 0.0003 |
| 0.11 | 5 | 0.10 | 0.0593 ± 0.0028 | 0.0076 ± 0.0007 | 0.0015 ± 0.0003 |
| 0.08 | 5 | 0.10 | 0.0575 ± 0.0019 | 0.0104 ± 0.0012 | 0.0019 ± 0.0005 |
| 0.08 | 3 | 0.06 | 0.0530 ± 0.0030 | 0.0112 ± 0.0012 | 0.0018 ± 0.0003 |
| 0.08 | 2 | 0.06 | 0.0446 ± 0.0028 | 0.0073 ± 0.0006 | 0.0021 ± 0.0006 |
| 0.08 | 1 | 0.05 | 0.0351 ± 0.0030 | 0.0057 ± 0.0005 | 0.0014 ± 0.0003 |
| 0.08 | 1 | 0.10 | 0.0279 ± 0.0015 | 0.0048 ± 0.0006 | 0.0013 ± 0.0002 |

Swaps at frozen positions soon find what there is to find, so few and often serves better than many and seldom, until
preparing their weights takes over. Five sweeps and 0.10 proposals are best or, within errors, equal to the best at
every temperature: 1.3 to 1.7 times the bonds that 20 sweeps and 0.31 lose at a step of 0.11. Since then displacements
have become 1.2 and swap proposals 1.5 times as fast.

Large boxes make the same moves in groups of checkerboard cells. At N = 82560 and T = 0.25 they lose as many bonds in a
sweep as small ones do (1600 sweeps: 0.0055 and 0.0055 ± 0.0004). Groups of 4, 8 or 16 cells, and 20 or 40 sweeps on one
board, differ by less than a tenth in time and by 0.0020 to 0.0024 in bonds lost after 800 sweeps.
"""

from contextlib import contextmanager

import numba
import numpy as np

from glassviz import mixture
from glassviz.simulate.cell_groups import move_in_groups
from glassviz.simulate.checkerboard import CELL, cells_per_side
from glassviz.simulate.displacement import displace, scale_table
from glassviz.simulate.fixed_point import GHOST, UNITS, Rows, fixed_point, neighbor_rows, sort_into_squares, with_ghost
from glassviz.simulate.philox import new_key
from glassviz.simulate.swap import REACH, balanced_swap, plain_swap
from glassviz.simulate.swap_weights import new_weights, total_energy

STEP = 0.08  # half-width of the displacement square (σ)
SKIN = 1.0
SWEEPS_BETWEEN_SWAPS, PROPOSALS_PER_PARTICLE = 5, 0.1  # sweeps, and the balanced swap proposals that follow them
SWEEPS_OF_A_BOARD = 20  # before the cells of a large box are laid out anew
PLAIN_SHARE = 0.2  # of all moves, in the plain chain
CLASS_SHARES = np.array([0.795, 0.2, 0.005])  # of 1↔3, 2↔3, 1↔2

_DISPLACEMENTS, _SWAPS = 0, 1  # streams of random words
_SQUARE = 3.0  # side of the squares by which the chain orders its particles (σ)


def allowed_travel(skin, step):
    """How far a particle may be from where the list was made, so that the list holds what any trial may meet (σ)."""
    return 0.5 * (skin - step * np.sqrt(2.0))


class SwapMonteCarlo:
    """A Markov chain of displacements and swaps with invariant distribution exp(−βE) at fixed composition.

    The same seed gives the same chain, bit for bit, on every machine.

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
    seed : int, sequence of int or numpy.random.SeedSequence
        Seed.
    swap : {"balanced", "plain"}
        The swap moves of the chain.
    threads : int, optional
        Displace and swap in the cells of a checkerboard, on so many threads, which is what large boxes want. The
        number does not change the result, but whether it is given does: by default particles all over the box take
        their turns.

    Raises
    ------
    InvalidData
        Where the swap move is unknown, or the box too small for a checkerboard.
    """

    def __init__(self, position, species, box_length, temperature, seed=0, swap="balanced", threads=None):
        if swap not in ("balanced", "plain"):
            raise mixture.InvalidData(f"swap Monte Carlo: unknown swap move '{swap}'; expected balanced or plain.")
        if threads is not None and (threads < 1 or cells_per_side(box_length) == 0):
            raise mixture.InvalidData(
                f"swap Monte Carlo: {threads} threads for a box of {box_length:.4g} σ; "
                f"expected at least one, and a side of at least {4 * CELL:g} σ."
            )
        self.threads = threads
        self.length = float(box_length)
        self.beta = 1 / float(temperature)
        self.swap = swap
        self.key = new_key(seed)
        self.phase = 0  # counts what is done, and numbers its random words
        self.displacements = np.zeros(2, np.int64)  # made, accepted
        self.swaps = np.zeros(2, np.int64)
        x, y = fixed_point(position, self.length)
        # Neighbours in space are neighbours in memory.
        order = sort_into_squares(x, y, len(x), max(int(self.length / _SQUARE), 1))[1]
        self.rank = np.argsort(order)
        self.x, self.y = (with_ghost(values[order], 0) for values in (x, y))
        self._species = with_ghost(np.asarray(species)[order], GHOST)
        self._scale = scale_table(self.length)
        self._weights = new_weights(len(x)) if swap == "balanced" else None
        self.renew_neighbors()

    @property
    def position(self):
        """Positions (σ) in [0, L), (n, 2)."""
        unit = self.length / UNITS
        steps = np.stack([self.x[self.rank], self.y[self.rank]], axis=-1).view(np.uint32)
        return mixture.wrap(steps * unit, self.length)

    @property
    def species(self):
        """Species, 0-based, (n,) int8."""
        return self._species[self.rank].astype(np.int8)

    @property
    def energy(self):
        """Potential energy (ε) of a chain that is not in cells."""
        return total_energy(self.x, self.y, self._species, self.length / UNITS, self.rows)

    @property
    def moves(self):
        """What this chain does, for the record: two chains of other moves are other chains, whatever their seeds."""
        swaps = f"{PLAIN_SHARE:g} of all moves plain swaps"
        if self.swap == "balanced":
            proposed = f"{PROPOSALS_PER_PARTICLE:g} balanced swap proposals per particle"
            classes = ":".join(f"{share:g}" for share in CLASS_SHARES)
            swaps = f"{proposed} after every {SWEEPS_BETWEEN_SWAPS} sweeps, 1↔3 : 2↔3 : 1↔2 = {classes}"
        cells = f", in the cells of a checkerboard laid anew every {self._visit} sweeps" if self.threads else ""
        return f"displacements within ±{STEP:g} σ, {swaps}{cells}"

    @property
    def _visit(self):
        """Sweeps made at a stretch, of which plain swaps follow every one."""
        if self.swap == "plain":
            return 1
        return SWEEPS_BETWEEN_SWAPS if self.threads is None else SWEEPS_OF_A_BOARD

    def checkpoint(self):
        """Everything a chain of the same start and options needs to go on as this one: (dimension, array) by name.

        Both must renew their neighbours there, whose order decides how sums are rounded.
        """
        particles = {"x": self.x, "y": self.y, "kind": self._species}
        saved = {name: ("particle", values[:-1]) for name, values in particles.items()}
        counts = np.array([self.phase, *self.displacements, *self.swaps])
        return saved | {"rank": ("particle", self.rank), "key": ("word", self.key), "counts": ("count", counts)}

    def restore(self, saved):
        """Go on from a checkpoint, given as arrays by name."""
        ghost = {"x": 0, "y": 0, "kind": GHOST}
        self.x, self.y, self._species = (with_ghost(saved[name], value) for name, value in ghost.items())
        self.rank, self.key = np.array(saved["rank"]), np.array(saved["key"], dtype=np.uint64)
        counts = np.array(saved["counts"], dtype=np.int64)
        self.phase, self.displacements, self.swaps = int(counts[0]), counts[1:3], counts[3:]
        self.renew_neighbors()

    def renew_neighbors(self):
        """List all neighbours anew at the present positions."""
        n = len(self.rank)
        self.rows = Rows(*neighbor_rows(self.x, self.y, n, (REACH + SKIN) / self.length, n))
        self._from = self.x.copy(), self.y.copy()

    def run(self, sweeps):
        """Make `sweeps` sweeps of N displacements, with the swaps that belong to them."""
        n = len(self.rank)
        while sweeps > 0:
            block = min(sweeps, self._visit)
            if self.threads is None:
                self._displace(block * n)
            else:
                self._move_in_cells(block)
            if self.swap == "plain":
                self._swap_plain(round(n * PLAIN_SHARE / (1 - PLAIN_SHARE)))
            elif self.threads is None:
                self._swap_balanced(round(PROPOSALS_PER_PARTICLE * n * block / SWEEPS_BETWEEN_SWAPS))
            sweeps -= block

    def _displace(self, moves):
        unit = self.length / UNITS
        step, travel = round(STEP / unit), allowed_travel(SKIN, STEP) / unit
        everywhere = (np.int32(0), np.int32(0), 1 << 32, 1 << 32)
        done = 0
        while done < moves:
            state = (self.x, self.y, self._species, self.beta, step, (0, len(self.rank)), everywhere, (done, moves))
            random = (self.key, (_DISPLACEMENTS, self.phase))
            stopped, accepted, left = displace(*state, *random, self.rows, self._scale, *self._from, travel)
            self.displacements += [stopped - done, accepted]
            done = stopped
            if left:
                self.renew_neighbors()
        self.phase += 1

    def _move_in_cells(self, sweeps):
        """Displacements on all threads and, in the balanced chain, the swaps that belong to them."""
        unit = self.length / UNITS
        step, reach, travel = round(STEP / unit), (REACH + SKIN) / unit, allowed_travel(SKIN, STEP) / unit
        chain = (self.beta, unit, step, self._scale, reach, travel, CLASS_SHARES)
        schedule = (sweeps, SWEEPS_BETWEEN_SWAPS, PROPOSALS_PER_PARTICLE if self.swap == "balanced" else 0.0)
        side = cells_per_side(self.length)
        with self._on_threads():
            done = move_in_groups(self.x, self.y, self._species, chain, schedule, self.key, self.phase, side)
        self.displacements += done[0]
        self.swaps += done[1].sum(axis=1)
        if self.swap == "plain":
            self.renew_neighbors()
        self.phase += 1

    @contextmanager
    def _on_threads(self):
        """Let numba use the threads of this chain."""
        before = numba.get_num_threads()
        numba.set_num_threads(min(self.threads or 1, numba.config.NUMBA_NUM_THREADS))
        try:
            yield
        finally:
            numba.set_num_threads(before)

    def _swap_balanced(self, proposals):
        state = (self.x, self.y, self._species, self.beta, self.length, proposals, CLASS_SHARES)
        proposed, accepted = balanced_swap(*state, self.key, (_SWAPS, self.phase), self.rows, self._weights)
        self.swaps += [proposed.sum(), accepted.sum()]
        self.phase += 1

    def _swap_plain(self, moves):
        state = (self.x, self.y, self._species, self.beta, self.length, moves)
        self.swaps += [moves, plain_swap(*state, self.key, (_SWAPS, self.phase), self.rows)]
        self.phase += 1
