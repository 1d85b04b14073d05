"""What a training step is said to need, measured beforehand by two small passes, beside what training then takes at its peak.

    python benchmarks/adapt/step_memory.py --data DATA --weights WEIGHTS

A process of its own for each line: resident memory before training is taken from its peak during two epochs of one batch and
their validation. On a CPU; `predicted` is what decides whether a batch is passed at once, in parts, or with checkpoints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from headstart.adapt.examples import prepare_examples
from headstart.adapt.finetune import Recipe, train
from headstart.adapt.judge import Judge
from headstart.adapt.memory import measure_need
from headstart.adapt.network import Network, freeze_below
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.models.resolve import load_backbone
from headstart.runtime import generator, place, trim_memory
from headstart.tasks import TASKS

CASES = (
    ("mobilenet_v1_0.25_128_imagenet", "hymenoptera/hymenoptera.zip", 64),
    ("mobilenetv2_100_imagenet_tf2", "hymenoptera/hymenoptera.zip", 16),
    ("mobilenetv2_100_imagenet_tf2", "hymenoptera/hymenoptera.zip", 32),
    ("minilm", "trec6/train.csv", 32),
    ("tinyllama_stories260k", "sst2/train.csv", 64),
)
"""Backbone, data, and batch size."""
WAYS = ((None, False), (8, False), (None, True), (8, True))
"""Micro-batch, and whether stages are computed again."""
HELD_OUT = 64


def main() -> None:
    """Print a line for each case and way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.case:
        print(json.dumps(measured(chosen.data, chosen.weights, *json.loads(chosen.case))))
        return
    for backbone, data, batch_size in CASES:
        for micro_batch, checkpoint in WAYS:
            case = json.dumps([backbone, data, batch_size, micro_batch, checkpoint])
            command = [sys.executable, __file__, "--data", chosen.data, "--weights", chosen.weights, "--case", case]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
            predicted, taken = json.loads(done.stdout.splitlines()[-1])
            way = f"parts of {micro_batch or batch_size}{', checkpoints' if checkpoint else ''}"
            print(
                f"{backbone}, batch of {batch_size}, {way}: predicted {predicted:.0f} MiB, taken {taken:.0f} MiB, "
                f"{predicted / taken - 1:+.0%}",
                flush=True,
            )


def measured(
    data: Path, weights: Path, model: str, source: str, batch_size: int, micro_batch: int | None, checkpoint: bool
) -> tuple[float, float]:
    """MiB that were predicted and taken."""
    path, placement = weights / model, place()
    backbone = load_backbone(str(path) if path.is_dir() else model)
    dataset = read(str(data / source), columns=Columns()).take(range(batch_size + HELD_OUT))
    with tempfile.TemporaryDirectory() as folder:
        examples = prepare_examples(
            dataset.items,
            decode=MODALITIES[dataset.modality].decode,
            preprocess=backbone.preprocess,
            path=Path(folder) / "examples",
            threads=placement.threads,
        )
        rows, held_out = np.arange(batch_size), np.arange(batch_size, batch_size + HELD_OUT)
        targets, task = np.arange(len(dataset)) % 2, TASKS["single"]
        freeze_below(backbone, 0)
        need = measure_need(Network(backbone, 2), examples, rows, placement, hold=True)
        trim_memory()
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = resident("VmRSS")
        recipe = Recipe(
            epochs=2, learning_rate=1e-4, head_learning_rate=1e-3, batch_size=batch_size, micro_batch=micro_batch,
            checkpoint=checkpoint,
        )  # fmt: skip
        train(
            Network(load_backbone(str(path) if path.is_dir() else model), 2), examples, rows, targets[rows], recipe,
            objective=task.loss, placement=placement, rng=generator(0), validation=(held_out, Judge(task, "accuracy", targets[held_out])),
        )  # fmt: skip
        return need(micro_batch or batch_size, checkpoint=checkpoint) / 2**20, resident("VmHWM") - before


def resident(what: str) -> float:
    """A figure of this process's memory in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


if __name__ == "__main__":
    main()
