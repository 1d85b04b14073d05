"""Intervals hold their figure, and nothing depends on the order of examples or the names of classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.prove.answers import Answers, probabilities
from headstart.prove.calibrate import calibration, fit_temperature
from headstart.prove.compare import compare, compare_losses, mcnemar
from headstart.prove.estimate import Array, Estimate, flawless_low, proportion
from headstart.prove.generalise import gap
from headstart.prove.metrics import METRICS, evaluate, score

few = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def answered(draw: st.DrawFn) -> tuple[Array, Array, np.random.Generator]:
    """Labels, logits (coarse, so that ties occur) and a generator."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = draw(st.integers(2, 40)), draw(st.integers(2, 4))
    labels_N = rng.integers(k, size=n)
    return labels_N, np.round(rng.normal(size=(n, k)) * 2 + draw(st.integers(0, 6)) * np.eye(k)[labels_N], 1), rng


@few
@given(answered(), st.booleans())
def test_intervals_hold_the_figure_and_stay_in_range(
    case: tuple[Array, Array, np.random.Generator], grouped: bool
) -> None:
    labels_N, logits_NK, rng = case
    groups = np.arange(len(labels_N)) // 2 if grouped else None
    answers = Answers.single(labels_N, probabilities(logits_NK, several=False))
    for name, found in evaluate(answers, rng=rng, groups=groups, resamples=200).items():
        if found.value is None:
            assert found.low is None
            assert "undefined" in found.method
            continue
        if found.low is None or found.high is None:
            continue
        assert found.low <= found.value <= found.high
        assert found.low >= 0
        if METRICS[name].bounded:
            assert found.high <= 1
            assert found.low < found.high  # no figure from a sample is certain


@few
@given(answered())
def test_order_and_names_do_not_matter(case: tuple[Array, Array, np.random.Generator]) -> None:
    labels_N, logits_NK, rng = case
    p_NK = probabilities(logits_NK + 1e-3 * rng.random(logits_NK.shape), several=False)
    order, renamed_K = rng.permutation(len(labels_N)), rng.permutation(p_NK.shape[1])
    renamed_NK = np.empty_like(p_NK)
    renamed_NK[:, renamed_K] = p_NK
    for metric in METRICS.values():
        if "single" in metric.kinds:
            value = score(metric, Answers.single(labels_N, p_NK))
            for other in (
                Answers.single(labels_N[order], p_NK[order]),
                Answers.single(renamed_K[labels_N], renamed_NK),
            ):
                assert score(metric, other) == (None if value is None else pytest.approx(value, abs=1e-6))


@few
@given(st.integers(0, 60), st.integers(1, 60))
def test_proportion_mirrors_and_narrows(successes: int, n: int) -> None:
    successes = min(successes, n)
    one, other, more = proportion(successes, n), proportion(n - successes, n), proportion(4 * successes, 4 * n)
    assert one.low == pytest.approx(1 - (other.high or 0.0))
    assert (more.high or 0) - (more.low or 0) < (one.high or 0) - (one.low or 0)


@few
@given(st.lists(st.integers(1, 200), min_size=1, max_size=6))
def test_flawless_low_rises_with_more_examples(counts: list[int]) -> None:
    assert 0 < flawless_low(counts) < flawless_low([2 * c for c in counts]) < 1
    assert (
        flawless_low(counts) <= flawless_low([sum(counts)]) + 1e-12
    )  # doubt about every class is more than about their pool


@few
@given(st.integers(0, 50), st.integers(0, 50))
def test_mcnemar_is_symmetric_and_a_probability(better: int, worse: int) -> None:
    assert 0 < mcnemar(better, worse) <= 1
    assert mcnemar(better, worse) == mcnemar(worse, better)


MIRROR = {"helped": "hurt", "hurt": "helped", "same": "same", "unclear": "unclear"}


@few
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1), st.floats(0.3, 1), st.booleans())
def test_swapping_the_two_sides_mirrors_the_verdict(seed: int, first: float, second: float, grouped: bool) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.random(80) < first, rng.random(80) < second
    groups = np.arange(80) // 4 if grouped else None
    there = compare(one, other, rng=np.random.default_rng(1), groups=groups)
    back = compare(other, one, rng=np.random.default_rng(1), groups=groups)
    assert there.difference.value == pytest.approx(-(back.difference.value or 0.0))
    assert (there.better, there.worse) == (back.worse, back.better)
    assert there.p_value == pytest.approx(back.p_value)
    assert back.word == MIRROR[there.word]


@few
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_verdict_on_losses_knows_no_unit(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.random(30), rng.random(30) + 0.2
    plain = compare_losses(one, other, margin=0.01, rng=np.random.default_rng(1))
    scaled = compare_losses(unit * one, unit * other, margin=0.01 * unit, rng=np.random.default_rng(1))
    assert (plain.word, plain.p_value) == (scaled.word, scaled.p_value)


@few
@given(answered())
def test_temperature_never_harms_and_keeps_decisions(case: tuple[Array, Array, np.random.Generator]) -> None:
    labels_N, logits_NK, _ = case
    temperature = fit_temperature(logits_NK, labels_N)
    assert 1 / 20 <= temperature <= 20
    before = Answers.single(labels_N, probabilities(logits_NK, several=False))
    after = Answers.single(labels_N, probabilities(logits_NK / temperature, several=False))
    assert (score(METRICS["log_loss"], after) or 0) <= (score(METRICS["log_loss"], before) or 0) + 1e-9
    assert score(METRICS["accuracy"], after) == score(METRICS["accuracy"], before)


@few
@given(answered())
def test_calibration_is_a_share_and_counts_everybody(case: tuple[Array, Array, np.random.Generator]) -> None:
    labels_N, logits_NK, rng = case
    found = calibration(Answers.single(labels_N, probabilities(logits_NK, several=False)), rng=rng)
    assert 0 <= (found.ece.low or 0) <= (found.ece.value or 0) <= (found.ece.high or 1) <= 1
    assert sum(b.count for b in found.bins) == len(labels_N)
    for b in found.bins:
        assert b.confidence is None or b.low <= b.confidence <= b.high


@few
@given(st.integers(0, 30), st.integers(0, 30))
def test_gap_of_a_figure_with_itself_is_centred_on_zero(successes: int, more: int) -> None:
    figure = proportion(successes, successes + more + 1)
    found: Estimate = gap(figure, figure)
    assert found.value == 0
    assert found.low == pytest.approx(-(found.high or 0.0))
