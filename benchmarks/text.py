"""Texts: `headstart fit` beside SetFit, both from all-MiniLM-L6-v2 with 16 examples per class, in the same run.

    python benchmarks/text.py --data DATA --environments ENVS

DATA holds trec6/train.csv and trec6/test.csv with text and label. The encoder is the one of the extra offline-text.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from environments import headstart_fit, rival
from rich.console import Console
from rich.table import Table

from headstart.models import minilm

PER_CLASS, BUDGET = 16, "75s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--environments", type=Path, required=True, help="where the rivals' environments are, or will be"
    )
    parser.add_argument("--draws", type=int, default=1, help="draws of the training examples")
    chosen = parser.parse_args()
    encoder = minilm.folder()
    if encoder is None:
        raise SystemExit("Run: pip install 'headstart[offline-text]'")
    table = Table(title=f"trec6, {PER_CLASS} examples per class, 500 test questions")
    for heading in ("draw", "contestant", "accuracy", "seconds"):
        table.add_column(heading, justify="left" if heading == "contestant" else "right")
    for draw in range(chosen.draws):
        with tempfile.TemporaryDirectory() as scratch:
            data = few(chosen.data / "trec6", Path(scratch) / "trec6.csv", draw)
            rows = {
                "headstart, probe": headstart_fit(
                    data, "--strategy", "probe", "--control", "none", out=Path(scratch) / "probe"
                ),
                f"headstart, {BUDGET}": headstart_fit(data, "--budget", BUDGET, out=Path(scratch) / "whole"),
                "setfit": rival("setfit", "setfit_text.py", data, encoder, environments=chosen.environments),
            }
        for called, row in rows.items():
            table.add_row(str(draw), called, f"{row.figures['accuracy']:.3f}", f"{row.seconds:.1f}")
    Console(width=100).print(table)


def few(folder: Path, path: Path, draw: int) -> Path:
    """A table with PER_CLASS training examples of each class and the whole test part."""
    train, test = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "test"))
    rng = np.random.default_rng(draw)
    rows = [rng.permutation(index)[:PER_CLASS] for index in train.groupby("label").indices.values()]
    chosen = train.loc[np.concatenate(rows)]
    pd.concat([chosen.assign(split="train"), test.assign(split="test")]).to_csv(path, index=False)
    return path


if __name__ == "__main__":
    main()
