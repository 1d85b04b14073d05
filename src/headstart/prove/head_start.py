"""What a head start is worth: how many labels, and how many seconds, training from scratch needs for the same.

Both sides are trained on nested parts of the training examples and judged on the same test examples. Their learning
curves are read sideways: not how much better transfer is, but how far to the left it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.prove.estimate import BLOCK_NUMBERS, LEVEL, RESAMPLES, Array, Estimate, bootstrap, proportion

EQUAL = 1e-9
"""Levels that differ by less differ by rounding alone; of losses, in parts of the largest."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One side at J training sizes, the smallest first: `sizes_J` in labels, `seconds_J` of training, and `values_NJ`,
    what each of N test examples got there: 1 where it was right and 0 where not, or minus its loss.
    """

    sizes_J: Array
    seconds_J: Array
    values_NJ: Array


@dataclass(frozen=True, slots=True)
class Needed:
    """How many labels one side needs to reach what the other reaches with its most; None: more than it was trained on.

    `never` is the share of resamples in which it does not get there with what it was trained on.
    """

    labels: float | None
    low: float | None
    high: float | None
    never: float


@dataclass(frozen=True, slots=True)
class HeadStart:
    """What transfer is worth against scratch.

    The two are level where transfer has `transfer_labels` and scratch has `scratch_labels`, one of them as a rule the
    most that it was trained on; that takes `transfer_seconds` and `scratch_seconds`. `labels` and `seconds` are scratch's
    minus transfer's, above zero where the head start saves some. Where transfer is ahead `labels` cannot be more than
    `transfer_limit`, where scratch is, no more than `scratch_limit` below zero: there the side that is ahead was level
    at its smallest size already, and the figure says "at least". `transfer_J` and `scratch_K` are the curves that were
    read, levels by size.
    """

    labels: Estimate
    seconds: Estimate
    transfer_labels: float
    scratch_labels: float
    transfer_seconds: float
    scratch_seconds: float
    transfer_limit: float
    scratch_limit: float
    needed_by_scratch: Needed
    needed_by_transfer: Needed
    transfer_J: Array
    scratch_K: Array


def head_start(
    transfer: Curve,
    scratch: Curve,
    *,
    right: bool,
    rng: np.random.Generator,
    groups: Array | None = None,
    resamples: int = RESAMPLES,
) -> HeadStart:
    """The head start of `transfer` before `scratch`, on the same test examples; `right` says that values are right (1)
    and wrong (0), otherwise they are minus a loss, in any unit.

    A curve is the mean over test examples at each size, made monotone (`monotone`) because more labels do not make a
    method worse but one training may be a lucky one, and joined by straight lines over the logarithm of the labels.
    Nothing is read off beyond the sizes that a side was trained on, which may be others than those of the other side:
    one that had time for a part of the examples ends there. The two sides are level at the highest level that both
    reach: where transfer is ahead in the end, that is where scratch ends, with the most labels that it had. Where both
    end at the same level, each is asked from which of the labels on that both were tried with it has been there.

    The interval is a percentile bootstrap of test examples (or `groups`, N of them), which are resampled together with
    two made-up ones (or groups of the usual size), because a bootstrap alone sees no doubt where few examples differ:
    of right and wrong answers one that only transfer and one that only scratch got right, as Bonett and Price (2012) do
    for a difference of two shares; of losses one for either side by as much as examples that differ do on average. It
    holds the luck of the test examples; that another seed or another choice of training examples would give other curves
    is not in it, and neither is any doubt about the seconds.

    Raises DataError where the sides do not match, where they have no size in common, not even one between the other's, for
    a single size on both sides, and for values that are not finite.
    """
    sizes_C = _checked(transfer, scratch, groups)
    values_NC = np.concatenate([transfer.values_NJ, scratch.values_NJ], axis=1).astype(np.float64)
    unit = 1.0 if right else float(np.abs(values_NC).max()) or 1.0
    values_NC = values_NC / unit
    seconds_C = np.concatenate([transfer.seconds_J, scratch.seconds_J])
    cut = len(transfer.sizes_J)
    found = _Reading(sizes_C, seconds_C, cut, values_NC.mean(0, keepdims=True))
    drawn = [
        _Reading(sizes_C, seconds_C, cut, means_bC)
        for means_bC in _resampled(values_NC, groups, cut, right, rng, resamples)
    ]
    units = len(values_NC) if groups is None else len(np.unique(groups))
    method = (
        f"percentile bootstrap of {'examples' if groups is None else 'groups'}, "
        f"{'Bonett–Price' if right else 'two made up'}, {resamples} resamples"
    )

    def with_interval(value: float, values_B: Array) -> Estimate:
        if units < 2:
            return Estimate(value, None, None, len(values_NC), "no interval: one example or group")
        low, high = _ends(values_B)
        return Estimate(value, min(low, value), max(high, value), len(values_NC), method)

    def gathered(name: str) -> Array:
        return np.concatenate([getattr(reading, name) for reading in drawn])

    return HeadStart(
        labels=with_interval(float(found.labels_b[0]), gathered("labels_b")),
        seconds=with_interval(float(found.seconds_b[0]), gathered("seconds_b")),
        transfer_labels=float(found.transfer_labels_b[0]),
        scratch_labels=float(found.scratch_labels_b[0]),
        transfer_seconds=float(found.transfer_seconds_b[0]),
        scratch_seconds=float(found.scratch_seconds_b[0]),
        transfer_limit=float(scratch.sizes_J[-1] - transfer.sizes_J[0]),
        scratch_limit=float(transfer.sizes_J[-1] - scratch.sizes_J[0]),
        needed_by_scratch=_needed(found.scratch_needs_b, gathered("scratch_needs_b")),
        needed_by_transfer=_needed(found.transfer_needs_b, gathered("transfer_needs_b")),
        transfer_J=found.transfer_bJ[0] * unit,
        scratch_K=found.scratch_bK[0] * unit,
    )


def figure(values_N: Array, *, right: bool, rng: np.random.Generator, groups: Array | None = None) -> Estimate:
    """The mean of one size's values: exact for right and wrong answers of independent examples, else by bootstrap."""
    values_N = np.asarray(values_N, np.float64)
    if groups is None and right:
        return proportion(int(values_N.sum()), len(values_N))
    return bootstrap(lambda counts_bN: np.asarray(counts_bN @ values_N / counts_bN.sum(1)), len(values_N), rng=rng, groups=groups)  # fmt: skip


