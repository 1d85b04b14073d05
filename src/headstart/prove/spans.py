"""Answers found in a text: rows of the best spans, and what metrics judge of them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from headstart.errors import DataError
from headstart.prove.estimate import Array
from headstart.prove.words import edges, is_exact, normalised, word_f1

BEST = 20
"""Spans that are kept of each example."""
LONGEST = 30
"""Words of a span at most."""
NOTHING = -1e4
"""The score of what is no span at all."""
ROW = 1 + 3 * BEST
"""Numbers in a row: the log probability of "no answer", then of each of the BEST spans its log probability, first and last word."""
UNSEEN = 1e-6
"""The probability of right answers that are not among the BEST."""


@dataclass(frozen=True)
class Right:
    """What is right for one example: the context and the answers (none where there is none in it).

    `aim` is the first and last word of the answer to learn, counted from 1; (0, 0) without one. Unlike other results it has no slots, because
    where the words of the context lie is remembered.
    """

    context: str
    answers: tuple[str, ...]
    aim: tuple[int, int]

    @cached_property
    def edges(self) -> Array:
        """Begin and end of each word of the context (2 × W)."""
        return edges(self.context)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The normalised answers."""
        return frozenset(map(normalised, self.answers))

    def text(self, first: int, last: int) -> str:
        """The words from `first` to `last`, counted from 1, as they stand in the context; nothing where `first` is 0."""
        return self.context[self.edges[0, first - 1] : self.edges[1, last - 1]] if first else ""


@dataclass(frozen=True, slots=True)
class Spans:
    """What N answers are worth: F1 and exact match by the official definition, whether there was an answer and whether one was given, and
    minus the log of the probability given to right answers. Make them with `judged`.
    """

    f1_N: Array
    exact_N: Array
    has_answer_N: Array
    answered_N: Array
    nats_N: Array

    @property
    def kind(self) -> Literal["span"]:
        """The kind of answers, as the metrics ask for it."""
        return "span"

    @property
    def off_N(self) -> Array:
        """What of the F1 each answer lacks."""
        return 1 - self.f1_N

    @property
    def correct_N(self) -> Array:
        """Whether each answer is exactly one of the right ones."""
        return self.exact_N

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.f1_N)

    def take(self, rows: Array) -> Spans:
        """Those at `rows` (indices or a mask)."""
        parts = (self.f1_N, self.exact_N, self.has_answer_N, self.answered_N, self.nats_N)
        return Spans(*(part[rows] for part in parts))


def no_answer(count: int) -> Array:
    """Rows (count × ROW) that say "no answer"."""
    rows = np.zeros((count, ROW), dtype=np.float32)
    rows[:, 1::3] = NOTHING
    return rows


def chosen(rows: Array, threshold: float | Array) -> Array:
    """The span that each row decides for (N × 2): first and last word from 1; (0, 0) where "no answer" is more than `threshold` nats more
    probable than the best span, or where there is no span. The threshold may be another one for each row.
    """
    is_none = (rows[:, 0] - rows[:, 1] > threshold) | (rows[:, 1] <= NOTHING / 2)
    return np.where(is_none[:, None], 0, rows[:, 2:4]).astype(np.int64)


def judged(right: Sequence[Right], rows: Array, threshold: float | Array) -> Spans:
    """What the rows (N × ROW) of N examples are worth; raises DataError where the numbers differ."""
    if len(right) != len(rows):
        raise DataError(f"answers: {len(rows)} rows for {len(right)} examples.")
    said = [one.text(int(first), int(last)) for one, (first, last) in zip(right, chosen(rows, threshold), strict=True)]
    return Spans(
        np.array([word_f1(text, one.answers) for text, one in zip(said, right, strict=True)]),
        np.array([is_exact(text, one.answers) for text, one in zip(said, right, strict=True)], dtype=bool),
        np.array([bool(one.answers) for one in right], dtype=bool),
        np.array([bool(text) for text in said], dtype=bool),
        np.array([_nats(one, row) for one, row in zip(right, rows, strict=True)]),
    )


def _nats(right: Right, row: Array) -> float:
    """Minus the log of the probability of all kept spans that are right, or of "no answer" where that is."""
    if not right.answers:
        return float(-max(row[0], np.log(UNSEEN)))
    spans = row[1:].reshape(-1, 3)
    real = spans[spans[:, 0] > NOTHING / 2]
    hits = [score for score, first, last in real if normalised(right.text(int(first), int(last))) in right.keys]
    return float(-np.log(max(UNSEEN, float(np.exp(hits).sum()))))


ALWAYS = 1e4
"""The threshold of data in which every question has an answer: one is always given."""


def best_threshold(right: Sequence[Right], rows: Array) -> float:
    """The threshold for "no answer" with the highest mean F1; among equals the one nearest to zero. ALWAYS where every question has an
    answer.

    Between two neighbouring differences any threshold decides alike: their middle is taken, so that none lies on the edge of an example.
    """
    if all(one.answers for one in right):
        return ALWAYS
    real = chosen(rows, ALWAYS)
    gained = np.array([word_f1(one.text(int(first), int(last)), one.answers) for one, (first, last) in zip(right, real, strict=True)])
    gained -= np.array([float(not one.answers) for one in right])  # what answering is worth beside saying nothing
    margins = (rows[:, 0] - np.where(rows[:, 1] > NOTHING / 2, rows[:, 1], NOTHING)).astype(np.float64)
    order = np.argsort(margins, kind="stable")
    sorted_margins = margins[order]
    # With a threshold between positions i − 1 and i, the first i are answered.
    worth = np.concatenate([[0.0], np.cumsum(gained[order])])
    ends = np.concatenate([[sorted_margins[0] - 1.0], (sorted_margins[1:] + sorted_margins[:-1]) / 2, [sorted_margins[-1] + 1.0]])
    apart = np.concatenate([[True], np.diff(sorted_margins) > 0, [True]])
    best = worth[apart].max()
    candidates = ends[apart][worth[apart] >= best - 1e-9]
    return float(candidates[np.argmin(np.abs(candidates))])
