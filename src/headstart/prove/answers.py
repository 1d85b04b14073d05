"""What was asked and what was answered, checked once at the door of every metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from headstart.errors import DataError
from headstart.prove.estimate import Array

Kind = Literal["single", "multi", "ordinal", "quantity", "span", "language", "tags"]
"""What is judged: one class per example, any number, one of an order, a number (`prove.quantities`), a stretch of text (`prove.spans`), the text itself
(`prove.losses`), or a tag for each word (`prove.tags`)."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Truth and answers for N examples and K classes, as zeros and ones where not said otherwise.

    `truth_NK`, `predicted_NK`: exactly one 1 per row for "single" and "ordinal" (whose classes stand in their order), any
    number for "multi"; `probabilities_NK` is None where only decisions are known. Make them with `single`, `ordinal` or
    `multi`, which check.
    """

    kind: Kind
    truth_NK: Array
    predicted_NK: Array
    probabilities_NK: Array | None

    @classmethod
    def single(
        cls,
        labels_N: Array,
        probabilities_NK: Array | None,
        predicted_N: Array | None = None,
        *,
        classes: int | None = None,
    ) -> Answers:
        """One label per example: labels 0 … K−1; the prediction is the most probable class unless `predicted_N` says
        otherwise.

        Raises DataError where shapes or ranges do not fit, or where probabilities are not finite or do not sum to
        one.
        """
        labels_N = np.asarray(labels_N)
        if probabilities_NK is not None:
            _check_probabilities(probabilities_NK, len(labels_N))
            if np.abs(probabilities_NK.sum(1) - 1).max(initial=0) > 1e-3:
                raise DataError("probabilities: rows must sum to one. Apply a softmax to logits first.")
            classes = probabilities_NK.shape[1]
            predicted_N = probabilities_NK.argmax(1) if predicted_N is None else predicted_N
        if predicted_N is None or classes is None:
            raise DataError(
                "answers: without probabilities, the predicted labels and the number of classes are needed."
            )
        return cls(
            "single",
            _one_hot(labels_N, classes),
            _one_hot(np.asarray(predicted_N), classes, len(labels_N)),
            probabilities_NK,
        )

    @classmethod
    def ordinal(cls, ranks_N: Array, probabilities_NK: Array) -> Answers:
        """One of an order of classes per example: ranks 0 … K−1; the prediction is the median of the probabilities, which
        is off by the fewest ranks to be expected. Raises DataError as `single` does.
        """
        median_N = median_rank(probabilities_NK)
        return replace(cls.single(ranks_N, probabilities_NK, median_N), kind="ordinal")

    @classmethod
    def multi(cls, truth_NK: Array, probabilities_NK: Array | None, predicted_NK: Array | None = None) -> Answers:
        """Several labels per example: zeros and ones; a label is predicted at a probability of ½ or more unless
        `predicted_NK` says otherwise.
        """
        truth_NK = np.asarray(truth_NK)
        if probabilities_NK is not None:
            _check_probabilities(probabilities_NK, len(truth_NK))
            predicted_NK = probabilities_NK >= 0.5 if predicted_NK is None else predicted_NK
        if predicted_NK is None:
            raise DataError("answers: without probabilities, the predicted labels are needed.")
        for name, table in (("truth", truth_NK), ("predicted", predicted_NK)):
            if table.ndim != 2 or table.shape != np.shape(predicted_NK) or not np.isin(table, (0, 1)).all():
                raise DataError(f"{name}: expected N × K zeros and ones, alike for truth and prediction.")
        return cls("multi", truth_NK.astype(bool), np.asarray(predicted_NK).astype(bool), probabilities_NK)

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.truth_NK)

    @property
    def labels_N(self) -> Array:
        """The true label of each example ("single", "ordinal")."""
        return np.asarray(self.truth_NK.argmax(1))

    @property
    def predicted_N(self) -> Array:
        """The predicted label of each example ("single", "ordinal")."""
        return np.asarray(self.predicted_NK.argmax(1))

    @property
    def off_N(self) -> Array:
        """By how many classes of their order each answer is off ("ordinal")."""
        return np.asarray(np.abs(self.predicted_N - self.labels_N))

    @property
    def correct_N(self) -> Array:
        """Whether each example is answered fully right."""
        return np.asarray((self.truth_NK == self.predicted_NK).all(1))

    @property
    def scores_NK(self) -> Array:
        """The probabilities; raises DataError where there are none."""
        if self.probabilities_NK is None:
            raise DataError("answers: this metric needs probabilities, and only decisions were given.")
        return self.probabilities_NK

    def take(self, rows: Array) -> Answers:
        """The answers at `rows` (indices or a mask)."""
        chances = None if self.probabilities_NK is None else self.probabilities_NK[rows]
        return Answers(self.kind, self.truth_NK[rows], self.predicted_NK[rows], chances)

    def confusion(self) -> Array:
        """Counts K × K, rows true and columns predicted ("single")."""
        k = self.truth_NK.shape[1]
        cells = self.labels_N * k + self.predicted_NK.argmax(1)
        return np.bincount(cells, minlength=k * k).reshape(k, k)


def median_rank(probabilities_NK: Array) -> Array:
    """The first class (N) up to which half of each row's probability lies."""
    return np.asarray((np.cumsum(probabilities_NK, axis=1)[:, :-1] < 0.5).sum(1))


def probabilities(logits_NK: Array, *, several: bool) -> Array:
    """Softmax over classes (one label) or a sigmoid for each (several labels) of logits N × K."""
    if several:
        decay_NK = np.exp(-np.abs(logits_NK))
        return np.asarray(np.where(logits_NK >= 0, 1, decay_NK) / (1 + decay_NK))
    raised_NK = np.exp(logits_NK - logits_NK.max(1, keepdims=True))
    return np.asarray(raised_NK / raised_NK.sum(1, keepdims=True))


def _check_probabilities(probabilities_NK: Array, n: int) -> None:
    if probabilities_NK.ndim != 2 or len(probabilities_NK) != n:
        raise DataError(f"probabilities: the shape {probabilities_NK.shape} does not fit {n} examples. Pass N × K.")
    if not np.isfinite(probabilities_NK).all():
        raise DataError("probabilities: NaN or infinite values. Look at the examples or the training that made them.")
    if probabilities_NK.min(initial=0) < 0 or probabilities_NK.max(initial=1) > 1 + 1e-6:
        raise DataError("probabilities: values outside 0 … 1. Apply a softmax or sigmoid to logits first.")


def _one_hot(labels_N: Array, classes: int, n: int | None = None) -> Array:
    if labels_N.ndim != 1 or (n is not None and len(labels_N) != n) or not np.issubdtype(labels_N.dtype, np.integer):
        raise DataError("labels: expected one whole number per example.")
    if len(labels_N) and not 0 <= labels_N.min() <= labels_N.max() < classes:
        raise DataError(
            f"labels: values from {labels_N.min()} to {labels_N.max()} for {classes} classes. Number them from 0."
        )
    return np.asarray(labels_N[:, None] == np.arange(classes))
