"""Where the networks start from: the best linear prediction, and the level they are asked for.

The columns are so much alike that gradient descent needs some 10⁵ steps to find the small differences that matter; a
ridge regression finds them at once. So the bottleneck starts as a regression of the normalised labels (their mean over
the levels, and their trend with the level), each network's on its own resample of the structures it may learn from,
and the head starts as the identity X = C plus a little. Training changes all of it.
"""

import numpy as np
import torch

RIDGE = (0.01, 0.05)  # of the columns' variance, in turn over the networks
ATTENTION_WIDTH = 0.01
HEAD_WIDTH = 0.1


class LinearStart:
    """Sums for regressions over any set of structures.

    Parameters
    ----------
    points : list of StatePoints
    folds : list of (structure,) ndarray of int
        Fold of every structure.
    mean, std, kept : (K,) ndarray
        Standardisation of the columns.
    """

    def __init__(self, points, folds, mean, std, kept):
        self.fold = np.concatenate(folds)
        self.grams, self.products, self.rows = [], [], []
        for p in points:
            columns = (p.columns[..., kept] - mean[kept]) / std[kept]
            columns -= columns.mean(axis=1, keepdims=True)
            targets = self._targets(p)
            for x, y in zip(columns, targets, strict=True):
                self.grams.append(x.T @ x)
                self.products.append(x.T @ y)
                self.rows.append(len(x))

    @staticmethod
    def _targets(points):
        """Mean of the normalised labels over the levels, and their trend with the level: (structure, n, 2).

        Normalised within each structure, so that none learns of the labels of another that is kept back.
        """
        deviation = points.labels - points.labels.mean(axis=2, keepdims=True)
        normal = deviation / np.maximum(points.labels.std(axis=2, keepdims=True), 1e-6)
        trend = points.levels - points.levels.mean()
        trend /= max(np.abs(trend).sum(), 1e-3)
        return np.stack([normal.mean(axis=1), np.einsum("sln,l->sn", normal, trend)], axis=-1)

    def encoder(self, held_back, ridge, random):
        """Bottleneck weights (kept, 2) whose nodes have unit variance, from a resample of all folds but one."""
        usable = np.flatnonzero(self.fold != held_back)
        drawn = random.choice(usable, len(usable))
        gram, product = (sum(sums[k] for k in drawn) for sums in (self.grams, self.products))
        rows = sum(self.rows[k] for k in drawn)
        weights = np.linalg.solve(gram + ridge * rows * np.eye(len(gram)), product)
        power = np.einsum("kn,kl,ln->n", weights, gram, weights) / rows
        return weights / np.sqrt(np.maximum(power, 1e-12))

    def apply(self, net, fold, seed):
        """Set the parameters of a fresh module; `fold` (network,) is what each network keeps back."""
        random = np.random.default_rng(seed)
        with torch.no_grad():
            net.weights["attention"].mul_(ATTENTION_WIDTH / net.weights["attention"].std())
            for network, held_back in enumerate(fold.tolist()):
                encoder = self.encoder(held_back, RIDGE[network % len(RIDGE)], random)
                net.weights["bottleneck_0_weight"][network] = torch.as_tensor(encoder, dtype=torch.float32)
            follow_the_level(net)


def follow_the_level(net, width=HEAD_WIDTH):
    """One path through MLP2 and the head carries the input C, so that the prediction starts as X = C plus a little."""
    with torch.no_grad():
        for layer in range(3):
            small, head = net.weights[f"mlp2_{layer}_weight"], net.weights[f"head_{layer}_weight"]
            small[:, :, 0] = 0
            small[:, 3 if layer == 0 else 0, 0] = 1
            if layer < 2:
                head[:, :, 0] = 0
            else:
                head.mul_(width)
            head[:, 2 if layer == 0 else 0, 0] = 1
            net.weights[f"mlp2_{layer}_bias"][:, 0] = 0
            net.weights[f"head_{layer}_bias"][:, 0] = 0
