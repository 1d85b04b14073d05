"""The search: what is tried, what wins, what is not done twice."""

from __future__ import annotations

import math
from concurrent.futures import BrokenExecutor, Future
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.fakes import folds_of, workbench

from headstart.adapt.ledger import Ledger
from headstart.adapt.memory import USABLE, Line, Need
from headstart.adapt.moved import REFIT, FineTune
from headstart.adapt.proving import Outer, prove_split, refit_winner
from headstart.adapt.search import RESERVE, Plan, search
from headstart.adapt.strategies import CONTROLS, DEFAULT_STRATEGIES, STRATEGIES, strategy_named
from headstart.adapt.strategy import Effort, Schedule
from headstart.adapt.trial import Spec, Trial, Validated
from headstart.adapt.winner import winner
from headstart.data.modality import MODALITIES
from headstart.errors import HeadstartError
from headstart.events import TrialEnded
from headstart.run.clock import BudgetClock
from headstart.run.executors import Here
from headstart.run.journal import Journal

ALL = DEFAULT_STRATEGIES


class FakeClock:
    """A clock that stands still unless told."""

    def __init__(self, left=math.inf):
        self.left, self.interrupted = left, False

    def now(self):
        return 0.0

    def seconds_left(self):
        return 0.0 if self.interrupted else self.left

    def interrupt(self):
        self.interrupted = True

    def breakable(self):
        return nullcontext()


def _ledger(folder, replay=None):
    return Ledger(Journal(folder / "journal.jsonl"), folder / "trials", replay=replay)


def _search(bench, folder, *, trials=6, control=True, strategies=ALL, clock=None, replay=None, pinned=None):
    rows = np.arange(len(bench.items))
    plan = Plan(list(bench.backbones), strategies, control, trials, pinned or {})
    ledger, clock = _ledger(folder, replay), clock or FakeClock()
    return search(bench, rows, folds_of(len(rows)), plan, ledger=ledger, clock=clock, executor=Here())


def test_each_role_is_tried_and_then_they_take_turns(tmp_path):
    bench = workbench(tmp_path / "cache", names=("tiny", "other"))
    trials = _search(bench, tmp_path, trials=7)
    told = [(trial.spec.role, trial.spec.strategy, trial.spec.backbone) for trial in trials]
    assert told[:3] == [
        ("transfer", "probe", "tiny"),
        ("random-frozen", "random-frozen", "tiny"),
        ("scratch", "scratch", "tiny"),
    ]
    assert ("transfer", "probe", "other") in told
    roles = [role for role, _, _ in told]
    assert roles.count("scratch") == 3
    assert roles.count("transfer") == 3


def test_without_control_only_transfer_is_tried(tmp_path):
    trials = _search(workbench(tmp_path / "cache"), tmp_path, trials=3, control=False)
    assert [trial.spec.strategy for trial in trials] == ["probe", "stages", "full"]


def test_only_the_named_strategies_are_tried(tmp_path):
    trials = _search(workbench(tmp_path / "cache"), tmp_path, trials=9, control=False, strategies=("probe",))
    assert [trial.spec.strategy for trial in trials] == ["probe"]


def test_finished_trials_are_not_run_again(tmp_path, monkeypatch):
    bench = workbench(tmp_path / "cache")
    first = _search(bench, tmp_path, trials=4)

    def refuse(*args, **kwargs):
        raise AssertionError("ran again")

    monkeypatch.setattr("headstart.adapt.finetune.train", refuse)
    monkeypatch.setattr("headstart.adapt.moved.train", refuse)
    monkeypatch.setattr("headstart.adapt.frozen.solve_probe", refuse)
    again = _search(workbench(tmp_path / "cache"), tmp_path, trials=4)
    for one, other in zip(first, again, strict=True):
        assert one.spec == other.spec
        np.testing.assert_array_equal(one.validated.logits, other.validated.logits)


def test_deleted_logits_are_recomputed_to_the_same(tmp_path):
    first = _search(workbench(tmp_path / "cache"), tmp_path, trials=4)
    for path in (tmp_path / "trials").iterdir():
        path.unlink()
    again = _search(workbench(tmp_path / "cache2"), tmp_path, trials=4)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.validated.logits, other.validated.logits)
    assert len(Journal(tmp_path / "journal.jsonl").of("trial")) == 4


def test_a_replay_follows_the_other_journal_exactly(tmp_path):
    first = _search(workbench(tmp_path / "cache"), tmp_path / "a", trials=5)
    replayed = _search(
        workbench(tmp_path / "cache2"), tmp_path / "b", trials=None, replay=Journal(tmp_path / "a" / "journal.jsonl")
    )
    assert [trial.spec for trial in first] == [trial.spec for trial in replayed]
    for one, other in zip(first, replayed, strict=True):
        np.testing.assert_array_equal(one.validated.logits, other.validated.logits)


