"""What is tried next, what is given up on the way, and what the end of the budget breaks off."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.fakes import folds_of, workbench

from headstart.adapt.arms import Arm, Line
from headstart.adapt.conduct import conduct
from headstart.adapt.drawn import part_of
from headstart.adapt.ledger import Ledger
from headstart.adapt.search import Plan, search
from headstart.adapt.strategies import strategy_named
from headstart.adapt.strategy import Effort
from headstart.adapt.trial import Spec, Trial, Validated
from headstart.adapt.watch import OutOfTime, Watch
from headstart.adapt.winner import winner
from headstart.events import TrialBegan, TrialEnded
from headstart.run.clock import BudgetClock
from headstart.run.executors import Here
from headstart.run.journal import Journal


def _logits(targets, right, margin=3.0):
    logits = np.zeros((len(targets), 2), dtype=np.float32)
    logits[np.arange(len(targets)), np.where(right, targets, 1 - targets)] = margin
    return logits


def test_a_race_ends_where_the_rival_is_ahead_beyond_chance(tmp_path):
    bench, rows = workbench(tmp_path, count=48), np.arange(48)
    good, bad = _logits(bench.targets, np.ones(48, bool)), _logits(bench.targets, rows % 2 == 0)
    watch = Watch(rival=Validated(rows, good, {}))
    assert watch.is_hopeless([rows[:12], rows[12:24]], [bad[:12], bad[12:24]], bench.judge)
    assert not watch.is_hopeless([rows[:24]], [good[:24]], bench.judge)
    assert not Watch().is_hopeless([rows], [bad], bench.judge), "the first has no rival"
    other = Watch(rival=Validated(rows[24:], good[24:], {}))
    assert not other.is_hopeless([rows[:24]], [bad[:24]], bench.judge), "nothing in common"


def test_a_trial_that_is_behind_is_given_up(tmp_path):
    bench, rows = workbench(tmp_path / "cache", count=48), np.arange(48)
    scratch = strategy_named("scratch")
    asked = scratch.propose({"learning_rate": 1e-9}, bench, "tiny", rows, seconds=None, effort=Effort.FIRST)
    spec = Spec("scratch", "tiny", "scratch", {**asked.settings, "epochs": 3})
    rival = Validated(rows, _logits(bench.targets, np.ones(48, bool)), {})
    seen = {}
    for name, watch in (("alone", Watch()), ("behind", Watch(rival=rival))):
        seen[name] = conduct(bench, spec, rows, folds_of(48), seed=0, seconds_left=math.inf, watch=watch).validated
    assert not seen["alone"].pruned
    assert len(seen["alone"].rows) == 36
    assert seen["behind"].pruned
    assert len(seen["behind"].rows) == 12, "after the first of three folds"
    given_up = Trial(1, 0, spec, 1.0, {"accuracy": 1.0}, seen["behind"])
    assert not given_up.finished
    assert winner([given_up], "scratch", bench) is None


def test_the_end_of_the_budget_breaks_a_trial_off(tmp_path):
    bench, rows = workbench(tmp_path, count=48), np.arange(48)
    proposal = strategy_named("full").propose(
        {"learning_rate": 1e-4}, bench, "tiny", rows, seconds=None, effort=Effort.FIRST
    )
    spec = Spec("transfer", "tiny", "full", proposal.settings)
    outcome = conduct(bench, spec, rows, folds_of(48), seed=0, seconds_left=-1.0, watch=Watch())
    assert outcome.out_of_time
    assert outcome.validated is None
    with pytest.raises(OutOfTime):
        Watch(ends=-1.0).step(1)


def _trial(number, strategy, accuracy, seconds=1.0, backbone="tiny", **settings):
    validated = Validated(np.arange(100), np.zeros((100, 2), np.float32), {})
    values = {"accuracy": accuracy, "log_loss": 1 - accuracy}
    return Trial(number, 0, Spec("transfer", backbone, strategy, settings), seconds, values, validated)


def _line(*arms):
    named = [(strategy_named(name), backbone, opens) for name, backbone, opens in arms]
    return Line("transfer", [Arm(strategy, backbone, {}, opens, strategy.space) for strategy, backbone, opens in named])


def test_every_arm_that_opens_comes_first_then_the_largest_gain_per_second(tmp_path):
    bench = workbench(tmp_path)
    line = _line(("probe", "tiny", True), ("full", "tiny", True), ("partial", "tiny", True))
    order = []
    for number, (accuracy, seconds) in enumerate([(0.8, 1.0), (0.9, 100.0), (0.895, 1.0)]):
        arm, chosen, _ = line.following(bench, per_second=True, seed=0)
        order.append(arm.strategy.name)
        line.ended(_trial(number, arm.strategy.name, accuracy, seconds, **chosen))
    assert order == ["probe", "full", "partial"]
    assert line.following(bench, per_second=True, seed=0)[0].strategy.name == "partial"
    assert line.following(bench, per_second=False, seed=0)[0].strategy.name == "full"


def test_another_backbone_is_adapted_where_its_probe_promises_something(tmp_path):
    bench = workbench(tmp_path, names=("tiny", "other"))
    arms = (("probe", "tiny", True), ("probe", "other", True), ("full", "tiny", True), ("full", "other", False))
    for probe, expected in ((0.87, "other"), (0.2, None)):
        line = _line(*arms)
        line.ended(_trial(0, "probe", 0.88))
        line.ended(_trial(1, "probe", probe, backbone="other"))
        for number, rate in enumerate((1e-4, 3e-5, 3e-4, 1e-5, 2e-4, 5e-5, 1.5e-4)):
            line.ended(_trial(2 + number, "full", 0.9, learning_rate=rate, weight_decay=0.01))
        # The first backbone's own trials all come to the same: little is left to gain there.
        found = line.following(bench, per_second=True, seed=0)
        assert (found[0].backbone if found else None) in (expected, "tiny")
        if expected:
            assert found[0].backbone == expected


def test_it_ends_when_nothing_more_is_to_be_expected(tmp_path):
    bench = workbench(tmp_path)
    line = _line(("probe", "tiny", True), ("full", "tiny", True))
    line.ended(_trial(0, "probe", 0.95))
    line.ended(_trial(1, "full", 0.5, learning_rate=1e-4, weight_decay=0.01))
    assert line.following(bench, per_second=True, seed=0) is None


def test_what_failed_twice_is_not_tried_again():
    line = _line(("full", "tiny", True))
    for number in range(2):
        failed = Trial(number, 0, Spec("transfer", "tiny", "full", {"learning_rate": 10.0**-number}), 1.0, {}, None, "no")
        line.ended(failed)
        assert line.arms[0].is_open == (number == 0)


def test_pinned_settings_are_those_of_every_trial(tmp_path):
    bench, told = workbench(tmp_path / "cache"), []
    bench.listener = told.append
    plan = Plan(["tiny"], ("probe", "full"), False, 4, {"full": {"weight_decay": 0.2}})
    ledger = Ledger(Journal(tmp_path / "journal.jsonl"), tmp_path / "trials")
    trials = search(bench, np.arange(48), folds_of(48), plan, ledger=ledger, clock=BudgetClock(None), executor=Here())
    decays = [trial.spec.settings["weight_decay"] for trial in trials if trial.spec.strategy == "full"]
    assert decays
    assert set(decays) == {0.2}
    assert len({trial.spec.settings.get("learning_rate") for trial in trials}) == len(trials)
    kinds = [type(event) for event in told if isinstance(event, TrialBegan | TrialEnded)]
    assert kinds == [TrialBegan, TrialEnded] * len(trials)


def test_where_time_is_short_a_part_of_the_examples_has_to_do(tmp_path):
    bench, rows = workbench(tmp_path, count=200), np.arange(200)
    scratch = strategy_named("scratch")
    bench.step_seconds[("scratch", "tiny", 0, 32)] = 1.0  # seven steps an epoch
    chosen = scratch.portfolio[0]
    asked = {effort: scratch.propose(chosen, bench, "tiny", rows, seconds=25.0, effort=effort) for effort in Effort}
    assert asked[Effort.FIRST] is None
    assert asked[Effort.FURTHER] is None
    settings = asked[Effort.LEAST].settings
    assert 32 <= settings["examples"] < 200
    assert asked[Effort.LEAST].seconds <= 25.0
    assert scratch.propose(chosen, bench, "tiny", rows, seconds=0.5, effort=Effort.LEAST) is None
    outcome = conduct(
        bench, Spec("scratch", "tiny", "scratch", settings), rows, folds_of(200), seed=0, seconds_left=math.inf, watch=Watch()
    )
    assert outcome.error is None


def test_many_examples_have_few_epochs_and_further_settings_are_tried_all_the_same(tmp_path):
    bench, rows, full = workbench(tmp_path, count=2000), np.arange(2000), strategy_named("full")
    bench.step_seconds[("full", "tiny", 0, 32)] = 0.01  # 63 steps an epoch
    assert full.schedule(2000).epochs == 5
    for seconds, epochs in ((100.0, 5), (0.63 * 2.25 * 4.5, None)):
        asked = full.propose(full.portfolio[1], bench, "tiny", rows, seconds=seconds, effort=Effort.FURTHER)
        assert (asked.settings["epochs"] if asked else None) == epochs


def test_parts_hold_every_class_and_lie_within_each_other():
    targets = np.array([0] * 80 + [1] * 15 + [2] * 5)
    smaller, larger = part_of(targets, 20, seed=0), part_of(targets, 40, seed=0)
    assert set(smaller) < set(larger)
    assert len(smaller) == 20
    assert np.bincount(targets[smaller], minlength=3).min() >= 1
    np.testing.assert_array_equal(part_of(targets, None, seed=0), np.arange(100))