def monotone(means_bJ: Array) -> Array:
    """The nearest rows that never fall, in least squares (isotonic regression, Barlow et al. 1972).

    By its minimax formula: entry j is the largest, over starts up to j, of the smallest mean from there to any end from
    j on.
    """
    count = means_bJ.shape[1]
    return np.stack(
        [
            np.max(
                [
                    np.min([means_bJ[:, start : end + 1].mean(1) for end in range(j, count)], axis=0)
                    for start in range(j + 1)
                ],
                axis=0,
            )
            for j in range(count)
        ],
        axis=1,
    )


def labels_at(level_b: Array, curve_bJ: Array, sizes_J: Array) -> Array:
    """The fewest labels with which each monotone curve reaches its level; infinite where it does not.

    Straight between two sizes over the logarithm of the labels; the smallest size where the curve begins higher.
    """
    labels_b = np.full(len(curve_bJ), np.inf)
    for j in reversed(range(len(sizes_J))):
        reached_b = curve_bJ[:, j] >= level_b - EQUAL
        if j == 0:
            return np.where(reached_b, sizes_J[0], labels_b)
        step_b = curve_bJ[:, j] - curve_bJ[:, j - 1]
        part_b = np.clip((level_b - curve_bJ[:, j - 1]) / np.where(step_b > EQUAL, step_b, 1.0), 0.0, 1.0)
        labels_b = np.where(reached_b, sizes_J[j - 1] * (sizes_J[j] / sizes_J[j - 1]) ** part_b, labels_b)
    return labels_b


