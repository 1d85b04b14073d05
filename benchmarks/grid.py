"""`headstart fit` beside the best of a grid of 200 configurations, on resplits of pooled pictures, all from the same weights.

    python benchmarks/grid.py --data DATA --weights WEIGHTS --work WORK [--sets hymenoptera sign_digits] [--resplits 3]

The pictures of both parts of a data set are pooled and split anew, as large as the parts were. Every configuration learns from the whole
training part and is judged on the test part. The grid has every advantage of caching: features and activations at a cut are
computed once for all of it, and one training counts as two configurations, with the head that it trained and with one solved at its end.
Its cost is what all that takes here; `fit` is a whole process, imports, controls and report included.

The best of 200 accuracies on a few hundred test pictures is partly luck. So the grid's best is told twice: as it is, and chosen on one
half of the test pictures and judged on the other, the mean over many such halvings. What is in WORK already is not measured again; the
table of all configurations is written there as grid-SET.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from adapt.prefix import bench_of, folds_of
from environments import headstart_fit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headstart.adapt.carried import VIEWS
from headstart.adapt.finetune import Recipe
from headstart.adapt.heads import solve_head
from headstart.adapt.moved import FineTune
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.workbench import Folds, Workbench
from headstart.data.dataset import Dataset
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.models.resolve import load_backbone
from headstart.runtime import place

MODEL = "mobilenetv2_100_imagenet_tf2"
STRENGTHS = np.logspace(-4, 3, 20)
NEIGHBOURS = (1, 2, 3, 5, 7, 10, 15, 20, 30)
BATCH = 32
HALVINGS = 500


@dataclass(frozen=True, slots=True)
class Training:
    """One training, judged with two heads: two configurations."""

    strategy: str
    learning_rate: float
    epochs: int
    share: float | None = None
    """Of the stages that move, in `partial`."""

    @property
    def name(self) -> str:
        """For the table."""
        share = "" if self.share is None else f" {self.share:.2f}"
        return f"{self.strategy}{share} lr={self.learning_rate:g} epochs={self.epochs}"


TRAININGS = (
    *(
        Training("partial", float(rate), epochs, share)
        for share in (1 / 6, 1 / 3, 1 / 2, 2 / 3)
        for rate in np.logspace(-5, -2, 8).round(6)
        for epochs in (5, 15)
    ),
    *(Training("full", rate, epochs) for rate in (3e-5, 1e-4, 3e-4, 1e-3) for epochs in (4, 12)),
    *(Training(name, rate, 8) for name in ("norms", "bias", "lora") for rate in (3e-4, 1e-3, 3e-3)),
)
SIZE = 2 * len(TRAININGS) + len(STRENGTHS) + 2 * len(NEIGHBOURS)


@dataclass(frozen=True, slots=True)
class Resplit:
    """The grid on one resplit: seconds in all, and by configuration which test pictures it has right."""

    seconds: float
    right: Mapping[str, np.ndarray]


def main() -> None:
    """Measure what is missing, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME/NAME.zip")
    parser.add_argument("--weights", type=Path, required=True, help="folder with timm folders")
    parser.add_argument("--work", type=Path, required=True, help="what was measured is kept here")
    parser.add_argument("--sets", nargs="+", default=["hymenoptera", "sign_digits"])
    parser.add_argument("--resplits", type=int, default=3)
    parser.add_argument("--budget", default="60s")
    parser.add_argument(
        "--only", choices=("fit", "grid"), help="one side: `fit` keeps to a time, the grid does not mind company"
    )
    chosen = parser.parse_args()
    for name in chosen.sets:
        dataset = read(str(unpacked(chosen.data / name / f"{name}.zip", chosen.work / name)), columns=Columns())
        for resplit in range(chosen.resplits):
            if chosen.only != "grid":
                fitted(name, dataset, resplit, chosen)
            if chosen.only != "fit":
                gridded(name, dataset, resplit, chosen)
        if chosen.only is None:
            told(name, dataset, chosen)


def unpacked(archive: Path, folder: Path) -> Path:
    """The folder that holds train and test."""
    if not folder.is_dir():
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    (train,) = (path for path in folder.rglob("train") if path.is_dir())
    return train.parent


