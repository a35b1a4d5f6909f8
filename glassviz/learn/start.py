"""Where the networks start from: the best linear prediction, and the level they are asked for.

The columns are so much alike that gradient descent needs some 10⁵ steps to find the small differences that matter; a
ridge regression finds them at once. So the bottleneck starts as a regression of the normalised labels (their mean over
the levels, and their trend with the level), each network's on its own resample of the structures it may learn from,
and the head starts as the identity X = C plus a little. Training changes all of it.
"""

import numpy as np
import torch

from glassviz.learn import architecture
from glassviz.learn.network import TGlassMLP

RIDGE = (0.01, 0.05)  # of the columns' variance, in turn over the networks
ATTENTION_WIDTH = 0.01
HEAD_WIDTH = 0.1
PREDICTABLE = 0.7  # of the spread of the labels without their noise
STEEPNESS = 0.2  # p
DEPTH = -2.5  # where the units with e^z start, far from the kink of ELU
UPRIGHT = 4.0  # what keeps a unit where ELU is the identity


class LinearStart:
    """Sums for regressions over any set of structures.

    Parameters
    ----------
    batches : list of Batch
        Standardised structures with their labels.
    columns : int
        Number of columns that count; the rest is padding.
    """

    def __init__(self, batches, columns):
        self.batches = batches = [batch for batch in batches if not batch.unlabelled]
        self.grams, self.products = [], []
        centers = {}
        for batch in batches:
            centers.setdefault(float(batch.features[0, 0]), []).append(batch.columns[:, :columns].mean(axis=0))
        for batch in batches:
            x = batch.columns[:, :columns] - np.mean(centers[float(batch.features[0, 0])], axis=0)
            labels = batch.labels.numpy()
            spread = np.maximum(labels.std(axis=1, keepdims=True), 1e-6)
            # Centered on the level, not on the structure, so that structures may differ in their mean (χ₄).
            normal = ((labels - batch.levels[:, None]) / spread).astype(np.float32)
            self.grams.append(x.T @ x)
            self.products.append(normal @ x)

    def _targets(self, index, level):
        """Products with what the two nodes start from, (2, K): mean over the levels and trend, or one level alone."""
        batch, products = self.batches[index], self.products[index]
        if level is None:
            trend = batch.levels - batch.levels.mean()
            return np.stack([products.mean(axis=0), trend @ products / max(np.abs(trend).sum(), 1e-3)])
        product = products[np.isclose(batch.levels, level)][0]
        return np.stack([product, product * (float(batch.features[0, 0]) - 0.5)])  # its trend with T_ref / T

    def encoder(self, held_back, ridge, random, level=None):
        """Bottleneck weights (columns, 2) whose nodes have unit variance, from a resample of all folds but one."""
        usable = [
            k
            for k, batch in enumerate(self.batches)
            if batch.fold != held_back and (level is None or np.isclose(batch.levels, level).any())
        ]
        drawn = random.choice(usable, len(usable))
        gram = sum(self.grams[k] for k in drawn)
        product = sum(self._targets(k, level) for k in drawn).T
        rows = sum(len(self.batches[k].columns) for k in drawn)
        weights = np.linalg.solve(gram + ridge * rows * np.eye(len(gram)), product)
        power = np.einsum("kn,kl,ln->n", weights, gram, weights) / rows
        return weights / np.sqrt(np.maximum(power, 1e-12))

    def apply(self, net, fold, seed, levels=None):
        """Set the parameters of fresh networks; `fold` (network,) is what each keeps back, `levels` what it learns."""
        random = np.random.default_rng(seed)
        net.weights["attention"].mul_(ATTENTION_WIDTH / net.weights["attention"].std())
        for network, held_back in enumerate(fold.tolist()):
            level = None if levels is None else levels[network]
            encoder = self.encoder(held_back, RIDGE[network % len(RIDGE)], random, level)
            net.weights["bottleneck.0.weight"][network] = torch.as_tensor(encoder, dtype=torch.float32)
        follow_the_level(net)
        for network, held_back in enumerate(fold.tolist()):
            level = None if levels is None else levels[network]
            spread_by_level(net, network, *self.spread(held_back, level))

    def spread(self, held_back, level=None):
        """How the spread of what can be predicted depends on the level: mean logarithm, slopes, mean features.

        Slopes are those of ln A against (C, C², C³) over all folds but one; temperature is left to the training.
        """
        features, values = [], []
        for batch in self.batches:
            if batch.fold != held_back:
                chosen = slice(None) if level is None else np.isclose(batch.levels, level)
                std = batch.labels.std(dim=-1) * batch.signal.sqrt()
                features.append(batch.features.numpy()[chosen, 3:])
                values.append(np.log(PREDICTABLE * np.maximum(std.numpy(), 1e-3))[chosen])
        features, values = np.concatenate(features), np.concatenate(values)
        center = features.mean(axis=0)
        apart = features - center
        slopes = np.linalg.solve(apart.T @ apart + 1e-3 * np.eye(3), apart.T @ (values - values.mean()))
        return float(values.mean()), slopes, center


def spread_by_level(net, network, mean, slopes, center):
    """Two units of the head make the first bottleneck node b into A(C) sinh(p b) / p, with ln A as told.

    Where ELU is e^z − 1 the difference of two units with z = ln A ± p b is a product of A and sinh(p b); MLP2's second
    output carries ln A(C) less its mean.
    """
    part = {name: values[network] for name, values in net.weights.items()}
    for layer in range(3):
        part[f"mlp2.{layer}.weight"][:, 1] = 0
        part[f"mlp2.{layer}.bias"][1] = 0
        if layer:
            part[f"mlp2.{layer}.weight"][1, 1] = 1
    part["mlp2.0.weight"][3:, 1] = torch.as_tensor(slopes, dtype=torch.float32)
    part["mlp2.0.bias"][1] = UPRIGHT - float(slopes @ center)
    part["mlp2.2.bias"][1] = -UPRIGHT
    part["head.0.weight"][:, 1:3] = 0
    part["head.0.weight"][0, 1:3] = torch.tensor([STEEPNESS, -STEEPNESS])
    part["head.0.weight"][architecture.BOTTLENECK + 1, 1:3] = 1
    part["head.0.bias"][1:3] = DEPTH
    part["head.1.weight"][:, 1] = 0
    part["head.1.weight"][1:3, 1] = torch.tensor([1.0, -1.0]) * np.exp(mean - DEPTH) / (2 * STEEPNESS)
    part["head.1.bias"][1] = UPRIGHT
    part["head.2.weight"][1, 0] = 1
    part["head.2.bias"][0] -= UPRIGHT


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
    """Change networks so that the state moves their mean and nothing else: even attention, MLP2 hands the level on.

    The level goes through a hidden node of its own in both layers of the head, which nothing else enters.

    Returns
    -------
    (parameters,) Tensor of bool
        The parameters that must stay as they are for it to remain so.
    """
    frozen = TGlassMLP.of(torch.zeros_like(net.table[:1], dtype=torch.bool), net.columns)
    follow_the_level(net)
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
