"""A counter-based random generator: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC11, 2011).

A key and a counter of four 32-bit words give four random words, always the same ones on every machine. There is no
state to carry along: every task numbers its own draws, so the result depends neither on who draws first nor on how many
threads there are, and a run goes on from its counters alone.
"""

import numpy as np
from numba import njit

ROUNDS = 10
UNIT = 2.0**-32  # a random word times this is uniform in [0, 1)

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_WORD, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def new_key(seed):
    """Key of a stream of random numbers.

    Parameters
    ----------
    seed : int, sequence of int or numpy.random.SeedSequence
        Seed.

    Returns
    -------
    (2,) ndarray of uint64
        Two words of 32 bits.
    """
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    return sequence.generate_state(2).astype(np.uint64)


@njit(cache=True, error_model="numpy", inline="always")
def random_words(key, c0, c1, c2, c3):
    """Four random words of 32 bits.

    Parameters
    ----------
    key : (2,) ndarray of uint64
        From `new_key`.
    c0, c1, c2, c3 : int
        Counter; the lower 32 bits of each count.

    Returns
    -------
    tuple of four uint64
        Uniform and independent in [0, 2³²).
    """
    x0, x1 = np.uint64(c0) & _WORD, np.uint64(c1) & _WORD
    x2, x3 = np.uint64(c2) & _WORD, np.uint64(c3) & _WORD
    k0, k1 = key[0], key[1]
    for _ in range(ROUNDS):
        p0, p1 = _M0 * x0, _M1 * x2
        x0, x1, x2, x3 = (p1 >> _HALF) ^ x1 ^ k0, p1 & _WORD, (p0 >> _HALF) ^ x3 ^ k1, p0 & _WORD
        k0, k1 = (k0 + _W0) & _WORD, (k1 + _W1) & _WORD
    return x0, x1, x2, x3


@njit(cache=True, error_model="numpy", inline="always")
def below(word, bound):
    """A random word as an integer in [0, bound), bound ≤ 2³²."""
    return np.int64((word * np.uint64(bound)) >> _HALF)
