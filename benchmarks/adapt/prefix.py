"""Partial fine-tuning on stored activations beside the plain loop of tutorials: time against the ceiling, and accuracy.

    python benchmarks/adapt/prefix.py --data DATA --weights WEIGHTS               the times, on a machine with nothing else to do
    python benchmarks/adapt/prefix.py --data DATA --weights WEIGHTS --accuracy    the accuracies, for which that does not matter

Eight configurations of twenty epochs each, on hymenoptera with a MobileNetV2, at cuts below which half, three quarters and
nine tenths of the forward pass lie, and for the head alone. The plain loop decodes, augments and passes every picture in
every epoch; a few of its epochs are timed and the rest counted as like them. Ours runs in full, from nothing in the cache.
The ceiling is what computing the frozen part once could save at most where everything else cost the same:
K·E·(d + φ + 3(1−φ)) / (d + φ + 3·K·E·(1−φ)), d being what decoding costs in forward passes. Accuracies are those of
some of the configurations trained to the end on both sides, over all test pictures of all cuts together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from headstart.adapt.carried import VIEWS
from headstart.adapt.finetune import Recipe
from headstart.adapt.moved import FineTune
from headstart.adapt.movers import Stages
from headstart.adapt.network import Network, freeze_below
from headstart.adapt.probe import solve_probe
from headstart.adapt.trial import Spec
from headstart.adapt.workbench import Workbench
from headstart.choose.profile import profile
from headstart.data.image_augment import augment
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.split import inner_folds
from headstart.models.resolve import load_backbone
from headstart.runtime import place, seed_everything
from headstart.tasks import TASKS

MODEL = "mobilenetv2_100_imagenet_tf2"
SHARES = (0.9, 0.75, 0.5)
RATES = (1e-4, 3e-4, 3e-5, 1e-3, 1e-5, 2e-4, 5e-4, 5e-5)
EPOCHS, BATCH, TIMED = 20, 32, 2
COMPARED = 2
"""Configurations whose accuracy is compared: the plain loop runs these in full."""


def main() -> None:
    """Print a line for each cut."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--accuracy", action="store_true", help="accuracies instead of times")
    chosen = parser.parse_args()
    dataset = read(str(chosen.data / "hymenoptera" / "hymenoptera.zip"), columns=Columns())
    is_test = np.array([part == "test" for part in dataset.parts])
    labels = np.array([dataset.classes.index(names[0]) for names in dataset.labels])
    backbone = load_backbone(str(chosen.weights / MODEL))
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    placement = place()
    prepared = [backbone.preprocess.prepare(MODALITIES["image"].decode(dataset.items[row])) for row in train[:64]]
    spent = np.cumsum(profile(backbone, prepared, placement).share_S)
    cuts = [1 + int(np.abs(spent[:-1] - wanted).argmin()) for wanted in SHARES]
    given = (dataset, backbone, train, test, labels)
    if chosen.accuracy:
        accuracies(given, cuts, spent, placement)
    else:
        times(given, cuts, spent, placement)


def times(given, cuts, spent, placement) -> None:
    """A line for each cut, and one for the head alone."""
    dataset, backbone, train, _, labels = given
    decoding, forward = costs(dataset, backbone, train, labels)
    print(f"decoding and augmenting takes {decoding / forward:.2f} forward passes of {1000 * forward:.1f} ms")
    for first in cuts:
        share = float(spent[first - 1])
        seconds, _ = stored(*given, first, placement, RATES)
        each = Plain(*given, first).seconds_per_epoch()
        report(f"φ = {share:.2f}, cut before {backbone.stages[first].name}", seconds, each, share, decoding / forward)
    seconds = head_only(dataset, backbone, train, labels, placement)
    each = Plain(*given, len(backbone.stages)).seconds_per_epoch()
    report("head only", seconds, each, 1.0, decoding / forward)


