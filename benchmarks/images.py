"""Pictures: `headstart fit` beside fastai, AutoGluon and a bare probe, from the same weights on the same parts, in the same run.

    python benchmarks/images.py --data DATA --weights WEIGHTS --environments ENVS [--sets hymenoptera sign_digits orl_faces]

DATA holds NAME/NAME.zip with train and test folders, WEIGHTS timm folders such as mobilenetv2_100_imagenet_tf2. Each
row is one whole process, imports and decoding included. `probe` is `--strategy probe --control none`; `fit` is the
whole job within `--budget 60s`: all strategies, controls, report. fastai trains as its documentation shows it, AutoGluon
within 600 s. Headstart's rows of all sets come first, so that a machine can be kept quiet for them. Of a set with more
than `--limit` training pictures as many are drawn, evenly over its classes, and half as many of its test pictures:
everybody gets the same files. Examples that Headstart's audit sets aside are missing from its test part: the column
`tested` says how many were judged.

The last table is what the rows come to: mean accuracies, and the geometric mean of Headstart's share of errors over that
of the better rival; half an error is added on both sides, so that a set without any counts too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from environments import Timed, headstart_fit, rival, weights_folder, words, write_json
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

BUDGET, RIVALS_SECONDS = "60s", 600
MODEL = "mobilenetv2_100_imagenet_tf2"
SETS = (
    "hymenoptera",
    "sign_digits",
    "orl_faces",
    "brain_tumor_mri",
    "fashion_mnist_sprite",
    "bccd_cells",
    "mnist",
    "cifar10",
)
LIMIT = 1000
SCRIPTS = {"bare": "bare_probe.py"}
Rows = dict[str, Timed]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME/NAME.zip")
    parser.add_argument("--weights", type=Path, required=True, help="folder with timm folders, or one of them")
    parser.add_argument("--model", default=MODEL, help="which of the timm folders")
    parser.add_argument(
        "--environments", type=Path, required=True, help="where the rivals' environments are, or will be"
    )
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--rivals", nargs="*", default=["bare", "fastai", "autogluon"])
    parser.add_argument("--budget", default=BUDGET)
    parser.add_argument("--limit", type=int, default=LIMIT, help="training pictures of a set at most")
    parser.add_argument("--json", type=Path, help="keep the figures here, and measure what is not there yet")
    chosen = parser.parse_args()
    measured = known(chosen.json)
    ours = ("headstart, probe", f"headstart, {chosen.budget}")
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / name for name in words(chosen.sets)}
        for name, folder in folders.items():
            thin(unpacked(chosen.data / name / f"{name}.zip", folder), chosen.limit)
        for contestants in (ours, words(chosen.rivals)):
            for name, folder in folders.items():
                rows = measured.setdefault(name, {})
                for called in contestants:
                    if called not in rows:
                        rows[called] = measure(called, folder, chosen)
                        write_json(chosen.json, {name: jsonable(rows) for name, rows in measured.items()})
                        accuracy = rows[called].figures["accuracy"]
                        print(f"{name}: {called} {accuracy:.3f} in {rows[called].seconds:.0f} s", flush=True)
    for name in folders:
        Console(width=100).print(table(name, measured[name]))
    if {"fastai", "autogluon"} & set(words(chosen.rivals)):
        Console(width=100).print(summary({name: measured[name] for name in folders}, ours[1]))


def known(path: Path | None) -> dict[str, Rows]:
    """What was measured before."""
    kept = json.loads(path.read_text()) if path and path.is_file() else {}
    return {name: {called: Timed(**row) for called, row in rows.items()} for name, rows in kept.items()}


def jsonable(rows: Rows) -> dict[str, Any]:
    """Rows as JSON holds them."""
    return {called: asdict(row) for called, row in rows.items()}


def measure(called: str, folder: Path, chosen: argparse.Namespace) -> Timed:
    """A contestant on the pictures below `folder`."""
    weights = weights_folder(chosen.weights, chosen.model)
    given = (parts_of(folder), "--model", weights)
    if called == "headstart, probe":
        return headstart_fit(*given, "--strategy", "probe", "--control", "none", out=folder / "probe")
    if called.startswith("headstart"):
        return headstart_fit(*given, "--budget", chosen.budget, out=folder / "whole")
    limit = [str(RIVALS_SECONDS)] if called == "autogluon" else []
    script = SCRIPTS.get(called, f"{called}_images.py")
    return rival(called, script, parts_of(folder), weights, *limit, environments=chosen.environments)


def unpacked(archive: Path, folder: Path) -> Path:
    """The folder with train and test in it."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder / "pictures")
    return parts_of(folder)


def parts_of(folder: Path) -> Path:
    """Where train and test are, below a folder of `unpacked`."""
    (train,) = (path for path in (folder / "pictures").rglob("train") if path.is_dir())
    return train.parent


def thin(parts: Path, limit: int) -> None:
    """Remove pictures of a large set until at most `limit` are left to learn from, and half as many to test, evenly over classes."""
    rng = np.random.default_rng(0)
    large = sum(path.is_file() for path in (parts / "train").rglob("*")) > limit
    for part, most in (("train", limit), ("test", limit // 2)) if large else ():
        classes = sorted(path for path in (parts / part).iterdir() if path.is_dir())
        for folder in classes:
            pictures = sorted(folder.iterdir())
            for place in rng.permutation(len(pictures))[max(1, most // len(classes)) :]:
                pictures[place].unlink()


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


def summary(measured: Mapping[str, Rows], ours: str) -> Table:
    """Means over the sets, and where a rival is ahead by more than Headstart's 95 % interval (Wilson)."""
    rivals = [called for called in ("fastai", "autogluon") if all(called in rows for rows in measured.values())]
    ratios, behind = [], []
    for name, rows in measured.items():
        better = max((rows[called] for called in rivals), key=lambda row: row.figures["accuracy"])
        ratios.append(wrong(rows[ours]) / wrong(better))
        accuracy, tested = rows[ours].figures["accuracy"], round(rows[ours].figures["tested"])
        interval = binomtest(round(accuracy * tested), tested).proportion_ci(method="wilson")
        if better.figures["accuracy"] > interval.high:
            behind.append(name)
    found = Table(
        title=f"{len(measured)} sets: errors {np.exp(np.mean(np.log(ratios))):.2f} times those of the better rival"
    )
    found.add_column("contestant")
    found.add_column("mean accuracy", justify="right")
    found.add_column("behind by more than the interval")
    for called in [ours, *rivals]:
        mean = np.mean([rows[called].figures["accuracy"] for rows in measured.values()])
        found.add_row(called, f"{mean:.3f}", (", ".join(behind) or "nowhere") if called == ours else "")
    return found


def wrong(row: Timed) -> float:
    """Share of errors, with half an error added."""
    tested = row.figures["tested"]
    return ((1 - row.figures["accuracy"]) * tested + 0.5) / (tested + 1)


if __name__ == "__main__":
    main()
