"""A full disk: what was there stays, nothing half-written counts, and the error names the folder."""

from __future__ import annotations

import errno
import json
import os
import threading

import numpy as np
import pytest
from safetensors import SafetensorError

from headstart.adapt.examples import prepare_examples
from headstart.adapt.ledger import Ledger
from headstart.adapt.search import Plan, search
from headstart.adapt.strategy import Schedule
from headstart.cli_errors import ending_in_one_line
from headstart.errors import RunError
from headstart.features.store import Features, FeatureWriter
from headstart.files import append_line, replacing, reserve, write_json, write_text
from headstart.run.clock import BudgetClock
from headstart.run.executors import Here
from headstart.run.journal import Journal
from tests.fakes import folds_of, workbench


def _full(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _half(written):
    """An `os.write` that finds room for half of what it is given, once, and none after that."""

    def write(file, content):
        if written:
            _full()
        written.append(1)
        return os.pwrite(file, bytes(content)[: len(content) // 2], os.fstat(file).st_size)

    return write


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_line_is_added_whole_or_not_at_all(call, tmp_path, monkeypatch):
    journal = Journal(tmp_path / "run" / "journal.jsonl")
    journal.append("start", options={"größe": 1})
    before = journal.path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(f"headstart.files.os.{call}", _half([]) if call == "write" else _full)
        with pytest.raises(OSError, match="No space left on device") as caught:
            journal.append("trial", number=0)
    assert caught.value.filename == str(tmp_path / "run")
    assert journal.path.read_bytes() == before
    assert not journal.of("trial")
    journal.append("phase", seconds=1.0)  # what a run writes on its way out
    assert [entry["kind"] for entry in Journal(journal.path).entries] == ["start", "phase"]


def test_ctrl_c_leaves_no_half_line(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    append_line(path, "{}")

    def stopped(file):
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.files.os.fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        append_line(path, '{"a": 1}', sync=True)
    assert path.read_text() == "{}\n"


def test_lines_of_many_writers_do_not_mix(tmp_path):
    path = tmp_path / "history.jsonl"
    lines = [json.dumps({"writer": number, "text": "x" * 5000}) for number in range(8)]
    writers = [threading.Thread(target=lambda line=line: [append_line(path, line) for _ in range(5)]) for line in lines]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(path.read_text().splitlines()) == sorted(lines * 5)


def test_a_journal_with_a_broken_line_in_the_middle_is_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"kind": "sta{"kind": "phase"}\n')
    with pytest.raises(RunError, match="not a journal"):
        Journal(path)


def test_what_was_there_stays_when_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "labels.json"
    write_json(path, {"a": 1})
    monkeypatch.setattr("headstart.files.os.fsync", _full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_json(path, {"a": 2})
    assert caught.value.filename == str(tmp_path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["labels.json"]


def test_safetensors_says_it_in_words(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught, replacing(tmp_path / "x"):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path))
    with pytest.raises(SafetensorError, match="header"), replacing(tmp_path / "x"):
        raise SafetensorError("Error while deserializing header")


def test_another_error_keeps_its_own_place(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "x"):
        (tmp_path / "missing").read_bytes()
    assert caught.value.filename == str(tmp_path / "missing")


def test_the_command_line_names_the_folder_and_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("headstart.files.os.fsync", _full)
    with pytest.raises(SystemExit) as left, ending_in_one_line():
        write_text(tmp_path / "README.md", "x")
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{tmp_path}: No space left on device. Make room, then run the same command: it goes on." in told


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_the_command_line_says_what_to_do_where_memory_ran_out(error, capsys):
    with pytest.raises(SystemExit) as left, ending_in_one_line():
        raise error
    assert left.value.code == 2
    assert "out of memory. Choose a smaller model, or --strategy probe" in capsys.readouterr().err


def test_features_that_were_cut_short_are_computed_again(tmp_path, monkeypatch):
    folder = tmp_path / "features"
    writer = FeatureWriter(folder, width=3)
    writer.add(np.ones((5, 3)))
    with monkeypatch.context() as patched:
        patched.setattr("headstart.files.os.fsync", _full)
        with pytest.raises(OSError, match="No space left"):
            writer.close()
    assert Features.open(folder) is None
    again = FeatureWriter(folder, width=3)
    again.add(np.ones((5, 3)))
    assert len(again.close()) == 5


def test_prepared_pictures_that_do_not_fit_leave_nothing(tmp_path, monkeypatch):
    bench = workbench(tmp_path / "cache", count=12)
    path = tmp_path / "prepared" / "x.raw"
    whole = {"decode": bench.decode, "preprocess": bench.backbone("tiny").preprocess, "path": path, "threads": 1}
    with monkeypatch.context() as patched:
        patched.setattr("headstart.files.os.fsync", _full)
        with pytest.raises(OSError, match="No space left"):
            prepare_examples(bench.items, **whole)
    assert not list(path.parent.iterdir())
    assert prepare_examples(bench.items, **whole).batch([11]).shape == (1, 3, 8, 8)


def test_room_is_reserved_before_a_file_is_mapped(tmp_path, monkeypatch):
    path = tmp_path / "views.u8"
    path.write_bytes(b"abc")
    reserve(path, 1000)
    assert (path.stat().st_size, path.read_bytes()[:3]) == (1000, b"abc")
    reserve(path, 10)
    assert path.stat().st_size == 1000
    monkeypatch.setattr("headstart.files.os.posix_fallocate", _full, raising=False)
    with pytest.raises(OSError, match="No space left") as caught:
        reserve(path, 2000)
    assert caught.value.filename == str(tmp_path)


def test_a_search_that_met_a_full_disk_goes_on_to_the_same_result(tmp_path, monkeypatch):
    """At whichever write it is: the same call, made again with room, ends as if nothing had been."""

    def searched(folder):
        bench = workbench(folder / "cache", count=32)
        ledger = Ledger(Journal(folder / "run" / "journal.jsonl"), folder / "run" / "trials")
        plan = Plan(["tiny"], ("probe", "partial"), False, 2)
        return search(bench, np.arange(32), folds_of(32), plan, ledger=ledger, clock=BudgetClock(None), executor=Here())

    monkeypatch.setattr("headstart.adapt.moved.FineTune.schedule", lambda self, examples, most=32: Schedule(1, 16, 1))
    whole, honest, calls = searched(tmp_path / "whole"), os.fsync, []
    monkeypatch.setattr("headstart.files.os.fsync", lambda file: calls.append(1))
    searched(tmp_path / "counted")
    assert len(calls) > 5
    for number in range(0, len(calls), 2):
        seen = []

        def fails_once(file, seen=seen, number=number):
            seen.append(1)
            if len(seen) == number + 1:
                _full()
            return honest(file)

        folder = tmp_path / str(number)
        monkeypatch.setattr("headstart.files.os.fsync", fails_once)
        with pytest.raises(OSError, match="No space left"):
            searched(folder)
        again = searched(folder)
        for one, other in zip(whole, again, strict=True):
            assert one.spec == other.spec
            np.testing.assert_array_equal(one.validated.logits, other.validated.logits)
