"""What the starter backbones are worth: linear probes on them, on their random twins, and on MobileNetV2 from ImageNet.

    python benchmarks/starter.py --data DATA --weights WEIGHTS --natural starter:natural --glyph starter:glyph

DATA holds data sets as NAME/NAME.zip, WEIGHTS the folder mobilenetv2_100_imagenet_tf2. Two questions, one table each:

1. How much of the way from a random network of the same shape to MobileNetV2 does a starter close, on data sets that
   it has not seen? Test part as the data set gives it, else a stratified half.
2. With ten labels per class on scikit-learn's digits, does the glyph starter beat the natural one and its own random
   twin beyond the interval over draws, and close half of the way from the twin to 1.0?
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from headstart.data.audit import audit
from headstart.data.dataset import Dataset
from headstart.data.modality import MODALITIES
from headstart.data.read import read
from headstart.data.split import group_numbers, inner_folds
from headstart.features.extract import extract
from headstart.models.backbone import Backbone
from headstart.models.resolve import load_backbone
from headstart.runtime import Placement, generator, place, seed_everything
from headstart.solvers import cross_validated_probe

RIVAL = "mobilenetv2_100_imagenet_tf2"
SETS = ("hymenoptera", "sign_digits", "orl_faces", "bccd_cells", "brain_tumor_mri", "fashion_mnist_sprite")
TWINS, DRAWS, PER_CLASS = 3, 10, 10
LEAST_WAY = 0.02
"""Where MobileNetV2 is ahead of the random twin by less, a share of that way says nothing."""


@dataclass(frozen=True, slots=True)
class Task:
    """A data set with numbered labels, near-duplicate groups, and which rows train and which are judged on."""

    data: Dataset
    labels_N: np.ndarray
    groups_N: np.ndarray
    train: np.ndarray
    test: np.ndarray


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME/NAME.zip")
    parser.add_argument("--weights", type=Path, required=True, help=f"folder with {RIVAL}")
    parser.add_argument("--natural", default="starter:natural", help="the natural starter: a spec or folder")
    parser.add_argument("--glyph", default="starter:glyph", help="the glyph starter: a spec or folder")
    parser.add_argument("--sets", default=",".join(SETS), help="data sets of question 1, by commas")
    chosen = parser.parse_args()
    placement, console = place(), Console(width=120)
    starters = {"natural": load_backbone(chosen.natural), "glyph": load_backbone(chosen.glyph)}
    rival = load_backbone(chosen.weights / RIVAL)
    console.print(way_closed(chosen.data, chosen.sets.split(","), starters, rival, placement))
    console.print(few_digits(starters, placement))


def way_closed(
    folder: Path, names: Sequence[str], starters: dict[str, Backbone], rival: Backbone, placement: Placement
) -> Table:
    """The table of question 1."""
    table = Table(
        title=f"Linear probes, accuracy on test data (twin: mean of {TWINS} random networks, lowest to highest)"
    )
    for heading in ("data set", "starter", "random twin", "starter probe", "MobileNetV2", "way closed"):
        table.add_column(heading, justify="left" if heading in ("data set", "starter") else "right", no_wrap=True)
    for name in names:
        task = read_task(folder / name / f"{name}.zip")
        goal = accuracy(task, features(task, rival, placement))
        for called, backbone in starters.items():
            found = accuracy(task, features(task, backbone, placement))
            lows = [accuracy(task, features(task, twin(backbone, seed), placement)) for seed in range(TWINS)]
            low = float(np.mean(lows))
            share = f"{(found - low) / (goal - low):.0%}" if goal - low >= LEAST_WAY else "no way to go"
            span = f"{low:.3f} ({min(lows):.3f} to {max(lows):.3f})"
            table.add_row(name, called, span, f"{found:.3f}", f"{goal:.3f}", share)
    return table


def few_digits(starters: dict[str, Backbone], placement: Placement) -> Table:
    """The table of question 2."""
    task = numbered(read("builtin:digits"))
    glyph = starters["glyph"]
    sources = {**{called: [backbone] for called, backbone in starters.items()}}
    sources["glyph's random twin"] = [twin(glyph, seed) for seed in range(TWINS)]
    draws = [draw(task, seed) for seed in range(DRAWS)]
    scores = {}
    for called, backbones in sources.items():
        taken = [features(task, backbone, placement) for backbone in backbones]
        scores[called] = np.array([np.mean([accuracy(drawn, found_ND) for found_ND in taken]) for drawn in draws])
    table = Table(
        title=f"scikit-learn's digits, {PER_CLASS} labels per class, {DRAWS} draws: mean and 95 % interval over draws"
    )
    for heading in ("source", "accuracy", "glyph ahead by", "way from twin to 1.0"):
        table.add_column(heading, justify="left" if heading == "source" else "right", no_wrap=True)
    base = scores["glyph's random twin"].mean()
    for called, values in scores.items():
        ahead = "" if called == "glyph" else interval(scores["glyph"] - values)
        table.add_row(called, interval(values), ahead, f"{(values.mean() - base) / (1 - base):.0%}")
    return table


def read_task(path: Path) -> Task:
    """A data set as its source splits it."""
    return numbered(read(path))


def numbered(data: Dataset) -> Task:
    """The usable examples, with the test part as given, else a stratified half."""
    found = audit(data)
    kept = data.take(found.keep)
    assert kept.labels is not None
    numbers = {name: number for number, name in enumerate(kept.classes)}
    labels_N = np.array([numbers[names[0]] for names in kept.labels])
    groups_N = np.asarray(group_numbers(data, found))[found.keep]
    test = np.flatnonzero(np.array(kept.parts) == "test")
    if not len(test):
        _, test = inner_folds(labels_N.tolist(), groups_N.tolist(), k=2, seed=0)[0]
    train = np.setdiff1d(np.arange(len(kept)), test)
    return Task(kept, labels_N, groups_N, train, np.asarray(test))


def draw(task: Task, seed: int) -> Task:
    """Another draw of PER_CLASS training examples of each class; all the others are judged on."""
    rng = generator(seed, "digits")
    classes = range(task.labels_N.max() + 1)
    train = np.concatenate(
        [rng.choice(np.flatnonzero(task.labels_N == number), PER_CLASS, replace=False) for number in classes]
    )
    test = np.setdiff1d(np.arange(len(task.labels_N)), train)
    return Task(task.data, task.labels_N, task.groups_N, np.sort(train), test)


def twin(backbone: Backbone, seed: int) -> Backbone:
    """The same shape with random weights."""
    seed_everything(seed)
    return backbone.twin()


def features(task: Task, backbone: Backbone, placement: Placement) -> np.ndarray:
    """Pooled features (N × D) of all examples."""
    decode = MODALITIES["image"].decode
    with tempfile.TemporaryDirectory() as folder:
        found = extract(task.data.items, backbone, decode=decode, placement=placement, folder=Path(folder))
        return found.take(np.arange(len(task.data)))


def accuracy(task: Task, features_ND: np.ndarray) -> float:
    """The accuracy on the test rows of a probe whose regularisation is chosen on the training rows."""
    train = task.train
    folds = inner_folds(task.labels_N[train].tolist(), task.groups_N[train].tolist(), k=5, seed=0)
    classes = int(task.labels_N.max()) + 1
    probe = cross_validated_probe(features_ND[train], task.labels_N[train], folds=folds, classes=classes)
    return float((probe.logits(features_ND[task.test]).argmax(1) == task.labels_N[task.test]).mean())


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval by Student's t."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


if __name__ == "__main__":
    main()
