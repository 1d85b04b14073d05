"""What ranking costs: passes over the sample, scoring, the whole command; and whether predicted costs of trials come true.

    python benchmarks/ranking/cost.py --data DATA --weights WEIGHTS

The pass that keeps every stage is timed beside the bare pass of the same network on the same decoded pictures, turn by turn; a
ratio counts the examples that are looked at once more as well. Scoring is timed on 1,000 examples with the stages of real networks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from zoo import image_zoo, target, text_zoo

from headstart.choose.cost import predict
from headstart.choose.evidence import Sample, weigh
from headstart.choose.profile import PASSED, profile
from headstart.choose.ranking import LARGEST_SAMPLE, SCORES
from headstart.choosing import Way
from headstart.data.modality import MODALITIES
from headstart.data.split import inner_folds
from headstart.features.batches import by_cost
from headstart.features.extract import for_inference
from headstart.features.staged import MOST_STAGES
from headstart.models.cut import spaced
from headstart.runtime import place

ROUNDS, EXAMPLES = 7, 244
BACKBONES = ("mobilenetv2_100_imagenet_tf2", "mobilenetv2_100_inat_bird", "mobilenetv2_100_inat_insect")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    chosen = parser.parse_args()
    zoo = image_zoo(chosen.weights)
    pictures = target(chosen.data, "hymenoptera").data.items[:EXAMPLES]
    for name in ("mnv2-imagenet-b", "mnv1-025", "natural"):
        passes(name, zoo[name](), pictures)
    texts = target(chosen.data, "trec6").data.items[:EXAMPLES]
    passes("minilm", text_zoo(chosen.weights)["minilm"](), texts)
    for widths in ((16, 24, 32, 64, 96, 160, 320, 1280), (384,) * 7, (768,) * 13):
        scoring(widths)
    whole(chosen.data, chosen.weights)


def passes(name: str, backbone, items) -> None:
    """The pass with every stage beside the bare one."""
    placement = place()
    network = for_inference(backbone, placement)
    decode = MODALITIES[backbone.card.modality].decode
    prepared = [backbone.preprocess.prepare(decode(item)) for item in items]
    batches = [
        backbone.preprocess.collate([prepared[row] for row in rows])
        for rows in by_cost([backbone.preprocess.cost(example) for example in prepared])
    ]

    def timed(run: Callable) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            for batch in batches:
                run(batch)
        return time.perf_counter() - began

    timed(network)
    kept = spaced(len(backbone.stages), MOST_STAGES)
    ratios = [timed(lambda batch: network.stage_features(batch, kept)) / timed(network) for _ in range(ROUNDS)]
    every = statistics.median(ratios)
    print(
        f"{name}: every stage {every:.3f} times the bare pass ({min(ratios):.3f} to {max(ratios):.3f}); with the {PASSED} "
        f"examples that pass again {every + PASSED / len(prepared):.3f}, of {LARGEST_SAMPLE} {every + PASSED / LARGEST_SAMPLE:.3f}",
        flush=True,
    )
    bare_s = min(timed(network) for _ in range(3)) / len(prepared)
    seen = profile(backbone, prepared, placement)
    for way in (Way("partial", round(2 / 3 * len(backbone.stages)), 10), Way("full", 0, 10)):
        predicted = predict(seen, way, network_s=bare_s, extraction_s=0.0).seconds
        print(
            f"  10 steps of {way.name}: predicted {predicted:.1f} s, took {training(backbone, prepared, way, placement):.1f} s",
            flush=True,
        )


def training(backbone, prepared, way: Way, placement) -> float:
    """Seconds of as many training steps."""
    from headstart.adapt.examples import PreparedExamples
    from headstart.adapt.finetune import seconds_per_step
    from headstart.adapt.network import Network, freeze_below
    from headstart.tasks import TASKS

    network = Network(backbone, 2)
    freeze_below(network.backbone, way.first)
    rows = np.arange(len(prepared))
    each = seconds_per_step(
        network,
        PreparedExamples(backbone.preprocess, rows=list(prepared)),
        rows,
        objective=TASKS["single"].loss,
        targets=rows % 2,
        placement=placement,
        batch_size=way.batch,
    )
    return each * way.steps


def scoring(widths: tuple[int, ...]) -> None:
    """All scores and the choice of a stage, 1,000 examples of ten classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 1000)
    staged = rng.normal(size=(1000, sum(widths))).astype(np.float32)
    staged[:, -100:] += rng.normal(size=(10, 100))[labels]
    groups = np.arange(1000)
    sample = Sample(labels, groups, inner_folds(labels, groups, k=5, seed=0))
    stages = [(f"stage {number}", width) for number, width in enumerate(widths)]
    times = []
    for _ in range(3):
        began = time.perf_counter()
        weigh(staged, stages, sample, scores=SCORES)
        times.append(time.perf_counter() - began)
    print(f"scoring {len(widths)} stages, the last {widths[-1]} wide, 1,000 examples: {min(times):.2f} s", flush=True)


def whole(data: Path, weights: Path) -> None:
    """The command as a user gives it, five backbones, nothing in the cache; and again."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "HEADSTART_CACHE": f"{folder}/cache", "HEADSTART_DATA": f"{folder}/data"}
        given = [str(weights / name) for name in BACKBONES] + ["starter:natural", "starter:glyph"]
        archive = data / "hymenoptera" / "hymenoptera.zip"
        command = [
            sys.executable,
            "-m",
            "headstart",
            "rank",
            str(archive),
            "--out",
            f"{folder}/out",
            "--model",
            ",".join(given),
        ]
        for called in ("five backbones on hymenoptera", "the same again"):
            began = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            first = json.loads((Path(folder) / "out" / "ranking.json").read_text())["ranking"][0]["backbone"]
            print(f"{called}: {time.perf_counter() - began:.1f} s, first {first}", flush=True)


if __name__ == "__main__":
    main()
