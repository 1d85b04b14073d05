"""Parts of the training examples that lie inside one another, each with its share of every class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

FEW = 2
"""So many independent examples of each class come before all others: with one, nothing could be chosen by folds."""
BANDS = 5
"""Numbers to predict are dealt out by fifths of their range, as classes are."""


def nested_parts(
    targets: np.ndarray, groups: np.ndarray, sizes: Sequence[int], *, rng: np.random.Generator
) -> dict[int, np.ndarray]:
    """For each of `sizes`, ascending, about as many positions into `targets`; each part holds the one before.

    `targets` are class numbers, rows of zeros and ones, or numbers to predict. Groups stay whole. Every class is in
    each part by its share, but with at least `FEW` groups where it has so many. Sizes too small for that are left out,
    and those that would take everything.
    """
    strata_N = _strata(targets)
    totals = {stratum: int((strata_N == stratum).sum()) for stratum in np.unique(strata_N).tolist()}
    members: dict[int, list[int]] = defaultdict(list)
    for position, group in enumerate(np.asarray(groups).tolist()):
        members[group].append(position)
    # A group with several classes counts for the rarest of them.
    homes: dict[int, list[list[int]]] = defaultdict(list)
    for group in members.values():
        homes[min((int(strata_N[position]) for position in group), key=lambda stratum: totals[stratum])].append(group)
    keyed = []
    for stratum in sorted(homes):
        own, offset = homes[stratum], rng.random()
        for place, number in enumerate(rng.permutation(len(own)).tolist()):
            key = place / FEW - 1 if place < FEW else (place + offset) / len(own)
            keyed.append((key, stratum, own[number]))
    order = [group for _, _, group in sorted(keyed, key=lambda entry: entry[:2])]
    filled = np.cumsum([len(group) for group in order])
    parts: dict[int, np.ndarray] = {}
    largest = 0
    for size in sizes:
        count = 1 + int(np.argmin(np.abs(filled - size)))
        part = np.sort(np.concatenate([np.array(group, dtype=np.int64) for group in order[:count]]))
        if size >= FEW * len(totals) and largest < len(part) < len(targets):
            parts[size], largest = part, len(part)
    return parts


def _strata(targets: np.ndarray) -> np.ndarray:
    """A class number for each example: of several labels the rarest, without any one more."""
    if targets.ndim == 2:
        counts_K = np.append(targets.sum(0), 0)
        chosen = [
            min(np.flatnonzero(row).tolist(), key=lambda k: int(counts_K[k]), default=targets.shape[1])
            for row in targets
        ]
        return np.array(chosen, dtype=np.int64)
    if np.issubdtype(targets.dtype, np.floating):
        return np.searchsorted(np.quantile(targets, np.arange(1, BANDS) / BANDS), targets, side="right")
    return targets
