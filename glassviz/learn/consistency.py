r"""Networks that mean what they are told: the mean of the predictions is made the level at every state.

The paper keeps of many networks those whose predictions at low temperature have the mean they were told, to 10⁻⁴.
Training leaves some 10⁻², more than chance lets any network pass. So the chosen networks, those nearest to consistent,
are moved onto X̄ = ⟨C̄_B⟩ by changing what follows the bottleneck (MLP2 and the head). It is a least-squares problem with
one equation for the mean of each state and one for every particle of a sample, whose deviation from the mean has to
stay what it was: were particles brought nearer to the mean, that would make it right as well. It holds at states with
simulated labels too, where the mean over all structures is the level by the definition of a level.
"""

import numpy as np
import torch
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

from glassviz.learn import architecture
from glassviz.learn.factorised import Field
from glassviz.learn.network import TGlassMLP

EQUATION = (
    r"\overline{\mathcal{X}} = \langle\bar{\mathcal{C}}_B\rangle,\quad "
    r"\mathcal{X}_i - \overline{\mathcal{X}} \text{ as trained}"
)
CAPTION = "Networks are moved so that the mean of the predictions is the mean propensity and deviations from it stay."

MEMBERS = 24  # particles of each state whose deviations are held
# Of each round: the error of a mean and the relative change of the parameters that weigh as much as the distortion
# below, and steps. What a round misses is asked for once more in the next.
ROUNDS = ((3e-3, 1e4, 40), *[(1e-3, 1e4, 150)] * 5)
NEAR = 3e-4  # the largest error of a mean after which there are no more rounds
SETTLING = ((1e-4, 10.0, 10),) * 12  # then deviations are held as they are, until the tolerance is met
WITHIN_REACH = 1e-3  # a network that is not so near after the rounds would have to give up its deviations
TOLERANCE = 1e-4  # the largest error of a mean of a consistent network
DISTORTION = 0.03  # this share of a state's standard deviation in the deviations of its particles
SMALLEST = 0.1  # parameters below it change as if they were of this size

_libraries = ThreadpoolController()


@_libraries.wrap(limits=1, user_api="blas")  # threads of NumPy, SciPy and torch in turn would wait for each other
def make_consistent(fitted, candidates, keep, structures, levels, *, progress=None):
    """Move networks so that the mean of their predictions is the level, at all levels and temperatures.

    Parameters
    ----------
    fitted : Fitted
        Networks of species 1; those tried are changed in place.
    candidates : sequence of int
        Which of them, the best first; they are tried until enough have come to `TOLERANCE`.
    keep : int
        How many are enough.
    structures : list of StatePoints
        Structures of every temperature, the more the better: a mean is known as well as they represent it.
    levels : (level,) ndarray
        ⟨C̄_B⟩.
    progress : callable, optional
        Called after each candidate as `progress(found, keep, error)`, with its largest |X̄ − ⟨C̄_B⟩|.

    Returns
    -------
    chosen : list of int
        The first `keep` that came to the tolerance; where these are too few, also those that came nearest to it.
    before, after : float
        Largest |X̄ − ⟨C̄_B⟩| over states and the networks chosen.
    """
    columns = {}
    for p in structures:
        columns.setdefault(p.temperature, []).append(p.columns.reshape(-1, p.columns.shape[-1]))
    columns = {temperature: np.concatenate(parts) for temperature, parts in columns.items()}
    errors = {}
    for network in candidates:
        errors[network] = _move(fitted, network, columns, np.asarray(levels, float))
        found = sum(after <= TOLERANCE for _, after in errors.values())
        if progress is not None:
            progress(found, keep, errors[network][1])
        if found == keep:
            break
    chosen = sorted(errors, key=lambda network: max(errors[network][1], TOLERANCE))[:keep]
    before, after = np.max([errors[network] for network in chosen], axis=0)
    return sorted(chosen), float(before), float(after)


def _move(fitted, network, columns, levels):
    """Change one network; the largest errors of its means before and after."""
    target = np.tile(levels, len(columns))
    predicted = _predicted(fitted, network, columns, levels)
    means = np.array([values.mean(dtype=np.float64) for values in predicted])
    before = np.abs(means - target).max()
    members = [_representative(values) for values in predicted]
    spread = np.array([values.std(dtype=np.float64) for values in predicted])
    deviation = np.array([v[m] for v, m in zip(predicted, members, strict=True)], np.float64) - means[:, None]
    sample = _Sample(fitted, network, columns, levels, members)

    def moved(means, asked, deviation, error, change, steps):
        """Means after a fit; without deviations to hold, those that there are."""
        values = sample.predict()
        missed = means - values.mean(axis=1)  # the sample's mean is that of all particles less this
        if deviation is None:
            deviation = values - means[:, None]
        weights = 1 / error, 1 / (DISTORTION * spread), 1 / change
        sample.fit(asked - missed, target[:, None] + deviation, weights, steps)
        return np.array([v.mean(dtype=np.float64) for v in _predicted(fitted, network, columns, levels)])

    asked = target
    for settings in ROUNDS:
        means = moved(means, asked, deviation, *settings)
        asked = asked - (means - target)
        if np.abs(means - target).max() < NEAR:
            break
    for settings in SETTLING:
        if not TOLERANCE < np.abs(means - target).max() < WITHIN_REACH:
            break
        means = moved(means, target, None, *settings)
    return before, np.abs(means - target).max()


