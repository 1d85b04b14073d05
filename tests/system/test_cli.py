"""The command line on real pictures, as a person at a terminal uses it: stopped, taken up again, stopped early, used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from tests.pictures import save
from tests.tiny_models import timm_folder

HEADSTART = (sys.executable, "-m", "headstart")


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str


def headstart(
    *words: str, cwd: Path, interrupt_at: Callable[[str], bool] = lambda line: False, times: int = 1
) -> Ended:
    """Run a command; press Ctrl-C once at each of the first `times` lines of standard error that `interrupt_at` picks."""
    environment = {**os.environ, "HEADSTART_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*HEADSTART, *words],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs tests in the background may have switched Ctrl-C off, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    assert process.stdout is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if times and interrupt_at(line):
            process.send_signal(signal.SIGINT)
            times -= 1
    out = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    return Ended(process.wait(), out, "".join(lines))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures that colour tells apart, and a tiny backbone with random weights."""
    folder = tmp_path_factory.mktemp("home")
    for label, red in (("dusk", 200), ("noon", 30)):
        for number in range(12):
            picture = Image.new("RGB", (32, 28), (red, 20 * number, 90))
            picture.paste((255 - 20 * number, number * 9, red), (number, 2, 9 + number, 11))
            save(folder / "photos" / label / f"{number}.png", picture)
    timm_folder(folder / "tiny")
    return folder


FIT = ("fit", "photos", "--model", "tiny", "--budget", "20m", "--metric", "log_loss")


@pytest.fixture(scope="module")
def stopped(home: Path) -> Ended:
    """A fit that was stopped before anything was tried."""
    return headstart(*FIT, cwd=home, interrupt_at=lambda line: line.startswith("rank"))


@pytest.fixture(scope="module")
def early(home: Path, stopped: Ended) -> Ended:
    """The same command again, stopped in the first long trial."""
    return headstart(*FIT, cwd=home, interrupt_at=lambda line: line.startswith("  random-frozen"))


def test_ctrl_c_before_the_first_trial_leaves_and_says_how_to_go_on(stopped: Ended, home: Path) -> None:
    assert stopped.code == 130
    assert stopped.err.endswith("headstart: stopped.\n")
    assert "The same command goes on from here." in stopped.err
    assert "Traceback" not in stopped.err


def test_ctrl_c_in_a_trial_ends_with_the_best_so_far(early: Ended, home: Path) -> None:
    assert early.code == 0, early.err
    assert "Going on with the run in runs/photos" in early.err
    assert "Stopping" in early.err
    assert "runs/photos/report.html" in early.out
    assert [path.name for path in (home / "runs").iterdir()] == ["photos"]
    result = json.loads((home / "runs" / "photos" / "result.json").read_text())
    assert result["chosen"]["strategy"] == "probe"
    assert {trial["strategy"] for trial in result["trials"]} == {"probe", "random-frozen"}
    assert result["test"]["transfer"]["accuracy"]["n"] == 24


def test_ctrl_c_twice_leaves_at_once(home: Path) -> None:
    ended = headstart(
        *FIT,
        "--out",
        "left",
        cwd=home,
        times=2,
        interrupt_at=lambda line: "random-frozen" in line or "Stopping" in line,
    )
    assert ended.code == 130, ended.err
    assert not (home / "left" / "result.json").exists()
    assert "Traceback" not in ended.err


def test_predict_without_one_readable_input_ends_with_1(early: Ended, home: Path) -> None:
    (home / "junk.png").write_bytes(b"junk")
    ended = headstart("predict", "runs/photos", "junk.png", "--out", "none.csv", cwd=home)
    assert (ended.code, ended.out) == (1, "")
    assert "junk.png: not a picture" in ended.err
    assert not (home / "none.csv").exists()


def test_predict_names_what_could_not_be_read(early: Ended, home: Path) -> None:
    (home / "junk.png").write_bytes(b"junk")
    ended = headstart("predict", "runs/photos", "photos/dusk/1.png", "junk.png", "gone.png", cwd=home)
    assert ended.code == 0
    head, good, junk, gone = ended.out.splitlines()
    assert head.split() == ["input", "label", "confidence"]
    assert good.split()[:2] == ["photos/dusk/1.png", "dusk"]
    assert 0.5 <= float(good.split()[2]) <= 1
    assert junk.split(maxsplit=1)[1].startswith("not read: junk.png: not a picture")
    assert gone.split(maxsplit=1)[1].startswith("not read: gone.png: no such file")


def test_an_empty_folder_to_predict_is_a_mistake(early: Ended, home: Path) -> None:
    (home / "empty").mkdir(exist_ok=True)
    assert headstart("predict", "runs/photos", "empty", cwd=home).code == 2


def test_check_writes_what_it_finds_to_standard_output(home: Path) -> None:
    ended = headstart("check", "photos", cwd=home)
    assert ended.code == 0
    assert "24 of 24 pictures can be used" in ended.out
    assert ended.out.count("layout: a folder per class") == 1
