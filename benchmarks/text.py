"""Texts: `headstart fit` beside SetFit, both from all-MiniLM-L6-v2 with 16 examples per class, in the same run.

    python benchmarks/text.py --data DATA --environments ENVS [--draws 3]

DATA holds trec6/train.csv and trec6/test.csv with text and label. The encoder is the one of the extra offline-text.
Which 16 are drawn moves every contestant by several points: look at the means over draws.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from environments import Timed, headstart_fit, rival, write_json
from rich.console import Console
from rich.table import Table

from headstart.models import minilm

PER_CLASS, BUDGET = 16, "75s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with trec6/train.csv and trec6/test.csv")
    parser.add_argument(
        "--environments", type=Path, required=True, help="where the rivals' environments are, or will be"
    )
    parser.add_argument("--draws", type=int, default=1, help="draws of the training examples")
    parser.add_argument("--budget", default=BUDGET)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    encoder = minilm.folder()
    if encoder is None:
        raise SystemExit("Run: pip install 'headstart[offline-text]'")
    measured = []
    for draw in range(chosen.draws):
        with tempfile.TemporaryDirectory() as scratch:
            measured.append(measure(draw, Path(scratch), encoder, chosen))
        write_json(chosen.json, [{called: asdict(row) for called, row in rows.items()} for rows in measured])
    Console(width=100).print(table(measured))


def measure(draw: int, scratch: Path, encoder: Path, chosen: argparse.Namespace) -> dict[str, Timed]:
    """Every contestant on one draw."""
    data = few(chosen.data / "trec6", scratch / "trec6.csv", draw)
    probe = ("--strategy", "probe", "--control", "none")
    return {
        "headstart, probe": headstart_fit(data, *probe, out=scratch / "probe"),
        f"headstart, {chosen.budget}": headstart_fit(data, "--budget", chosen.budget, out=scratch / "whole"),
        "setfit": rival("setfit", "setfit_text.py", data, encoder, environments=chosen.environments),
    }


def few(folder: Path, path: Path, draw: int) -> Path:
    """A table with PER_CLASS training examples of each class and the whole test part."""
    train, test = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "test"))
    rng = np.random.default_rng(draw)
    rows = [rng.permutation(index)[:PER_CLASS] for index in train.groupby("label").indices.values()]
    chosen = train.loc[np.concatenate(rows)]
    pd.concat([chosen.assign(split="train"), test.assign(split="test")]).to_csv(path, index=False)
    return path


def table(measured: list[dict[str, Timed]]) -> Table:
    """Accuracy and seconds of every draw, and their means where there are several."""
    found = Table(title=f"trec6, {PER_CLASS} examples per class: test accuracy and wall time of the whole process")
    for heading in ("draw", "contestant", "accuracy", "tested", "seconds"):
        found.add_column(heading, justify="left" if heading == "contestant" else "right")
    for draw, rows in enumerate(measured):
        for called, row in rows.items():
            accuracy, tested = row.figures["accuracy"], row.figures["tested"]
            found.add_row(str(draw), called, f"{accuracy:.3f}", f"{tested:.0f}", f"{row.seconds:.1f}")
    if len(measured) > 1:
        for called in measured[0]:
            accuracy = np.mean([rows[called].figures["accuracy"] for rows in measured])
            found.add_row(
                "mean", called, f"{accuracy:.3f}", "", f"{np.mean([r[called].seconds for r in measured]):.1f}"
            )
    return found


if __name__ == "__main__":
    main()
