"""What counts as better on validation examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, log_loss

from headstart.adapt.judge import Judge
from headstart.errors import DataError
from headstart.tasks import TASKS

TASK = TASKS["single"]
TARGETS = np.arange(40) % 4
LOGITS = arrays(np.float64, (40, 4), elements=st.floats(-5, 5))


@given(LOGITS)
def test_values_are_those_of_scikit_learn(logits_NK):
    values = Judge(TASK, "accuracy", TARGETS).values(logits_NK)
    chances = np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True)
    assert values["accuracy"] == pytest.approx(accuracy_score(TARGETS, chances.argmax(1)))
    assert values["log_loss"] == pytest.approx(log_loss(TARGETS, chances, labels=range(4)), rel=1e-6)


@given(LOGITS, LOGITS)
def test_never_both_ways(one, other):
    judge = Judge(TASK, "accuracy", TARGETS)
    assert not judge.prefers(one, one)
    if judge.value(one)[0] != judge.value(other)[0]:
        assert not (judge.prefers(one, other) and judge.prefers(other, one))


@given(LOGITS, LOGITS, st.integers(2, 100))
def test_the_best_of_many_must_win_by_more(one, other, tried):
    judge = Judge(TASK, "accuracy", TARGETS)
    if judge.prefers(one, other, tried=tried):
        assert judge.prefers(one, other)


def test_the_log_loss_decides_where_right_and_wrong_cannot():
    rng = np.random.default_rng(0)
    sure = np.eye(4)[TARGETS] * 2.0 + rng.normal(size=(40, 4)) * 0.1
    unsure = np.eye(4)[TARGETS] * 0.5 + rng.normal(size=(40, 4)) * 0.1
    judge = Judge(TASK, "accuracy", TARGETS)
    assert judge.values(sure)["accuracy"] == judge.values(unsure)["accuracy"] == 1.0
    assert judge.prefers(sure, unsure)
    assert not judge.prefers(unsure, sure)


def test_how_large_logits_are_is_a_matter_of_temperature():
    rng = np.random.default_rng(0)
    logits = np.eye(4)[TARGETS] * 2.0 + rng.normal(size=(40, 4))
    judge = Judge(TASK, "accuracy", TARGETS)
    assert 0.5 < judge.values(logits)["accuracy"] < 1.0
    assert judge.values(logits)["log_loss"] < judge.values(logits * 5)["log_loss"]
    assert not judge.prefers(logits * 5, logits)
    assert not judge.prefers(logits, logits * 5)


def test_a_worse_metric_is_never_preferred_whatever_the_log_loss():
    wrong_once = np.eye(4)[TARGETS] * 3.0
    wrong_once[0] = [0.0, 0.01, 0.0, 0.0]
    barely = np.eye(4)[TARGETS] * 0.01
    judge = Judge(TASK, "accuracy", TARGETS)
    assert judge.values(wrong_once)["log_loss"] < judge.values(barely)["log_loss"]
    assert not judge.prefers(wrong_once, barely)


def test_what_cannot_be_judged_is_said():
    with pytest.raises(FloatingPointError, match="diverged"):
        Judge(TASK, "accuracy", TARGETS).values(np.full((40, 4), np.nan))
    with pytest.raises(DataError, match="do not define it"):
        Judge(TASK, "auroc", np.zeros(5, dtype=int)).values(np.zeros((5, 2)))
