"""The whole way with the network taken away: by the kernel where that is permitted, inside Python where it is not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.clean import can_unshare, run, told, without_network

WALLS = [*([True] if can_unshare() else []), False]
"""Whether the kernel is the wall; the one inside Python is always there."""
HEADSTART = [sys.executable, "-m", "headstart"]
ASK = "import socket; socket.create_connection(('{host}', 443), timeout=5)"


def alone(folder: Path, *command: str | Path) -> CompletedProcess[str]:
    """Run a command of Headstart without network, with an empty home, in `folder`."""
    before, more = without_network(folder / "wall", by_kernel=WALLS[0])
    return run([*before, *HEADSTART, *command], home=folder / "home", cwd=folder, more=more)


@pytest.mark.parametrize("by_kernel", WALLS)
@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "huggingface.co"])
def test_the_wall_holds(tmp_path: Path, by_kernel: bool, host: str) -> None:
    before, more = without_network(tmp_path / "wall", by_kernel=by_kernel)
    done = run([*before, sys.executable, "-c", ASK.format(host=host)], home=tmp_path / "home", cwd=tmp_path, more=more)
    assert done.returncode != 0
    assert "OSError" in done.stderr or "gaierror" in done.stderr, told(done)


def test_pictures_go_the_whole_way(tmp_path: Path) -> None:
    done = alone(tmp_path, "demo", "--trials", "3", "--out", "run", "--no-open")
    assert done.returncode == 0, told(done)
    assert "head start" in done.stdout
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["verdict"]["against"] == "scratch"
    assert [point["labels"] for point in result["head_start"]["points"]] == [25, 50, 100]
    assert [entry["backbone"] for entry in result["ranking"]] == ["starter:glyph", "starter:natural"]
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000

    measured = alone(tmp_path, "evaluate", "run", "builtin:digits")
    assert measured.returncode == 0, told(measured)
    assert "accuracy" in measured.stdout


def test_texts_go_the_whole_way(tmp_path: Path) -> None:
    cold, warm = (
        ("snow", "ice", "frost", "hail", "sleet", "winter"),
        ("sun", "heat", "beach", "summer", "desert", "fire"),
    )
    rows = [
        f'"{word} {where}",{label},{part}'
        for label, words in (("cold", cold), ("warm", warm))
        for word, part in zip(words, ("train", "train", "train", "train", "test", "test"), strict=True)
        for where in ("on the hills", "near the old town", "all day long")
    ]
    (tmp_path / "weather.csv").write_text("\n".join(["text,label,split", *rows]) + "\n")
    options = ("--strategy", "probe", "--trials", "1", "--control", "none", "--no-open")
    done = alone(tmp_path, "fit", "weather.csv", *options, "--out", "run")
    assert done.returncode == 0, told(done)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["chosen"]["card"]["spec"] in ("minilm", "starter:words")
    assert len(result["ranking"]) == 2
    assert result["verdict"] is None

    (tmp_path / "new.csv").write_text("text\na blizzard is coming\n")
    predicted = alone(tmp_path, "predict", "run", "new.csv", "--out", "predictions.csv")
    assert predicted.returncode == 0, told(predicted)
    assert "cold" in (tmp_path / "predictions.csv").read_text().splitlines()[1]


def test_a_model_of_the_hub_ends_in_one_clear_line(tmp_path: Path) -> None:
    model = "hf:sentence-transformers/all-MiniLM-L6-v2"
    done = alone(tmp_path, "fit", "builtin:digits", "--model", model, "--out", "run", "--no-open")
    assert done.returncode == 2, told(done)
    last = done.stderr.strip().splitlines()[-1]
    assert model.removeprefix("hf:") in last
    assert "Traceback" not in done.stderr
