"""Heads on frozen features: what searching 30 of them costs beside one extraction, and what each is worth on test data.

    python benchmarks/adapt/heads.py --data DATA --weights WEIGHTS [--speed | --accuracy | --lasso]

Speed: from nothing in the cache, one extraction of the training examples' features (the last stage alone, as a probe needs them), then
ten regularisations of three readings (the last stage, the third last, half of the features of all), cross-validated on four folds; and the
default search, which is probe and `stages` with all their paths, and k-NN. Accuracy: at most MOST training and test examples of a
set, drawn once; each head chooses by cross-validation on the training examples. Lasso: the columns that a ridge's row lengths keep beside
those of a group lasso, as cross-validated log loss, columns found anew in every fold.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from headstart.adapt.drawn import draw
from headstart.adapt.stages import Reading, ScaledStages, chosen
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Workbench
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.split import inner_folds
from headstart.features.extract import extract
from headstart.models.backbone import Backbone
from headstart.models.resolve import load_backbone
from headstart.runtime import place
from headstart.solvers import cross_validated_columns, group_scales, most_relevant, one_hot, relevance
from headstart.tasks import TASKS

MODEL = "mobilenetv2_100_imagenet_tf2"
SETS = (
    "hymenoptera", "sign_digits", "orl_faces", "brain_tumor_mri", "bccd_cells", "fashion_mnist_sprite", "mnist", "cifar10"
)  # fmt: skip
MOST = 1000
PER_CLASS = 16
TEN = tuple(float(C) for C in np.logspace(-1, 4, 10))


@dataclass(frozen=True)
class Rows:
    """A workbench over the examples of a set, with its training and test rows."""

    bench: Workbench
    name: str
    train: np.ndarray
    test: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Print the speed, then the accuracies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--speed", action="store_true", help="the speed alone")
    parser.add_argument("--accuracy", action="store_true", help="the accuracies alone")
    parser.add_argument("--lasso", action="store_true", help="the two ways to select columns alone")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--models", nargs="+", default=(MODEL, "starter:natural"), help="folders in WEIGHTS, or names")
    given = parser.parse_args()
    everything = not (given.speed or given.accuracy or given.lasso)
    if given.lasso or everything:
        for name in given.sets:
            print(selections(given.data / name / f"{name}.zip", load_backbone(str(given.weights / MODEL))), flush=True)
    if given.speed or everything:
        tf2 = str(given.weights / MODEL)
        for source, model, each in (
            (given.data / "hymenoptera" / "hymenoptera.zip", tf2, None),
            (given.data / "sign_digits" / "sign_digits.zip", tf2, None),
            (given.data / "trec6" / "train.csv", "minilm", PER_CLASS),
        ):
            print(speed(source, load_backbone(model), each), flush=True)
    if given.accuracy or everything:
        print(f"test accuracy, then log loss, of {', '.join(HEADS)} (the fifth as the search decides between two)")
        for model in given.models:
            folder = given.weights / model
            backbone, every = load_backbone(str(folder) if folder.is_dir() else model), []
            for name in given.sets:
                told, figures = accuracy(given.data / name / f"{name}.zip", backbone)
                print(told, flush=True)
                every.append(figures)
            print(f"mean of {len(every)}, {backbone.card.name}: {line(np.mean(every, axis=0))}", flush=True)


def rows_of(source: Path, backbone: Backbone, cache: Path, *, each: int | None = None) -> Rows:
    """At most MOST training and test examples; with `each` so many training examples of every class and no test."""
    dataset = read(str(source), columns=Columns())
    labels = np.array([dataset.classes.index(names[0]) for names in dataset.labels or ()])
    rng = np.random.default_rng(0)
    if each is None:
        is_test = np.array([part == "test" for part in dataset.parts or ()])
        train, test = (rng.permutation(np.flatnonzero(is_test == part))[:MOST] for part in (False, True))
    else:
        train = np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:each] for k in range(labels.max() + 1)])
        test = train[:0]
    kept = np.concatenate([np.sort(train), np.sort(test)])
    task, modality = TASKS["single"], MODALITIES[dataset.modality]
    bench = Workbench(
        items=[dataset.items[row] for row in kept],
        contents=[f"{source}/{row}" for row in kept],
        targets=labels[kept],
        groups=np.arange(len(kept)),
        task=task,
        classes=tuple(dataset.classes),
        metric=task.default_metric,
        decode=modality.decode,
        augment=None,
        placement=place(),
        cache=cache,
        seed=0,
        backbones={backbone.card.name: backbone},
    )
    rows = np.arange(len(train))
    folds = [
        (np.array(inner), np.array(out))
        for inner, out in inner_folds(bench.targets[rows].tolist(), rows.tolist(), k=4, seed=0)
    ]
    return Rows(bench, backbone.card.name, rows, np.arange(len(train), len(kept)), folds)


def speed(source: Path, backbone: Backbone, each: int | None) -> str:
    """One line: seconds of an extraction, of 30 head configurations, and of the default search."""
    with tempfile.TemporaryDirectory() as folder:
        found = rows_of(source, backbone, Path(folder), each=each)
        bench, rows = found.bench, found.train
        items = [bench.items[row] for row in rows]
        # The first pass of a process pays for more than itself.
        extract(items[:64], backbone, decode=bench.decode, placement=bench.placement, folder=Path(folder) / "warm")
        began = time.perf_counter()
        extract(items, backbone, decode=bench.decode, placement=bench.placement, folder=Path(folder) / "last")
        extraction = time.perf_counter() - began
        bench.staged(found.name).take(rows)
        thirty = best_of_three(lambda: search(found, TEN))
        every = best_of_three(lambda: [validated(found, name) for name in ("probe", "stages", "knn")])
    return (
        f"{source.stem}, {found.name}, {len(rows)} examples: extraction {extraction:.2f} s; 30 head configurations {thirty:.2f} s, "
        f"{thirty / extraction:.2f} times that; probe, stages and knn as searched {every:.2f} s, {every / extraction:.2f} times"
    )


def best_of_three(work) -> float:
    """The median of three times."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def search(found: Rows, Cs: Sequence[float]) -> None:
    """Every regularisation of three readings."""
    stages = staged(found)
    for reading in (Reading(stages.names[-1:]), Reading(stages.names[-3:-2]), Reading(stages.names, 0.5)):
        stages.tried(reading, Cs=Cs)


