"""Verdicts word by word, temperature at its limits, bins, and the gap."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.prove.answers import Answers, probabilities
from headstart.prove.calibrate import calibration, fit_temperature
from headstart.prove.compare import compare, compare_losses, difference, mcnemar, sign_flip
from headstart.prove.estimate import Estimate, proportion, undefined
from headstart.prove.generalise import gap
from headstart.prove.metrics import METRICS

RNG = np.random.default_rng


def pairs(n: int, better: int, worse: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.ones(n, bool), np.ones(n, bool)
    second[:better] = False
    first[better : better + worse] = False
    return first, second


@pytest.mark.parametrize(
    ("n", "better", "worse", "word"),
    [
        (100, 9, 1, "helped"),
        (100, 1, 9, "hurt"),
        (100, 8, 2, "unclear"),
        (10, 0, 0, "unclear"),  # ten equal answers prove nothing
        (400, 0, 0, "same"),
        (1000, 3, 3, "same"),
        (5000, 25, 5, "same"),  # surely better, by less than a point
    ],
)
def test_words(n: int, better: int, worse: int, word: str) -> None:
    found = compare(*pairs(n, better, worse), rng=RNG(0))
    assert found.word == word
    assert (found.better, found.worse, found.n) == (better, worse, n)
    assert found.difference.value == pytest.approx((better - worse) / n)
    assert found.reason


def test_a_helping_group_counts_once() -> None:
    first, second = pairs(100, 20, 0)
    assert compare(first, second, rng=RNG(0)).word == "helped"
    one_group_did_it = np.repeat(np.arange(5), 20)
    assert compare(first, second, rng=RNG(0), groups=one_group_did_it).word == "unclear"
    many = compare(first, second, rng=RNG(0), groups=np.arange(100) // 2)
    assert many.word == "helped"
    assert many.p_value == pytest.approx(mcnemar(10, 0), abs=1e-3)


def test_losses_by_group_count_groups() -> None:
    rng = RNG(0)
    gains_N = np.repeat([0.4, 0.5, -0.3, 0.6], 25) + 0.01 * rng.normal(size=100)
    assert compare_losses(np.zeros(100), gains_N, margin=0.01, rng=rng).word == "helped"
    grouped = compare_losses(np.zeros(100), gains_N, margin=0.01, rng=rng, groups=np.arange(100) // 25)
    assert grouped.word == "unclear"
    assert grouped.p_value >= 0.125  # four groups cannot do better


def test_one_group_alone_is_unclear() -> None:
    first, second = pairs(30, 20, 0)
    found = compare(first, second, rng=RNG(0), groups=np.zeros(30))
    assert found.word == "unclear"


def test_losses_are_compared_in_their_own_unit() -> None:
    rng = RNG(0)
    loss_N = rng.random(50)
    assert compare_losses(loss_N, loss_N + 0.5 + 0.1 * rng.random(50), margin=0.01, rng=rng).word == "helped"
    assert compare_losses(loss_N + 0.5 * rng.random(50), loss_N, margin=0.01, rng=rng).word == "hurt"
    assert compare_losses(loss_N, loss_N + 1e-4 * rng.normal(size=50), margin=0.01, rng=rng).word == "same"
    alone = compare_losses(loss_N[:1], loss_N[:1] + 1, margin=0.01, rng=rng)
    assert alone.word == "unclear"
    assert "no interval" in alone.reason


def test_difference_in_any_metric_is_paired() -> None:
    rng = RNG(0)
    labels_N = np.arange(60) % 3
    p_NK = probabilities(rng.normal(size=(60, 3)) + 2 * np.eye(3)[labels_N], several=False)
    answers = Answers.single(labels_N, p_NK)
    itself = difference(METRICS["macro_f1"], answers, answers, rng=rng)
    assert itself.value == 0
    other = Answers.single(labels_N, p_NK[:, ::-1])
    found = difference(METRICS["auroc"], answers, other, rng=rng, resamples=200)
    assert found.low is not None
    assert found.value is not None
    assert 0 < found.low < found.value
    with pytest.raises(DataError, match="different examples"):
        difference(METRICS["auroc"], answers, answers.take(np.arange(5)), rng=rng)


def test_comparisons_are_checked() -> None:
    with pytest.raises(DataError, match="not the same examples"):
        compare(np.ones(2, bool), np.ones(3, bool), rng=RNG(0))
    with pytest.raises(DataError, match="not the same examples"):
        compare(np.zeros(0, bool), np.zeros(0, bool), rng=RNG(0))
    with pytest.raises(DataError, match="groups: 1 for 2"):
        compare(np.ones(2, bool), np.ones(2, bool), rng=RNG(0), groups=np.array([0]))
    with pytest.raises(DataError, match="NaN"):
        compare_losses(np.array([np.nan]), np.array([1.0]), margin=0.1, rng=RNG(0))
    with pytest.raises(DataError, match="no counts"):
        mcnemar(-1, 2)
    with pytest.raises(DataError, match="not the same examples"):
        compare_losses(np.ones(2), np.ones(3), margin=0.1, rng=RNG(0))
    assert sign_flip(np.zeros(4), rng=RNG(0)) == 1.0


def test_temperature_undoes_overconfidence() -> None:
    rng = RNG(0)
    logits_NK = 2 * rng.normal(size=(3000, 4))
    labels_N = np.array([rng.choice(4, p=p) for p in probabilities(logits_NK, several=False)])
    assert fit_temperature(3 * logits_NK, labels_N) == pytest.approx(3, rel=0.1)
    assert fit_temperature(logits_NK / 2, labels_N) == pytest.approx(0.5, rel=0.1)


def test_temperature_of_separable_answers_stays_sensible() -> None:
    few = fit_temperature(np.array([[2.0, -2.0], [-2.0, 2.0]]), np.array([0, 1]))
    many = fit_temperature(np.tile([[2.0, -2.0], [-2.0, 2.0]], (500, 1)), np.array([0, 1] * 500))
    assert 1 / 20 < many < few < 1
    assert fit_temperature(np.zeros((5, 3)), np.zeros(5, int)) == pytest.approx(1.0)
    with pytest.raises(DataError, match="finite"):
        fit_temperature(np.array([[np.nan, 1.0]]), np.array([0]))


def test_few_answers_get_few_bins_of_equal_filling() -> None:
    rng = RNG(0)
    p_NK = probabilities(rng.normal(size=(100, 3)), several=False)
    found = calibration(Answers.single(rng.integers(3, size=100), p_NK), rng=rng)
    assert found.scheme == "equal filling"
    assert [b.count for b in found.bins] == [20, 20, 20, 20, 20]
    assert all(b.accuracy_low <= b.accuracy <= b.accuracy_high for b in found.bins)  # type: ignore[operator]
    assert found.ece.method.startswith("basic")
    assert found.brier.value is not None


def test_empty_bins_say_so_and_every_pair_of_several_labels_counts() -> None:
    rng = RNG(0)
    truth_NK = rng.integers(2, size=(200, 3))
    found = calibration(Answers.multi(truth_NK, np.where(truth_NK, 0.9, 0.3)), rng=rng)
    assert found.scheme == "equal width"
    assert sum(b.count for b in found.bins) == 600
    assert {b.accuracy for b in found.bins if b.count == 0} == {None}
    assert found.ece.value == pytest.approx(np.where(truth_NK, 0.1, 0.3).mean())
    with pytest.raises(DataError, match="no examples"):
        calibration(Answers.multi(np.zeros((0, 2)), np.zeros((0, 2))), rng=rng)


def test_gap_of_two_samples() -> None:
    found = gap(proportion(98, 100), proportion(80, 100))
    assert found.value == pytest.approx(0.18)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < 0.18 < found.high < 0.3
    assert gap(undefined(3, "x"), proportion(1, 2)).value is None
    assert gap(Estimate(0.5, None, None, 1, "x"), proportion(1, 2)).low is None