class _Reading:
    """What b pairs of curves say, given their means (b × C: transfer's up to column `cut`, then scratch's)."""

    def __init__(self, sizes_C: Array, seconds_C: Array, cut: int, means_bC: Array) -> None:
        sizes_J, sizes_K = np.split(sizes_C, [cut])
        seconds_J, seconds_K = np.split(seconds_C, [cut])
        self.transfer_bJ, self.scratch_bK = (monotone(part_bJ) for part_bJ in np.split(means_bC, [cut], axis=1))
        ends_b, scratch_ends_b = self.transfer_bJ[:, -1], self.scratch_bK[:, -1]
        self.transfer_needs_b = labels_at(scratch_ends_b, self.transfer_bJ, sizes_J)
        self.scratch_needs_b = labels_at(ends_b, self.scratch_bK, sizes_K)
        # Who does not get to where the other ends is taken where it ends itself; one of the two always gets there. Where
        # both do, what only one of them was tried with says nothing.
        fewest_b = np.where(np.abs(ends_b - scratch_ends_b) <= EQUAL, max(sizes_J[0], sizes_K[0]), 0.0)
        self.transfer_labels_b = np.maximum(np.minimum(self.transfer_needs_b, sizes_J[-1]), fewest_b)
        self.scratch_labels_b = np.maximum(np.minimum(self.scratch_needs_b, sizes_K[-1]), fewest_b)
        self.transfer_seconds_b = np.interp(self.transfer_labels_b, sizes_J, seconds_J)
        self.scratch_seconds_b = np.interp(self.scratch_labels_b, sizes_K, seconds_K)

    @property
    def labels_b(self) -> Array:
        return np.asarray(self.scratch_labels_b - self.transfer_labels_b)

    @property
    def seconds_b(self) -> Array:
        return np.asarray(self.scratch_seconds_b - self.transfer_seconds_b)