def _predicted(fitted, network, columns, levels):
    """Predictions of every particle, a list of (n,) ndarray for each state."""
    branch, found = fitted.branch([network]), []
    for temperature, of_particles in columns.items():
        field = Field(branch, 0, of_particles, fitted.reference_temperature)
        found += list(field.propensity(np.full(len(levels), temperature), levels))
    return found


def _representative(values):
    """Particles evenly spaced in the order of their predictions, (MEMBERS,) ndarray of int."""
    places = (np.arange(MEMBERS) + 0.5) * len(values) / MEMBERS
    return np.argsort(values, kind="stable")[places.astype(int)]


class _Sample:
    """Some particles of every state, (state, member), and what follows the bottleneck of one network."""

    def __init__(self, fitted, network, columns, levels, members):
        branch, nodes, features = fitted.branch([network]), [], []
        for k, (temperature, of_particles) in enumerate(columns.items()):
            of_states = members[k * len(levels) : (k + 1) * len(levels)]
            field = Field(branch, 0, of_particles[np.concatenate(of_states)], fitted.reference_temperature)
            told = np.full(len(levels), temperature), levels
            at_states = field.bottleneck(*told).reshape(len(levels), len(levels), MEMBERS, -1)
            nodes.append(at_states[np.arange(len(levels)), np.arange(len(levels))])
            features.append(np.repeat(field.features(*told)[:, None], MEMBERS, axis=1))
        self.shape = (len(members), MEMBERS)
        self.nodes = torch.as_tensor(np.concatenate(nodes).reshape(-1, architecture.BOTTLENECK), dtype=torch.float64)
        self.features = torch.as_tensor(np.concatenate(features).reshape(-1, architecture.STATE_INPUTS))
        row, self.columns = fitted.net.table[network], fitted.net.columns
        free = architecture.parameter_count(self.columns, "mlp2") + architecture.parameter_count(self.columns, "head")
        self.fixed, self.free = row[:-free].double(), row[-free:]  # the latter a part of the table

    def _linear(self, parameters):
        """Predictions (state, member) and their derivatives (state, member, parameter)."""
        own = torch.as_tensor(parameters).repeat(len(self.nodes), 1).requires_grad_()  # a network for each particle
        rows = torch.cat([self.fixed.expand(len(own), -1), own], dim=1)
        values = TGlassMLP.of(rows, self.columns).decode(self.nodes[:, None, None], self.features[:, None])
        (slopes,) = torch.autograd.grad(values.sum(), own)
        return values.detach().numpy().reshape(self.shape), slopes.numpy().reshape(*self.shape, -1)

    def predict(self):
        """Predictions (state, member) of the network as it is."""
        return self._linear(self.free.double())[0]

    def fit(self, means, wanted, weights, steps):
        """Change the network so that the means of its predictions come to `means` (state,), these to `wanted`.

        The weights are those of a mean's error, of the root mean square error of a state's predictions (state,), and
        of the relative change of a parameter. Steps are those of Gauss and Newton within a region of trust.
        """
        start = self.free.double().numpy()
        size = np.abs(start) + SMALLEST
        of_mean, of_state, stiffness = weights
        hold = (of_state / np.sqrt(MEMBERS))[:, None]
        seen = {}

        def linear(change):
            """Residuals and their derivatives."""
            if change.tobytes() not in seen:
                seen.clear()
                values, slopes = self._linear(start + size * change)
                slopes *= size
                off = of_mean * (values.mean(axis=1) - means)
                residuals = np.concatenate([off, (hold * (values - wanted)).ravel(), stiffness * change])
                held = (hold[..., None] * slopes).reshape(-1, len(size))
                slopes = np.vstack([of_mean * slopes.mean(axis=1), held, stiffness * np.eye(len(size))])
                seen[change.tobytes()] = residuals, slopes
            return seen[change.tobytes()]

        # Parameters to which the predictions are equally sensitive, as a region of trust is round.
        _, slopes = linear(np.zeros(len(size)))
        unit = 1 / np.linalg.norm(slopes, axis=0)
        unit /= np.median(unit)

        def cost(scaled):
            residuals, slopes = linear(unit * scaled)
            return residuals @ residuals / 2, unit * (residuals @ slopes)

        def curvature(scaled):
            slopes = linear(unit * scaled)[1] * unit
            return slopes.T @ slopes

        found = minimize(
            cost,
            np.zeros(len(size)),
            jac=True,
            hess=curvature,
            method="trust-exact",
            options={"maxiter": steps, "max_trust_radius": 1e6, "gtol": 1e-6},
        )
        self.free.copy_(torch.as_tensor(start + size * unit * found.x))
