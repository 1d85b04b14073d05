"""Did it help? Two sets of answers to the same examples, compared pair by pair, down to one word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from scipy import special

from headstart.errors import DataError
from headstart.prove.answers import Answers
from headstart.prove.estimate import LEVEL, RESAMPLES, Array, Estimate, bootstrap
from headstart.prove.metrics import Metric, strata_of

Word = Literal["helped", "hurt", "same", "unclear"]
SAME_WITHIN = 0.01  # accuracy: one point either way is no difference that matters
EXACT_UP_TO = 14  # groups whose 2^14 sign patterns are all tried
FLIPS = 20_000  # sign patterns drawn beyond that


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the first set of answers is worth against the second.

    `word`: "same" where the whole interval of `difference` lies within the margin; else "helped" or "hurt" where p <
    0.05 and the interval lies beyond zero; else "unclear". `difference`: first minus second in accuracy (of mean
    loss: second minus first), so that above zero the first is better. `better`, `worse`: examples on which the first
    alone is right, or wrong (or its loss is smaller, or larger).
    """

    word: Word
    difference: Estimate
    p_value: float
    better: int
    worse: int
    n: int
    reason: str


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p-value that `better` and `worse` discordant pairs come from a fair coin; 1 without any
    (McNemar 1947).
    """
    if better < 0 or worse < 0:
        raise DataError(f"mcnemar: {better} and {worse} are no counts.")
    return min(1.0, 2 * float(special.bdtr(min(better, worse), better + worse, 0.5)))


def sign_flip(gains_U: Array, *, rng: np.random.Generator) -> float:
    """Two-sided p-value that paired gains (one per independent unit) are as likely to fall either way (Fisher 1935).

    Up to `EXACT_UP_TO` non-zero gains all sign patterns are counted, beyond it `FLIPS` random ones and the one seen.
    Gains that all weigh the same are counted by `mcnemar`, at any length.
    """
    gains = gains_U[gains_U != 0].astype(np.float64)
    if len(gains) == 0:
        return 1.0
    if np.ptp(np.abs(gains)) == 0:
        return mcnemar(int((gains > 0).sum()), int((gains < 0).sum()))
    seen = abs(gains.sum()) - 1e-9 * np.abs(gains).sum()  # sums that differ by rounding alone count as equal
    if len(gains) <= EXACT_UP_TO:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(gains))))
        return float(np.mean(np.abs(signs @ gains) >= seen))
    step, hits = max(1, 4_000_000 // len(gains)), 0
    for start in range(0, FLIPS, step):
        signs = rng.integers(0, 2, size=(min(step, FLIPS - start), len(gains)), dtype=np.int8) * 2.0 - 1
        hits += int((np.abs(signs @ gains) >= seen).sum())
    return (hits + 1) / (FLIPS + 1)


def compare(
    correct_N: Array,
    other_N: Array,
    *,
    rng: np.random.Generator,
    groups: Array | None = None,
    margin: float = SAME_WITHIN,
) -> Verdict:
    """The Verdict on answers that are right or wrong: N booleans each, for the same examples in the same order.

    p is exact McNemar, or with `groups` (N labels) a sign-flip test of the groups' net gains. The interval of the
    difference is a paired bootstrap of examples or groups, widened to Bonett and Price's adjusted interval (2012),
    because a bootstrap sees no doubt where few pairs differ. Held-out answers of nested cross-validation are compared
    alike; that folds share training data is not in the interval. Raises DataError where lengths differ or nothing is
    there to compare.
    """
    correct_N, other_N = np.asarray(correct_N, bool), np.asarray(other_N, bool)
    n = _shape(correct_N, other_N, groups)
    gains_N = correct_N.astype(np.float64) - other_N
    better, worse = int((gains_N > 0).sum()), int((gains_N < 0).sum())
    found = _difference(gains_N, rng, groups, n)
    if groups is None:
        found, p = _widen(found, better, worse, len(gains_N), 1.0), mcnemar(better, worse)
    else:
        sums_U, sizes_U = _by_group(gains_N, groups)
        wins, losses = int((sums_U > 0).sum()), int((sums_U < 0).sum())
        # A group's win weighs what groups that differ gain on average.
        found = _widen(found, wins, losses, len(sums_U), _typical(sums_U, sizes_U))
        p = sign_flip(sums_U, rng=rng)
    return _verdict(found, p, better, worse, margin, "accuracy")


def compare_losses(
    loss_N: Array,
    other_N: Array,
    *,
    margin: float,
    rng: np.random.Generator,
    groups: Array | None = None,
    name: str = "loss",
) -> Verdict:
    """The Verdict on losses (N each, smaller is better) for the same examples; `margin`: what counts as the same, in
    the loss's unit.

    Paired bootstrap of examples or groups for the interval, sign-flip test for p. Raises DataError on NaN and where
    lengths differ.
    """
    loss_N, other_N = np.asarray(loss_N, np.float64), np.asarray(other_N, np.float64)
    n = _shape(loss_N, other_N, groups)
    gains_N = other_N - loss_N
    if not np.isfinite(gains_N).all():
        raise DataError(f"{name}: NaN or infinite values. Compare finite losses.")
    found = _difference(gains_N, rng, groups, n)
    sums_U = gains_N if groups is None else _by_group(gains_N, groups)[0]
    return _verdict(found, sign_flip(sums_U, rng=rng), int((gains_N > 0).sum()), int((gains_N < 0).sum()), margin, name)


def compare_f1(
    parts_N2: Array, other_N2: Array, *, margin: float, rng: np.random.Generator, groups: Array | None = None
) -> Verdict:
    """The Verdict on two F1s, each the sum of N numerators over the sum of N denominators (N × 2), for the same examples.

    Paired bootstrap of examples or groups for the interval; p is that of exchanging the two sides of examples or groups at random (Yeh 2000,
    section 3.3): all ways up to EXACT_UP_TO that differ, beyond it FLIPS and the one seen. `better` and `worse` count examples
    that lack less, or more, of their denominator. Raises DataError where lengths differ.
    """
    n = _shape(parts_N2[:, 0], other_N2[:, 0], groups)
    both_N4 = np.concatenate([parts_N2, other_N2], 1).astype(np.float64)

    def gain(sums_b4: Array) -> Array:
        first, second = (np.where(down > 0, up / np.maximum(down, 1e-12), np.nan) for up, down in (sums_b4[:, :2].T, sums_b4[:, 2:].T))
        return np.asarray(first - second)

    found = bootstrap(lambda counts_bN: gain(counts_bN @ both_N4), n, rng=rng, groups=groups)
    units_U4 = both_N4 if groups is None else np.stack([_by_group(column, groups)[0] for column in both_N4.T], 1)
    lacks_N, other_lacks_N = both_N4[:, 1] - both_N4[:, 0], both_N4[:, 3] - both_N4[:, 2]
    better, worse = int((lacks_N < other_lacks_N).sum()), int((lacks_N > other_lacks_N).sum())
    return _verdict(found, _exchanged(units_U4, gain, rng), better, worse, margin, "F1")


def _exchanged(units_U4: Array, gain: Callable[[Array], Array], rng: np.random.Generator) -> float:
    """How often a difference as large as the one seen comes from exchanging both sides of units at random."""
    moves_U2 = units_U4[:, 2:] - units_U4[:, :2]
    moves_U2 = moves_U2[(moves_U2 != 0).any(1)]
    whole_4, seen = units_U4.sum(0), abs(float(gain(units_U4.sum(0)[None])[0])) - 1e-12
    if len(moves_U2) == 0:
        return 1.0

    def reached(swapped_bU: Array) -> Array:
        moved_b2 = swapped_bU.astype(np.float64) @ moves_U2
        return np.asarray(np.abs(gain(whole_4 + np.concatenate([moved_b2, -moved_b2], 1))) >= seen)

    if len(moves_U2) <= EXACT_UP_TO:
        return float(reached(np.array(list(product((0, 1), repeat=len(moves_U2))))).mean())
    step, hits = max(1, 4_000_000 // len(moves_U2)), 0
    for start in range(0, FLIPS, step):
        hits += int(reached(rng.integers(0, 2, size=(min(step, FLIPS - start), len(moves_U2)), dtype=np.int8)).sum())
    return (hits + 1) / (FLIPS + 1)


def difference(
    metric: Metric,
    answers: Answers,
    other: Answers,
    *,
    rng: np.random.Generator,
    groups: Array | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """First minus second in any metric, with its paired percentile bootstrap interval, on the same examples."""
    if len(answers) != len(other) or not np.array_equal(answers.truth_NK, other.truth_NK):
        raise DataError("compare: the two sets of answers are about different examples.")
    strata = strata_of(metric, answers)

    def values(counts_bN: Array) -> Array:
        return metric.values(answers, counts_bN) - metric.values(other, counts_bN)

    return bootstrap(values, len(answers), rng=rng, strata=strata, groups=groups, resamples=resamples)


def _shape(first_N: Array, second_N: Array, groups: Array | None) -> int:
    if first_N.shape != second_N.shape or first_N.ndim != 1 or len(first_N) == 0:
        raise DataError(
            f"compare: the shapes {first_N.shape} and {second_N.shape} are not the same examples. Pass N each, N ≥ 1."
        )
    if groups is not None and len(groups) != len(first_N):
        raise DataError(f"groups: {len(groups)} for {len(first_N)} examples. Pass one per example.")
    return len(first_N)


def _difference(gains_N: Array, rng: np.random.Generator, groups: Array | None, n: int) -> Estimate:
    def mean(counts_bN: Array) -> Array:
        return np.asarray(counts_bN @ gains_N / counts_bN.sum(1))

    return bootstrap(mean, n, rng=rng, groups=groups)


def _by_group(gains_N: Array, groups: Array) -> tuple[Array, Array]:
    index_N = np.unique(groups, return_inverse=True)[1]
    return np.bincount(index_N, gains_N), np.bincount(index_N)


def _typical(sums_U: Array, sizes_U: Array) -> float:
    """What one more group that differs would be expected to weigh, in examples, over the mean size of a group."""
    differing = np.abs(sums_U[sums_U != 0])
    return float((differing.mean() if len(differing) else sizes_U.mean()) / sizes_U.mean())


def _widen(found: Estimate, wins: int, losses: int, units: int, weight: float) -> Estimate:
    """The interval stretched to Bonett and Price's: shares (wins + 1) and (losses + 1) of (units + 2), and their
    spread.
    """
    if found.value is None:
        return found
    up, down, total = wins + 1, losses + 1, units + 2
    centre = (up - down) / total
    reach = float(special.ndtri((1 + LEVEL) / 2)) * np.sqrt(max((up + down) / total - centre**2, 0.0) / total)
    ends = [weight * (centre - reach), weight * (centre + reach), found.value]
    ends += [end for end in (found.low, found.high) if end is not None]
    method = f"paired {found.method}, with Bonett–Price" if found.low is not None else "Bonett–Price"
    return Estimate(found.value, max(-1.0, float(min(ends))), min(1.0, float(max(ends))), found.n, method)


def _verdict(found: Estimate, p: float, better: int, worse: int, margin: float, name: str) -> Verdict:
    low, high = found.low, found.high
    word: Word
    if low is None or high is None:
        word, why = "unclear", found.method
    elif -margin <= low and high <= margin:
        word, why = "same", f"the interval of the difference in {name} lies within ±{margin:g}"
    elif p < 0.05 and low > 0:
        word, why = "helped", f"the interval of the difference in {name} lies above zero and p = {p:.2g}"
    elif p < 0.05 and high < 0:
        word, why = "hurt", f"the interval of the difference in {name} lies below zero and p = {p:.2g}"
    else:
        word, why = (
            "unclear",
            f"{better} better and {worse} worse of {found.n}, p = {p:.2g}: too few to tell apart from chance",
        )
    return Verdict(word, found, p, better, worse, found.n, why)
