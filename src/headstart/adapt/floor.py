"""The floor: what must be beaten without any network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.adapt.workbench import Folds
from headstart.features.store import FeatureWriter
from headstart.solvers import cross_validated_probe


def majority_logits(targets: np.ndarray, classes: int, count: int) -> np.ndarray:
    """The log of the training frequencies (`count` × K), the same for every example."""
    if targets.ndim == 1:
        share_K = (np.bincount(targets, minlength=classes) + 0.5) / (len(targets) + 0.5 * classes)
        return np.tile(np.log(share_K), (count, 1))
    share_K = (targets.sum(0) + 0.5) / (len(targets) + 1.0)
    return np.tile(np.log(share_K / (1 - share_K)), (count, 1))


def classical_logits(
    describe: Callable[[Sequence[Any]], np.ndarray | list[str]],
    seen: Sequence[Any],
    targets: np.ndarray,
    unseen: Sequence[Any],
    folds: Folds,
    classes: int,
) -> np.ndarray:
    """Logits (M × K) for the items `unseen` of logistic regression on what the modality's floor makes of items.

    Numbers are kept on disk while the solver reads them, so that memory does not grow with the examples; texts, which
    `describe` leaves as they are, become TF-IDF.
    """
    first = describe(seen[:CHUNK])
    if not isinstance(first, np.ndarray):
        return tfidf_logits(list(describe(seen)), targets, list(describe(unseen)), folds, classes)
    with tempfile.TemporaryDirectory(prefix="headstart-floor-") as folder:
        writer = FeatureWriter(Path(folder), width=first.shape[1])
        writer.add(first)
        for start in range(CHUNK, len(seen), CHUNK):
            writer.add(np.asarray(describe(seen[start : start + CHUNK])))
        features = writer.close()
        source = features.take(np.arange(len(seen))) if features.fits_in_memory else features.chunks
        probe = cross_validated_probe(source, targets, folds=folds, classes=classes)
    starts = range(0, len(unseen), CHUNK)
    parts = [probe.logits(np.asarray(describe(unseen[start : start + CHUNK]))) for start in starts]
    return np.concatenate(parts) if parts else np.empty((0, classes))


CHUNK = 4096
"""Pictures described at a time."""

TFIDF_CS = (1.0, 10.0, 100.0)


def tfidf_logits(texts: list[str], targets: np.ndarray, unseen: list[str], folds: Folds, classes: int) -> np.ndarray:
    """Logits (M × K) of logistic regression on TF-IDF of words and word pairs.

    The regularisation is chosen on the first fold.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\S+")
    seen = vectorizer.fit_transform(texts)
    inner, held_out = folds[0]
    losses = {
        C: -_log_likelihood(_sparse_logits(seen[inner], targets[inner], seen[held_out], C, classes), targets[held_out])
        for C in TFIDF_CS
    }
    best = min(losses, key=lambda C: losses[C])
    return _sparse_logits(seen, targets, vectorizer.transform(unseen), best, classes)


def _sparse_logits(seen: Any, targets: np.ndarray, unseen: Any, C: float, classes: int) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    if targets.ndim == 2:
        columns = [_sparse_logits(seen, targets[:, k], unseen, C, 2) for k in range(classes)]
        return np.stack([column[:, 1] - column[:, 0] for column in columns], axis=1)
    present = np.unique(targets)
    logits_MK = np.full((unseen.shape[0], classes), UNSEEN_LOGIT)
    if len(present) == 1:
        logits_MK[:, present] = 0.0
        return logits_MK
    model = LogisticRegression(C=C, max_iter=200).fit(seen, targets)
    logits_MK[:, present] = model.predict_log_proba(unseen)
    return logits_MK


UNSEEN_LOGIT = -12.0
"""The log-odds of a class that training did not show."""


def _log_likelihood(logits_NK: np.ndarray, targets: np.ndarray) -> float:
    from scipy.special import log_expit, log_softmax

    if targets.ndim == 2:
        return float((targets * log_expit(logits_NK) + (1 - targets) * log_expit(-logits_NK)).mean())
    return float(log_softmax(logits_NK, axis=1)[np.arange(len(targets)), targets].mean())
