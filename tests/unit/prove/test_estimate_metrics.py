"""Figures at the edge: undefined, flawless, from one example, by group."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.prove.answers import Answers
from headstart.prove.estimate import bootstrap, proportion, resample_weights
from headstart.prove.metrics import METRICS, estimate, evaluate, metrics_for, score

RNG = np.random.default_rng


def answers_of(labels: list[int], predicted: list[int], classes: int = 2) -> Answers:
    p_NK = np.full((len(labels), classes), 0.2 / (classes - 1))
    p_NK[np.arange(len(labels)), predicted] = 0.8
    return Answers.single(np.array(labels), p_NK)


def test_what_one_class_cannot_define_is_none_and_says_why() -> None:
    found = evaluate(answers_of([0, 0, 0], [0, 1, 0]), rng=RNG(0))
    assert found["auroc"].value is None
    assert "two classes" in found["auroc"].method
    assert found["accuracy"].value == pytest.approx(2 / 3)
    assert score(METRICS["average_precision"], answers_of([0, 0], [0, 0])) is None


def test_nothing_answered_is_undefined() -> None:
    empty = Answers.single(np.zeros(0, int), np.zeros((0, 2)))
    assert {e.value for e in evaluate(empty, rng=RNG(0)).values()} == {None}
    assert proportion(0, 0).value is None
    assert bootstrap(lambda w: w.sum(1), 0, rng=RNG(0)).value is None


def test_a_flawless_figure_still_has_an_open_end() -> None:
    flawless = answers_of([0, 1] * 10, [0, 1] * 10)
    found = evaluate(flawless, rng=RNG(0))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "average_precision"):
        assert found[name].value == 1.0
        assert found[name].high == 1.0
        assert 0.6 < (found[name].low or 0) < 0.9
    assert found["balanced_accuracy"].low == pytest.approx(proportion(20, 20).low)  # two equal classes
    assert found["auroc"].low == pytest.approx(proportion(10, 10).low)  # ten pairs at best
    assert estimate(METRICS["macro_f1"], answers_of([0, 1], [1, 0]), rng=RNG(0)).high > 0.5  # type: ignore[operator]


def test_rare_classes_never_vanish_from_resamples() -> None:
    found = estimate(METRICS["balanced_accuracy"], answers_of([0] * 50 + [1, 1], [0] * 49 + [1, 1, 0]), rng=RNG(0))
    assert "classes held" in found.method
    assert found.low is not None


def test_a_class_with_one_example_does_not_make_the_figure_look_certain() -> None:
    found = estimate(METRICS["balanced_accuracy"], answers_of([0, 1], [0, 0]), rng=RNG(0))
    assert found.value == 0.5
    assert (found.low, found.high) == (0.0, 1.0)


def test_groups_widen_the_interval() -> None:
    rng = RNG(1)
    right = np.repeat(rng.random(20) < 0.7, 10)
    answers = answers_of([0] * 200, [0 if r else 1 for r in right])
    alone = estimate(METRICS["accuracy"], answers, rng=rng)
    grouped = estimate(METRICS["accuracy"], answers, rng=rng, groups=np.arange(200) // 10)
    assert (grouped.high or 0) - (grouped.low or 0) > 2 * ((alone.high or 0) - (alone.low or 0))
    assert "groups" in grouped.method
    single_group = estimate(METRICS["accuracy"], answers, rng=rng, groups=np.zeros(200))
    assert (single_group.low, single_group.method) == (None, "no interval: one example or group")


def test_resamples_that_often_lack_the_figure_give_no_interval() -> None:
    found = bootstrap(lambda w: np.where(w[:, 0] > 0, 1.0 + w[:, 1], np.nan), 5, rng=RNG(0))
    assert (found.low, found.method) == (None, "no interval: too few resamples define it")


def test_equal_examples_give_no_interval_for_an_unbounded_figure() -> None:
    assert estimate(METRICS["log_loss"], answers_of([0, 1], [0, 1]), rng=RNG(0)).low is None


def test_the_same_seed_gives_the_same_interval() -> None:
    answers = answers_of([0, 1, 1, 0, 1], [0, 1, 0, 0, 0])
    assert evaluate(answers, rng=RNG(5)) == evaluate(answers, rng=RNG(5))


def test_resamples_keep_their_size_and_their_strata() -> None:
    strata = np.array([0, 0, 0, 1, 1])
    counts = np.concatenate(list(resample_weights(5, rng=RNG(0), strata=strata, resamples=50)))
    assert counts.shape == (50, 5)
    assert (counts[:, :3].sum(1) == 3).all()
    assert (counts[:, 3:].sum(1) == 2).all()
    groups = np.array(["a", "a", "b", "c", "c"])
    grouped = np.concatenate(list(resample_weights(5, rng=RNG(0), groups=groups, resamples=50)))
    assert (grouped[:, 0] == grouped[:, 1]).all()
    assert (grouped[:, [0, 2, 3]].sum(1) == 3).all()


def test_decisions_without_probabilities_have_fewer_metrics() -> None:
    answers = Answers.single(np.array([0, 1, 2]), None, np.array([0, 1, 1]), classes=3)
    assert set(evaluate(answers, rng=RNG(0))) == {"accuracy", "balanced_accuracy", "macro_f1"}
    with pytest.raises(DataError, match="needs probabilities"):
        score(METRICS["log_loss"], answers)


def test_a_prediction_may_differ_from_the_most_probable() -> None:
    answers = Answers.single(np.array([0, 1]), np.array([[0.6, 0.4], [0.6, 0.4]]), np.array([0, 1]))
    assert score(METRICS["accuracy"], answers) == 1.0
    truth_NK = np.array([[1, 0], [1, 1]])
    strict = Answers.multi(truth_NK, np.array([[0.4, 0.1], [0.9, 0.3]]), truth_NK)
    assert score(METRICS["subset_accuracy"], strict) == 1.0


def test_a_certain_mistake_costs_a_finite_loss() -> None:
    value = score(METRICS["log_loss"], Answers.single(np.array([0]), np.array([[0.0, 1.0]])))
    assert value == pytest.approx(-np.log(1e-15))


@pytest.mark.parametrize(
    ("labels", "p_NK", "why"),
    [
        ([0, 1], [[0.5, 0.5]], "does not fit 2"),
        ([0], [[np.nan, 1]], "NaN"),
        ([0], [[2.0, -1.0]], "outside"),
        ([0], [[0.2, 0.2]], "sum to one"),
        ([2], [[0.5, 0.5]], "from 2 to 2"),
        ([0.5], [[0.5, 0.5]], "whole number"),
    ],
)
def test_answers_are_checked(labels: list[float], p_NK: list[list[float]], why: str) -> None:
    with pytest.raises(DataError, match=why):
        Answers.single(np.array(labels), np.array(p_NK))


def test_several_answers_are_checked() -> None:
    with pytest.raises(DataError, match="zeros and ones"):
        Answers.multi(np.array([[0, 3]]), np.array([[0.1, 0.2]]))
    with pytest.raises(DataError, match="predicted labels are needed"):
        Answers.multi(np.array([[0, 1]]), None)
    with pytest.raises(DataError, match="number of classes"):
        Answers.single(np.array([0]), None)


def test_kinds_groups_and_counts_are_checked() -> None:
    answers = answers_of([0, 1], [0, 1])
    with pytest.raises(OptionError, match="Choose from: accuracy"):
        score(METRICS["subset_accuracy"], answers)
    with pytest.raises(DataError, match="groups: 1 for 2"):
        estimate(METRICS["accuracy"], answers, rng=RNG(0), groups=np.array([0]))
    with pytest.raises(DataError, match="3 of 2"):
        proportion(3, 2)
    assert next(m.name for m in metrics_for("multi")) == "subset_accuracy"
