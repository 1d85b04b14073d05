"""Learning curves: which sizes, within which time, what is not done twice, and that no test label is looked at."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import folds_of, workbench

from headstart.adapt import curves as module
from headstart.adapt.curves import PARTS, SIDES, SLACK, Points, curve_seconds, learning_curves, stored_seconds
from headstart.adapt.proving import Outer, Proved
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Spec, Trial, Validated
from headstart.run.journal import Journal

TRAIN, TEST = 64, 16
SETTINGS = {
    "epochs": 2, "learning_rate": 1e-3, "head_learning_rate": 1e-3, "weight_decay": 0.05, "batch_size": 16, "warmup": 0.1,
    "hold_batch_norm": False, "stop_after": None, "folds": 1, "views": None,
}  # fmt: skip


class Clock:
    """So many seconds, of which `spend` are gone after each look."""

    def __init__(self, left=math.inf, spend=0.0):
        self.left, self.spend, self.interrupted = left, spend, False

    def now(self):
        return 0.0

    def seconds_left(self):
        left, self.left = self.left, self.left - self.spend
        return 0.0 if self.interrupted else left

    def interrupt(self):
        self.interrupted = True

    def breakable(self):
        return nullcontext()


def case(folder, folds=(0,)):
    """A workbench, outer splits and their winners, each of which takes 8 s to refit and 1 s to predict."""
    bench = workbench(folder / "cache", count=TRAIN + TEST)
    bench.targets = bench.targets.copy()
    bench.targets[TRAIN:] = -1  # locked: whoever looks at them trains on nonsense, or fails
    found = {"transfer": ("probe", {}, {"C": 1.0}), "scratch": ("scratch", SETTINGS, {"best_epoch": 2, "head": "trained"})}  # fmt: skip
    outers, proved = [], []
    for fold in folds:
        outer = Outer(fold, np.arange(TRAIN), np.arange(TRAIN, TRAIN + TEST), folds_of(TRAIN))
        winners = {
            role: Trial(n, fold, Spec(role, "tiny", name, settings), 1.0, {"accuracy": 1.0}, Validated(np.arange(4), np.zeros((4, 2), np.float32), known))
            for n, (role, (name, settings, known)) in enumerate(found.items())
        }  # fmt: skip
        logits = {role: np.zeros((TEST, 2), np.float32) for role in SIDES}
        same = dict.fromkeys(SIDES, 8.0), dict.fromkeys(SIDES, 1.0)
        outers.append(outer)
        proved.append(Proved(fold, outer.test, logits, {}, winners, 1.0, [], None, *same))
    return bench, outers, proved


def points_of(folder, replay=None):
    return Points(Journal(folder / "journal.jsonl"), folder / "curves", replay=replay)


def curves_of(folder, *, clock=None, folds=(0,), replay=None, prepared=None):
    bench, outers, proved = prepared or case(folder, folds)
    return learning_curves(bench, outers, proved, points=points_of(folder, replay), clock=clock or Clock())


def told(curves):
    return [(point.fold, point.part, point.role, point.labels) for point in curves.points]


def same_points(one, other):
    assert told(one) == told(other)
    for first, second in zip(one.points, other.points, strict=True):
        np.testing.assert_array_equal(first.logits, second.logits)


def refuse(*args, **kwargs):
    raise AssertionError("trained again")


def test_both_sides_are_trained_on_nested_parts_and_predict_the_test_rows(tmp_path):
    found = curves_of(tmp_path)
    assert told(found) == [(0, part, role, TRAIN // part) for part in (*PARTS, 1) for role in SIDES]
    assert (found.missing, found.parts, found.folds) == ("", [*PARTS, 1], [0])
    truth = np.arange(TRAIN, TRAIN + TEST) % 2
    half = next(point for point in found.points if (point.part, point.role) == (2, "transfer"))
    assert (half.logits.argmax(1) == truth).mean() > 0.8
    assert all(point.logits.shape == (TEST, 2) and point.seconds > 0 for point in found.points)
    entries = Journal(tmp_path / "journal.jsonl").of("point")
    assert [(entry["part"], entry["role"], entry["labels"]) for entry in entries] == [told_[1:] for told_ in told(found)[:6]]  # fmt: skip


def test_what_is_finished_is_not_done_again(tmp_path, monkeypatch):
    first = curves_of(tmp_path)
    monkeypatch.setattr("headstart.adapt.moved.train", refuse)
    monkeypatch.setattr("headstart.adapt.frozen.solve_probe", refuse)
    same_points(first, curves_of(tmp_path, clock=Clock(left=0.0)))


def test_a_run_that_was_killed_half_way_ends_in_the_same(tmp_path, monkeypatch):
    whole = curves_of(tmp_path / "whole")
    trained = module._point
    monkeypatch.setattr(module, "_point", lambda b, s, job, p: refuse() if job.part == 4 else trained(b, s, job, p))
    with pytest.raises(AssertionError):
        curves_of(tmp_path / "killed")
    assert len(Journal(tmp_path / "killed" / "journal.jsonl").of("point")) == 2
    monkeypatch.setattr(module, "_point", trained)
    same_points(whole, curves_of(tmp_path / "killed"))


def test_deleted_logits_are_recomputed_to_the_same_and_the_journal_keeps_its_entry(tmp_path):
    first = curves_of(tmp_path)
    for path in (tmp_path / "curves").iterdir():
        path.unlink()
    same_points(first, curves_of(tmp_path))
    assert len(Journal(tmp_path / "journal.jsonl").of("point")) == 6


def test_the_time_is_told_beforehand():
    assert curve_seconds(8.0, 1.0) == pytest.approx(SLACK * (1 + 2 + 4) + 3)
    assert curve_seconds(8.0, parts=[2]) == pytest.approx(SLACK * 4)


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (4.0, []),  # the smallest size takes both sides 2 · (1.15 · 1 + 1) s
        (4.5, [8, 1]),
        (7.0, [8, 4, 1]),
        (11.5, [8, 4, 2, 1]),
    ],
)
def test_only_what_the_clock_has_room_for_is_trained(tmp_path, seconds, parts):
    found = curves_of(tmp_path, clock=Clock(left=seconds))
    assert found.parts == parts
    assert ("time left" in found.missing) == (parts != [8, 4, 2, 1])
    assert len(Journal(tmp_path / "journal.jsonl").of("point")) == 2 * max(0, len(parts) - 1)


def test_a_further_fold_is_begun_only_if_all_of_it_fits(tmp_path):
    whole = 2 * curve_seconds(8.0, 1.0)
    one = curves_of(tmp_path / "one", clock=Clock(left=whole - 0.5), folds=(1, 2))
    assert (one.folds, one.missing) == ([1], "measured on 1 of 2 folds")
    both = curves_of(tmp_path / "both", clock=Clock(left=whole + 0.01), folds=(1, 2))
    assert (both.folds, both.missing, len(both.points)) == ([1, 2], "", 16)


def test_a_clock_that_runs_faster_than_foreseen_leaves_whole_folds_only(tmp_path):
    found = curves_of(tmp_path, clock=Clock(left=48.0, spend=8.0), folds=(1, 2))
    assert found.folds == [1]
    assert found.missing.startswith("measured on 1 of 2 folds, because the time left was enough for")


def test_a_replay_has_the_points_of_the_other_run_whatever_the_clock(tmp_path):
    first = curves_of(tmp_path / "first", clock=Clock(left=7.0))
    assert first.parts == [8, 4, 1]
    journal = Journal(tmp_path / "first" / "journal.jsonl")
    again = curves_of(tmp_path / "again", clock=Clock(left=0.0), replay=journal)
    same_points(first, again)
    folds = curves_of(tmp_path / "one", clock=Clock(left=2 * curve_seconds(8.0, 1.0) - 0.5), folds=(1, 2))
    journal = Journal(tmp_path / "one" / "journal.jsonl")
    same_points(folds, curves_of(tmp_path / "more", replay=journal, folds=(1, 2)))


def test_the_replay_of_a_run_without_curves_measures_them(tmp_path):
    found = curves_of(tmp_path, clock=Clock(left=0.0), replay=Journal(tmp_path / "other.jsonl"))
    assert found.parts == [8, 4, 2, 1]


def test_ctrl_c_ends_the_curves_with_what_is_whole(tmp_path, monkeypatch):
    clock, trained, said = Clock(), module._point, []

    def pressed(bench, split, job, points):
        if (job.part, job.trial.spec.role) == (2, "scratch"):
            raise KeyboardInterrupt
        return trained(bench, split, job, points)

    monkeypatch.setattr(module, "_point", pressed)
    prepared = case(tmp_path)
    prepared[0].listener = said.append
    found = curves_of(tmp_path, clock=clock, prepared=prepared)
    assert clock.interrupted
    assert (found.parts, found.missing) == ([8, 4, 1], "the run was stopped")
    assert "Stopping" in said[-1].text
    assert curves_of(tmp_path / "late", clock=clock).points == []


def test_ctrl_c_twice_leaves_at_once(tmp_path, monkeypatch):
    clock = Clock()

    def pressed(*args):
        clock.interrupt()  # the first one, which a refit before this may have met
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_point", pressed)
    with pytest.raises(KeyboardInterrupt):
        curves_of(tmp_path, clock=clock)


def test_a_training_that_diverges_leaves_its_size_out(tmp_path, monkeypatch):
    honest = type(strategy_named("scratch")).logits

    def broken(self, network, spec, bench, rows):
        logits = honest(self, network, spec, bench, rows)
        broken.calls += 1
        return logits * np.nan if broken.calls == 2 else logits

    broken.calls, said = 0, []
    monkeypatch.setattr("headstart.adapt.moved.FineTune.logits", broken)
    prepared = case(tmp_path)
    prepared[0].listener = said.append
    found = curves_of(tmp_path, prepared=prepared)
    assert (found.parts, found.missing) == ([8, 2, 1], "a training failed")
    assert any("scratch on 16 examples failed: training diverged" in getattr(event, "text", "") for event in said)


def test_too_few_examples_have_no_parts(tmp_path):
    bench, outers, proved = case(tmp_path)
    small = [replace(outers[0], rows=np.arange(4))]
    found = curves_of(tmp_path, prepared=(bench, small, proved))
    assert (found.points, found.missing) == ([], "there are too few training examples to take a part of them")


def test_a_winner_that_saw_a_part_only_has_no_curve(tmp_path):
    bench, outers, proved = case(tmp_path)
    trial = proved[0].winners["scratch"]
    seen = replace(trial, spec=replace(trial.spec, settings={**SETTINGS, "examples": 32}))
    part = [replace(proved[0], winners={**proved[0].winners, "scratch": seen})]
    found = curves_of(tmp_path, prepared=(bench, outers, part))
    assert found.points == []
    assert found.missing == "the budget let one side train only with 32 of 64 training examples; a longer --budget would do"


def test_transfer_pays_for_the_features_it_finds_and_scratch_for_none(tmp_path):
    bench, _, _ = case(tmp_path)
    bench.step_seconds[("forward", "tiny", 0, 0)] = 0.01
    assert stored_seconds(bench, Spec("scratch", "tiny", "scratch", SETTINGS), 100) == 0
    assert stored_seconds(bench, Spec("transfer", "tiny", "probe", {}), 100) == pytest.approx(1.0)
    assert stored_seconds(bench, Spec("transfer", "tiny", "full", {"views": None}), 100) == pytest.approx(1.0)
    # Its features, what goes into the moving stages as it is, and eight augmented views of that.
    assert stored_seconds(bench, Spec("transfer", "tiny", "partial", {"views": 8}), 100) == pytest.approx(10.0)
