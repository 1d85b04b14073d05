"""A language model on new text: `headstart fit --task lm` beside transformers' Trainer with the settings of its example, same weights, same time.

    python benchmarks/language.py --texts FOLDER --model MODEL [--budget 120] [--json FILE]

FOLDER holds train.txt and test.txt, MODEL is a causal language model's folder. Headstart has `--budget` seconds for everything, training from
scratch and the proof included; so has the Trainer, for training alone. All are judged alike, on the same blocks of the test text in float32.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from environments import rival, timed, write_json
from rich.console import Console
from rich.table import Table

from headstart.adapt.examples import PreparedExamples
from headstart.adapt.finetune import predict_logits
from headstart.adapt.head_kinds import HEADS
from headstart.adapt.network import Network
from headstart.data.read import read
from headstart.models.resolve import load_backbone
from headstart.prove.losses import losses
from headstart.prove.metrics import METRICS, score
from headstart.runtime import place
from headstart.tasks import TASKS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--texts", type=Path, required=True, help="folder with train.txt and test.txt")
    parser.add_argument("--model", type=Path, required=True, help="folder of a causal language model")
    parser.add_argument("--budget", type=int, default=120, help="seconds for each")
    parser.add_argument("--strategy", default="full")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        figures = measured(given, Path(work))
    table = Table("", "bits per byte", "perplexity", "seconds", box=None)
    for name, (bits, perplexity, seconds) in figures.items():
        table.add_row(name, f"{bits:.3f}", f"{perplexity:.1f}", f"{seconds:.0f}")
    Console().print(table)
    write_json(given.json, figures)


def measured(given: argparse.Namespace, work: Path) -> dict[str, tuple[float, float, float]]:
    """Bits per byte, perplexity and seconds of each contestant."""
    out, items = work / "run", [item for item, part in zip(*both(given.texts), strict=True) if part == "test"]
    fit = [sys.executable, "-m", "headstart", "fit", given.texts, "--task", "lm", "--model", given.model, "--strategy", given.strategy]
    seconds, _ = timed([*fit, "--budget", f"{given.budget}s", "--no-history", "--out", out], {"HEADSTART_CACHE": str(work / "cache")})
    found = json.loads((out / "result.json").read_text())["test"]
    figures = {name: (*(found[name][metric]["value"] for metric in ("bits_per_byte", "perplexity")), seconds) for name in found}
    trained = rival("bare", "transformers_language.py", given.texts / "train.txt", given.model, work / "rival", "--seconds", str(given.budget), environments=work)
    figures["transformers' Trainer"] = (*judged(work / "rival", items), trained.seconds)
    figures["as it is"] = (*judged(given.model, items), 0.0)
    return figures


def both(folder: Path) -> tuple[list[str], list[str]]:
    """The blocks of a folder of texts, and the part that each is in."""
    data = read(folder)
    return list(data.items), list(data.parts)


def judged(folder: Path, items: list[str]) -> tuple[float, float]:
    """Bits per byte and perplexity of a model in transformers' layout on blocks of text."""
    backbone = TASKS["language"].reading(load_backbone(folder))
    network = Network(backbone, 1, head=HEADS["next token"].start(backbone, 1)).eval()
    examples = PreparedExamples(backbone.preprocess, rows=[backbone.preprocess.prepare(item) for item in items])
    found = losses(predict_logits(network, examples, np.arange(len(items)), place("cpu", precision="fp32")))
    bits, perplexity = (score(METRICS[name], found) for name in ("bits_per_byte", "perplexity"))
    assert bits is not None
    assert perplexity is not None
    return bits, perplexity


if __name__ == "__main__":
    main()
