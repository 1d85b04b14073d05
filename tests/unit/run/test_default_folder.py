"""Where a run goes when nobody says, and that two processes never share it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headstart.errors import RunError
from headstart.events import silent
from headstart.run.default_folder import default_folder, name_of
from headstart.run.folder import Run
from headstart.run.lock import LOCK, hold, is_held

OPTIONS = {"seed": 0, "models": ["a"], "budget_s": 300.0}


def started(folder, data="photos", options=OPTIONS):
    Run(folder, {"data": data, **options}, budget_s=None, listener=silent)
    return folder


@pytest.mark.parametrize(
    ("data", "name"),
    [("builtin:digits", "digits"), ("data/bees.zip", "bees"), ("x/reviews.v2.csv", "reviews.v2"), ("/", "run")],
)
def test_a_run_is_called_after_its_data(data, name):
    assert name_of(data) == name


def test_a_folder_keeps_the_dots_of_its_name(tmp_path):
    (tmp_path / "photos.2024").mkdir()
    assert name_of(f"{tmp_path}/photos.2024/") == "photos.2024"


def test_the_first_free_name_is_taken(tmp_path):
    def chosen():
        return default_folder("bees", "photos", OPTIONS, parent=tmp_path).name

    assert chosen() == "bees"
    (tmp_path / "bees").mkdir()
    assert chosen() == "bees-2"
    (tmp_path / "bees-2").write_text("a file")
    assert chosen() == "bees-3"


def test_an_unfinished_run_of_the_same_command_goes_on(tmp_path):
    started(tmp_path / "bees")
    assert default_folder("bees", "photos", OPTIONS, parent=tmp_path).name == "bees"


def test_however_the_path_of_the_data_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started(tmp_path / "bees")
    assert default_folder("bees", str(tmp_path / "photos"), OPTIONS, parent=tmp_path).name == "bees"
    assert default_folder("bees", "./photos/", OPTIONS, parent=tmp_path).name == "bees"


@pytest.mark.parametrize(("data", "options"), [("others", OPTIONS), ("photos", {**OPTIONS, "seed": 1}), ("photos", {})])
def test_a_run_of_another_command_is_left_alone(data, options, tmp_path):
    started(tmp_path / "bees")
    assert default_folder("bees", data, options, parent=tmp_path).name == "bees-2"


def test_a_finished_run_is_left_alone(tmp_path):
    (started(tmp_path / "bees") / "result.json").write_text("{}")
    assert default_folder("bees", "photos", OPTIONS, parent=tmp_path).name == "bees-2"


@pytest.mark.parametrize("content", ["not json\n", "", '{"kind": "phase"}\n'])
def test_somebody_elses_journal_is_left_alone(content, tmp_path):
    (tmp_path / "bees").mkdir()
    (tmp_path / "bees" / "journal.jsonl").write_text(content)
    assert default_folder("bees", "photos", OPTIONS, parent=tmp_path).name == "bees-2"


@pytest.fixture
def held(tmp_path):
    """A run folder in which another process is at work."""
    folder = started(tmp_path / "bees")
    code = (
        "import sys; from pathlib import Path; from headstart.run.lock import hold\n"
        "kept = hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout.readline() == "held\n"
    yield folder, worker
    worker.kill()
    worker.communicate()


def test_a_run_in_which_another_process_is_at_work_is_left_alone(held):
    folder, worker = held
    assert is_held(folder)
    assert default_folder("bees", "photos", OPTIONS, parent=folder.parent).name == "bees-2"
    with pytest.raises(RunError, match="another process is at work"):
        started(folder)
    worker.kill()
    worker.wait()
    assert not is_held(folder)
    started(folder)


def test_the_same_process_may_take_its_run_up_again(tmp_path):
    first = hold(tmp_path)
    second = hold(tmp_path)
    assert not is_held(tmp_path)
    first.close()
    second.close()


def test_a_folder_of_other_things_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(RunError, match=r"letters\.txt"):
        started(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_without_a_lock_nobody_is_at_work(tmp_path):
    assert not is_held(tmp_path)
    assert not (tmp_path / LOCK).exists()
