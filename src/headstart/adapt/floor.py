"""The floor: what must be beaten without any network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.adapt.workbench import Folds
from headstart.features.store import FeatureWriter
from headstart.tasks.solver import Solver


def classical_logits(
    describe: Callable[[Sequence[Any]], np.ndarray | list[str]],
    seen: Sequence[Any],
    targets: np.ndarray,
    unseen: Sequence[Any],
    folds: Folds,
    outputs: int,
    solver: Solver,
) -> np.ndarray:
    """Logits (M × K) for the items `unseen` by the task's solver on what the modality's floor makes of items.

    Numbers are kept on disk while the solver reads them, so that memory does not grow with the examples; texts, which
    `describe` leaves as they are, become TF-IDF.
    """
    first = describe(seen[:CHUNK])
    if not isinstance(first, np.ndarray):
        return tfidf_logits(list(describe(seen)), targets, list(describe(unseen)), folds, outputs, solver)
    with tempfile.TemporaryDirectory(prefix="headstart-floor-") as folder:
        writer = FeatureWriter(Path(folder), width=first.shape[1])
        writer.add(first)
        for start in range(CHUNK, len(seen), CHUNK):
            writer.add(np.asarray(describe(seen[start : start + CHUNK])))
        features = writer.close()
        source = features.take(np.arange(len(seen))) if features.fits_in_memory else features.chunks
        probe = solver.solve(source, targets, folds=folds, outputs=outputs)
    starts = range(0, len(unseen), CHUNK)
    parts = [probe.logits(np.asarray(describe(unseen[start : start + CHUNK]))) for start in starts]
    return np.concatenate(parts) if parts else np.empty((0, outputs))


CHUNK = 4096
"""Pictures described at a time."""


def tfidf_logits(
    texts: list[str], targets: np.ndarray, unseen: list[str], folds: Folds, outputs: int, solver: Solver
) -> np.ndarray:
    """Logits (M × K) by the task's solver on TF-IDF of words and word pairs.

    The regularisation is chosen on the first fold.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\S+")
    seen = vectorizer.fit_transform(texts)
    inner, held_out = folds[0]

    def loss(strength: float) -> float:
        logits_MK = solver.sparse(seen[inner], targets[inner], seen[held_out], strength, outputs=outputs)
        return solver.loss(logits_MK, targets[held_out])

    best = min(solver.strengths, key=loss)
    return solver.sparse(seen, targets, vectorizer.transform(unseen), best, outputs=outputs)