def accuracies(given, cuts, spent, placement) -> None:
    """Stored views beside the plain loop, answer by answer."""
    pairs = []
    for first in cuts:
        _, ours = stored(*given, first, placement, RATES[:COMPARED])
        theirs = [Plain(*given, first).right(rate) for rate in RATES[:COMPARED]]
        pairs.append((np.concatenate(ours), np.concatenate(theirs)))
        told(f"φ = {spent[first - 1]:.2f}", *pairs[-1], tests=len(given[3]))
    told("all together", *(np.concatenate(side) for side in zip(*pairs, strict=True)), tests=len(given[3]))


def told(what: str, ours, theirs, *, tests: int) -> None:
    """One line of two accuracies and the interval of their difference, over test pictures drawn anew."""
    each = (ours.astype(float) - theirs).reshape(-1, tests).mean(0)
    drawn = np.random.default_rng(0).integers(len(each), size=(5000, len(each)))
    low, high = np.quantile(each[drawn].mean(1), (0.025, 0.975))
    print(
        f"{what}: accuracy on stored views {ours.mean():.4f}, the plain loop {theirs.mean():.4f}; "
        f"{100 * each.mean():+.2f} points ({100 * low:+.2f} to {100 * high:+.2f})",
        flush=True,
    )


def report(what: str, ours: float, each: float, share: float, decode: float) -> None:
    """One line."""
    many = len(RATES) * EPOCHS
    plain = many * each
    ceiling = many * (decode + share + 3 * (1 - share)) / (decode + share + 3 * many * (1 - share))
    print(
        f"{what}: {len(RATES)} × {EPOCHS} epochs in {ours:.0f} s, the plain loop {plain:.0f} s ({each:.1f} s an epoch): "
        f"{plain / ours:.1f} times as fast, ceiling {ceiling:.1f}, {plain / ours / ceiling:.0%} of it",
        flush=True,
    )


def bench_of(dataset, backbone, labels, placement, cache: Path) -> Workbench:
    """A workbench with nothing in its cache."""
    task = TASKS["single"]
    return Workbench(
        items=dataset.items,
        contents=[str(row) for row in range(len(dataset))],
        targets=labels,
        groups=np.arange(len(labels)),
        task=task,
        classes=tuple(dataset.classes),
        metric=task.default_metric,
        decode=MODALITIES["image"].decode,
        augment=augment,
        placement=placement,
        cache=cache,
        seed=0,
        backbones={backbone.card.name: backbone},
    )


def folds_of(labels, train) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inner folds of the training rows."""
    pairs = inner_folds(labels[train].tolist(), np.arange(len(train)).tolist(), k=4, seed=0)
    return [(np.array(inner), np.array(held_out)) for inner, held_out in pairs]


def stored(dataset, backbone, train, test, labels, first, placement, rates) -> tuple[float, list[np.ndarray]]:
    """Seconds of all configurations on stored activations, and which test pictures each has right."""
    share = 1 - first / len(backbone.stages)
    strategy = FineTune("partial", "transfer", 2, "", Stages(share), RATES, steps=300)
    with tempfile.TemporaryDirectory() as folder:
        bench, seconds, found = bench_of(dataset, backbone, labels, placement, Path(folder)), 0.0, []
        for rate in rates:
            recipe = Recipe(epochs=EPOCHS, learning_rate=rate, head_learning_rate=10 * rate, batch_size=BATCH)
            settings = {**recipe.to_dict(), "folds": 1, "views": VIEWS}
            spec = Spec("transfer", backbone.card.name, "partial", settings)
            began = time.perf_counter()
            outcome = {"best_epoch": EPOCHS, "head": "trained"}
            network = strategy.refit(spec, outcome, bench, train, folds_of(labels, train), seed=0)
            seconds += time.perf_counter() - began
            found.append(strategy.logits(network, spec, bench, test).argmax(1) == labels[test])
    return seconds, found


def head_only(dataset, backbone, train, labels, placement) -> float:
    """Seconds of the whole regularisation path on features extracted once."""
    with tempfile.TemporaryDirectory() as folder:
        bench = bench_of(dataset, backbone, labels, placement, Path(folder))
        began = time.perf_counter()
        solve_probe(bench, bench.features(backbone.card.name), train, folds_of(labels, train))
        return time.perf_counter() - began


class Pictures(Dataset):
    """Pictures as a tutorial loads them."""

    def __init__(self, items, labels, change) -> None:
        self._items, self._labels, self._change = items, labels, change

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row):
        picture = MODALITIES["image"].decode(self._items[row])
        assert isinstance(picture, Image.Image)
        return self._change(picture.convert("RGB")), int(self._labels[row])


def loader_of(dataset, rows, labels, *, train: bool) -> DataLoader:
    """A loader with two workers, for the MobileNet's pixels from −1 to 1."""
    normal = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    changes = [transforms.RandomResizedCrop(224, scale=(0.5, 1.0)), transforms.RandomHorizontalFlip()]
    plain = [transforms.Resize(256), transforms.CenterCrop(224)]
    change = transforms.Compose([*(changes if train else plain), *normal])
    pictures = Pictures([dataset.items[row] for row in rows], labels[rows], change)
    return DataLoader(pictures, BATCH, shuffle=train, num_workers=2)


