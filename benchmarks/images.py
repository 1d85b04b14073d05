"""Pictures: `headstart fit` beside fastai and AutoGluon, from the same weights on the same parts, in the same run.

    python benchmarks/images.py --data DATA --weights WEIGHTS --environments ENVS [--sets hymenoptera,sign_digits]

DATA holds NAME/NAME.zip with train and test folders, WEIGHTS a timm folder such as mobilenetv2_100_imagenet_tf2. Each
row is one whole process, imports and decoding included. `probe` is `--strategy probe --control none`; `fit` is the
whole job within `--budget 75s`: all strategies, controls, report.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

from environments import Timed, headstart_fit, rival
from rich.console import Console
from rich.table import Table

BUDGET = "75s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument(
        "--environments", type=Path, required=True, help="where the rivals' environments are, or will be"
    )
    parser.add_argument("--sets", default="hymenoptera")
    parser.add_argument("--rivals", default="fastai,autogluon")
    chosen = parser.parse_args()
    for name in chosen.sets.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            rows = measure(name, Path(scratch), chosen)
        Console(width=100).print(table(name, rows))


def measure(name: str, scratch: Path, chosen: argparse.Namespace) -> dict[str, Timed]:
    """Every contestant on one data set."""
    folder = unpacked(chosen.data / name / f"{name}.zip", scratch / "pictures")
    given = (folder, "--model", chosen.weights)
    rows = {
        "headstart, probe": headstart_fit(*given, "--strategy", "probe", "--control", "none", out=scratch / "probe"),
        f"headstart, {BUDGET}": headstart_fit(*given, "--budget", BUDGET, out=scratch / "whole"),
    }
    for called in filter(None, chosen.rivals.split(",")):
        print(f"{name}: {called} is at work", flush=True)
        rows[called] = rival(called, f"{called}_images.py", folder, chosen.weights, environments=chosen.environments)
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
    for heading in ("contestant", "accuracy", "seconds", "times the probe's"):
        found.add_column(heading, justify="left" if heading == "contestant" else "right")
    least = rows["headstart, probe"].seconds
    for called, row in rows.items():
        found.add_row(called, f"{row.figures['accuracy']:.3f}", f"{row.seconds:.1f}", f"{row.seconds / least:.1f}")
    return found


if __name__ == "__main__":
    main()