def split(dataset: Dataset, resplit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, test rows and all labels."""
    assert dataset.labels is not None
    labels = np.array([dataset.classes.index(names[0]) for names in dataset.labels])
    tested = sum(part == "test" for part in dataset.parts)
    train, test = train_test_split(np.arange(len(labels)), test_size=tested, stratify=labels, random_state=resplit)
    return np.sort(train), np.sort(test), labels


def fitted(name: str, dataset: Dataset, resplit: int, chosen: argparse.Namespace) -> Mapping[str, float]:
    """Accuracy and seconds of `headstart fit` on the resplit."""
    file = chosen.work / f"fit-{name}-{resplit}-{chosen.budget}.json"
    if not file.is_file():
        train, test, labels = split(dataset, resplit)
        folder = chosen.work / f"{name}-{resplit}"
        for part, rows in (("train", train), ("test", test)):
            for row in rows:
                picture = Path(dataset.items[row]).resolve()
                link = folder / part / dataset.classes[labels[row]] / f"{row}{picture.suffix}"
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_file():
                    link.symlink_to(picture)
        out = chosen.work / f"run-{name}-{resplit}"
        timed = headstart_fit(folder, "--model", chosen.weights / MODEL, "--budget", chosen.budget, out=out)
        file.write_text(json.dumps({"accuracy": timed.figures["accuracy"], "seconds": timed.seconds}))
        print(f"{name}, resplit {resplit}: fit {timed.figures['accuracy']:.3f} in {timed.seconds:.0f} s", flush=True)
    found: Mapping[str, float] = json.loads(file.read_text())
    return found


def gridded(name: str, dataset: Dataset, resplit: int, chosen: argparse.Namespace) -> Resplit:
    """All configurations on the resplit; a line of JSON for each piece of work, so that it can go on where it was stopped."""
    file = chosen.work / f"grid-{name}-{resplit}.jsonl"
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    train, test, labels = split(dataset, resplit)
    backbone = load_backbone(str(chosen.weights / MODEL))
    bench = bench_of(dataset, backbone, labels, place(), chosen.work / f"cache-{name}")
    folds = folds_of(labels, train)
    pieces = {"heads": heads, **{one.name: trained(one) for one in TRAININGS}}
    for number, (called, work) in enumerate(pieces.items()):
        if any(one["piece"] == called for one in done):
            continue
        began = time.process_time()
        right = {
            key: np.flatnonzero(found).tolist() for key, found in work(bench, backbone.card.name, train, test, folds)
        }
        done.append({"piece": called, "seconds": time.process_time() - began, "right": right})
        with file.open("a") as lines:
            lines.write(json.dumps(done[-1]) + "\n")
        best = max(len(places) for places in right.values()) / len(test)
        print(f"{name}, resplit {resplit}, {number + 1} of {len(pieces)}: {called} {best:.3f}", flush=True)
    every = {key: np.isin(np.arange(len(test)), places) for one in done for key, places in one["right"].items()}
    assert len(every) == SIZE, (len(every), SIZE)
    return Resplit(sum(one["seconds"] for one in done), every)


Found = Iterator[tuple[str, np.ndarray]]


def heads(bench: Workbench, backbone: str, train: np.ndarray, test: np.ndarray, folds: Folds) -> Found:
    """Every configuration on frozen features."""
    features = bench.features(backbone)
    seen, unseen = features.take(train), features.take(test)
    known, asked = bench.targets[train], bench.targets[test]
    for strength in STRENGTHS:
        head = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
        yield f"probe C={strength:.2g}", head.fit(seen, known).predict(unseen) == asked
    for count in NEIGHBOURS:
        for weights in ("uniform", "distance"):
            head = KNeighborsClassifier(count, weights=weights, metric="cosine")
            yield f"knn k={count} {weights}", head.fit(seen, known).predict(unseen) == asked


def trained(one: Training) -> Callable[[Workbench, str, np.ndarray, np.ndarray, Folds], Found]:
    """A training and its two heads."""

    def work(bench: Workbench, backbone: str, train: np.ndarray, test: np.ndarray, folds: Folds) -> Found:
        strategy = STRATEGIES[one.strategy]
        assert isinstance(strategy, FineTune)
        recipe = Recipe(one.epochs, one.learning_rate, 10 * one.learning_rate, batch_size=BATCH)
        settings: dict[str, Any] = {**recipe.to_dict(), "folds": 1, "views": None}
        if one.share is not None:
            settings |= {"share": one.share, "views": VIEWS}
        spec = Spec("transfer", backbone, one.strategy, settings)
        outcome = {"best_epoch": one.epochs, "head": "trained"}
        network = strategy.refit(spec, outcome, bench, train, folds, seed=0)
        asked = bench.targets[test]
        yield f"{one.name} head trained", strategy.logits(network, spec, bench, test).argmax(1) == asked
        solve_head(network, backbone, bench, train)
        yield f"{one.name} head solved", strategy.logits(network, spec, bench, test).argmax(1) == asked

    return work


def told(name: str, dataset: Dataset, chosen: argparse.Namespace) -> None:
    """Write the table, and print what it comes to."""
    grids = [gridded(name, dataset, resplit, chosen) for resplit in range(chosen.resplits)]
    ours = [fitted(name, dataset, resplit, chosen) for resplit in range(chosen.resplits)]
    right = {key: np.concatenate([grid.right[key] for grid in grids]) for key in grids[0].right}
    matrix_CN = np.array(list(right.values()))
    with (chosen.work / f"grid-{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["configuration", "accuracy", *(f"resplit {number}" for number in range(len(grids)))])
        for key in sorted(right, key=lambda key: -right[key].mean()):
            each = [f"{grid.right[key].mean():.4f}" for grid in grids]
            writer.writerow([key, f"{right[key].mean():.4f}", *each])
    accuracy = float(np.mean([one["accuracy"] for one in ours]))
    best, halved = float(matrix_CN.mean(1).max()), chosen_apart(matrix_CN)
    seconds, cost = sum(one["seconds"] for one in ours), sum(grid.seconds for grid in grids)
    print(
        f"{name}: fit {accuracy:.4f}; the grid's best {best:.4f} ({100 * (accuracy - best):+.1f} points), chosen and judged on "
        f"different halves {halved:.4f} ({100 * (accuracy - halved):+.1f} points). {seconds:.0f} s for fit, "
        f"{cost:.0f} s of processor for the grid: {seconds / cost:.1%}"
    )


def chosen_apart(matrix_CN: np.ndarray) -> float:
    """The accuracy of the best of C configurations on N answers, chosen on one half of these and judged on the other."""
    rng, found = np.random.default_rng(0), []
    for _ in range(HALVINGS):
        order = rng.permutation(matrix_CN.shape[1])
        one, other = order[: len(order) // 2], order[len(order) // 2 :]
        found.append(matrix_CN[matrix_CN[:, one].mean(1).argmax(), other].mean())
    return float(np.mean(found))


if __name__ == "__main__":
    main()
