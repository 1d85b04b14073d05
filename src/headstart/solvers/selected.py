"""Logistic regression on some columns of the features, chosen anew in every fold: by relevance, or given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.prove.answers import Answers, probabilities
from headstart.prove.metrics import METRICS, score
from headstart.solvers.arrays import Array, Labels, check_labels, one_hot
from headstart.solvers.logistic import DEFAULT_CS, fit_path
from headstart.solvers.objective import problem_of
from headstart.solvers.probe import PATH_TOLERANCE, PATIENCE, WORSE, Folds
from headstart.solvers.ridge import ridge_loo
from headstart.solvers.space import space_of


def group_scales(features_ND: Array, groups_D: Array) -> Array:
    """Factors (D) that give every group of columns centred rows of root mean squared length one.

    What is constant gets zero. Columns of a group keep their sizes relative to each other, as pre-training has set them.
    """
    variance_D = features_ND.var(0, dtype=np.float64)
    squares_G = np.bincount(groups_D, variance_D)
    size_G = np.sqrt(squares_G)
    return np.divide(1.0, size_G, out=np.zeros_like(size_G), where=size_G > 0)[groups_D]


def relevance(features_ND: Array, labels: Array, *, classes: int | None = None) -> Array:
    """How much each column says beside the others (D, 0 or more): the length of its row of weights in a ridge fit.

    Columns count in the size that they come in; see `group_scales`. The penalty is the one with the least leave-one-out error.
    Stands in for the row lengths of a group lasso (Evci et al. 2022, section 3.2), exact and in one decomposition.
    """
    checked = check_labels(labels, classes)
    columns_NK = checked.values if checked.several else one_hot(checked.values, checked.classes)
    return np.asarray(np.linalg.norm(ridge_loo(features_ND, columns_NK).weight_KD, axis=0))


def most_relevant(relevance_D: Array, share: float) -> Array:
    """The columns, ascending, that make up this share of all by relevance; at least one."""
    count = max(1, round(share * len(relevance_D)))
    return np.sort(np.argsort(-relevance_D, kind="stable")[:count])


@dataclass(frozen=True, slots=True)
class Tried:
    """What cross-validation says of a way to pick columns: log loss at the best `C`, and the logits N × K there.

    Rows that no fold held out are NaN.
    """

    C: float
    loss: float
    held_out_logits_NK: Array


def cross_validated_columns(
    features_ND: Array,
    labels: Array,
    picked: Sequence[Array],
    *,
    folds: Folds,
    Cs: Sequence[float] = DEFAULT_CS,
    classes: int | None = None,
) -> Tried:
    """Fit every fold on its own columns, those in `picked`, over the path of C in step.

    Whoever picks them looks at the training rows of that fold alone. C is as in `logistic_path`, each fold in the unit of its own
    columns. The path ends where weaker regularisation only gets worse. Raises DataError where there are no folds.
    """
    if not folds:
        raise DataError("folds: none given. Pass at least one pair of (train, held out) row indices.")
    checked, paths, parts = check_labels(labels, classes), [], []
    for (train, out), columns in zip(folds, picked, strict=True):
        space = space_of(features_ND[np.ix_(train, columns)])
        problem = problem_of(checked.take(train), np.ones(len(train), bool), balanced=False)
        paths.append(fit_path(space, [problem], sorted(Cs), tolerance=PATH_TOLERANCE))
        parts.append((space, problem, features_ND[np.ix_(out, columns)], out))
    best: Tried | None = None
    losses: list[float] = []
    seen = np.concatenate([out for _, out in folds])
    for C, fits in zip(sorted(Cs), zip(*paths, strict=True), strict=True):
        logits_NK = np.full((len(checked), checked.classes), np.nan)
        for (space, problem, held_nM, out), (fit,) in zip(parts, fits, strict=True):
            weight_KM, bias_K = space.to_features(*problem.expand(fit.weight_rM, fit.bias_M))
            logits_NK[out] = held_nM @ weight_KM.T + bias_K
        losses.append(log_loss(logits_NK[seen], checked.take(seen)))
        if best is None or losses[-1] < best.loss:
            best = Tried(C, losses[-1], logits_NK)
        if len(losses) > PATIENCE and min(losses[-PATIENCE:]) > WORSE * min(losses):
            break
    assert best is not None
    return best


def log_loss(logits_NK: Array, labels: Labels) -> float:
    """Mean log loss of logits (N × K), in nats, for one label or several."""
    chances_NK = probabilities(logits_NK.astype(np.float64), several=labels.several)
    kind = Answers.multi if labels.several else Answers.single
    found = score(METRICS["log_loss"], kind(labels.values, chances_NK))
    return float("inf") if found is None else found