def test_the_estimator_chooses_the_size_of_batches_and_a_replay_repeats_it(tmp_path, monkeypatch):
    monkeypatch.setattr(FineTune, "schedule", lambda self, examples, most=32: Schedule(3, 16, 1))
    named = {"control": False, "strategies": ("probe", "full"), "pinned": {"full": {"learning_rate": 1e-3}}}
    first = _search(workbench(tmp_path / "cache", seed=1), tmp_path / "a", trials=3, **named)
    assert [trial.spec.settings["batch_size"] for trial in first[1:]] == [16, 8]
    other = Journal(tmp_path / "a" / "journal.jsonl")
    replayed = _search(workbench(tmp_path / "cache2", seed=1), tmp_path / "b", trials=None, replay=other, **named)
    for one, again in zip(first, replayed, strict=True):
        assert one.spec == again.spec
        np.testing.assert_array_equal(one.validated.logits, again.validated.logits)


def test_a_pinned_size_of_batches_is_that_of_every_trial_and_of_its_seconds(tmp_path):
    bench, rows, full = workbench(tmp_path, count=48), np.arange(48), strategy_named("full")
    took = {8: 0.1, 16: 0.15, 64: 0.4}
    bench.step_seconds.update({("full", "tiny", 0, size): seconds for size, seconds in took.items()})
    for size, steps in ((8, 6), (16, 3), (64, 1)):
        asked = full.propose({"learning_rate": 1e-3, "batch_size": size}, bench, "tiny", rows, seconds=None, effort=Effort.FIRST)
        assert (asked.settings["batch_size"], asked.settings["epochs"]) == (size, 40)
        assert asked.seconds == pytest.approx((3 + REFIT) * 40 * steps * took[size])
        # As many epochs as the time allows, with steps of that size.
        given = full.propose({"learning_rate": 1e-3, "batch_size": size}, bench, "tiny", rows, seconds=40.0, effort=Effort.FIRST)
        assert given.settings["epochs"] == int(40.0 / (3 + REFIT) / (steps * took[size]))
    pinned = {"full": {"batch_size": 8}}
    trials = _search(bench, tmp_path, trials=3, control=False, strategies=("probe", "full"), pinned=pinned)
    assert [trial.spec.settings["batch_size"] for trial in trials[1:]] == [8, 8]


def test_where_memory_is_short_larger_batches_pass_in_parts(tmp_path, monkeypatch):
    bench, rows, full = workbench(tmp_path, count=300), np.arange(300), strategy_named("full")
    bench.needs["full", "tiny", 0, True] = Need(1e6, Line(0, 1e6), Line(0, 1e6), predicting=0)
    monkeypatch.setattr("headstart.adapt.memory.free_memory", lambda device: 18e6 / USABLE)
    for size, at_once in ((8, None), (16, None), (32, 16), (64, 16)):
        asked = full.propose({"learning_rate": 1e-3, "batch_size": size}, bench, "tiny", rows, seconds=None, effort=Effort.FIRST)
        assert asked.settings["micro_batch"] == at_once


