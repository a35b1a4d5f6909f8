"""Where the networks start from: the best linear prediction, and the level they are asked for.

The columns are so much alike that gradient descent needs some 10⁵ steps to find the small differences that matter; a
ridge regression finds them at once. So the two bottleneck nodes start as regressions of the normalised labels, one of
the early levels and one of the late ones, each network's on its own resample of the structures it may learn from, and
the head starts as X = C + Σ A sinh(p (b − o)) / p, with amplitudes A that follow the state as the labels' spread does.
The offset o(T) is the mean of the node b at that temperature: on cooling all structures change in the direction in
which slow ones differ from fast ones, and a network that has to learn the offset forgets that direction instead, and
the differences between structures (χ₄) with it. How far the surroundings count at each temperature is a regression too
(`reach`). Only simulated labels count for the regressions: transferred ones are smooth, and many. Offsets come from all
structures, labelled or not. Training changes all of it.
"""

import numpy as np
import torch

from glassviz.learn import architecture, reach
from glassviz.learn.network import TGlassMLP
from glassviz.mixture import InvalidData

RIDGE = (0.01, 0.05)  # of the columns' variance, in turn over the networks
ATTENTION_WIDTH = 0.01
HEAD_WIDTH = 0.1
PREDICTABLE = 0.7  # of the spread of the labels without their noise
STEEPNESS = 0.2  # p
DEPTH = -2.5  # where the units with e^z start, far from the kink of ELU
UPRIGHT = 4.0  # what keeps a unit where ELU is the identity
SMALLEST_SHARE = 0.03  # of a node in the prediction, so that its logarithm exists
SHARE_RIDGE = 0.1  # of the nodes' variance: the two are much alike


