"""Pictures: `headstart fit` beside fastai, AutoGluon and a bare probe, from the same weights on the same parts, in the same run.

    python benchmarks/images.py --data DATA --weights WEIGHTS --environments ENVS [--sets hymenoptera sign_digits orl_faces]

DATA holds NAME/NAME.zip with train and test folders, WEIGHTS timm folders such as mobilenetv2_100_imagenet_tf2. Each
row is one whole process, imports and decoding included. `probe` is `--strategy probe --control none`; `fit` is the
whole job within `--budget 75s`: all strategies, controls, report. Examples that Headstart's audit sets aside are missing
from its test part: the column `tested` says how many were judged.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path

from environments import Timed, headstart_fit, rival, weights_folder, words, write_json
from rich.console import Console
from rich.table import Table

BUDGET = "75s"
MODEL = "mobilenetv2_100_imagenet_tf2"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME/NAME.zip")
    parser.add_argument("--weights", type=Path, required=True, help="folder with timm folders, or one of them")
    parser.add_argument("--model", default=MODEL, help="which of the timm folders")
    parser.add_argument(
        "--environments", type=Path, required=True, help="where the rivals' environments are, or will be"
    )
    parser.add_argument("--sets", nargs="+", default=["hymenoptera"])
    parser.add_argument("--rivals", nargs="*", default=["bare", "fastai", "autogluon"])
    parser.add_argument("--budget", default=BUDGET)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    measured = {}
    for name in words(chosen.sets):
        with tempfile.TemporaryDirectory() as scratch:
            rows = measure(name, Path(scratch), chosen)
        Console(width=100).print(table(name, rows))
        measured[name] = {called: asdict(row) for called, row in rows.items()}
        write_json(chosen.json, measured)


def measure(name: str, scratch: Path, chosen: argparse.Namespace) -> dict[str, Timed]:
    """Every contestant on one data set."""
    folder = unpacked(chosen.data / name / f"{name}.zip", scratch / "pictures")
    weights = weights_folder(chosen.weights, chosen.model)
    given = (folder, "--model", weights)
    probe = ("--strategy", "probe", "--control", "none")
    rows = {
        "headstart, probe": headstart_fit(*given, *probe, out=scratch / "probe"),
        f"headstart, {chosen.budget}": headstart_fit(*given, "--budget", chosen.budget, out=scratch / "whole"),
    }
    scripts = {"bare": "bare_probe.py"}
    for called in words(chosen.rivals):
        print(f"{name}: {called} is at work", flush=True)
        script = scripts.get(called, f"{called}_images.py")
        rows[called] = rival(called, script, folder, weights, environments=chosen.environments)
        print(f"{name}: {called} {rows[called].figures['accuracy']:.3f} in {rows[called].seconds:.0f} s", flush=True)
    return rows


def unpacked(archive: Path, folder: Path) -> Path:
    """The folder with train and test in it."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    (train,) = (path for path in folder.rglob("train") if path.is_dir())
    return train.parent


def table(name: str, rows: dict[str, Timed]) -> Table:
    """Accuracy on the test part and seconds, with the ratio to the probe."""
    found = Table(title=f"{name}: test accuracy and wall time of the whole process")
    for heading in ("contestant", "accuracy", "tested", "seconds", "times the probe's"):
        found.add_column(heading, justify="left" if heading == "contestant" else "right")
    least = rows["headstart, probe"].seconds
    for called, row in rows.items():
        accuracy, tested = row.figures["accuracy"], row.figures["tested"]
        found.add_row(called, f"{accuracy:.3f}", f"{tested:.0f}", f"{row.seconds:.1f}", f"{row.seconds / least:.1f}")
    return found


if __name__ == "__main__":
    main()
