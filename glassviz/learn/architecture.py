r"""The shape of tGlassMLP and what it is told of the state point, free of any machine-learning library.

    A^k = S^k f_1^k + m_1 f_2^k + m_2 f_3^k + f_4^k,    w = softmax(A),    S_out^k = M_S w^k S^k          (Eqs. 5-7)

with (m_1, m_2) = MLP1(state). S_out is encoded in a two-node bottleneck, joined with MLP2(state), and decoded by two
hidden layers. The factor M_S (the number of columns that count) makes the mean weight 1, so that the bottleneck does
not start starved; the state enters as powers of T_ref/T and of C, so that inputs stay of order 1 down to T_g.
"""

from itertools import pairwise

import numpy as np

EQUATION = (
    r"A^k = S^k f_1^k + m_1 f_2^k + m_2 f_3^k + f_4^k,\quad "
    r"w_k = \mathrm{softmax}(A)_k,\quad S_\mathrm{out}^k = S^k w_k"
)
CAPTION = "Attention weighs each structural descriptor by the state point before two numbers per particle are formed."

REFERENCE_TEMPERATURE = 0.2
STATE_INPUTS = 6
ATTENTION_ROWS = 4  # f_1 … f_4
BOTTLENECK = 2
MLP1 = (STATE_INPUTS, 6, 6, 2)
MLP2 = (STATE_INPUTS, 7, 7, 4)
HEAD = (BOTTLENECK + MLP2[-1], 10, 10, 1)


def parameter_shapes(columns):
    """Shape of every parameter of one network.

    Parameters
    ----------
    columns : int
        Number M_S of descriptor columns.

    Returns
    -------
    dict of str to tuple of int
        Weights are (inputs, outputs): a layer is `x @ weight + bias`.
    """
    shapes = {"attention": (ATTENTION_ROWS, columns)}
    for part, sizes in (("mlp1", MLP1), ("bottleneck", (columns, BOTTLENECK)), ("mlp2", MLP2), ("head", HEAD)):
        for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
            shapes[f"{part}.{layer}.weight"] = (inputs, outputs)
            shapes[f"{part}.{layer}.bias"] = (outputs,)
    return shapes


def parameter_count(columns=176, part=None):
    """Number of parameters of one network, or of one part of it.

    Parameters
    ----------
    columns : int, optional
        Number M_S of descriptor columns.
    part : {"attention", "mlp1", "bottleneck", "mlp2", "head"}, optional
        The part to count; the whole network by default.

    Returns
    -------
    int
        1484 for 176 columns, 1460 for the paper's M_S = 172, 1412 for the 164 that species 1 really has.
    """
    shapes = parameter_shapes(columns)
    return sum(int(np.prod(shape)) for name, shape in shapes.items() if part in (None, name.split(".")[0]))


def state_features(temperature, mean_propensity, reference_temperature=REFERENCE_TEMPERATURE):
    """What the network is told of a state: (τ, τ², τ³, C, C², C³) with τ = T_ref / T.

    Parameters
    ----------
    temperature, mean_propensity : array_like
        T (ε/k_B) and ⟨C̄_B⟩; broadcast against each other.
    reference_temperature : float, optional
        T_ref (ε/k_B).

    Returns
    -------
    (..., 6) ndarray of float64
    """
    tau, level = np.broadcast_arrays(
        reference_temperature / np.asarray(temperature, dtype=np.float64), np.asarray(mean_propensity, np.float64)
    )
    return np.stack([tau, tau**2, tau**3, level, level**2, level**3], axis=-1)