def staged(found: Rows) -> ScaledStages:
    """The scaled features of the training examples."""
    seen = draw(found.train, found.bench.targets, found.folds, len(found.train))
    return ScaledStages(found.bench.staged(found.name), seen, len(found.bench.classes))


def validated(found: Rows, name: str):
    """A strategy's validation, with its spec."""
    spec = Spec("transfer", found.name, name, {})
    return spec, STRATEGIES[name].validate(spec, found.bench, found.train, found.folds, seed=0, watch=Watch())


HEADS = ("probe", "best stage", "several", "stages", "probe or stages", "knn")


def accuracy(source: Path, backbone: Backbone) -> tuple[str, np.ndarray]:
    """One line, and the figures in it (2 × HEADS): what each head gets right of the test part, and its log loss."""
    with tempfile.TemporaryDirectory() as folder:
        found = rows_of(source, backbone, Path(folder))
        found.bench.staged(found.name).take(np.arange(len(found.bench.items)))
        stages = staged(found)
        tried = {reading: stages.tried(reading) for reading in STRATEGIES["stages"].readings(stages.names)}
        single, several = ([one for one in tried if (len(one.stages) == 1) == alone] for alone in (True, False))
        best = [min(some, key=lambda one: tried[one].loss) for some in (single, several)]
        _, probe = validated(found, "probe")
        judge = found.bench.judge(probe.rows)
        logits = {one: tried[one].held_out_logits_NK[probe.rows] for one in tried}
        best.append(chosen(tried, logits, judge, Reading(stages.names[-1:])))
        told = [test(found, "stages", stages.solved(reading, tried[reading].C)) for reading in best]
        wins = best[-1].stages != stages.names[-1:] and judge.prefers(logits[best[-1]], probe.logits)
        told.insert(0, refitted(found, "probe"))
        told += [told[-1] if wins else told[0], refitted(found, "knn")]
    figures = np.array(told).T
    several_said = f"{len(best[1].stages)} stages, share {best[1].share:g}"
    return (
        f"{source.stem}, {found.name}: {line(figures)} (best {best[0].stages[0]}; several: {several_said})",
        figures,
    )