def _resampled(
    values_NC: Array, groups: Array | None, cut: int, right: bool, rng: np.random.Generator, resamples: int
) -> Iterator[Array]:
    """Means (b × C) of bootstrap samples, in blocks; the same ones whatever the order of the examples."""
    sums_UC, sizes_U = values_NC, np.ones(len(values_NC))
    if groups is not None:
        index_N = np.unique(groups, return_inverse=True)[1]
        sizes_U = np.bincount(index_N).astype(np.float64)
        sums_UC = np.zeros((len(sizes_U), values_NC.shape[1]))
        np.add.at(sums_UC, index_N, values_NC)
    # Units that are alike are counted, not drawn one by one: right and wrong leave few kinds, however many examples.
    kinds_PC, counts_P = np.unique(np.column_stack([sums_UC, sizes_U]), axis=0, return_counts=True)
    units, usual = len(sizes_U), sizes_U.mean()
    made_2C = _only_one(values_NC.shape[1], cut) if right else _for_one(kinds_PC, counts_P, cut)
    kinds_PC = np.concatenate([kinds_PC, usual * np.column_stack([made_2C, np.ones(2)])])
    counts_P = np.append(counts_P, [1, 1])
    step = max(1, BLOCK_NUMBERS // len(kinds_PC))
    for start in range(0, resamples, step):
        totals_bC = _times(counts_P, units, min(step, resamples - start), rng) @ kinds_PC
        yield totals_bC[:, :-1] / totals_bC[:, -1:]


def _times(counts_P: Array, units: int, rows: int, rng: np.random.Generator) -> Array:
    """How often each kind is among `units` drawn (`rows` × P), of which there are `counts_P`; either way as likely, the
    second is faster where hardly two are alike, as losses are.
    """
    if 2 * len(counts_P) <= units:
        return rng.multinomial(units, counts_P / counts_P.sum(), size=rows)
    kind_of = np.repeat(np.arange(len(counts_P)), counts_P)
    drawn_bU = kind_of[rng.integers(len(kind_of), size=(rows, units))] + len(counts_P) * np.arange(rows)[:, None]
    return np.bincount(drawn_bU.ravel(), minlength=rows * len(counts_P)).reshape(rows, -1)


def _only_one(columns: int, cut: int) -> Array:
    """Two examples (2 × C) that transfer alone, and scratch alone, gets right at every size."""
    is_transfer_C = np.arange(columns) < cut
    return np.stack([is_transfer_C, ~is_transfer_C]).astype(np.float64)


def _for_one(kinds_PC: Array, counts_P: Array, cut: int) -> Array:
    """Two examples (2 × C) that go as the mean curves do, but end as far apart, for transfer and for scratch, as those that
    differ do on average, around the middle of both. `kinds_PC` are sums over groups with their sizes behind them.
    """
    totals_C = counts_P @ kinds_PC
    means_C = totals_C[:-1] / totals_C[-1]
    gaps_P = np.abs(kinds_PC[:, cut - 1] - kinds_PC[:, -2]) / kinds_PC[:, -1]
    differ_P = gaps_P > EQUAL
    usual = np.average(gaps_P[differ_P], weights=counts_P[differ_P]) if differ_P.any() else 0.0
    end, scratch_end = means_C[cut - 1], means_C[-1]
    level_C = means_C - np.where(np.arange(len(means_C)) < cut, end, scratch_end) + (end + scratch_end) / 2
    return np.asarray(level_C + usual * (_only_one(len(means_C), cut) - 0.5))


def _needed(found_b: Array, values_B: Array) -> Needed:
    low, high = _ends(values_B)
    ends = (float(found_b[0]), min(low, float(found_b[0])), max(high, float(found_b[0])))
    labels, low_end, high_end = (value if np.isfinite(value) else None for value in ends)
    return Needed(labels, low_end, high_end, float(np.isinf(values_B).mean()))


def _ends(values_B: Array) -> tuple[float, float]:
    """The ends of the percentile interval; an order statistic itself, because values may be infinite."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values_B, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def _checked(transfer: Curve, scratch: Curve, groups: Array | None) -> Array:
    """The sizes of both sides, transfer's first; raises DataError where something does not fit."""
    for curve in (transfer, scratch):
        sizes_J = np.asarray(curve.sizes_J, np.float64)
        if len(sizes_J) == 0 or (np.diff(sizes_J) <= 0).any() or sizes_J[0] <= 0:
            raise DataError(f"head start: sizes {sizes_J.tolist()}. One or more are needed, the smallest first.")
        if curve.values_NJ.shape[1:] != sizes_J.shape or np.shape(curve.seconds_J) != sizes_J.shape:
            raise DataError("head start: each size needs its seconds and a value for every test example.")
        if not np.isfinite(curve.values_NJ).all() or len(curve.values_NJ) == 0:
            raise DataError("head start: no test examples, or values that are not finite.")
    if len(transfer.values_NJ) != len(scratch.values_NJ):
        raise DataError("head start: the two curves have other test examples. Pass the same for both.")
    sizes_J, sizes_K = (np.asarray(curve.sizes_J, np.float64) for curve in (transfer, scratch))
    if max(sizes_J[0], sizes_K[0]) > min(sizes_J[-1], sizes_K[-1]) or len(sizes_J) == len(sizes_K) == 1:
        raise DataError(
            f"head start: sizes {sizes_J.tolist()} and {sizes_K.tolist()} cannot be compared. Train both sides on like numbers."
        )
    if groups is not None and len(groups) != len(transfer.values_NJ):
        raise DataError(f"groups: {len(groups)} for {len(transfer.values_NJ)} examples. Pass one per example.")
    return np.concatenate([sizes_J, sizes_K])
