"""The logistic losses of many fits at once: training folds of one data set share every pass over its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from headstart.prove.answers import probabilities
from headstart.solvers.arrays import Array, Labels
from headstart.solvers.space import Space


@dataclass(frozen=True, slots=True)
class Problem:
    """One fit: some rows, and the columns that these rows can teach.

    `share_N` is 1 for training rows and 0 for others, times the row's class weight where there is one label;
    `target_N` is the position of a row's label among the M columns (softmax), or `target_NM` zeros and ones
    (sigmoid). `balance_2M`: weight of target 0 and target 1 per column, for several labels. `columns_M`: which
    classes are fitted; the others of K get a constant, `bias_K`. `prior_M`: weighted share of each column, where the
    fit starts.
    """

    labels: Labels
    share_N: Array
    target: Array
    columns_M: Array
    bias_K: Array
    prior_M: Array
    balance_2M: Array | None
    total: float

    @property
    def sigmoid(self) -> bool:
        """Whether columns are judged one by one (several labels, or two classes as one column)."""
        return self.target.ndim == 2

    @property
    def width(self) -> int:
        """The number of fitted columns M."""
        return len(self.prior_M)

    def start_bias(self) -> Array:
        """The bias M at which weights of zero predict the training shares."""
        if self.sigmoid:
            return np.asarray(np.log(self.prior_M) - np.log1p(-self.prior_M))
        return np.asarray(np.log(self.prior_M) - np.log(self.prior_M).mean())

    def expand(self, weight_rM: Array, bias_M: Array) -> tuple[Array, Array]:
        """Fitted columns as K rows of weights and K biases: logits whose softmax, or sigmoid, is the prediction."""
        weight_Kr, bias_K = np.zeros((self.labels.classes, len(weight_rM))), self.bias_K.copy()
        if self.sigmoid and not self.labels.several and self.width:
            weight_Kr[1], bias_K[1] = weight_rM[:, 0] / 2, bias_M[0] / 2
            weight_Kr[0], bias_K[0] = -weight_Kr[1], -bias_K[1]
        else:
            weight_Kr[self.columns_M], bias_K[self.columns_M] = weight_rM.T, bias_M
        return weight_Kr, bias_K

    def contract(self, weight_Kr: Array, bias_K: Array) -> tuple[Array, Array]:
        """The inverse of `expand` on fitted columns."""
        if self.sigmoid and not self.labels.several and self.width:
            return 2 * weight_Kr[1:].T, 2 * bias_K[1:]
        return weight_Kr[self.columns_M].T, bias_K[self.columns_M]


def problem_of(labels: Labels, train_N: Array, *, balanced: bool) -> Problem:
    """The Problem of fitting on the rows where `train_N` is true.

    A class without an example there is not fitted. One label: its weights are zero and its bias lies ln(n + K) below
    the mean of the others, so that it is unlikely (at most 1 / (n + K) of an average class) and never impossible.
    Several labels: a column that is all zeros or all ones becomes the constant (ones + ½) / (n + 1), Jeffreys'
    estimate.
    """
    return _several(labels, train_N, balanced) if labels.several else _single(labels, train_N, balanced)


def _several(labels: Labels, train_N: Array, balanced: bool) -> Problem:
    n, ones_K = int(train_N.sum()), labels.values[train_N].sum(0, dtype=np.int64)
    columns_M = np.flatnonzero((ones_K > 0) & (ones_K < n))
    ones_M = ones_K[columns_M]
    bias_K = np.log((ones_K + 0.5) / (n - ones_K + 0.5))
    balance_2M = np.stack([n / (2 * (n - ones_M)), n / (2 * ones_M)]) if balanced else None
    prior_M = np.full(len(columns_M), 0.5) if balanced else ones_M / n
    return Problem(
        labels, train_N.astype(np.float64), labels.values[:, columns_M], columns_M, bias_K, prior_M, balance_2M, n
    )


def _single(labels: Labels, train_N: Array, balanced: bool) -> Problem:
    n, k = int(train_N.sum()), labels.classes
    count_K = np.bincount(labels.values[train_N], minlength=k)
    present = np.flatnonzero(count_K)
    bias_K = np.where(count_K > 0, 0.0, -np.log(n + k))
    class_weight_K = n / (len(present) * np.maximum(count_K, 1)) if balanced else np.ones(k)
    share_N = train_N * class_weight_K[labels.values]
    prior_M = (count_K * class_weight_K)[present] / n
    if len(present) < 2:  # nothing to tell apart: no columns, the constants above are the answer
        nothing = np.zeros((len(labels), 0), np.uint8)
        return Problem(labels, share_N, nothing, np.zeros(0, np.intp), bias_K, np.zeros(0), None, n)
    if k == 2:
        target_N1 = (labels.values == 1).astype(np.uint8)[:, None]
        return Problem(labels, share_N, target_N1, present[1:], bias_K, prior_M[1:], None, float(share_N.sum()))
    place_K = np.zeros(k, np.intp)
    place_K[present] = np.arange(len(present))
    return Problem(labels, share_N, place_K[labels.values], present, bias_K, prior_M, None, float(share_N.sum()))


Loss = Callable[[Array, Array, Problem, slice], tuple[float, Array]]


def _softmax_loss(logits_nM: Array, share_n: Array, problem: Problem, at: slice) -> tuple[float, Array]:
    """Weighted log loss summed over rows, and its gradient with respect to the logits (written over them)."""
    target_n, rows_n = problem.target[at], np.arange(len(logits_nM))
    logits_nM = logits_nM - logits_nM.max(1, keepdims=True)
    own_n = logits_nM[rows_n, target_n]
    np.exp(logits_nM, out=logits_nM)
    sum_n = logits_nM.sum(1)
    loss = float(share_n @ (np.log(sum_n) - own_n))
    logits_nM *= (share_n / sum_n)[:, None].astype(logits_nM.dtype)
    logits_nM[rows_n, target_n] -= share_n
    return loss, logits_nM


def _sigmoid_loss(logits_nM: Array, share_n: Array, problem: Problem, at: slice) -> tuple[float, Array]:
    """As `_softmax_loss`, each column for itself."""
    target_nM = problem.target[at].astype(logits_nM.dtype)
    decay_nM = np.exp(-np.abs(logits_nM))
    share_nM = np.broadcast_to(share_n[:, None], logits_nM.shape)
    if problem.balance_2M is not None:
        share_nM = share_nM * np.where(target_nM > 0, problem.balance_2M[1], problem.balance_2M[0])
    loss = float(
        (share_nM * (np.maximum(logits_nM, 0) - target_nM * logits_nM + np.log1p(decay_nM))).sum(dtype=np.float64)
    )
    chance_nM = np.where(logits_nM >= 0, 1, decay_nM) / (1 + decay_nM)
    return loss, ((chance_nM - target_nM) * share_nM).astype(logits_nM.dtype)


def losses(
    space: Space, problems: Sequence[Problem], weights_rM: Sequence[Array], biases_M: Sequence[Array]
) -> list[tuple[float, Array, Array]]:
    """For each problem the summed loss and its gradients (r × M and M), from one pass over the rows."""
    edges = np.cumsum([0, *(p.width for p in problems)])
    spans = [slice(a, b) for a, b in pairwise(edges)]
    weight = space.to_rows(np.concatenate(weights_rM, axis=1))
    bias = np.concatenate(biases_M).astype(space.precision)
    value_P, bias_gradient, gradient = np.zeros(len(problems)), np.zeros(len(bias)), np.zeros(weight.shape)
    for at, block in space.rows():
        residual_nM = block @ weight + bias
        for i, (problem, span) in enumerate(zip(problems, spans, strict=True)):
            loss = _sigmoid_loss if problem.sigmoid else _softmax_loss
            value, residual_nM[:, span] = loss(residual_nM[:, span], problem.share_N[at], problem, at)
            value_P[i] += value
        gradient += block.T @ residual_nM
        bias_gradient += residual_nM.sum(0, dtype=np.float64)
    turned = space.from_rows(gradient)
    return [(float(value_P[i]), turned[:, span], bias_gradient[span]) for i, span in enumerate(spans)]


def curvatures(
    space: Space, problems: Sequence[Problem], weights_rM: Sequence[Array], biases_M: Sequence[Array]
) -> list[Array]:
    """Mean p(1 − p) of each fitted column (M) over its problem's training rows, by which the next step is
    preconditioned.
    """
    edges = np.cumsum([0, *(p.width for p in problems)])
    weight = space.to_rows(np.concatenate(weights_rM, axis=1))
    bias = np.concatenate(biases_M).astype(space.precision)
    sums_P = [np.zeros(p.width) for p in problems]
    for at, block in space.rows():
        logits_nM = block @ weight + bias
        for i, problem in enumerate(problems):
            if problem.width:
                chance_nM = probabilities(logits_nM[:, edges[i] : edges[i + 1]], several=problem.sigmoid)
                sums_P[i] += problem.share_N[at] @ (chance_nM * (1 - chance_nM))
    return [sum_M / problem.total for sum_M, problem in zip(sums_P, problems, strict=True)]


def held_out_logits(space: Space, fits: Sequence[tuple[Array, Array]], held: Sequence[Array]) -> Array:
    """Logits N × K of each row by the fit (K × r, K) whose mask in `held` is true there, else NaN; one pass."""
    weights = [space.to_rows(weight_Kr.T) for weight_Kr, _ in fits]
    out_NK = np.full((space.n, len(fits[0][1])), np.nan, space.precision)
    for at, block in space.rows():
        for weight, (_, bias_K), mask_N in zip(weights, fits, held, strict=True):
            here_n = mask_N[at]
            out_NK[at][here_n] = block[here_n] @ weight + bias_K
    return out_NK
