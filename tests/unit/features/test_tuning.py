"""Choosing a way: what pays, what is remembered, what the journal holds."""

from __future__ import annotations

import pytest
from tests.fakes import CPU, TinyBackbone, stripes

from headstart.events import Said
from headstart.features import tuning
from headstart.features.forward import FORWARDS, Kind, Pass
from headstart.features.tuning import Job, Measured, Noted, Tried, cheapest, fixed
from headstart.features.way import Way, plain
from headstart.run.journal import Journal

PLAIN, BUILT = Way(streams=2), Way("compiled", streams=2)


def job(count, key="k"):
    pictures, _ = stripes(8)
    return Job(key, [pictures[row % 8] for row in range(count)], TinyBackbone(), lambda item: item, CPU)


@pytest.fixture
def measured_as(monkeypatch):
    """Play what measuring says, and count."""
    calls = []

    def play(example_s, built_s=None):
        def measure(job, way, *, sample=None):
            calls.append(way)
            if way.forward == "compiled":
                if built_s is None:
                    raise RuntimeError("no such header\nand more")
                return Tried(way, 1.0 if sample else 30.0, built_s)
            return Tried(way, 0.0, example_s + 1e-9 * (way != plain(job.placement)))

        monkeypatch.setattr(tuning, "measure", measure)
        return calls

    monkeypatch.setitem(FORWARDS, "compiled", Kind(lambda *given: [], lambda network, placement: ""))
    return play


def test_building_pays_only_where_there_is_enough_to_do():
    tried = [Tried(PLAIN, 0.0, 0.004), Tried(BUILT, 30.0, 0.002)]
    assert cheapest(tried, 14_000).way == PLAIN
    assert cheapest(tried, 16_000).way == BUILT


def test_small_jobs_measure_nothing(tmp_path, measured_as):
    calls = measured_as(1.0, 0.1)
    assert Measured(tmp_path)(job(100)) == plain(CPU)
    assert calls == []
    assert not (tmp_path / "ways").exists()


def test_what_was_measured_is_remembered(tmp_path, measured_as):
    calls = measured_as(0.1, 0.05)
    first = Measured(tmp_path)(job(5000))
    assert first == BUILT
    asked = len(calls)
    assert Measured(tmp_path)(job(5000)) == BUILT
    assert len(calls) == asked


def test_a_longer_job_tries_more(tmp_path, measured_as):
    calls = measured_as(0.01, 0.005)
    assert Measured(tmp_path)(job(5000)) == PLAIN  # 50 s: a quarter of it is less than building takes
    assert BUILT not in calls
    assert Measured(tmp_path)(job(40_000)) == BUILT
    assert {way.batch for way in calls} > {PLAIN.batch}


def test_a_compiler_that_fails_is_said_and_not_tried_again(tmp_path, measured_as):
    calls, heard = measured_as(0.1), []
    choose = Measured(tmp_path, heard.append)
    assert choose(job(5000)) == PLAIN
    assert [event.text for event in heard if isinstance(event, Said)] == [
        "features of tiny: not compiled (no such header)."
    ]
    asked = len(calls)
    assert choose(job(5000)) == PLAIN
    assert len(calls) == asked


def test_no_compiler_is_said_in_a_line(tmp_path, measured_as, monkeypatch):
    measured_as(0.1)
    monkeypatch.setitem(FORWARDS, "compiled", Kind(lambda *given: [], lambda network, placement: "there is none"))
    heard = []
    assert Measured(tmp_path, heard.append)(job(5000)) == PLAIN
    assert [event.text for event in heard] == ["features of tiny: passes stay as they are, there is none."]


def test_measuring_runs_the_job_itself(monkeypatch):
    seen = []
    pictures, _ = stripes(8)
    given = Job("k", list(range(300)), TinyBackbone(), lambda row: seen.append(row) or pictures[row % 8], CPU)
    found = tuning.measure(given, Way(batch=8, streams=2))
    assert sorted(seen) == list(range(tuning.SAMPLE))
    assert found.example_s > 0


def test_a_slow_start_is_told_from_a_slow_pass(monkeypatch):
    """A clock that jumps by a hundred seconds while the pass is built, and by one per example."""
    now = [0.0]

    def build(network, stages, count):
        now[0] += 100

        def step(inputs):
            now[0] += len(inputs)
            return Pass(network, stages)(inputs)

        return [step] * count

    monkeypatch.setitem(FORWARDS, "slow", Kind(build, lambda network, placement: "", fixed=False))
    monkeypatch.setattr(tuning.time, "perf_counter", lambda: now[0])
    found = tuning.measure(job(200), Way("slow", batch=8))
    assert found.start_s == pytest.approx(100, abs=16)
    assert found.example_s == pytest.approx(1, rel=0.1)


def test_the_journal_holds_what_was_chosen(tmp_path):
    journal, given = Journal(tmp_path / "journal.jsonl"), job(5000)
    assert Noted(lambda job: BUILT, journal)(given) == BUILT
    assert Noted(fixed, Journal(tmp_path / "journal.jsonl"))(_image(given)) == BUILT
    assert len(journal.of("extraction")) == 1
    again = Journal(tmp_path / "again.jsonl")
    assert Noted(fixed, again, replayed=journal)(_image(given)) == BUILT
    assert again.of("extraction")[0]["way"] == BUILT.to_dict()


def test_a_replay_measures_nothing_of_its_own(tmp_path):
    def refuse(job):
        raise AssertionError("chose again")

    own, other = Journal(tmp_path / "own.jsonl"), Journal(tmp_path / "other.jsonl")
    assert Noted(refuse, own, replayed=other)(job(5000)) == plain(CPU)


def test_a_noted_way_that_is_not_possible_here_is_said(tmp_path):
    journal, heard = Journal(tmp_path / "journal.jsonl"), []
    journal.append("extraction", job="k", backbone="tiny", way=Way("captured").to_dict())
    assert Noted(fixed, journal, listener=heard.append)(job(10)) == plain(CPU)
    assert "not captured as noted" in heard[0].text


def _image(given):
    """The same job where compiling is possible."""
    return given


@pytest.fixture(autouse=True)
def _compiling_is_possible(monkeypatch):
    monkeypatch.setitem(FORWARDS, "compiled", Kind(lambda *given: [], lambda network, placement: ""))
