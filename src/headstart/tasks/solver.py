"""Exact solvers of linear heads, one for classes and one for quantities: what a task is solved by wherever no weights move.

Each gives the head that is best on held-out rows, a softer one to start a training from, and one on features that a training
has already fitted to the labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from headstart.solvers import Array, Chunks, cross_validated_probe, cross_validated_ridge, logistic_path, ridge_path

Folds = Sequence[tuple[Array, Array]]
Head = tuple[Array, Array]
"""Weight (K × D) and bias (K)."""

SOFTER, SOFTER_RIDGE = 100, 10
"""How much more a head is regularised that training starts from than one that is used as it is. The best ridge leaves errors to learn
from, where the best logistic regression on a few examples answers all of them: a tenth of the softening is enough.
"""
SETTLED_C = 10.0
SETTLED_PENALTY = 1.0
"""The regularisation of a head on trained features. Not cross-validated: those features have seen the labels. At C = 1 rare classes, and
many of them, are told apart too little (benchmarks/adapt/ablation.py, long tails)."""
UNSEEN_LOGIT = -12.0
"""The log-odds of a class that training did not show."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A head solved on everything, and the logits of every row by the fit of the fold that held it out (N × K, NaN where none
    did); `found` is the regularisation that did best on those.
    """

    weight_KD: Array
    bias_K: Array
    held_out_logits_NK: Array
    found: Mapping[str, float] = field(default_factory=dict)

    def logits(self, features_ND: Array) -> Array:
        """Logits N × K for raw features."""
        return np.asarray(features_ND @ self.weight_KD.T + self.bias_K)


class Solver(Protocol):
    """Solves a linear head; `features` are N × D as an array or in chunks."""

    name: str
    strengths: tuple[float, ...]
    """Regularisations to try on sparse features."""

    def solve(self, features: Array | Chunks, targets: Array, *, folds: Folds, outputs: int) -> Solved:
        """The head whose regularisation does best on held-out rows."""
        ...

    def soften(self, features: Array | Chunks, targets: Array, solved: Solved, *, outputs: int) -> Head:
        """A more regularised head than `solved`, so that training has something left to do."""
        ...

    def settle(self, features: Array | Chunks, targets: Array, *, outputs: int) -> Head:
        """The head on features that were trained on these targets."""
        ...

    def sparse(self, seen: Any, targets: Array, unseen: Any, strength: float, *, outputs: int) -> Array:
        """Logits for rows of a sparse matrix by a head solved on others."""
        ...

    def loss(self, logits_NK: Array, targets: Array) -> float:
        """The mean loss that a solver minimises."""
        ...


class Logistic:
    """Logistic regression: softmax, or a sigmoid per column where targets are zeros and ones."""

    name = "logistic regression"
    strengths: tuple[float, ...] = (1.0, 10.0, 100.0)

    def solve(self, features: Array | Chunks, targets: Array, *, folds: Folds, outputs: int) -> Solved:
        """C by the log loss on held-out rows."""
        fit = cross_validated_probe(features, targets, folds=folds, classes=outputs)
        return Solved(fit.weight_KD, fit.bias_K, fit.held_out_logits_NK, {"C": fit.C})

    def soften(self, features: Array | Chunks, targets: Array, solved: Solved, *, outputs: int) -> Head:
        """A hundredth of the best C."""
        path = logistic_path(features, targets, Cs=[solved.found["C"] / SOFTER], classes=outputs)
        return path.weight_CKD[0], path.bias_CK[0]

    def settle(self, features: Array | Chunks, targets: Array, *, outputs: int) -> Head:
        """C = 10."""
        path = logistic_path(features, targets, Cs=[SETTLED_C], classes=outputs)
        return path.weight_CKD[0], path.bias_CK[0]

    def sparse(self, seen: Any, targets: Array, unseen: Any, strength: float, *, outputs: int) -> Array:
        """By scikit-learn, at C = `strength`; classes that training does not show are never said."""
        from sklearn.linear_model import LogisticRegression

        if targets.ndim == 2:
            columns = [self.sparse(seen, targets[:, k], unseen, strength, outputs=2) for k in range(outputs)]
            return np.stack([column[:, 1] - column[:, 0] for column in columns], axis=1)
        present = np.unique(targets)
        logits_MK = np.full((unseen.shape[0], outputs), UNSEEN_LOGIT)
        if len(present) == 1:
            logits_MK[:, present] = 0.0
            return logits_MK
        model = LogisticRegression(C=strength, max_iter=200).fit(seen, targets)
        logits_MK[:, present] = model.predict_log_proba(unseen)
        return logits_MK

    def loss(self, logits_NK: Array, targets: Array) -> float:
        """Log loss, in nats."""
        from scipy.special import log_expit, log_softmax

        if targets.ndim == 2:
            return -float((targets * log_expit(logits_NK) + (1 - targets) * log_expit(-logits_NK)).mean())
        return -float(log_softmax(logits_NK, axis=1)[np.arange(len(targets)), targets].mean())


class Ridge:
    """Ridge regression of one number."""

    name = "ridge regression"
    strengths: tuple[float, ...] = (0.1, 1.0, 10.0)

    def solve(self, features: Array | Chunks, targets: Array, *, folds: Folds, outputs: int) -> Solved:
        """The penalty by the squared error on held-out rows."""
        fit = cross_validated_ridge(features, targets, folds=folds)
        head = fit.weight_D[None], np.array([fit.bias])
        return Solved(*head, fit.held_out_N[:, None], {"penalty": fit.penalty})

    def soften(self, features: Array | Chunks, targets: Array, solved: Solved, *, outputs: int) -> Head:
        """Ten times the best penalty."""
        return self._at(features, targets, SOFTER_RIDGE * solved.found["penalty"])

    def settle(self, features: Array | Chunks, targets: Array, *, outputs: int) -> Head:
        """The penalty at which a direction of mean spread counts half."""
        return self._at(features, targets, SETTLED_PENALTY)

    def sparse(self, seen: Any, targets: Array, unseen: Any, strength: float, *, outputs: int) -> Array:
        """By scikit-learn, at the penalty `strength`."""
        from sklearn.linear_model import Ridge as SparseRidge

        # Sparse matrices are not centred by the solver for conjugate gradients; "sag" is random, this one is not.
        model = SparseRidge(alpha=strength, solver="sparse_cg").fit(seen, targets)
        return np.asarray(model.predict(unseen))[:, None]

    def loss(self, logits_NK: Array, targets: Array) -> float:
        """Mean squared error."""
        return float(((logits_NK[:, 0] - targets) ** 2).mean())

    def _at(self, features: Array | Chunks, targets: Array, penalty: float) -> Head:
        weight_DL, bias_L = ridge_path(features, targets, np.array([penalty]))
        return weight_DL.T, bias_L