class Plain:
    """The loop as tutorials write it: everything anew in every epoch, in float32."""

    def __init__(self, dataset, backbone, train, test, labels, first: int) -> None:
        self._dataset, self._backbone, self._labels, self._first = dataset, backbone, labels, first
        self._train, self._test = train, test

    def seconds_per_epoch(self) -> float:
        """The median of a few epochs after a first one."""
        model, optimizer = self._start(1e-4)
        loader = loader_of(self._dataset, self._train, self._labels, train=True)
        times = []
        for _ in range(1 + TIMED):
            began = time.perf_counter()
            self._epoch(model, optimizer, loader)
            times.append(time.perf_counter() - began)
        return float(np.median(times[1:]))

    def right(self, rate: float) -> np.ndarray:
        """Which test pictures it has right after all epochs."""
        model, optimizer = self._start(rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
        loader = loader_of(self._dataset, self._train, self._labels, train=True)
        for _ in range(EPOCHS):
            self._epoch(model, optimizer, loader)
            schedule.step()
        model.eval()
        right = []
        with torch.no_grad():
            for pictures, targets in loader_of(self._dataset, self._test, self._labels, train=False):
                right += (self._logits(model, pictures).argmax(1) == targets).tolist()
        return np.array(right)

    def _start(self, rate: float):
        seed_everything(0)
        from copy import deepcopy

        model = Network(deepcopy(self._backbone), len(self._dataset.classes))
        freeze_below(model.backbone, self._first)
        groups = [
            {"params": [one for one in model.backbone.parameters() if one.requires_grad], "lr": rate},
            {"params": list(model.head.parameters()), "lr": 10 * rate},
        ]
        return model, torch.optim.AdamW([group for group in groups if group["params"]])

    def _epoch(self, model, optimizer, loader) -> None:
        model.train()
        for module in model.backbone.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()
        for pictures, targets in loader:
            loss = torch.nn.functional.cross_entropy(self._logits(model, pictures), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def _logits(self, model, pictures):
        return model.head(model.backbone.pooled(pictures))


def costs(dataset, backbone, train, labels) -> tuple[float, float]:
    """Seconds to decode and augment a picture, and to pass it in float32."""
    loader = loader_of(dataset, train, labels, train=True)
    began = time.perf_counter()
    batches = [pictures for pictures, _ in loader]
    decoding = (time.perf_counter() - began) / len(train)
    with torch.no_grad():
        backbone.pooled(batches[0])
        began = time.perf_counter()
        for pictures in batches[:4]:
            backbone.pooled(pictures)
        forward = (time.perf_counter() - began) / sum(map(len, batches[:4]))
    return decoding, forward


if __name__ == "__main__":
    main()
