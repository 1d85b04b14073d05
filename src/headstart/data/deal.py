"""Deal groups of examples into folds so that every fold gets its share of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def deal(
    members: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], *, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The fold of each group (G,), where `members[g]` are its examples and `labels[i]` the class numbers of example i.

    Large groups first, then those with the rarest classes; each goes where its classes have the smallest share so
    far, then to the smallest fold. With one label per example and groups of one this deals every class out evenly;
    with several it follows the iterative stratification of Sechidis et al. 2011.
    """
    classes = 1 + max((number for numbers in labels for number in numbers), default=-1)
    totals = np.zeros(classes)
    for group in members:
        for example in group:
            totals[list(labels[example])] += 1
    rarest = [
        min((totals[number] for example in group for number in labels[example]), default=np.inf) for group in members
    ]
    shuffled = rng.permutation(len(members))
    order = sorted(shuffled.tolist(), key=lambda group: (-len(members[group]), rarest[group]))
    share = np.zeros((folds, classes))
    sizes = np.zeros(folds)
    fold_of = np.zeros(len(members), dtype=np.int64)
    for group in order:
        numbers = [number for example in members[group] for number in labels[example]]
        cost = share[:, numbers].sum(axis=1)
        level = np.flatnonzero(cost <= cost.min() + 1e-9)
        fold = int(level[np.argmin(sizes[level])])
        fold_of[group] = fold
        sizes[fold] += len(members[group])
        for number in numbers:
            share[fold, number] += 1 / totals[number]
    return fold_of
