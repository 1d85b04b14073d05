"""The wheel, installed into a clean environment: it carries everything that the demo needs."""

from __future__ import annotations

import json
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from tests.clean import ROOT, run, told

STARTERS = ("natural", "glyph", "words")
OF_PICTURES = 2
LARGEST_WEIGHTS = 4_000_000
LARGEST_CARD = 500_000
RUN_FOLDER = {
    "model.safetensors",
    "config.json",
    "labels.json",
    "preprocessing",
    "README.md",
    "result.json",
    "predictions.csv",
    "audit.json",
    "splits.json",
    "report.html",
    "log.jsonl",
    "journal.jsonl",
}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--isolated"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command: list[str | Path] = [
        *PIP,
        "wheel",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        ROOT,
    ]
    done = run(command, home=folder / "home", cwd=folder)
    assert done.returncode == 0, told(done)
    (built,) = folder.glob("headstart-*.whl")
    return built


def clean_environment(folder: Path, wheel: Path) -> Path:
    """The commands of a new environment with the wheel in it.

    Its dependencies are seen in this environment's packages through a .pth file, so that nothing is downloaded; the
    editable Headstart there is not, because a .pth file in a folder that was added this way is not read.
    """
    builder = venv.EnvBuilder(with_pip=False, symlinks=True)
    builder.create(folder)
    commands = Path(builder.ensure_directories(folder).bin_path)
    done = run(
        [*PIP, "--python", commands / "python", "install", "--no-deps", "--no-index", wheel],
        home=folder / "home",
        cwd=folder,
    )
    assert done.returncode == 0, told(done)
    (inside,) = folder.glob("lib/python*/site-packages/headstart")
    packages = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
    (inside.parent / "dependencies.pth").write_text("".join(f"{path}\n" for path in sorted(packages)))
    return commands


def test_the_wheel_carries_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    package = ROOT / "src"
    ours = {
        path.relative_to(package).as_posix()
        for path in (package / "headstart").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    outside = {name for name in sizes if ".dist-info/" not in name}
    assert outside == ours
    assert any(name.endswith("LICENSE") for name in sizes)
    for name in STARTERS:
        folder = f"headstart/models/starter/{name}"
        assert {f"{folder}/config.json", f"{folder}/card.json", f"{folder}/model.safetensors"} <= set(sizes)
        assert 100_000 < sizes[f"{folder}/model.safetensors"] <= LARGEST_WEIGHTS
        assert (
            sum(size for path, size in sizes.items() if path.startswith(folder) and "model." not in path) < LARGEST_CARD
        )


def test_the_demo_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    commands = clean_environment(tmp_path / "venv", wheel)
    home = tmp_path / "home"
    found = run([commands / "python", "-c", "import headstart; print(headstart.__file__)"], home=home, cwd=tmp_path)
    assert Path(found.stdout.strip()).is_relative_to(tmp_path / "venv"), told(found)

    done = run([commands / "headstart", "demo", "--trials", "3", "--no-open", "--out", "run"], home=home, cwd=tmp_path)
    assert done.returncode == 0, told(done)
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr, done.stderr
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} >= RUN_FOLDER

    result = json.loads((folder / "result.json").read_text())
    assert result["data"]["name"] == "builtin:digits"
    assert len(result["ranking"]) == OF_PICTURES
    assert result["chosen"]["card"]["spec"] == "starter:glyph"
    assert {trial["role"] for trial in result["trials"]} == {"transfer", "random-frozen", "scratch"}
    assert result["verdict"]["against"] == "scratch"
    transfer, floor = (result["test"][name]["accuracy"] for name in ("transfer", "floor-majority"))
    assert transfer["low"] > floor["high"]

    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html")
    assert "builtin:digits" in page
    # What the person sees afterwards is this run, made by this wheel.
    assert result["versions"]["headstart"] in wheel.name
    listed = run([commands / "headstart", "models"], home=home, cwd=tmp_path)
    assert all(f"starter:{name}" in listed.stdout for name in STARTERS), told(listed)
