"""Trainings that lie behind others on their first fold are given up."""

from __future__ import annotations

import math

import numpy as np
from tests.fakes import folds_of, proposed, workbench

from headstart.adapt.conduct import conduct
from headstart.adapt.falling import Falling
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch


def _logits(bench, margin):
    logits = np.zeros((48, 2), dtype=np.float32)
    logits[np.arange(48), bench.targets] = margin
    return logits


def test_the_least_loss_so_far_is_compared_at_each_quarter(tmp_path):
    bench = workbench(tmp_path)
    judge, others = bench.judge(np.arange(48)), [[0.5, 0.4, 0.3], [0.6, 0.5, 0.4], [0.4, 0.3, 0.2]]
    falling = Falling(8, judge, others)
    # Log losses of two classes at margins 0.5, 1, 0.2, 1: 0.47, 0.31, 0.60, 0.31.
    assert [falling.is_behind(epoch, _logits(bench, margin)) for epoch, margin in enumerate((0.5, 1, 0.2, 1), 1)] == [
        False, False, False, False
    ]  # fmt: skip
    np.testing.assert_allclose(falling.curve, [0.3133, 0.3133], atol=1e-3)
    assert falling.is_behind(6, _logits(bench, 0.1)), "0.31 is above the median of the third quarter"
    assert not falling.is_behind(8, _logits(bench, 9.0)), "after the last quarter nothing is compared"
    assert len(falling.curve) == 3


def test_without_enough_others_nothing_is_given_up(tmp_path):
    bench = workbench(tmp_path)
    falling = Falling(4, bench.judge(np.arange(48)), [[0.1], [0.1]])
    assert not falling.is_behind(1, _logits(bench, 0.0))


def test_a_trial_behind_others_ends_in_its_first_fold_and_says_so(tmp_path):
    bench, rows, full = workbench(tmp_path / "cache"), np.arange(48), strategy_named("full")
    spec = Spec("transfer", "tiny", "full", {**proposed(full, bench, rows), "epochs": 8})
    seen = {}
    for name, epochs in (("same schedule", 8), ("another one", 9)):
        watch = Watch(curves=[(epochs, [0.0, 0.0, 0.0])] * 3)
        seen[name] = conduct(bench, spec, rows, folds_of(48), seed=0, seconds_left=math.inf, watch=watch).validated
    assert not seen["another one"].pruned
    assert len(seen["another one"].found["curve"]) == 3
    assert seen["same schedule"].pruned
    assert len(seen["same schedule"].found["curve"]) == 1
    assert len(seen["same schedule"].rows) == 12
