"""Probabilities that mean what they say: temperature scaling, and how far off they are before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from headstart.errors import DataError
from headstart.prove.answers import Answers, probabilities
from headstart.prove.estimate import Array, Estimate, bootstrap, proportion
from headstart.prove.metrics import METRICS, estimate, losses_N

BOUND = 20.0  # the temperature lies between 1/20 and 20
PRIOR_WIDTH = 1.0  # standard deviation of ln T before any data: a factor of e either way
BINS = 15
PER_BIN = 20  # examples that a bin should hold before the scheme turns to fewer bins of equal filling


def fit_temperature(logits_NK: Array, truth: Array, *, prior_width: float = PRIOR_WIDTH) -> float:
    """The temperature T by which held-out logits are divided so that their log loss is smallest (Guo et al. 2017).

    `truth`: labels N (softmax) or N × K zeros and ones (one T for all sigmoids). Minimises Σ loss + ½(ln T /
    `prior_width`)² over 1/20 … 20 on a grid and then by Brent's method; the second term, a log-normal prior, is worth
    about one example: it keeps T sensible for few or perfectly separated examples and vanishes among many. T = 1 is
    never worse in that sum than the T returned. Raises DataError on NaN and on shapes that do not fit.
    """
    logits_NK, truth = np.asarray(logits_NK, np.float64), np.asarray(truth)
    if logits_NK.ndim != 2 or len(logits_NK) == 0 or not np.isfinite(logits_NK).all():
        raise DataError("temperature: expected N × K finite logits of held-out examples.")

    def cost(log_T: float) -> float:
        return float(losses_N(_answers(logits_NK / np.exp(log_T), truth)).sum()) + 0.5 * (log_T / prior_width) ** 2

    grid = np.linspace(-np.log(BOUND), np.log(BOUND), 61)
    costs = [cost(x) for x in grid]
    i = int(np.argmin(costs))
    around = (grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)])
    found = optimize.minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 1e-7})
    candidates = [(float(found.fun), float(found.x)), (costs[i], float(grid[i])), (cost(0.0), 0.0)]
    return float(np.exp(min(candidates)[1]))


def _answers(logits_NK: Array, truth: Array) -> Answers:
    several = truth.ndim == 2
    chances_NK = probabilities(logits_NK, several=several)
    return Answers.multi(truth, chances_NK) if several else Answers.single(truth, chances_NK)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the calibration curve: answers whose confidence lies in `low` … `high`, `accuracy` with its exact 95
    % interval.

    `confidence` and the three accuracies are None where `count` is 0.
    """

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well confidence matches accuracy: expected calibration error, Brier score and the curve's bins."""

    ece: Estimate
    brier: Estimate
    bins: tuple[Bin, ...]
    scheme: Literal["equal width", "equal filling"]


def calibration(answers: Answers, *, rng: np.random.Generator, groups: Array | None = None) -> Calibration:
    """Calibration of probabilities: ECE = Σ (share of answers in the bin)·|accuracy − confidence| (Naeini et al.
    2015).

    One label: the confidence is the probability of the predicted class, right or wrong. Several: every (example,
    label) pair counts, its probability against its truth. `BINS` bins of equal width, or with fewer than
    `BINS`·`PER_BIN` answers fewer bins of equal filling. The interval of the ECE is the basic bootstrap, because
    resampling adds error of its own to a sum of absolute values. Raises DataError without probabilities.
    """
    if len(answers) == 0:
        raise DataError("calibration: no examples.")
    confidence_NJ, right_NJ = _pairs(answers)
    edges, scheme = _edges(confidence_NJ.ravel())
    place_NJ = np.clip(np.searchsorted(edges, confidence_NJ, side="left") - 1, 0, len(edges) - 2)
    n, j = place_NJ.shape
    # Per example and bin: answers, and Σ (right − confidence); ECE is linear in these but for the absolute value.
    off_NB = np.zeros((n, len(edges) - 1))
    np.add.at(off_NB, (np.arange(n)[:, None], place_NJ), right_NJ - confidence_NJ)

    def ece(counts_bN: Array) -> Array:
        return np.asarray(np.abs(counts_bN @ off_NB).sum(1) / (counts_bN.sum(1) * j))

    found = bootstrap(ece, n, rng=rng, groups=groups, basic=True)
    if found.low is not None and found.high is not None:
        found = Estimate(found.value, max(found.low, 0.0), min(found.high, 1.0), n, found.method)
    bins = tuple(
        _bin(edges[b], edges[b + 1], confidence_NJ[place_NJ == b], right_NJ[place_NJ == b])
        for b in range(len(edges) - 1)
    )
    return Calibration(found, estimate(METRICS["brier"], answers, rng=rng, groups=groups), bins, scheme)


def _pairs(answers: Answers) -> tuple[Array, Array]:
    scores_NK = answers.scores_NK.astype(np.float64)
    if answers.kind == "multi":
        return scores_NK, answers.truth_NK
    return (scores_NK * answers.predicted_NK).sum(1, keepdims=True), answers.correct_N[:, None]


def _edges(confidences: Array) -> tuple[Array, Literal["equal width", "equal filling"]]:
    if len(confidences) >= BINS * PER_BIN:
        return np.linspace(0, 1, BINS + 1), "equal width"
    wanted = max(1, len(confidences) // PER_BIN)
    inner = np.quantile(confidences, np.arange(1, wanted) / wanted, method="lower")
    return np.unique(np.concatenate([[0.0], inner, [1.0]])), "equal filling"


def _bin(low: float, high: float, confidence: Array, right: Array) -> Bin:
    if len(right) == 0:
        return Bin(float(low), float(high), None, None, None, None, 0)
    share = proportion(int(right.sum()), len(right))
    return Bin(float(low), float(high), float(confidence.mean()), share.value, share.low, share.high, len(right))
