"""How far bfloat16 is from float32 on real backbones and data: features, what a probe answers, gradients, and training.

    python benchmarks/adapt/precision.py --data DATA --weights WEIGHTS [--train] [--dose]

A line for each backbone and data set. The first figures are those by which a run decides, on the few examples that it looks
at; beside them what they are to foretell, on SIZE examples of each side: a probe solved and read in either precision (its
accuracy, and the answers that differ), and with --train full fine-tuning of EPOCHS epochs in either. With --dose, what noise
does to a probe on float32 features: its accuracy at each of DOSES, in the measure of `noise`.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.adapt.exactness import feature_gap, gradient_gap
from headstart.adapt.finetune import Recipe, predict_logits, train
from headstart.adapt.network import Network
from headstart.adapt.workbench import SAMPLE, Workbench
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.features.batches import to_device
from headstart.models.resolve import load_backbone
from headstart.runtime import Placement, generator, place, seed_everything
from headstart.solvers import cross_validated_probe
from headstart.tasks import TASKS

PICTURES = ("hymenoptera", "sign_digits", "brain_tumor_mri", "orl_faces")
TEXTS = ("sst2", "trec6", "banking77")
PICTURE_MODELS = (
    "starter:natural", "starter:glyph", "mobilenet_v1_0.25_128_imagenet", "mobilenet_v1_0.75_192_imagenet",
    "mobilenetv1_100_imagenet_features", "mobilenetv2_100_imagenet_coral", "mobilenetv2_100_imagenet_tf2",
    "mobilenetv2_100_inat_bird", "mobilenetv2_100_inat_insect",
)  # fmt: skip
TEXT_MODELS = ("minilm", "tinyllama_stories260k")
SIZE, EPOCHS = 240, 4
DOSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=[*PICTURE_MODELS, *TEXT_MODELS])
    parser.add_argument("--sets", nargs="*", default=[*PICTURES, *TEXTS])
    parser.add_argument("--train", action="store_true", help="fine-tune as well")
    parser.add_argument("--dose", action="store_true", help="only tell what noise does to a probe")
    chosen = parser.parse_args()
    low = place(precision="bf16")
    exact = replace(low, low=None)
    if chosen.dose:
        print(f"backbone | data | accuracy of a probe with noise of {', '.join(map(str, DOSES))}")
    else:
        print("backbone | data | cosine | noise | gradients' cosine | loss off by | probe fp32, bf16 | answers that differ | trained")
    for model in chosen.models:
        path = chosen.weights / model
        for name in chosen.sets:
            if (name in TEXTS) != (model in TEXT_MODELS):
                continue
            backbone = load_backbone(str(path) if path.is_dir() else model)
            with tempfile.TemporaryDirectory() as folder:
                bench = bench_of(chosen.data / name, backbone, low, Path(folder))
                told = doses(bench, exact) if chosen.dose else line(bench, exact, low, also_train=chosen.train)
                print(f"{model} | {name} | " + " | ".join(told), flush=True)


def line(bench: Workbench, exact: Placement, low: Placement, *, also_train: bool) -> Iterator[str]:
    """The figures of one backbone and data set."""
    ((name, backbone),) = bench.backbones.items()
    rows = np.linspace(0, SIZE - 1, SAMPLE).astype(int)
    inputs = to_device(bench.prepared(name).batch(rows), low.torch_device)
    features, gradients = feature_gap(backbone, inputs, low), gradient_gap(backbone, inputs, low)
    yield f"{features.cosine:.4f}"
    yield f"{features.noise:.3f}"
    yield f"{gradients.cosine:.3f}"
    yield f"{gradients.loss:.3f}"
    train_rows, test = np.arange(SIZE), np.arange(SIZE, len(bench.items))
    answers = {}
    for one in (exact, low):
        answers[one] = answered(bench, features_of(bench, one))
    right = [float((answers[one] == bench.targets[test]).mean()) for one in (exact, low)]
    yield f"{right[0]:.3f}, {right[1]:.3f}"
    yield f"{(answers[exact] != answers[low]).mean():.1%}"
    if also_train:
        yield ", ".join(f"{trained(bench, name, train_rows, test, one):.3f}" for one in (exact, low))


def doses(bench: Workbench, exact: Placement) -> Iterator[str]:
    """Accuracy at each of DOSES, the mean of three draws."""
    features_ND, rng = features_of(bench, exact), np.random.default_rng(0)
    spread = (features_ND - features_ND.mean(0)).std()
    for dose in DOSES:
        noisy = [features_ND + dose * spread * rng.normal(size=features_ND.shape) for _ in range(3)]
        right = [(answered(bench, one.astype(np.float32)) == bench.targets[SIZE:]).mean() for one in noisy]
        yield f"{np.mean(right):.3f}"


def features_of(bench: Workbench, placement: Placement) -> np.ndarray:
    """Features (N × D) of all examples in one precision."""
    ((name, _),) = bench.backbones.items()
    again = copy.copy(bench)
    again.placement, again._features, again._staged = placement, {}, {}
    return again.features(name).take(np.arange(len(bench.items)))


def answered(bench: Workbench, features_ND: np.ndarray) -> np.ndarray:
    """What a probe on the first SIZE rows answers for the others."""
    fold = np.arange(SIZE) % 4
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(4)]
    fit = cross_validated_probe(
        features_ND[:SIZE], bench.targets[:SIZE], folds=folds, classes=len(bench.classes)
    )
    return (features_ND[SIZE:] @ fit.weight_KD.T + fit.bias_K).argmax(1)


def trained(bench: Workbench, name: str, rows: np.ndarray, test: np.ndarray, placement: Placement) -> float:
    """Test accuracy of full fine-tuning from a random head."""
    seed_everything(0)
    network = Network(copy.deepcopy(bench.backbones[name]), len(bench.classes))
    recipe = Recipe(epochs=EPOCHS, learning_rate=3e-4, head_learning_rate=3e-3)
    examples = bench.prepared(name)
    train(
        network, examples, rows, bench.targets[rows], recipe, objective=bench.task.loss, placement=placement,
        rng=generator(0, "train"), augment=bench.augment,
    )  # fmt: skip
    return float((predict_logits(network, examples, test, placement).argmax(1) == bench.targets[test]).mean())


def bench_of(folder: Path, backbone, placement: Placement, cache: Path) -> Workbench:
    """A workbench of SIZE examples to learn from and as many to answer, drawn at random."""
    table = folder / "train.csv"
    dataset = read(str(table if table.is_file() else folder / f"{folder.name}.zip"), columns=Columns())
    drawn = dataset.take(np.random.default_rng(0).permutation(len(dataset))[: 2 * SIZE].tolist())
    task, modality = TASKS["single"], MODALITIES[dataset.modality]
    classes = tuple(dict.fromkeys(names[0] for names in drawn.labels))
    return Workbench(
        items=drawn.items, contents=[str(row) for row in range(len(drawn))], targets=task.encode(drawn.labels, classes),
        groups=np.arange(len(drawn)), task=task, classes=classes, metric=task.default_metric, decode=modality.decode,
        augment=modality.augment, placement=placement, cache=cache, seed=0, backbones={backbone.card.name: backbone},
    )  # fmt: skip


if __name__ == "__main__":
    main()
