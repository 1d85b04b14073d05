"""What every candidate is worth on every data set: test answers of the strategies, one line per trial, resumable.

    python benchmarks/ranking/truth.py --data DATA --weights WEIGHTS --work WORK [--sets …] [--strategies probe …]

Features of all stages are kept under WORK for `evidence.py`. Each line of tables/truth.jsonl holds the answers of one
strategy on one draw of one data set: `right` are its bits, packed and in base 64. What is in the table is not measured
again. Fine-tuning takes STEPS steps, from scratch twice as many: as many as both ways to fine-tune together.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from zoo import DRAWS, IMAGE_SETS, SAME_DATA, TEXT_SETS, TWINS, Draw, Target, draw, image_zoo, target, text_zoo

from headstart.adapt.moved import recipe_of
from headstart.adapt.strategies import CONTROLS, STRATEGIES
from headstart.adapt.strategy import Effort
from headstart.adapt.trial import Spec
from headstart.adapt.workbench import Workbench
from headstart.data.modality import MODALITIES
from headstart.data.split import inner_folds
from headstart.features.extract import extract
from headstart.features.store import FeatureWriter
from headstart.models.backbone import Backbone
from headstart.runtime import Placement, place, seed_everything
from headstart.tasks import TASKS

TABLE = Path(__file__).parent / "tables" / "truth.jsonl"
STEPS = 150
STRATEGY_ORDER = ("probe", "partial", "full", "scratch")


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=[*IMAGE_SETS, *TEXT_SETS])
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--strategies", nargs="+", default=["probe"])
    parser.add_argument("--draws", nargs="+", type=int, default=list(range(DRAWS)))
    chosen = parser.parse_args()
    placement = place()
    done = {key(row) for row in rows()}
    for name in chosen.sets:
        wanted = list(missing(name, chosen, done))
        if not wanted:
            continue
        found = target(chosen.data, name)
        zoo = image_zoo(chosen.weights) if name in IMAGE_SETS else text_zoo(chosen.weights)
        for model in dict.fromkeys(row["backbone"] for row in wanted):
            backbone = zoo[model]()
            staged_ND = features(found, model, backbone, chosen.work, placement)
            for row in [row for row in wanted if row["backbone"] == model]:
                began = time.monotonic()
                parts = draw(found, row["draw"])
                right = answers(found, parts, row, backbone, staged_ND, chosen.work, placement)
                line = {
                    **row,
                    "n": len(parts.train),
                    "tested": len(right),
                    "accuracy": round(float(right.mean()), 4),
                    "seconds": round(time.monotonic() - began, 1),
                    "right": base64.b64encode(np.packbits(right).tobytes()).decode(),
                }
                with TABLE.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(name, model, row["strategy"], row["draw"], line["accuracy"], line["seconds"], flush=True)


def missing(name: str, chosen: argparse.Namespace, done: set[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Rows still to be measured on a data set."""
    zoo = image_zoo(chosen.weights) if name in IMAGE_SETS else text_zoo(chosen.weights)
    twinned = TWINS if name in IMAGE_SETS else tuple(zoo)
    for model in chosen.models or zoo:
        if model not in zoo or (name, model) in SAME_DATA:
            continue
        for strategy in STRATEGY_ORDER:
            is_twin = model.endswith("(random)")
            fits = strategy == "probe" or (strategy == "scratch" and model in twinned) or strategy in STRATEGIES
            if strategy not in chosen.strategies or not fits or (is_twin and strategy != "probe"):
                continue
            for number in chosen.draws:
                row = {"data": name, "backbone": model, "strategy": strategy, "draw": number}
                if key(row) not in done:
                    yield row


def rows() -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in TABLE.read_text().splitlines()] if TABLE.is_file() else []


