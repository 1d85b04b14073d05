"""The probe: frozen features and an exact linear solver."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.adapt.workbench import Folds, Workbench
from headstart.data.split import inner_folds
from headstart.features.store import AnyFeatures
from headstart.solvers import Array, Chunks, ProbeFit, cross_validated_probe

INNER_FOLDS = 4
"""Folds over which a probe's regularisation is chosen where the run has no folds of its own."""


def solve_probe(bench: Workbench, features: AnyFeatures, rows: np.ndarray, folds: Folds) -> ProbeFit:
    """Logistic regression on the features of `rows`, its regularisation chosen by cross-validation over `folds`.

    `folds` are positions into `rows`; where there are none (a part of a single split), rows are folded anew. Features
    too large for memory are streamed.
    """
    return cross_validated_probe(
        features_source(features, rows),
        bench.targets[rows],
        folds=folds_or_own(bench, rows, folds),
        classes=len(bench.classes),
    )


def folds_or_own(bench: Workbench, rows: np.ndarray, folds: Folds) -> Folds:
    """`folds`, or where there are none folds of these rows alone, as positions into them."""
    return folds or inner_folds(bench.targets[rows], bench.groups[rows], k=INNER_FOLDS, seed=bench.seed)


def features_source(features: AnyFeatures, rows: np.ndarray) -> Array | Chunks:
    """The features of `rows` in memory, or in passes over what is on disk."""

    def chunks() -> Iterator[np.ndarray]:
        start = 0
        for shard_ND in features.chunks():
            here = rows[(rows >= start) & (rows < start + len(shard_ND))] - start
            if len(here):
                yield shard_ND[here]
            start += len(shard_ND)

    ascending = bool((np.diff(rows) > 0).all())
    return chunks if ascending and not features.fits_in_memory else features.take(rows)
