"""Learning curves: which sizes, within which time, what is not done twice, and that no test label is looked at."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import folds_of, workbench

from headstart.adapt import curves as module
from headstart.adapt.curves import FEW, PARTS, SIDES, SLACK, Points, learning_curves, stored_seconds
from headstart.adapt.proving import Outer, Proved
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Spec, Trial, Validated
from headstart.run.journal import Journal

TRAIN, TEST = 64, 16
WHOLE_S = 2 * (SLACK * 8.0 * (1 / 8 + 1 / 4 + 1 / 2) + 3 * 1.0)
"""All smaller sizes of both sides, 8 s for a refit and 1 s for the test rows."""
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
        proved.append(Proved(fold, outer.test, logits, {}, winners, outer.rows, np.ones(len(outer.rows)), [], None, *same))
    return bench, outers, proved


def points_of(folder, replay=None):
    return Points(Journal(folder / "journal.jsonl"), folder / "curves", replay=replay)


def curves_of(folder, *, clock=None, folds=(0,), replay=None, prepared=None):
    bench, outers, proved = prepared or case(folder, folds)
    return learning_curves(bench, outers, proved, points=points_of(folder, replay), clock=clock or Clock())


def parts(curves):
    return {role: curves.parts(role) for role in SIDES}


def same_parts(*both):
    return {role: list(both) for role in SIDES}


def with_time_for(prepared, seen):
    """The same case, where the winners of some sides were fitted on so many examples."""
    bench, outers, proved = prepared
    out = []
    for split in proved:
        winners = dict(split.winners)
        for role, examples in seen.items():
            spec = winners[role].spec
            winners[role] = replace(winners[role], spec=replace(spec, settings={**spec.settings, "examples": examples}))
        out.append(replace(split, winners=winners))
    return bench, outers, out


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
    assert (found.missing, parts(found), found.folds, found.everything) == ("", same_parts(*PARTS, 1), [0], TRAIN)
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


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [
        (2.0, []),  # the smallest size takes a side 1.15 · 1 + 1 s
        (2.2, [8, 1]),
        (3.4, [8, 4, 1]),
        (5.7, [8, 4, 2, 1]),
    ],
)
def test_only_what_the_clock_has_room_for_is_trained(tmp_path, seconds, sizes):
    found = curves_of(tmp_path, clock=Clock(left=seconds))
    assert parts(found) == same_parts(*sizes)
    expected = f"the time left was enough for {max(0, len(sizes) - 1)} of 3 smaller sizes"
    assert found.missing == (expected if len(sizes) < 4 else "")
    assert len(Journal(tmp_path / "journal.jsonl").of("point")) == 2 * max(0, len(sizes) - 1)


def test_a_side_that_takes_too_long_does_not_keep_the_other_from_its_sizes(tmp_path):
    """What transfer reaches with few labels can be read against the one end of scratch."""
    bench, outers, proved = case(tmp_path)
    slow = [replace(proved[0], refit_s={"transfer": 1.0, "scratch": 80.0}, predict_s=dict.fromkeys(SIDES, 0.1))]
    found = curves_of(tmp_path, clock=Clock(left=10.0), prepared=(bench, outers, slow))
    assert parts(found) == {"transfer": [8, 4, 2, 1], "scratch": [1]}
    assert found.missing == "the time left was enough for 3 of 3 smaller sizes of transfer and 0 of 3 of training from scratch"


def test_a_further_fold_is_begun_only_if_all_of_it_fits(tmp_path):
    one = curves_of(tmp_path / "one", clock=Clock(left=WHOLE_S - 0.5), folds=(1, 2))
    assert (one.folds, one.missing) == ([1], "measured on 1 of 2 folds")
    both = curves_of(tmp_path / "both", clock=Clock(left=WHOLE_S + 0.01), folds=(1, 2))
    assert (both.folds, both.missing, len(both.points)) == ([1, 2], "", 16)


def test_a_clock_that_runs_faster_than_foreseen_leaves_whole_folds_only(tmp_path):
    found = curves_of(tmp_path, clock=Clock(left=53.0, spend=5.0), folds=(1, 2))
    assert found.folds == [1]
    assert found.missing.startswith("measured on 1 of 2 folds, because the time left was enough for")


def test_a_replay_has_the_points_of_the_other_run_whatever_the_clock(tmp_path):
    first = curves_of(tmp_path / "first", clock=Clock(left=3.4))
    assert parts(first) == same_parts(8, 4, 1)
    journal = Journal(tmp_path / "first" / "journal.jsonl")
    again = curves_of(tmp_path / "again", clock=Clock(left=0.0), replay=journal)
    same_points(first, again)
    folds = curves_of(tmp_path / "one", clock=Clock(left=WHOLE_S - 0.5), folds=(1, 2))
    journal = Journal(tmp_path / "one" / "journal.jsonl")
    same_points(folds, curves_of(tmp_path / "more", replay=journal, folds=(1, 2)))


def test_the_replay_of_a_run_without_curves_measures_them(tmp_path):
    found = curves_of(tmp_path, clock=Clock(left=0.0), replay=Journal(tmp_path / "other.jsonl"))
    assert parts(found) == same_parts(8, 4, 2, 1)


def test_ctrl_c_ends_the_curves_with_what_is_finished(tmp_path, monkeypatch):
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
    assert parts(found) == {"transfer": [8, 4, 2, 1], "scratch": [8, 4, 1]}
    assert found.missing == "the run was stopped"
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
    assert parts(found) == {"transfer": [8, 4, 2, 1], "scratch": [8, 2, 1]}
    assert found.missing == "a training failed"
    assert any("scratch on 16 examples failed: training diverged" in getattr(event, "text", "") for event in said)


def test_too_few_examples_have_no_parts(tmp_path):
    bench, outers, proved = case(tmp_path)
    small = [replace(outers[0], rows=np.arange(4))]
    found = curves_of(tmp_path, prepared=(bench, small, proved))
    assert (found.points, found.missing) == ([], FEW)


def test_a_side_that_had_time_for_a_part_ends_there_and_halves_below_it(tmp_path):
    prepared = with_time_for(case(tmp_path), {"scratch": 32})
    trained = []
    honest = module._point

    def seen(bench, split, job, points):
        trained.append((job.trial.spec.role, len(job.rows)))
        return honest(bench, split, job, points)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_point", seen)
        found = curves_of(tmp_path, prepared=prepared)
    assert trained == [("transfer", 4), ("scratch", 4), ("transfer", 8), ("scratch", 8), ("transfer", 16), ("scratch", 16), ("transfer", 32)]  # fmt: skip
    last = {point.role: point for point in found.points if point.part == 1}
    assert {role: last[role].labels for role in SIDES} == {"transfer": TRAIN, "scratch": 32}
    assert last["scratch"].logits is prepared[2][0].logits["scratch"]  # of the model that was really fitted
    assert found.missing == "training from scratch had time for 32 of 64 training examples; a longer --budget would do"


def test_its_smaller_sizes_take_their_part_of_what_it_had_time_for(tmp_path):
    """32 examples took 8 s: 4 of them take 1 s, not 4 / 64 of 8 s."""
    found = curves_of(tmp_path, clock=Clock(left=2.2), prepared=with_time_for(case(tmp_path), {"scratch": 32}))
    assert parts(found) == {"transfer": [16, 8, 1], "scratch": [16, 1]}


def test_both_sides_may_have_had_time_for_a_part(tmp_path):
    """A probe never does; what moves weights may, and is then never trained on more."""
    bench, outers, proved = with_time_for(case(tmp_path), {"transfer": 48, "scratch": 20})
    found = curves_of(tmp_path, prepared=(bench, outers, proved))
    sizes = {role: [point.labels for point in found.points if point.role == role] for role in SIDES}
    assert sizes == {"transfer": [4, 8, 16, 32, 48], "scratch": [4, 8, 20]}
    assert found.missing.startswith("transfer had time for 48 of 64 training examples; training from scratch had time for 20 of")


def test_the_folds_share_the_sizes_that_all_had_time_for(tmp_path):
    bench, outers, proved = case(tmp_path, folds=(1, 2))
    short = with_time_for((bench, outers, proved), {"scratch": 32})[2]
    found = curves_of(tmp_path, prepared=(bench, outers, [proved[0], short[1]]))
    assert parts(found) == {"transfer": [16, 8, 4, 2, 1], "scratch": [16, 8, 4, 1]}
    assert found.missing == "training from scratch had time for 48 of 64 training examples; a longer --budget would do"


def test_too_few_for_a_part_of_them_is_said_with_how_many(tmp_path):
    found = curves_of(tmp_path, prepared=with_time_for(case(tmp_path), {"scratch": 3}))
    assert (found.points, Journal(tmp_path / "journal.jsonl").of("point")) == ([], [])
    assert found.missing == f"{FEW}; training from scratch had time for 3 of 64 training examples; a longer --budget would do"


def test_transfer_pays_for_the_features_it_finds_and_scratch_for_none(tmp_path):
    bench, _, _ = case(tmp_path)
    bench.step_seconds[("forward", "tiny", 0, 0)] = 0.01
    assert stored_seconds(bench, Spec("scratch", "tiny", "scratch", SETTINGS), 100) == 0
    assert stored_seconds(bench, Spec("transfer", "tiny", "probe", {}), 100) == pytest.approx(1.0)
    assert stored_seconds(bench, Spec("transfer", "tiny", "full", {"views": None}), 100) == pytest.approx(1.0)
    # Its features, what goes into the moving stages as it is, and eight augmented views of that.
    assert stored_seconds(bench, Spec("transfer", "tiny", "partial", {"views": 8}), 100) == pytest.approx(10.0)