def line(figures: np.ndarray) -> str:
    """Accuracies, then log losses."""
    return "; ".join(" ".join(f"{value:.3f}" for value in row) for row in figures)


def refitted(found: Rows, name: str) -> tuple[float, float]:
    """Accuracy and log loss of a strategy after its own validation."""
    spec, seen = validated(found, name)
    network = STRATEGIES[name].refit(spec, seen.found, found.bench, found.train, found.folds, seed=0)
    return test(found, name, network)


def selections(source: Path, backbone: Backbone) -> str:
    """One line: the cross-validated log loss of the best half and fifth of all columns, kept by a ridge and by a group lasso."""
    with tempfile.TemporaryDirectory() as folder:
        found = rows_of(source, backbone, Path(folder))
        staged = found.bench.staged(found.name)
        features_ND = staged.take(found.train)
        groups_D = np.repeat(np.arange(len(staged.kept)), [width for _, width in staged.stages])
        scaled_ND, labels = features_ND * group_scales(features_ND, groups_D), found.bench.targets[found.train]
        told = []
        for called, rank in (("ridge", relevance), ("lasso", lasso)):
            began = time.perf_counter()
            scores = [rank(scaled_ND[train], labels[train]) for train, _ in found.folds]
            seconds = time.perf_counter() - began
            losses = [
                cross_validated_columns(
                    scaled_ND, labels, [most_relevant(one, share) for one in scores], folds=found.folds
                ).loss
                for share in (0.5, 0.2)
            ]
            told.append(f"{called} {losses[0]:.4f} {losses[1]:.4f} in {seconds:.1f} s")
    return f"{source.stem}, log loss with half and a fifth of the features: {', '.join(told)}"


STRENGTH, STEPS = 0.1, 150
"""Of the least penalty that keeps no column; steps of the proximal gradient."""


def lasso(scaled_ND: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Row lengths (D) of a logistic regression with a group lasso over each column's weights, by accelerated proximal gradient.

    Columns without weight come after the others, by their gradient.
    """
    x_ND = scaled_ND.astype(np.float64) - scaled_ND.mean(0)
    y_NK = one_hot(labels, int(labels.max()) + 1).astype(np.float64)
    n = len(x_ND)
    step = 2 * n / np.linalg.norm(x_ND, 2) ** 2
    penalty = STRENGTH * np.linalg.norm(x_ND.T @ (y_NK - y_NK.mean(0)) / n, axis=1).max()
    weight_DK = ahead_DK = np.zeros((x_ND.shape[1], y_NK.shape[1]))
    bias_K, pace = np.log(y_NK.mean(0) + 1e-9), 1.0
    gradient_DK = weight_DK
    for _ in range(STEPS):
        wrong_NK = softmax(x_ND @ ahead_DK + bias_K, axis=1) - y_NK
        gradient_DK, bias_K = x_ND.T @ wrong_NK / n, bias_K - 2 * wrong_NK.mean(0)
        next_DK = ahead_DK - step * gradient_DK
        length_D1 = np.linalg.norm(next_DK, axis=1, keepdims=True)
        next_DK *= np.maximum(0, 1 - step * penalty / np.maximum(length_D1, 1e-12))
        quicker = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead_DK, weight_DK, pace = next_DK + (pace - 1) / quicker * (next_DK - weight_DK), next_DK, quicker
    return np.linalg.norm(weight_DK, axis=1) + 1e-6 * np.linalg.norm(gradient_DK, axis=1)


def test(found: Rows, name: str, network) -> tuple[float, float]:
    """Accuracy and log loss on the test rows."""
    spec = Spec("transfer", found.name, name, {})
    values = found.bench.judge(found.test).values(STRATEGIES[name].logits(network, spec, found.bench, found.test))
    return values["accuracy"], values["log_loss"]


if __name__ == "__main__":
    main()
