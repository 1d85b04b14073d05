"""What a user should know before he trusts a ranking: the source knew this already, transfer is not needed, the test data differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.choose.scores import as_columns
from headstart.solvers import Array, ridge_draws_left_out, spectrum

KNOWN = 0.9
"""Share of the labels that the source's own classes give away, above guessing, from which it is said."""
SOLVED = 0.97
"""Left-out accuracy of a classical method from which transfer is not needed."""
APART = 0.75
"""Area under the curve from which two parts are told apart too well to be alike."""
DRAWS = 20


def known_already(source_NZ: Array, targets: Array, groups_N: Array) -> float:
    """How well the source's own classes give the labels away, left out: accuracy above guessing, 1 at best.

    Each example gets the label that the source's classes went with elsewhere (the conditional of LEEP, its group left out).
    """
    if targets.ndim != 1 or np.issubdtype(targets.dtype, np.floating):
        return 0.0
    hot_NK = as_columns(targets)
    own_N = np.unique(groups_N, return_inverse=True)[1]
    sums_GZ = np.zeros((own_N.max() + 1, source_NZ.shape[1]))
    np.add.at(sums_GZ, own_N, source_NZ)
    share_NZ = source_NZ / np.maximum(source_NZ.sum(0) - sums_GZ[own_N], 1e-9)
    score_NK = share_NZ @ (source_NZ.T @ hot_NK)
    order_N = np.argsort(own_N, kind="stable")
    for rows in np.split(order_N, np.cumsum(np.bincount(own_N))[:-1]):
        score_NK[rows] -= (share_NZ[rows] @ source_NZ[rows].T) @ hot_NK[rows]  # what the group itself put in
    right = float((score_NK.argmax(1) == targets).mean())
    chance = float(hot_NK.mean(0).max())
    return (right - chance) / max(1e-9, 1 - chance)


@dataclass(frozen=True, slots=True)
class Apart:
    """How well two sets of examples are told apart by their features: area under the curve, and what chance gives at most."""

    auc: float
    chance: float

    @property
    def is_shift(self) -> bool:
        """Whether they are told apart clearly, and by more than chance."""
        return self.auc >= APART and self.auc > self.chance


def told_apart(features_ND: Array, is_other_N: Array, groups_N: Array, *, rng: np.random.Generator) -> Apart:
    """Area under the curve of a ridge probe, groups left out, that tells one set from the other; and the largest of DRAWS
    on shuffled membership. Labels are not looked at. Source: Lopez-Paz and Oquab 2017 (classifier two-sample test).
    """
    draws = np.stack([is_other_N, *(rng.permutation(is_other_N) for _ in range(DRAWS))]).astype(np.float64)
    found = ridge_draws_left_out(spectrum(features_ND), draws[:, :, None], groups_N)
    areas = [_area(one.predicted_NK[:, 0], truth > 0) for one, truth in zip(found, draws, strict=True)]
    return Apart(areas[0], max(areas[1:]))


def _area(values_N: Array, positive_N: Array) -> float:
    from scipy.stats import rankdata

    ranks_N = rankdata(values_N)
    ones = int(positive_N.sum())
    zeros = len(values_N) - ones
    return float((ranks_N[positive_N].sum() - ones * (ones + 1) / 2) / (ones * zeros))
