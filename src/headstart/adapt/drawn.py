"""Some of the examples: as many as fit into memory with all their features, or a part to train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.adapt.workbench import Folds
from headstart.data.numbers import quantile_bins
from headstart.runtime import generator

MOST_NUMBERS = 1 << 25
"""Features held at a time: 128 MiB, 16,000 examples of 2,000 features each."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some `rows` of the workbench, their `targets`, and folds as positions into them."""

    rows: np.ndarray
    targets: np.ndarray
    folds: Folds


def draw(rows: np.ndarray, targets: np.ndarray, folds: Folds, most: int) -> Drawn:
    """All of `rows`, or where there are more than `most` an even draw over the classes, in their order.

    `targets` belong to all examples of the workbench. The same rows give the same draw. Folds of which nothing is left on one side are
    left out.
    """
    if len(rows) <= most:
        return Drawn(rows, targets[rows], folds)
    own = targets[rows]
    order = np.argsort(own, kind="stable") if own.ndim == 1 else np.arange(len(rows))
    kept = np.sort(order[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)])
    place = np.full(len(rows), -1)
    place[kept] = np.arange(most)
    parts = [tuple(place[part][place[part] >= 0] for part in fold) for fold in folds]
    left = [(train, out) for train, out in parts if len(train) and len(out)]
    return Drawn(rows[kept], own[kept], left)


def part_of(targets: np.ndarray, count: int | None, *, seed: int) -> np.ndarray:
    """The positions of `count` of the targets, every class (of numbers every range) in turn; a smaller part lies within a larger one.

    All without a count.
    """
    if count is None or count >= len(targets):
        return np.arange(len(targets))
    order = generator(seed, "part").permutation(len(targets))
    turn = np.zeros(len(targets))
    classes = targets[order] if targets.ndim == 1 else targets[order].argmax(1)
    if np.issubdtype(targets.dtype, np.floating):
        classes = quantile_bins(classes)
    for name in np.unique(classes):
        own = np.flatnonzero(classes == name)
        turn[own] = np.arange(len(own)) / len(own)
    return np.sort(order[np.argsort(turn, kind="stable")[:count]])