class LinearStart:
    """Sums for regressions over any set of structures.

    Parameters
    ----------
    batches : list of Batch
        Standardised structures with their labels; those without simulated labels are left out.
    columns : int
        Number of columns that count; the rest is padding.
    lengths : (columns,) ndarray, optional
        Coarse-graining length L of every column (σ); attention starts even without.
    means : float, optional
        Weight of a structure's mean against that of a particle's deviation from it, as in the loss of early levels.

    Raises
    ------
    InvalidData
        Where a label is not finite.
    """

    def __init__(self, batches, columns, lengths=None, means=1.0):
        self.columns, self.lengths = columns, lengths
        found = {}
        for batch in batches:
            found.setdefault(float(batch.features[0, 0]), []).append(batch.columns[:, :columns].mean(axis=0))
        self.centers = {state: np.mean(values, axis=0, dtype=np.float64) for state, values in found.items()}
        self.batches = batches = [b for b in batches if not (b.unlabelled or b.transferred)]
        if not all(batch.labels.isfinite().all() for batch in batches):
            raise InvalidData("training data: a propensity is not finite; expected numbers between 0 and 1.")
        self.centered = [
            (batch.columns[:, :columns] - self.centers[float(batch.features[0, 0])]).astype(np.float32)
            for batch in batches
        ]
        sums = [self._sums(k, (means, 0.0)) for k in range(len(batches))]
        self.grams, self.products = zip(*(weighed for weighed, _ in sums), strict=True)
        self.within = [within for _, within in sums]

    def _sums(self, index, weights):
        """XᵀX (columns, columns) and yᵀX (level, columns) of a structure, for each weight of its means."""
        batch, x = self.batches[index], self.centered[index]
        labels = batch.labels.numpy()
        spread = np.maximum(labels.std(axis=1, keepdims=True), 1e-6)
        # Centered on the level, not on the structure, so that structures may differ in their mean (χ₄).
        normal = ((labels - batch.levels[:, None]) / spread).astype(np.float32)
        mean, gram, product = x.mean(axis=0), x.T @ x, normal @ x
        found = []
        for weight in weights:
            less = (weight - 1) * len(x) * mean
            found.append((gram + np.outer(less, mean), product + np.outer(normal.mean(axis=1), less)))
        return found

    def _usable(self, held_back, level):
        """Numbers of the batches outside a fold whose labels reach a level; of the fold where none does outside."""
        reached = [k for k, batch in enumerate(self.batches) if level is None or np.isclose(batch.levels, level).any()]
        return [k for k in reached if self.batches[k].fold != held_back] or reached

    def _targets(self, index, level, products=None):
        """Products (2, K) with what the two nodes start from, and how much (2,) the batch counts in each.

        All levels: regressions of the early ones (weights C²) and of the late ones (weights (1 − C)²). One level: its
        regression and its trend with temperature.
        """
        batch, products = self.batches[index], self.products[index] if products is None else products
        if level is None:
            weights = np.stack([batch.levels, 1 - batch.levels]) ** 2
            return weights @ products, weights.sum(axis=1)
        product = products[np.isclose(batch.levels, level)][0]
        return np.stack([product, product * (float(batch.features[0, 0]) - reach.FROM)]), np.ones(2)

    def _regression(self, chosen, node, ridge, level=None):
        """Weights (columns,) of a node by ridge regression, the XᵀX that they solve, and of how many particles."""
        targets = [self._targets(k, level) for k in chosen]
        gram = sum(counts[node] * self.grams[k] for k, (_, counts) in zip(chosen, targets, strict=True))
        rows = sum(counts[node] * len(self.centered[k]) for k, (_, counts) in zip(chosen, targets, strict=True))
        product = sum(products[node] for products, _ in targets)
        return np.linalg.solve(gram + ridge * rows * np.eye(len(gram)), product), gram, rows

    def encoder(self, held_back, ridge, random, level=None):
        """Bottleneck weights (columns, 2) whose nodes have unit variance, from a resample of all folds but one."""
        usable = self._usable(held_back, level)
        drawn = random.choice(usable, len(usable))
        nodes = []
        for node in range(architecture.BOTTLENECK):
            weights, gram, rows = self._regression(drawn, node, ridge, level)
            nodes.append(weights / np.sqrt(max(weights @ gram @ weights / rows, 1e-12)))
        return np.stack(nodes, axis=1)

    def attention(self, held_back, level=None):
        """How far the surroundings count at each temperature, by all folds but one; of one level, by its labels alone.

        It is what tells the particles of one structure apart: means of structures are few, and the longest lengths
        would follow them.
        """
        if self.lengths is None:
            return reach.even(self.columns)
        usable, sums = self._usable(held_back, level), []
        nodes = range(architecture.BOTTLENECK if level is None else 1)  # of one level, the other is a trend already
        encoder = [self._regression(usable, node, RIDGE[-1], level)[0] for node in nodes]
        for k in usable:
            gram, products = self.within[k]
            products, counts = self._targets(k, level, products)
            inverse = float(self.batches[k].features[0, 0])
            for node, weights in enumerate(encoder):
                rows = counts[node] * len(self.centered[k])
                sums.append((inverse, weights, counts[node] * gram, products[node], rows))
        return reach.fitted(self.lengths, sums)

    def apply(self, net, fold, seed, levels=None):
        """Set the parameters of fresh networks; `fold` (network,) is what each keeps back, `levels` what it learns."""
        random = np.random.default_rng(seed)
        net.weights["attention"].mul_(ATTENTION_WIDTH / net.weights["attention"].std())
        follow_the_level(net)
        reaches = {}
        for network, held_back in enumerate(fold.tolist()):
            level = None if levels is None else levels[network]
            if (held_back, level) not in reaches:
                reaches[held_back, level] = self.attention(held_back, level)
            found = reaches[held_back, level]
            follow_the_reach(net, network, found)
            encoder = self.encoder(held_back, RIDGE[network % len(RIDGE)], random, level)
            net.weights["bottleneck.0.weight"][network] = torch.as_tensor(encoder, dtype=torch.float32)
            used = encoder if level is None else encoder[:, :1]
            offsets = self.offsets(used, found.weights)
            follow_the_nodes(net, network, *self.amplitudes(used, found.weights, held_back, level), *offsets)

    def offsets(self, encoder, weights):
        """Means of the nodes at a temperature, as s g(τ) with one cubic polynomial g for all nodes.

        `weights` is attention (columns,) as a function of τ.

        Returns
        -------
        polynomial : (4,) ndarray
            Of g, of order 1: its value at τ = 0 and the coefficients of τ, τ², τ³.
        scale : (node,) ndarray
            s.
        """
        inverse = np.array(sorted(self.centers))
        nodes = np.array([self.centers[state] * weights(state) for state in inverse]) @ encoder
        left, size, right = np.linalg.svd(nodes, full_matrices=False)
        largest = np.abs(left[:, 0]).max()
        powers = np.vander(inverse, 4, increasing=True)
        few = 1e-6 * np.eye(4)[1:]  # where there are few temperatures the polynomial is the flattest
        rows, values = np.vstack([powers, few]), np.append(left[:, 0] / largest, np.zeros(3))
        return np.linalg.lstsq(rows, values, rcond=None)[0], largest * size[0] * right[0]

    def _shares(self, encoder, weights, usable):
        """Amplitudes (node,) ≥ 0 that fit the normalised labels of a level best, for unit variance, by level."""
        sums = {}
        for k in usable:
            attended = weights(float(self.batches[k].features[0, 0]))[:, None] * encoder
            nodes = self.centered[k] @ attended
            for level, product in zip(self.batches[k].levels.tolist(), self.products[k] @ attended, strict=True):
                gram, target, rows = sums.get(level, (0, 0, 0))
                sums[level] = gram + nodes.T @ nodes, target + product, rows + len(nodes)
        shares = {}
        for level, (gram, target, rows) in sums.items():
            share = np.linalg.solve(gram + SHARE_RIDGE * rows * np.eye(len(gram)), target)
            share = np.maximum(share, SMALLEST_SHARE)
            shares[level] = share / np.sqrt(share @ gram @ share / rows)
        return shares

    def amplitudes(self, encoder, weights, held_back, level=None):
        """How far the prediction goes with each node, as a function of the state, from all folds but one.

        Returns
        -------
        mean : (node,) ndarray
            Of ln A.
        slopes : (4, node) ndarray
            Of ln A against (exp(−3 (τ − τ₀)) − 1, C, C², C³).
        center : (4,) ndarray
            Means of these.
        """
        usable = self._usable(held_back, level)
        shares = self._shares(encoder, weights, usable)
        features, values = [], []
        for batch in (self.batches[k] for k in usable):
            spread = np.maximum((batch.labels.std(dim=-1) * batch.signal.sqrt()).numpy(), 1e-3)
            for k in range(len(batch.levels)) if level is None else np.flatnonzero(np.isclose(batch.levels, level)):
                state = batch.features[k].numpy().astype(np.float64)
                features.append([reach.warmth(state[0]) - 1, *state[3:]])
                values.append(np.log(PREDICTABLE * spread[k] * shares[batch.levels[k].item()]))
        features, values = np.array(features), np.array(values)
        center, mean = features.mean(axis=0), values.mean(axis=0)
        apart = features - center
        slopes = np.linalg.solve(apart.T @ apart + 1e-3 * np.eye(len(center)), apart.T @ (values - mean))
        return mean, slopes, center


