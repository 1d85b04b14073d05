"""What every executor must do: run jobs with what they share, hand results and errors back, and be closed."""

from __future__ import annotations

import os
from concurrent.futures import wait

import numpy as np
import pytest
from tests.fakes import folds_of, workbench

from headstart.adapt.ledger import Ledger
from headstart.adapt.search import Plan, search
from headstart.errors import DataError
from headstart.events import Said
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
