"""What a run searches: its outer splits, as positions on the workbench."""

from __future__ import annotations

import numpy as np

from headstart.adapt.proving import Outer
from headstart.adapt.workbench import Workbench
from headstart.choosing import INNER_FOLDS, Material
from headstart.data.split import inner_folds


def outer_splits(material: Material, bench: Workbench) -> list[Outer]:
    """The outer splits, as positions on the workbench: training rows come first there, in the order of the splits."""
    splits = material.splits
    place = {row: number for number, row in enumerate([*splits.train, *splits.test])}
    if splits.outer:
        return [
            outer_of(number, np.array([place[r] for r in train]), np.array([place[r] for r in test]), bench)
            for number, (train, test) in enumerate(splits.outer, start=1)
        ]
    test = np.array([place[row] for row in splits.test], dtype=np.int64)
    if splits.val:
        held_out = np.array(sorted(place[row] for row in splits.val))
        rows = np.arange(len(splits.train))
        return [Outer(0, rows, test, [(np.setdiff1d(rows, held_out), held_out)])]
    return [outer_of(0, np.arange(len(splits.train)), test, bench)]


def searches(material: Material, bench: Workbench) -> list[Outer]:
    """Everything that is searched: the outer splits, and after a nested cross-validation all examples together."""
    outers = outer_splits(material, bench)
    return [all_of(material, bench), *outers] if material.splits.outer else outers


def all_of(material: Material, bench: Workbench) -> Outer:
    """All training examples, with nothing to test."""
    return outer_of(0, np.arange(len(material.splits.train)), np.array([], dtype=np.int64), bench)


def outer_of(number: int, rows: np.ndarray, test: np.ndarray, bench: Workbench) -> Outer:
    """An outer split with inner folds of its own."""
    folds = inner_folds(bench.strata(rows), bench.groups[rows], k=INNER_FOLDS, seed=bench.seed)
    return Outer(number, np.sort(rows), test, folds)