def right_of(row: dict[str, Any]) -> np.ndarray:
    """Whether each tested example was answered right."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(row["right"]), np.uint8))
    return bits[: row["tested"]].astype(bool)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a row one of a kind."""
    return row["data"], row["backbone"], row["strategy"], row["draw"]


def features(found: Target, model: str, backbone: Backbone, work: Path, placement: Placement) -> np.ndarray:
    """Features of all stages side by side (N × D), kept under `work`."""
    folder, every = work / "features" / found.name / model, range(len(backbone.stages))
    if not (folder / "about.json").is_file():
        began = time.monotonic()
        decode = MODALITIES[found.data.modality].decode
        extract(found.data.items, backbone, decode=decode, placement=placement, folder=folder, stages=every)
        seconds = time.monotonic() - began
        widths = [stage.width for stage in backbone.stages]
        about = {"widths": widths, "stages": [stage.name for stage in backbone.stages], "seconds": seconds}
        (folder / "about.json").write_text(json.dumps(about))
        print(f"{found.name} {model}: {len(found.data.items)} examples in {seconds:.1f} s", flush=True)
    kept = extract(found.data.items, backbone, decode=None, placement=placement, folder=folder, stages=every)  # type: ignore[arg-type]
    return kept.take(np.arange(len(kept)))


def bench_of(found: Target, model: str, backbone: Backbone, staged_ND: np.ndarray, work: Path, placement: Placement):
    """A workbench whose features are those extracted before."""
    modality, task = MODALITIES[found.data.modality], TASKS["single"]
    bench = Workbench(
        items=found.data.items,
        contents=[f"{found.name}/{row}" for row in range(len(found.data))],
        targets=found.labels_N,
        groups=found.groups_N,
        task=task,
        classes=found.classes,
        metric=task.default_metric,
        decode=modality.decode,
        augment=modality.augment,
        placement=placement,
        cache=work / "cache",
        seed=0,
        backbones={model: backbone},
    )
    writer = FeatureWriter(work / "last" / found.name / model, width=backbone.width)
    writer.add(staged_ND[:, -backbone.width :])
    bench._features[f"{model}/False"] = writer.close()
    return bench


def answers(
    found: Target,
    parts: Draw,
    row: dict[str, Any],
    backbone: Backbone,
    staged_ND: np.ndarray,
    work: Path,
    placement: Placement,
) -> np.ndarray:
    """Whether each test example of the draw is answered right by the strategy, fitted on the draw's training rows."""
    model = row["backbone"]
    bench = bench_of(found, model, backbone, staged_ND, work, placement)
    pairs = inner_folds(found.labels_N[parts.train].tolist(), found.groups_N[parts.train].tolist(), k=4, seed=0)
    folds = [(np.array(inner), np.array(held_out)) for inner, held_out in pairs]
    strategy = {**STRATEGIES, **CONTROLS}[row["strategy"]]
    seed_everything(row["draw"])
    if row["strategy"] == "probe":
        spec, outcome = Spec("transfer", model, "probe", {}), {}
    else:
        scratch = row["strategy"] == "scratch"
        proposal = strategy.propose(
            strategy.portfolio[0], bench, model, parts.train, seconds=None, effort=Effort.FIRST
        )
        assert proposal is not None
        settings = dict(proposal.settings)
        steps = math.ceil(len(parts.train) / settings["batch_size"])
        settings["epochs"] = math.ceil((2 if scratch else 1) * STEPS / steps)
        spec = Spec("scratch" if scratch else "transfer", model, row["strategy"], settings)
        # With few examples `fit` solves the head again at the end, where training it was not clearly better.
        outcome = {"best_epoch": settings["epochs"], "head": "trained" if scratch else "solved"}
        assert recipe_of(spec).epochs == settings["epochs"]
    network = strategy.refit(spec, outcome, bench, parts.train, folds, seed=row["draw"])
    return np.asarray(bench.right(parts.test, strategy.logits(network, spec, bench, parts.test)))


if __name__ == "__main__":
    main()
