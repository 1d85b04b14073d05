"""Deal groups of examples into folds so that every fold gets its share of every class."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from headstart.data.ragged import Ragged


def deal(members: Ragged, labels: Ragged, *, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each group (G,), where row g of `members` are its examples and row i of `labels` the class numbers of example i.

    Large groups first, then those with the rarest classes; each goes where its classes have the smallest share so
    far, then to the smallest fold. With one label per example and groups of one this deals every class out evenly;
    with several it follows the iterative stratification of Sechidis et al. 2011.
    """
    numbers = labels.take(members.values).joined(members.lengths)
    totals, rarest = np.bincount(numbers.values), np.full(len(members), np.inf)
    filled = numbers.lengths > 0
    if filled.any():
        rarest[filled] = np.minimum.reduceat(totals[numbers.values], numbers.starts[:-1][filled])
    shuffled = rng.permutation(len(members))
    order = shuffled[np.lexsort((rarest[shuffled], -members.lengths[shuffled]))]
    fold_of = np.empty(len(members), dtype=np.int64)
    fold_of[order] = _dealt(numbers.take(order), members.lengths[order], 1 / np.maximum(totals, 1), folds)
    return fold_of


def _dealt(numbers: Ragged, lengths: np.ndarray, worth: np.ndarray, folds: int) -> list[int]:
    """The fold of each group, in turn: its class numbers, how many examples it has, and what one more is of a class.

    Everything is read in the order in which it lies in memory: far jumps would cost more, the more examples there are.
    """
    share, worth_of = [[0.0] * folds for _ in worth], worth.tolist()
    sizes, dealt, flat = [0] * folds, [], numbers.values.tolist()
    for (start, end), length in zip(pairwise(numbers.starts.tolist()), lengths.tolist(), strict=True):
        own = flat[start:end]
        cost = share[own[0]] if end - start == 1 else [sum(share[number][fold] for number in own) for fold in range(folds)]
        level = min(cost) + 1e-9
        fold = min((sizes[fold], fold) for fold in range(folds) if cost[fold] <= level)[1]
        dealt.append(fold)
        sizes[fold] += length
        for number in own:
            share[number][fold] += worth_of[number]
    return dealt