def follow_the_nodes(net, network, mean, slopes, center, polynomial, scale):
    """Two units of the head for each bottleneck node b make it into A sinh(p (b − o)) / p, with ln A and o as told.

    Where ELU is e^z − 1 the difference of two units with z = ln A ± p (b − o) is a product of A and sinh(p (b − o)). An
    output of MLP2 for each node carries ln A less its mean; a hidden unit of its own, the last, exp(−3 (τ − τ₀)) − 1.
    The last output carries what the offsets have in common.
    """
    part = {name: values[network] for name, values in net.weights.items()}
    _feel_warmth(part, "mlp2")
    part["head.1.weight"][:, 1] = 0
    part["head.1.bias"][1] = UPRIGHT
    part["head.2.weight"][1, 0] = 1
    part["head.2.bias"][0] -= UPRIGHT
    offset = architecture.MLP2[-1] - 1
    _carry(part, "mlp2", offset)
    part["mlp2.0.weight"][:3, offset] = torch.as_tensor(polynomial[1:], dtype=torch.float32)
    part["mlp2.0.bias"][offset] = UPRIGHT + polynomial[0]
    for node, (level, slope) in enumerate(zip(mean, slopes.T, strict=True)):
        output = node + 1  # output 0 carries C
        _carry(part, "mlp2", output)
        part["mlp2.0.weight"][3:, output] = torch.as_tensor(slope[1:], dtype=torch.float32)
        part["mlp2.0.bias"][output] = UPRIGHT - slope[1:] @ center[1:]
        part["mlp2.1.weight"][-1, output] = slope[0]
        part["mlp2.1.bias"][output] = -slope[0] * center[0]
        units = slice(2 * node + 1, 2 * node + 3)
        part["head.0.weight"][:, units] = 0
        part["head.0.weight"][node, units] = torch.tensor([STEEPNESS, -STEEPNESS])
        part["head.0.weight"][architecture.BOTTLENECK + output, units] = 1
        part["head.0.weight"][architecture.BOTTLENECK + offset, units] = (
            STEEPNESS * scale[node] * torch.tensor([-1.0, 1.0])
        )
        part["head.0.bias"][units] = DEPTH
        part["head.1.weight"][units, 1] = torch.tensor([1.0, -1.0]) * np.exp(level - DEPTH) / (2 * STEEPNESS)


