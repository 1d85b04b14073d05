"""What every executor must do: run jobs with what they share, hand results and errors back, and be closed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import BrokenExecutor, wait
from functools import partial

import numpy as np
import pytest
from tests.fakes import folds_of, workbench

from headstart.adapt import shards
from headstart.adapt import workbench as workbench_module
from headstart.adapt.ledger import Ledger
from headstart.adapt.search import Plan, search
from headstart.errors import DataError
from headstart.events import Progress, Said
from headstart.features import extract as extract_module
from headstart.run.clock import BudgetClock
from headstart.run.executors import EXECUTORS
from headstart.run.journal import Journal


def total(shared, *numbers, times=1):
    return times * (shared["start"] + sum(numbers)), os.getpid()


def fail(shared, name):
    raise DataError(f"{name}: cannot be read.")


def grow(shared):
    shared["start"] += 1
    return shared["start"]


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request):
    made = EXECUTORS[request.param](2)
    yield made
    made.close()


def test_jobs_get_what_they_share_and_their_own(executor):
    shared = {"start": 10}
    futures = [executor.submit(total, shared, number, 1, times=2) for number in range(5)]
    wait(futures)
    assert [future.result()[0] for future in futures] == [2 * (11 + number) for number in range(5)]
    elsewhere = {future.result()[1] for future in futures} - {os.getpid()}
    assert bool(elsewhere) == (executor.workers > 1)


def test_what_a_job_raises_comes_out_of_its_future(executor):
    with pytest.raises(DataError, match=r"^a\.jpg: cannot be read\.$"):
        executor.submit(fail, {}, "a.jpg").result()
    assert executor.submit(total, {"start": 1}).result()[0] == 1, "and the next one runs"


def test_two_things_that_are_shared_are_not_confused(executor):
    one, other = {"start": 1}, {"start": 100}
    assert [executor.submit(total, shared).result()[0] for shared in (one, other)] == [1, 100]


def test_after_cancelling_it_goes_on(executor):
    executor.submit(total, {"start": 1})
    executor.cancel()
    assert executor.submit(total, {"start": 2}).result()[0] == 2


def test_a_search_does_not_know_where_it_runs(executor, tmp_path):
    bench, told = workbench(tmp_path / "cache"), []
    bench.listener = told.append
    rows = np.arange(len(bench.items))
    ledger = Ledger(Journal(tmp_path / "journal.jsonl"), tmp_path / "trials")
    plan = Plan(["tiny"], ("probe", "full"), True, 5)
    bench.decode = same
    trials = search(bench, rows, folds_of(len(rows)), plan, ledger=ledger, clock=BudgetClock(None), executor=executor)
    assert {trial.spec.strategy for trial in trials} == {"probe", "full", "random-frozen", "scratch"}
    assert len(trials) == 5
    assert [entry["strategy"] for entry in Journal(tmp_path / "journal.jsonl").of("trial")] == [
        trial.spec.strategy for trial in trials
    ]
    assert all(trial.error is None for trial in trials), [trial.error for trial in trials]
    assert not [event for event in told if isinstance(event, Said) and event.warning]
    assert min(trial.values["accuracy"] for trial in trials if trial.spec.role == "transfer") > 0.8


def same(item):
    return item


def sharded(tmp_path, monkeypatch, *, count=44, rows=8):
    """A workbench of more than one shard."""
    for module in (extract_module, shards):
        monkeypatch.setattr(module, "ROWS_PER_SHARD", rows)
    monkeypatch.setattr(workbench_module, "ONE_PASS", 0)
    bench = workbench(tmp_path, count=count)
    bench.decode = same
    return bench


def test_shards_are_the_same_bits_wherever_they_are_computed(executor, tmp_path, monkeypatch):
    alone, shared = (sharded(tmp_path / name, monkeypatch) for name in ("alone", "shared"))
    rows, told = np.arange(40)[::-1], []
    shared.listener = told.append
    with shared.shared_with(executor):
        for random in (False, True):
            features, expected = (bench.features("tiny", random=random) for bench in (shared, alone))
            np.testing.assert_array_equal(features.take(range(44)), expected.take(range(44)))
            assert features.folder.name == expected.folder.name
            assert features.seconds is not None
        np.testing.assert_array_equal(shared.staged("tiny").take(rows), alone.staged("tiny").take(rows))
    done = [event.done for event in told if isinstance(event, Progress) and event.total == 44]
    assert done.count(44) == 2
    assert not [event for event in told if isinstance(event, Said) and event.warning]


def test_an_example_that_cannot_be_read_is_said_wherever_it_is_met(executor, tmp_path, monkeypatch):
    bench = sharded(tmp_path, monkeypatch)
    bench.decode = broken
    with bench.shared_with(executor), pytest.raises(DataError, match=r"^a\.jpg: cannot be read\.$"):
        bench.features("tiny")


def test_a_search_has_its_features_shared_out(executor, tmp_path, monkeypatch):
    bench = sharded(tmp_path / "cache", monkeypatch, count=48)
    rows = np.arange(len(bench.items))
    ledger, clock = Ledger(Journal(tmp_path / "journal.jsonl"), tmp_path / "trials"), BudgetClock(None)
    asked = []
    monkeypatch.setattr(shards.ByExecutor, "submit", noting(shards.ByExecutor.submit, asked))
    with bench.shared_with(executor):
        trials = search(bench, rows, folds_of(48), Plan(["tiny"], ("probe",), True, 3), ledger=ledger, clock=clock, executor=executor)
    assert all(trial.error is None for trial in trials), [trial.error for trial in trials]
    jobs = 2 if executor.workers > 1 else 0
    assert len(asked) == 2 * jobs, "those of the backbone and those of its twin, and none from scratch"
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2, "no trial computed others"


def noting(submit, asked):
    """`submit`, noting what it was asked for."""

    def noted(self, portion):
        asked.append(portion)
        return submit(self, portion)

    return noted


def broken(item):
    raise DataError("a.jpg: cannot be read.")


def test_where_a_process_is_ended_this_one_goes_on(executor, tmp_path, monkeypatch):
    bench, told = sharded(tmp_path, monkeypatch), []
    alone = bench.features("tiny").take(range(44))
    bench = sharded(tmp_path / "other", monkeypatch)
    bench.decode, bench.listener = partial(fatal_elsewhere, os.getpid()), told.append
    with bench.shared_with(executor):
        np.testing.assert_array_equal(bench.features("tiny").take(range(44)), alone)
    said = [event.text for event in told if isinstance(event, Said) and "was ended from outside" in event.text]
    assert len(said) == (1 if executor.workers > 1 else 0)
    assert executor.submit(total, {"start": 1}).result()[0] == 1, "and the next job runs"


def test_after_a_process_was_ended_the_next_job_runs_all_the_same(executor):
    shared = {"start": 1}
    ended = executor.submit(end, shared, os.getpid())
    assert isinstance(ended.exception(), BrokenExecutor) == (executor.workers > 1)
    assert executor.submit(total, shared).result()[0] == 1


def end(shared, home):
    fatal_elsewhere(home, None)


def fatal_elsewhere(home, item):
    if os.getpid() != home:
        os.kill(os.getpid(), signal.SIGKILL)
    return item
