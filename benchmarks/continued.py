"""Going on with unlabelled texts before adapting: `headstart fit` with and without `--unlabelled`, same labels, same budget.

    python benchmarks/continued.py --data DATA [--set banking77] [--model starter:words] [--labels 8] [--budget 60] [--draws 3] [--json FILE]

A draw takes so many training texts of each class with their labels; all other training texts are the unlabelled ones. The test part is the data's own,
or 1,000 of it. With and without have the same budget for everything, going on included; the control from scratch is left out, to spend it on transfer.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from environments import timed, write_json
from rich.console import Console
from rich.table import Table

TESTED = 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--set", default="banking77")
    parser.add_argument("--model", default="starter:words")
    parser.add_argument("--labels", type=int, default=8, help="per class")
    parser.add_argument("--budget", type=int, default=60, help="seconds for a whole fit")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = []
    for draw in range(given.draws):
        with tempfile.TemporaryDirectory() as work:
            figures.append(measured(given, draw, Path(work)))
        print(json.dumps(figures[-1]), flush=True)
    table = Table("draw", "plain", "with unlabelled texts", "kept", "validation difference", "seconds of going on", box=None)
    for draw, found in enumerate(figures):
        table.add_row(str(draw), f"{found['plain']:.3f}", f"{found['unlabelled']:.3f}", str(found["kept"]), found["judged"], f"{found['seconds']:.0f}")
    both = [np.mean([found[name] for found in figures]) for name in ("plain", "unlabelled")]
    table.add_row("mean", f"{both[0]:.3f}", f"{both[1]:.3f}", "", "", "")
    Console(width=140).print(table)
    write_json(given.json, figures)


def measured(given: argparse.Namespace, draw: int, work: Path) -> dict[str, object]:
    """Test accuracy of both ways on one draw, and what validation said."""
    labelled, others = drawn(given.data / given.set, given.labels, draw)
    table, texts = work / "labelled.csv", work / "unlabelled.jsonl"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label", "split"])
        writer.writeheader()
        writer.writerows(labelled)
    texts.write_text("\n".join(json.dumps({"text": text}) for text in others), encoding="utf-8")
    results = {}
    for name, more in (("plain", []), ("unlabelled", ["--unlabelled", texts])):
        fit = [sys.executable, "-m", "headstart", "fit", table, "--model", given.model, "--control", "none", "--budget", f"{given.budget}s"]
        timed([*fit, "--no-history", "--seed", str(draw), "--out", work / name, *more], {"HEADSTART_CACHE": str(work / f"cache-{name}")})
        results[name] = json.loads((work / name / "result.json").read_text(encoding="utf-8"))
    went_on = results["unlabelled"]["continued"]
    gain = went_on.get("difference") or {"value": float("nan"), "low": None, "high": None}
    return {
        **{name: result["test"]["transfer"]["accuracy"]["value"] for name, result in results.items()},
        "kept": went_on["kept"],
        "judged": f"{100 * gain['value']:+.1f} ({100 * (gain['low'] or 0):+.1f} to {100 * (gain['high'] or 0):+.1f})",
        "steps": went_on.get("steps"),
        "seconds": went_on.get("seconds") or 0.0,
    }


def drawn(folder: Path, count: int, draw: int) -> tuple[list[dict[str, str]], list[str]]:
    """Labelled rows (so many of each class, and the test part), and all other training texts."""
    rng = np.random.default_rng(draw)
    rows = {part: list(csv.DictReader((folder / f"{part}.csv").open(encoding="utf-8"))) for part in ("train", "test")}
    taken: dict[str, int] = {}
    labelled, others = [], []
    for row in (rows["train"][place] for place in rng.permutation(len(rows["train"]))):
        taken[row["label"]] = taken.get(row["label"], 0) + 1
        if taken[row["label"]] <= count:
            labelled.append({"text": row["text"], "label": row["label"], "split": "train"})
        else:
            others.append(row["text"])
    tested = np.random.default_rng(0).permutation(len(rows["test"]))[:TESTED]
    return [*labelled, *({**{name: rows["test"][place][name] for name in ("text", "label")}, "split": "test"} for place in tested)], others


if __name__ == "__main__":
    main()