def follow_the_reach(net, network, found):
    """Attention starts as a `Reach`, besides the little it has: the first output of MLP1 carries u − ū."""
    part = {name: values[network] for name, values in net.weights.items()}
    _feel_warmth(part, "mlp1")
    _carry(part, "mlp1", 0)
    part["mlp1.0.bias"][0] = UPRIGHT
    part["mlp1.1.weight"][-1, 0] = 1
    part["mlp1.1.bias"][0] = 1 - found.center
    part["attention"][1] = torch.as_tensor(found.slopes, dtype=torch.float32)


def _feel_warmth(part, small):
    """The last unit of the first layer of MLP1 or MLP2 becomes u − 1, with u of `reach.warmth`."""
    part[f"{small}.0.weight"][:, -1] = 0
    part[f"{small}.0.weight"][0, -1] = -reach.SATURATION
    part[f"{small}.0.bias"][-1] = reach.SATURATION * reach.FROM


def _carry(part, small, output):
    """A path of its own through MLP1 or MLP2 to an output, kept where ELU is the identity; nothing enters it yet."""
    for layer in range(3):
        part[f"{small}.{layer}.weight"][:, output] = 0
        part[f"{small}.{layer}.bias"][output] = 0
        if layer:
            part[f"{small}.{layer}.weight"][output, output] = 1
    part[f"{small}.2.bias"][output] = -UPRIGHT


def follow_the_level(net, width=HEAD_WIDTH):
    """One path through MLP2 and the head carries the input C, so that the prediction starts as X = C plus a little."""
    for layer in range(3):
        small, head = net.weights[f"mlp2.{layer}.weight"], net.weights[f"head.{layer}.weight"]
        small[:, :, 0] = 0
        small[:, 3 if layer == 0 else 0, 0] = 1
        if layer < 2:
            head[:, :, 0] = 0
        else:
            head.mul_(width)
        head[:, 2 if layer == 0 else 0, 0] = 1
        net.weights[f"mlp2.{layer}.bias"][:, 0] = 0
        net.weights[f"head.{layer}.bias"][:, 0] = 0


def only_the_mean(net):
    """Change networks that follow the level so that the state moves their mean and nothing else, with even attention.

    The level goes through a hidden node of its own in both layers of the head, which nothing else enters.

    Returns
    -------
    (parameters,) Tensor of bool
        The parameters that must stay as they are for it to remain so.
    """
    frozen = TGlassMLP.of(torch.zeros_like(net.table[:1], dtype=torch.bool), net.columns)
    net.weights["attention"].zero_()
    for name in net.weights:
        if name.split(".")[0] in ("attention", "mlp1", "mlp2"):
            frozen.weights[name].fill_(True)
    nodes = architecture.BOTTLENECK
    for layer in range(3):
        weight, still = net.weights[f"head.{layer}.weight"], frozen.weights[f"head.{layer}.weight"]
        first = slice(nodes, None) if layer == 0 else slice(0, 1)
        if layer < 2:
            weight[:, first, 1:] = 0
            still[:, :, 0] = True
            frozen.weights[f"head.{layer}.bias"][:, 0] = True
        still[:, first] = True
    return frozen.table[0]
