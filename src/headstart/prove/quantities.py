"""Numbers said and numbers true: what the metrics of a quantity judge, and intervals that hold what they promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from headstart.errors import DataError
from headstart.prove.estimate import Array

COVERED = 0.9
"""The share of new values that a prediction interval is made to hold."""


@dataclass(frozen=True, slots=True)
class Quantities:
    """True numbers `truth_N` beside those that were said, `said_N`, and the ends of their prediction intervals where there
    are any; all in the user's own unit. Make them with `of`, which checks.
    """

    truth_N: Array
    said_N: Array
    low_N: Array | None = None
    high_N: Array | None = None

    @classmethod
    def of(cls, truth_N: Array, said_N: Array, low_N: Array | None = None, high_N: Array | None = None) -> Quantities:
        """Checked; raises DataError where lengths differ or a number is not finite."""
        parts = [np.asarray(part, np.float64) for part in (truth_N, said_N, low_N, high_N) if part is not None]
        if any(part.shape != parts[0].shape or part.ndim != 1 for part in parts):
            raise DataError("numbers: expected one per example, alike for truth and prediction.")
        if not all(np.isfinite(part).all() for part in parts):
            raise DataError("numbers: NaN or infinite values. Look at the examples or the training that made them.")
        return cls(*parts)

    @property
    def kind(self) -> Literal["quantity"]:
        """The kind of answers, as the metrics ask for it."""
        return "quantity"

    @property
    def off_N(self) -> Array:
        """By how much each number said is off."""
        return np.asarray(np.abs(self.said_N - self.truth_N))

    @property
    def covered_N(self) -> Array:
        """Whether each true number lies in its prediction interval; raises DataError where there are none."""
        if self.low_N is None or self.high_N is None:
            raise DataError("numbers: no prediction intervals were given.")
        return np.asarray((self.low_N <= self.truth_N) & (self.truth_N <= self.high_N))

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.truth_N)

    def take(self, rows: Array) -> Quantities:
        """Those at `rows` (indices or a mask)."""
        ends = [None if end is None else end[rows] for end in (self.low_N, self.high_N)]
        return Quantities(self.truth_N[rows], self.said_N[rows], *ends)


def conformal_reach(off_N: Array, *, covered: float = COVERED) -> float:
    """How far from what is said an interval has to reach to hold a new value with probability `covered` at least.

    The ⌈(N + 1)·covered⌉-th smallest of N left-out errors: the promise holds whatever the distribution, if the new example
    is drawn like those (split conformal prediction, Vovk et al. 2005; Lei et al. 2018, section 2). With too few errors for
    the promise (N < 9 at 90 %) it is the largest of them. Raises DataError without any.
    """
    off_N = np.sort(np.asarray(off_N, np.float64))
    if len(off_N) == 0:
        raise DataError("intervals: no left-out errors to measure by.")
    place = int(np.ceil((len(off_N) + 1) * covered - 1e-9))
    return float(off_N[min(place, len(off_N)) - 1])


def mean_ranks(values_N: Array, counts_bN: Array) -> Array:
    """Ranks (b × N) of the values in samples that hold each of them `counts_bN` times; equal values share their mean rank."""
    order = np.argsort(values_N, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(values_N[order]) != 0, True))
    upto_bT = np.cumsum(counts_bN[:, order], axis=1, dtype=np.float64)[:, ends]
    before_bT = np.pad(upto_bT, ((0, 0), (1, 0)))[:, :-1]
    tie_N = np.empty(len(values_N), dtype=np.int64)
    tie_N[order] = np.searchsorted(ends, np.arange(len(values_N)))
    return np.asarray(((before_bT + upto_bT + 1) / 2)[:, tie_N])


def weighted_correlation(first_bN: Array, second_bN: Array, counts_bN: Array) -> Array:
    """Pearson's correlation (b) of two sets of values, each counted so often; NaN where either does not vary."""
    total_b1 = counts_bN.sum(1, keepdims=True)
    first_bN = first_bN - (counts_bN * first_bN).sum(1, keepdims=True) / total_b1
    second_bN = second_bN - (counts_bN * second_bN).sum(1, keepdims=True) / total_b1
    both_b = (counts_bN * first_bN * second_bN).sum(1)
    size_b = np.sqrt((counts_bN * first_bN**2).sum(1) * (counts_bN * second_bN**2).sum(1))
    return np.asarray(np.where(size_b > 0, both_b / np.where(size_b > 0, size_b, 1), np.nan))
