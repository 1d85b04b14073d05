"""A process that was ended from outside: which trial it was in, and when that trial is not begun again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import folds_of, workbench

from headstart.adapt.deaths import LEFT_OUT, Kills, count_kills
from headstart.adapt.ledger import Ledger
from headstart.adapt.search import Plan, search
from headstart.adapt.trial import Spec
from headstart.run.clock import BudgetClock
from headstart.run.executors import Here
from headstart.run.journal import Journal

HERE = Kills("boot", "group:7", 3, 10)


class _Ended(BaseException):
    """Stands for a signal that no process sees."""


class _Deadly(Here):
    """Ends the process in every job of one strategy."""

    def __init__(self, strategy):
        self.strategy, self.jobs = strategy, 0

    def submit(self, job, shared, spec, *arguments, **named):
        if spec.strategy == self.strategy:
            self.jobs += 1
            raise _Ended
        return super().submit(job, shared, spec, *arguments, **named)


def _search(folder, *, kills=HERE, executor=None):
    plan = Plan(["tiny"], ("probe", "stages", "knn"), False, 3)
    ledger = Ledger(Journal(folder / "journal.jsonl"), folder / "trials", kills=lambda: kills)
    rows, clock = np.arange(48), BudgetClock(None)
    return search(
        workbench(folder / "cache"), rows, folds_of(48), plan, ledger=ledger, clock=clock, executor=executor or Here()
    )


def _killed(folder, *, kills, noted=False):
    """The search until its process is ended in `stages`; what an orderly end would have `noted` is not there after a SIGKILL."""
    executor = _Deadly("stages")
    with pytest.raises(_Ended):
        _search(folder, kills=kills, executor=executor)
    if not noted:
        journal = folder / "journal.jsonl"
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(line for line in lines if json.loads(line)["kind"] != "left"))


def _gains(number):
    return replace(HERE, in_group=HERE.in_group + number, on_machine=HERE.on_machine + number)


def test_a_trial_in_which_memory_ran_out_twice_is_left_out_and_the_search_goes_on(tmp_path):
    _killed(tmp_path, kills=HERE)
    _killed(tmp_path, kills=_gains(1))
    trials = _search(tmp_path, kills=_gains(2))
    told = {trial.spec.strategy: trial.error for trial in trials}
    assert told == {"probe": None, "stages": LEFT_OUT, "knn": None}
    assert [entry["short_of_memory"] for entry in Journal(tmp_path / "journal.jsonl").of("died")] == [True, True]
    again = _search(tmp_path, kills=_gains(2))
    assert [trial.spec for trial in again] == [trial.spec for trial in trials]


@pytest.mark.parametrize(
    ("seen", "noted"),
    [
        ([HERE, HERE, HERE], False),  # killed by someone: memory was not short
        ([HERE, _gains(1), _gains(1)], False),  # once is no proof
        ([HERE, _gains(1), _gains(2)], True),  # Ctrl-C, or a full disk: what others suffered meanwhile says nothing
        ([HERE, replace(_gains(1), boot="next"), replace(_gains(2), boot="last")], False),  # the power went out
        ([Kills(), Kills(), Kills()], False),  # a system that does not count
    ],
    ids=["killed", "once", "in good order", "started again", "not counted"],
)
def test_no_other_end_changes_what_a_run_comes_to(tmp_path, seen, noted):
    whole = _search(tmp_path / "whole")
    for kills in seen[:2]:
        _killed(tmp_path / "run", kills=kills, noted=noted)
    trials = _search(tmp_path / "run", kills=seen[2])
    for one, other in zip(whole, trials, strict=True):
        assert one.spec == other.spec
        assert other.error is None
        np.testing.assert_array_equal(one.validated.logits, other.validated.logits)


def test_trials_are_the_same_whatever_time_they_were_given():
    short, long = (Spec("transfer", "tiny", "full", {"learning_rate": 1e-4, "epochs": n, "folds": n}) for n in (1, 3))
    other = Spec("transfer", "tiny", "full", {"learning_rate": 1e-3, "epochs": 1, "folds": 1})
    assert short.gist(0) == long.gist(0)
    assert short.gist(0) not in (other.gist(0), short.gist(1))
    assert short.key(0) != long.key(0)


def test_what_the_own_group_says_goes_before_the_machine():
    assert Kills("boot", "group:7", 4, 10).more_than(HERE)
    assert not Kills("boot", "group:7", 3, 99).more_than(HERE), "another group's loss"
    assert Kills("boot", "group:8", 0, 11).more_than(HERE), "the group was made anew"
    assert Kills("boot", None, None, 11).more_than(HERE)
    assert not Kills("next", "group:7", 4, 11).more_than(HERE)
    assert not Kills().more_than(Kills())
    assert Kills.from_dict(json.loads(json.dumps(HERE.to_dict()))) == HERE


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_counters_are_read_where_the_system_keeps_them(tmp_path):
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    assert count_kills(proc, groups) == Kills()
    _write(proc / "sys/kernel/random/boot_id", "abc\n")
    _write(proc / "vmstat", "pgfault 17\noom_kill 5\n")
    assert count_kills(proc, groups) == Kills("abc", None, None, 5)
    _write(proc / "self/cgroup", "9:name=systemd:/\n4:cpu,memory:/job\n0::/other\n")
    _write(groups / "memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    first = count_kills(proc, groups)
    assert (first.in_group, first.on_machine) == (2, 5)
    _write(proc / "self/cgroup", "0::/job\n")
    _write(groups / "memory.events", "low 0\noom 4\noom_kill 3\n")
    root = count_kills(proc, groups)  # a container that is shown its group as the root
    assert root.in_group == 3
    _write(groups / "job/memory.events", "low 0\noom 4\noom_kill 1\n")
    own = count_kills(proc, groups)
    assert own.in_group == 1
    assert len({first.group, root.group, own.group}) == 3
