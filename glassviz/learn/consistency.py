r"""Networks that mean what they are told: the mean of the predictions is made the level at every state.

The paper keeps of many networks those whose predictions at low temperature have the mean they were told, to 10⁻⁴.
Training leaves some 10⁻², more than chance lets any network pass. So the networks that are chosen, as those nearest to
consistent, are moved onto X̄ = ⟨C̄_B⟩ by a small relative change of what follows the bottleneck (MLP2 and the head): a
least-squares problem with one equation for each state. It holds at states with simulated labels too, where the mean
over all structures is the level by the definition of a level.
"""

import numpy as np
import torch
from scipy.optimize import least_squares

from glassviz.learn.factorised import Field
from glassviz.learn.network import TGlassMLP

STIFFNESS = 1e-5  # of the parameters' relative change against the error of a mean
SMALLEST = 0.1  # parameters below it change as if they were of this size
EVALUATIONS = 60


def _states(fitted, network, branch, temperature, columns, levels):
    """Bottleneck of every particle (1, 1, n, 2) and state inputs (1, 1, 6) for each level at one temperature."""
    field = Field(branch, network, columns, fitted.reference_temperature)
    temperature = np.full(len(levels), temperature)
    nodes = torch.from_numpy(field.bottleneck(temperature, levels).astype(np.float32))
    features = torch.as_tensor(field.features(temperature, levels), dtype=torch.float32)
    return [(nodes[None, k : k + 1], features[None, k : k + 1]) for k in range(len(levels))]


def make_consistent(fitted, chosen, structures, levels):
    """Move networks so that the mean of their predictions is the level, at all levels and temperatures.

    Parameters
    ----------
    fitted : Fitted
        Networks of species 1; those chosen are changed in place.
    chosen : sequence of int
        Which of them.
    structures : list of StatePoints
        Structures of every temperature, the more the better: a mean is known as well as they represent it.
    levels : (level,) ndarray
        ⟨C̄_B⟩.

    Returns
    -------
    before, after : float
        Largest |X̄ − ⟨C̄_B⟩| over states and networks.
    """
    columns = {}
    for p in structures:
        columns.setdefault(p.temperature, []).append(p.columns.reshape(-1, p.columns.shape[-1]))
    columns = {temperature: np.concatenate(parts) for temperature, parts in columns.items()}
    target = np.tile(levels, len(columns))
    branch, errors = fitted.branch(chosen), []
    for number, network in enumerate(chosen):
        states = [state for at in columns.items() for state in _states(fitted, number, branch, *at, levels)]
        errors.append(_move(fitted.net, network, states, target))
    return tuple(float(error) for error in np.max(errors, axis=0))


def _move(net, network, states, target):
    """Change one network; the largest errors of its means before and after."""
    follows = TGlassMLP.of(torch.zeros(1, net.table.shape[1], dtype=torch.bool), net.columns)
    for name, values in follows.weights.items():
        values.fill_(name.split(".")[0] in ("mlp2", "head"))
    free = follows.table[0].numpy()
    start = net.table[network].numpy().astype(np.float64)
    size = np.abs(start[free]) + SMALLEST
    seen = {}

    def at(change):
        key = change.tobytes()
        if key not in seen:
            seen.clear()
            moved = start.copy()
            moved[free] += size * change
            seen[key] = moved, *_linear(torch.as_tensor(moved[None], dtype=torch.float32), states, net.columns)
        return seen[key]

    before = np.abs(at(np.zeros(len(size)))[1] - target).max()
    found = least_squares(
        lambda change: np.append(at(change)[1] - target, STIFFNESS * change),
        np.zeros(len(size)),
        jac=lambda change: np.vstack([at(change)[2][:, free] * size, STIFFNESS * np.eye(len(size))]),
        method="lm",
        max_nfev=EVALUATIONS,
    )
    moved, means, _ = at(found.x)
    net.table[network] = torch.as_tensor(moved, dtype=torch.float32)
    return before, np.abs(means - target).max()


def _linear(row, states, columns):
    """X̄ of every state and its derivatives with respect to every parameter (state, parameters)."""
    row = row.clone().requires_grad_()
    means, slopes = [], []
    for nodes, features in states:
        mean = TGlassMLP.of(row, columns).decode(nodes, features).mean(dtype=torch.float64)
        means.append(mean.item())
        slopes.append(torch.autograd.grad(mean, row)[0][0].numpy())
    return np.array(means), np.array(slopes, np.float64)