def test_refits_of_the_same_trial_are_bit_identical(tmp_path):
    states = []
    for number in range(2):
        bench = workbench(tmp_path / f"cache{number}")
        rows = np.arange(len(bench.items))
        trials = _search(bench, tmp_path / str(number), trials=3, control=False)
        outer = Outer(0, rows, rows[:0], folds_of(len(rows)))
        states.append(refit_winner(trials[2], outer, bench).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_short_budget_still_tries_both_sides(tmp_path):
    trials = _search(workbench(tmp_path / "cache"), tmp_path, trials=None, clock=FakeClock(left=1e-6))
    assert {trial.spec.role for trial in trials} == {"transfer", "random-frozen", "scratch"}


def test_an_interrupt_keeps_what_is_finished(tmp_path, monkeypatch):
    bench, clock = workbench(tmp_path / "cache"), FakeClock()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.adapt.moved.train", interrupted)
    trials = _search(bench, tmp_path, trials=6, clock=clock)
    assert clock.interrupted
    assert [trial.spec.strategy for trial in trials] == ["probe", "random-frozen"]


def test_diverged_training_is_a_failed_trial_not_a_crash(tmp_path, monkeypatch):
    bench = workbench(tmp_path / "cache")
    honest = strategy_named("full")

    def broken(self, spec, *args, **kwargs):
        validated = honest.validate(spec, *args, **kwargs) if spec.strategy != "full" else None
        if validated is None:
            rows = np.arange(8)
            return Validated(rows, np.full((8, 2), np.nan, dtype=np.float32), {})
        return validated

    monkeypatch.setattr("headstart.adapt.moved.FineTune.validate", broken)
    trials = _search(bench, tmp_path, trials=2, control=False, strategies=("probe", "full"))
    assert trials[1].error is not None
    assert "diverged" in trials[1].error
    assert winner(trials, "transfer", bench) is trials[0]
    again = _search(workbench(tmp_path / "cache"), tmp_path, trials=2, control=False, strategies=("probe", "full"))
    assert again[1].error == trials[1].error


def _trial(number, strategy, rows, right, targets, margin=2.0):
    logits = np.zeros((len(rows), 2), dtype=np.float32)
    answers = np.where(right, targets[rows], 1 - targets[rows])
    logits[np.arange(len(rows)), answers] = margin
    return Trial(number, 0, Spec("transfer", "tiny", strategy), 1.0, {}, Validated(rows, logits, {}))


def test_a_deeper_strategy_must_be_clearly_better(tmp_path):
    bench = workbench(tmp_path, count=48)
    rows = np.arange(48)
    few, many = np.ones(48, bool), np.ones(48, bool)
    few[:8] = False
    many[:7] = False
    probe = _trial(0, "probe", rows, few, bench.targets)
    slightly = _trial(1, "full", rows, many, bench.targets)
    clearly = _trial(2, "full", rows, np.ones(48, bool), bench.targets)
    assert winner([probe, slightly], "transfer", bench).number in (0, 1)
    assert winner([probe, clearly], "transfer", bench) is clearly
    swapped = few.copy()
    swapped[0], swapped[8], swapped[1] = True, False, True
    assert winner([probe, _trial(3, "full", rows, swapped, bench.targets)], "transfer", bench) is probe


def test_trials_are_compared_on_the_examples_both_validated(tmp_path):
    bench = workbench(tmp_path, count=48)
    everything, part = np.arange(48), np.arange(24, 48)
    right = np.ones(48, bool)
    right[:24] = False
    probe = _trial(0, "probe", everything, right, bench.targets)
    partial = _trial(1, "partial", part, np.ones(24, bool), bench.targets, margin=1.0)
    assert winner([probe, partial], "transfer", bench) is probe


@pytest.mark.parametrize(
    ("seconds", "expected"), [(30.0, ("full", 3, 15)), (18.0, ("full", 2, 12)), (12.0, ("full", 1, 11)), (3.0, None)]
)
def test_the_time_of_a_trial_holds_its_refit_and_leaves_some_for_the_next_strategy(seconds, expected, tmp_path, monkeypatch):
    # What the machine takes for the trials before must not count, or a busy one would leave less.
    for module in ("conduct", "watch"):
        monkeypatch.setattr(f"headstart.adapt.{module}.time", SimpleNamespace(monotonic=lambda: 0.0))
    bench = workbench(tmp_path, count=48)
    rows = np.arange(48)
    for strategy in ("partial", "full"):
        first = strategy_named(strategy).first(bench.backbones["tiny"])
        bench.step_seconds[(strategy, "tiny", first, 16)] = 0.1  # three steps, 0.3 s, an epoch
    journal = tmp_path / "journal"
    plan = Plan(["tiny"], ALL, False, None)
    trials = search(
        bench,
        rows,
        folds_of(48),
        plan,
        ledger=_ledger(journal),
        clock=FakeClock(left=seconds / (1 - RESERVE)),
        executor=Here(),
    )
    first = next((trial.spec for trial in trials if trial.spec.strategy == "full"), None)
    if expected is None:
        assert first is None
    else:
        # Two thirds of the time are for the deeper strategy, its refit included.
        assert first is not None
        assert (first.strategy, first.settings["folds"], first.settings["epochs"]) == expected
    # Another learning rate is tried on all folds, or not at all.
    further = [trial.spec.settings for trial in trials if trial.spec.settings.get("learning_rate") not in (None, 1e-4)]
    assert all(settings["folds"] == 3 and settings["epochs"] >= 10 for settings in further)


def test_prove_split_predicts_every_role_and_both_floors(tmp_path):
    bench = workbench(tmp_path / "cache", count=64)
    bench.targets = bench.targets.copy()
    truth = bench.targets[48:].copy()
    bench.targets[48:] = -1  # locked: nothing may depend on them
    outer = Outer(0, np.arange(48), np.arange(48, 64), folds_of(48))
    proved = prove_split(
        outer,
        bench,
        Plan(["tiny"], ALL, True, 4),
        ledger=_ledger(tmp_path),
        clock=BudgetClock(None),
        executor=Here(),
        modality=MODALITIES["image"],
        temperature=lambda trial: 1.0,
    )
    assert set(proved.logits) == {"transfer", "scratch", "random-frozen", "floor-majority", "floor-classical"}
    assert all(values.shape == (16, 2) for values in proved.logits.values())
    assert (proved.logits["transfer"].argmax(1) == truth).mean() > 0.8


def test_a_budget_in_which_nothing_was_trained_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.adapt.proving.search", lambda *given, **named: [])
    with pytest.raises(HeadstartError, match="nothing could be trained within the budget"):
        prove_split(
            Outer(0, np.arange(48), np.arange(48, 64), folds_of(48)),
            workbench(tmp_path / "cache", count=64),
            Plan(["tiny"], ["full"], False, None),
            ledger=_ledger(tmp_path),
            clock=BudgetClock(1),
            executor=Here(),
            modality=MODALITIES["image"],
            temperature=lambda trial: 1.0,
        )


@pytest.mark.parametrize("name", [*STRATEGIES, *CONTROLS])
def test_every_strategy_says_what_it_is(name):
    strategy = strategy_named(name)
    assert strategy.name == name
    assert strategy.summary
    assert strategy.portfolio
    assert all(set(settings) <= set(strategy.space) for settings in strategy.portfolio)


def test_a_trial_that_is_recorded_when_ctrl_c_comes_counts(tmp_path):
    """What the journal holds and what the run knows are the same, whenever the interrupt arrives."""
    bench = workbench(tmp_path / "cache")
    clock = FakeClock()

    def press(event):
        if isinstance(event, TrialEnded) and not clock.interrupted:
            raise KeyboardInterrupt

    bench.listener = press
    trials = _search(bench, tmp_path, trials=None, clock=clock)
    recorded = Journal(tmp_path / "journal.jsonl").of("trial")
    assert clock.interrupted
    assert [trial.spec.strategy for trial in trials] == [entry["strategy"] for entry in recorded] == ["probe"]


class _Dying(Here):
    """Every second job's process is ended by the system."""

    jobs, cancelled = 0, 0

    def submit(self, job, shared, *arguments, **named):
        self.jobs += 1
        if self.jobs % 2:
            return super().submit(job, shared, *arguments, **named)
        future = Future()
        future.set_exception(BrokenExecutor("a process died"))
        return future

    def cancel(self):
        self.cancelled += 1


class _DyingTogether(Here):
    """Two jobs at a time; in those of one strategy its process is ended, and with it what runs beside it."""

    workers = 2

    def __init__(self, strategy):
        self.strategy, self.waiting, self.jobs = strategy, [], []

    def submit(self, job, shared, spec, *arguments, **named):
        self.jobs.append(spec.strategy)
        future = Future()
        self.waiting.append((future, spec, lambda: job(shared, spec, *arguments, **named)))
        if len(self.waiting) == 2 or self.jobs.count(spec.strategy) == 2:  # the second time it comes alone
            self._run()
        return future

    def _run(self):
        breaks = any(spec.strategy == self.strategy for _, spec, _ in self.waiting)
        for future, _, job in self.waiting:
            future.set_exception(BrokenExecutor("a process died")) if breaks else future.set_result(job())
        self.waiting.clear()


def test_a_trial_beside_one_whose_process_was_ended_is_not_lost(tmp_path):
    bench, executor = workbench(tmp_path / "cache"), _DyingTogether("stages")
    plan = Plan(["tiny"], ("probe", "stages"), False, 2)
    trials = search(
        bench, np.arange(48), folds_of(48), plan, ledger=_ledger(tmp_path), clock=FakeClock(), executor=executor
    )
    assert executor.jobs == ["probe", "stages", "probe", "stages"]
    assert {trial.spec.strategy: trial.error is None for trial in trials} == {"probe": True, "stages": False}


def test_a_process_that_was_ended_is_a_failed_trial_and_the_search_goes_on(tmp_path):
    bench, executor = workbench(tmp_path / "cache"), _Dying()
    plan = Plan(["tiny"], ("probe", "full"), False, 3)
    trials = search(
        bench, np.arange(48), folds_of(48), plan, ledger=_ledger(tmp_path), clock=FakeClock(), executor=executor
    )
    assert [trial.error is None for trial in trials] == [True, False, True]
    assert "memory" in trials[1].error
    assert executor.cancelled == 1
