"""Metrics, intervals and tests against scikit-learn, scipy and brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn import metrics as theirs

from headstart.prove.answers import Answers, probabilities
from headstart.prove.calibrate import calibration, fit_temperature
from headstart.prove.compare import mcnemar, sign_flip
from headstart.prove.estimate import Array, flawless_low, proportion, resample_weights
from headstart.prove.metrics import METRICS, score


def chances(n: int, k: int, *, ties: bool, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(k, size=n)
    labels_N[:k] = np.arange(k)
    logits_NK = rng.normal(size=(n, k)) + np.eye(k)[labels_N]
    return labels_N, probabilities(np.round(logits_NK) if ties else logits_NK, several=False)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [2, 5])
def test_single_label_metrics_equal_scikit_learn(k: int, ties: bool) -> None:
    labels_N, p_NK = chances(80, k, ties=ties)
    answers = Answers.single(labels_N, p_NK)
    predicted_N, hot_NK = p_NK.argmax(1), np.eye(k)[labels_N]
    expected = {
        "accuracy": theirs.accuracy_score(labels_N, predicted_N),
        "balanced_accuracy": theirs.balanced_accuracy_score(labels_N, predicted_N),
        "macro_f1": theirs.f1_score(labels_N, predicted_N, average="macro"),
        "auroc": theirs.roc_auc_score(hot_NK, p_NK, average="macro"),
        "average_precision": theirs.average_precision_score(hot_NK, p_NK, average="macro"),
        "log_loss": theirs.log_loss(labels_N, p_NK),
        "brier": ((p_NK - hot_NK) ** 2).sum(1).mean(),
    }
    assert {m.name for m in METRICS.values() if "single" in m.kinds} == set(expected)
    for name, value in expected.items():
        assert score(METRICS[name], answers) == pytest.approx(value, abs=1e-12), name
    np.testing.assert_array_equal(answers.confusion(), theirs.confusion_matrix(labels_N, predicted_N))


@pytest.mark.parametrize("ties", [False, True])
def test_several_label_metrics_equal_scikit_learn(ties: bool) -> None:
    rng = np.random.default_rng(3)
    truth_NK = rng.integers(2, size=(60, 4))
    logits_NK = rng.normal(size=(60, 4)) + truth_NK
    p_NK = probabilities(np.round(logits_NK) if ties else logits_NK, several=True)
    answers, predicted_NK = Answers.multi(truth_NK, p_NK), p_NK >= 0.5
    expected = {
        "subset_accuracy": theirs.accuracy_score(truth_NK, predicted_NK),
        "micro_f1": theirs.f1_score(truth_NK, predicted_NK, average="micro"),
        "macro_f1": theirs.f1_score(truth_NK, predicted_NK, average="macro"),
        "auroc": theirs.roc_auc_score(truth_NK, p_NK, average="macro"),
        "average_precision": theirs.average_precision_score(truth_NK, p_NK, average="macro"),
        "hamming_loss": theirs.hamming_loss(truth_NK, predicted_NK),
        "log_loss": np.mean([theirs.log_loss(truth_NK[:, k], p_NK[:, k]) for k in range(4)]),
        "brier": np.mean([theirs.brier_score_loss(truth_NK[:, k], p_NK[:, k]) for k in range(4)]),
    }
    assert {m.name for m in METRICS.values() if "multi" in m.kinds} == set(expected)
    for name, value in expected.items():
        assert score(METRICS[name], answers) == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("name", sorted(m.name for m in METRICS.values() if "single" in m.kinds))
def test_counts_mean_the_same_as_repeated_rows(name: str) -> None:
    labels_N, p_NK = chances(30, 3, ties=True)
    answers = Answers.single(labels_N, p_NK)
    counts_bN = np.concatenate(list(resample_weights(30, rng=np.random.default_rng(0), resamples=20)))
    found_b = METRICS[name].values(answers, counts_bN)
    for counts_N, found in zip(counts_bN, found_b, strict=True):
        repeated = answers.take(np.repeat(np.arange(30), counts_N.astype(int)))
        assert score(METRICS[name], repeated) == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 9), (9, 9), (3, 10), (950, 1000)])
def test_proportion_is_scipys_exact_interval(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(0.95, "exact")
    found = proportion(successes, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (0, 5), (9, 1), (8, 2), (15, 5), (27, 13), (26, 14)])
def test_mcnemar_is_scipys_binomial_test(better: int, worse: int) -> None:
    expected = 1.0 if better + worse == 0 else stats.binomtest(better, better + worse, 0.5).pvalue
    assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-12)


def test_mcnemar_needs_the_wins_that_the_design_states() -> None:
    for pairs, wins in [(10, 9), (20, 15), (40, 27)]:
        assert mcnemar(wins, pairs - wins) < 0.05 <= mcnemar(wins - 1, pairs - wins + 1)


def test_sign_flip_of_single_wins_and_losses_is_mcnemar() -> None:
    rng = np.random.default_rng(0)
    for better, worse in [(6, 0), (9, 2), (5, 5)]:
        gains = np.array([1.0] * better + [-1.0] * worse + [0.0] * 7)
        assert sign_flip(gains, rng=rng) == pytest.approx(mcnemar(better, worse), abs=1e-12)
    gains = np.array([1.0] * 24 + [-1.0] * 10)
    assert sign_flip(gains, rng=rng) == pytest.approx(mcnemar(24, 10), abs=0.005)


def test_sign_flip_equals_scipys_permutation_test() -> None:
    gains = np.random.default_rng(5).normal(0.5, 1, size=9)
    expected = stats.permutation_test((gains,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(gains, rng=np.random.default_rng(0)) == pytest.approx(expected.pvalue, abs=1e-12)


@pytest.mark.parametrize("counts", [[12], [10, 10], [2, 98], [3, 5, 50]])
def test_flawless_low_is_the_least_mean_that_the_sample_allows(counts: list[int]) -> None:
    if len(counts) == 1:
        assert flawless_low(counts) == pytest.approx(stats.binomtest(counts[0], counts[0]).proportion_ci(0.95).low)
    found = optimize.minimize(
        np.mean,
        np.full(len(counts), 0.9),
        bounds=[(1e-6, 1)] * len(counts),
        constraints={"type": "ineq", "fun": lambda p: counts @ np.log(p) - np.log(0.025)},
    )
    assert flawless_low(counts) == pytest.approx(found.fun, abs=1e-4)


@pytest.mark.parametrize("several", [False, True])
def test_temperature_is_the_minimum_of_a_fine_grid(several: bool) -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(2, size=(300, 3)) if several else rng.integers(3, size=300)
    logits_NK = 4 * rng.normal(size=(300, 3)) + 3 * (2 * truth - 1 if several else np.eye(3)[truth])
    found = fit_temperature(logits_NK, truth, prior_width=1e6)

    def loss(T: float) -> float:
        p_NK = probabilities(logits_NK / T, several=several)
        hot_NK = truth if several else np.eye(3)[truth]
        return float(-np.log(np.where(hot_NK, p_NK, 1 - p_NK if several else 1)).sum())

    grid = np.linspace(0.5, 20, 4000)
    assert found == pytest.approx(grid[np.argmin([loss(T) for T in grid])], abs=0.01)


def test_calibration_error_equals_a_loop_over_bins() -> None:
    labels_N, p_NK = chances(400, 3, ties=False)
    found = calibration(Answers.single(labels_N, p_NK), rng=np.random.default_rng(0))
    confidence_N, right_N = p_NK.max(1), p_NK.argmax(1) == labels_N
    expected = 0.0
    for b in range(15):
        here = (confidence_N > b / 15) & (confidence_N <= (b + 1) / 15)
        if here.any():
            expected += here.mean() * abs(right_N[here].mean() - confidence_N[here].mean())
    assert found.ece.value == pytest.approx(expected, abs=1e-9)
    assert sum(b.count for b in found.bins) == 400


def test_bootstrap_weights_are_every_multiset_of_a_tiny_sample() -> None:
    counts_bN = np.concatenate(list(resample_weights(3, rng=np.random.default_rng(0), resamples=5000)))
    seen, share = np.unique(counts_bN, axis=0, return_counts=True)
    draws = np.array([np.bincount(d, minlength=3) for d in product(range(3), repeat=3)])
    expected, ways = np.unique(draws, axis=0, return_counts=True)
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_allclose(share / 5000, ways / 27, atol=0.02)
