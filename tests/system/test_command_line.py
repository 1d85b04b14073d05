"""The command line on real files: the whole way, and what it says to wrong input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.tiny_models import timm_folder
from typer.testing import CliRunner

from headstart.cli import app
from headstart.errors import HeadstartError

HEADSTART = [sys.executable, "-m", "headstart"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that colour tells apart, one of them with a broken file."""
    folder = tmp_path_factory.mktemp("photos")
    for label, red in (("dusk", 200), ("noon", 30)):
        (folder / label).mkdir()
        for number in range(12):
            colour = (red + number, 10 * number, 90 - number)
            picture = Image.new("RGB", (24, 20 + number), colour)
            picture.paste((number * 20, 255 - number, red), (number % 6, 2, 9 + number % 6, 11))
            picture.save(folder / label / f"{number}.png")
    (folder / "noon" / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the photos."""
    folder = tmp_path_factory.mktemp("runs")
    model = timm_folder(folder / "backbone")
    out = folder / "run"
    arguments = ["fit", str(photos), "--model", str(model), "--trials", "3", "--out", str(out), "--no-open"]
    done = subprocess.run([*HEADSTART, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Sources" in done.stdout
    assert "report.html" in done.stdout
    return out


def test_help_comes_without_torch() -> None:
    code = (
        "import sys; from headstart.cli import main; sys.argv = ['headstart', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, sorted({'torch', 'numpy', 'sklearn', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_run_leaves_everything_it_promises(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "model.safetensors", "config.json", "labels.json", "preprocessing", "README.md", "result.json",
        "predictions.csv", "audit.json", "splits.json", "report.html", "log.jsonl", "journal.jsonl",
    }  # fmt: skip
    result = json.loads((run / "result.json").read_text())
    assert result["task"]["classes"] == ["dusk", "noon"]
    assert result["data"]["set_aside"] == 1
    assert result["data"]["scheme"] == "nested cross-validation"
    assert result["verdict"]["word"] in {"helped", "hurt", "same", "unclear"}
    assert result["test"]["transfer"]["accuracy"]["n"] == 24
    assert {"scratch", "random-frozen", "floor-majority", "floor-classical"} <= set(result["test"])
    assert (run / "predictions.csv").read_text().count("\n") == 25


def test_a_finished_run_is_not_done_again(run: Path, photos: Path) -> None:
    before = (run / "result.json").stat().st_mtime_ns
    model = run.parent / "backbone"
    arguments = ["fit", str(photos), "--model", str(model), "--trials", "3", "--out", str(run)]
    done = subprocess.run([*HEADSTART, *arguments], capture_output=True, text=True, check=True)
    assert "finished" in done.stderr
    assert (run / "result.json").stat().st_mtime_ns == before


def test_predict_never_makes_a_label_up(run: Path, photos: Path, tmp_path: Path) -> None:
    broken, out = photos / "noon" / "broken.png", tmp_path / "predictions.csv"
    found = CliRunner().invoke(
        app, ["predict", str(run), str(photos / "noon" / "1.png"), str(broken), "--out", str(out)]
    )
    assert found.exit_code == 0, found.output
    header, good, bad = out.read_text().splitlines()
    assert header == "id,predicted,confidence,error,p:dusk,p:noon"
    assert good.split(",")[1] in {"dusk", "noon"}
    assert bad.split(",")[1:3] == ["", ""]
    assert "not a picture" in bad


def test_evaluate_measures_labelled_data(run: Path, photos: Path) -> None:
    found = CliRunner().invoke(app, ["evaluate", str(run), str(photos)])
    assert found.exit_code == 0, found.output
    assert "accuracy" in found.output
    assert "24 examples" in found.output


def test_check_tells_what_is_wrong(photos: Path) -> None:
    found = subprocess.run([*HEADSTART, "check", str(photos)], capture_output=True, text=True, check=True)
    assert "broken.png" in found.stdout
    assert "2 classes" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "nowhere"], "nowhere"),
        (["fit", "builtin:digits", "--budget", "soon"], "--budget soon"),
        (["fit", "builtin:digits", "--model", "no-such-model"], "no-such-model"),
        (["predict", "nowhere", "x.png"], "nowhere"),
    ],
)
def test_wrong_input_ends_in_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run([*HEADSTART, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("headstart: ")
    assert words in last
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_a_mistake_of_the_command_line() -> None:
    done = subprocess.run([*HEADSTART, "fit", "x", "--budgett", "5m"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--budgett" in done.stderr


def test_models_and_doctor_answer() -> None:
    found = CliRunner().invoke(app, ["models"])
    assert found.exit_code == 0
    assert "minilm" in found.output
    found = CliRunner().invoke(app, ["doctor"])
    assert found.exit_code == 0
    assert "torch build" in found.output


def test_errors_carry_their_exit_code() -> None:
    assert HeadstartError("x").exit_code == 2
