"""What stored views cost in accuracy: the same moving stages trained on activations that were stored in different ways, over several seeds.

    python benchmarks/adapt/views.py --data DATA --weights WEIGHTS [--share 0.9] [--seeds 3]

One training of a few epochs on 244 pictures differs from the next by a point from chance alone; only means over seeds and rates can
tell what views are worth. Here the frozen part is computed once for all of them, so that a training takes seconds: as many views as
epochs are what a plain loop sees, eight are what Headstart stores. One thing after the other changes from the plain loop to ours: the
number of views, the augmentation, the steps (warm-up, clipping, a head that is solved first), and bfloat16. hymenoptera, a MobileNetV2,
twenty epochs, over all test pictures, which everybody sees alike.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from prefix import BATCH, EPOCHS, MODEL, bench_of, folds_of, loader_of
from torch import Tensor

from headstart.adapt.carried import VIEWS
from headstart.adapt.finetune import Recipe, cosine, optimizer_for
from headstart.adapt.heads import starting_head
from headstart.adapt.network import Moving, Network, freeze_below, hold_statistics
from headstart.adapt.precision import spare_slow_layers, training_pass
from headstart.choose.profile import profile
from headstart.data.image_augment import augment
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.models.resolve import load_backbone
from headstart.models.resume import CARRIED, Resumed
from headstart.runtime import generator, place, seed_everything

RATES = (1e-4, 3e-4, 5e-4)


@dataclass(frozen=True, slots=True)
class Way:
    """Which activations are trained on, and how."""

    name: str
    stored: str
    views: int
    ours: bool = False
    """Warm-up, clipping and a soft solved head, or the loop of tutorials."""
    low: bool = False
    """Steps in bfloat16."""


WAYS = (
    Way("the plain loop: new views in each epoch", "torchvision", EPOCHS),
    Way(f"{VIEWS} of these views", "torchvision", VIEWS),
    Way("our augmentation, new views in each epoch", "ours", EPOCHS),
    Way(f"{VIEWS} of these views", "ours", VIEWS),
    Way("our steps and head as well", "ours", VIEWS, ours=True),
    Way("stored in bfloat16", "ours in bfloat16", VIEWS, ours=True),
    Way("trained in bfloat16 too: what Headstart does", "ours in bfloat16", VIEWS, ours=True, low=True),
)


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.9, help="about how much of the pass is frozen")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    dataset = read(str(chosen.data / "hymenoptera" / "hymenoptera.zip"), columns=Columns())
    backbone = load_backbone(str(chosen.weights / MODEL))
    with tempfile.TemporaryDirectory() as folder:
        case = Case(dataset, backbone, chosen.share, Path(folder))
        first: np.ndarray | None = None
        for way in WAYS:
            right = np.array([
                np.mean([case.right(way, rate, seed) for seed in range(chosen.seeds)], axis=0) for rate in RATES
            ])  # fmt: skip
            first = right if first is None else first
            low, high = interval((right - first).mean(0))
            each = ", ".join(f"{rate:g}: {value:.4f}" for rate, value in zip(RATES, right.mean(1), strict=True))
            points = 100 * (right.mean() - first.mean())
            print(
                f"{way.name}: {right.mean():.4f} ({each}); {points:+.2f} points to the first ({low:+.2f} to {high:+.2f})",
                flush=True,
            )


def interval(each: np.ndarray) -> tuple[float, float]:
    """95 % of the mean difference in points, over test pictures drawn anew."""
    drawn = np.random.default_rng(0).integers(len(each), size=(5000, len(each)))
    low, high = np.quantile(100 * each[drawn].mean(1), (0.025, 0.975))
    return float(low), float(high)


class Case:
    """The activations at one cut, in every way that they are stored."""

    def __init__(self, dataset, backbone, share: float, folder: Path) -> None:
        is_test = np.array([part == "test" for part in dataset.parts])
        labels = np.array([dataset.classes.index(names[0]) for names in dataset.labels])
        self._rows, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        self._labels, self._asked = labels, labels[test]
        self._backbone, self._float, self._low = backbone, place(precision="fp32"), place(precision="bf16")
        self._bench = bench_of(dataset, backbone, labels, self._float, folder)
        prepared = [
            backbone.preprocess.prepare(MODALITIES["image"].decode(dataset.items[row])) for row in self._rows[:64]
        ]
        spent = np.cumsum(profile(backbone, prepared, self._float).share_S)
        self._first = 1 + int(np.abs(spent[:-1] - share).argmin())
        print(
            f"cut before {backbone.stages[self._first].name}: {spent[self._first - 1]:.2f} of the pass is frozen",
            flush=True,
        )
        self._sample = self._bench.sample(backbone.card.name)
        self._resumed = Resumed(copy.deepcopy(backbone).eval(), self._first, self._sample)
        pictures = self._bench.prepared(backbone.card.name)
        self._test = self._carried([pictures.batch(part) for part in np.array_split(test, 5)])
        plain = [pictures.batch(part) for part in np.array_split(self._rows, 8)]
        loader = loader_of(dataset, self._rows, labels, train=True)
        loader = torch.utils.data.DataLoader(loader.dataset, BATCH, num_workers=2)
        self._views: dict[str, list[Tensor]] = {"torchvision": [], "ours": [], "ours in bfloat16": []}
        seed_everything(0)
        for view in range(EPOCHS):
            theirs = [((batch / 2 + 0.5) * 255).round().to(torch.uint8) for batch, _ in loader]
            changed = [augment(batch, generator(view, number)) for number, batch in enumerate(plain)]
            self._views["torchvision"].append(self._carried(theirs))
            self._views["ours"].append(self._carried(changed))
            if view < VIEWS:
                self._views["ours in bfloat16"].append(self._carried(changed, low=True))
        self._head = starting_head(
            self._bench, self._bench.features(backbone.card.name), self._rows, folds_of(labels, self._rows)
        )

    def right(self, way: Way, rate: float, seed: int) -> np.ndarray:
        """Which test pictures a training has right at its end."""
        seed_everything(seed)
        network = Network(copy.deepcopy(self._backbone), 2)
        freeze_below(network.backbone, self._first)
        if way.ours:
            network.set_head(*self._head)
        moving = Moving(network, self._first, self._sample)
        if way.low:
            spare_slow_layers(moving, self._low)
        count = -(-len(self._rows) // BATCH)
        optimizer, schedule = self._steps(moving, way, rate, count)
        targets = torch.from_numpy(self._labels[self._rows])
        for epoch in range(EPOCHS):
            moving.train()
            hold_statistics(moving, also_moving=True)
            shown = self._views[way.stored][epoch % way.views]
            for batch in torch.randperm(len(targets)).tensor_split(count):
                optimizer.zero_grad()
                with training_pass(self._low if way.low else self._float):
                    logits = moving({CARRIED: shown[batch]})
                torch.nn.functional.cross_entropy(logits.float(), targets[batch]).backward()
                if way.ours:
                    torch.nn.utils.clip_grad_norm_([one for one in moving.parameters() if one.grad is not None], 1.0)
                optimizer.step()
                schedule.step()
        moving.eval()
        with torch.inference_mode():
            found: np.ndarray = moving({CARRIED: self._test}).argmax(1).numpy() == self._asked
        return found

    def _steps(self, moving: Moving, way: Way, rate: float, count: int):
        if way.ours:
            recipe = Recipe(EPOCHS, rate, 10 * rate, batch_size=BATCH)
            optimizer = optimizer_for(moving, recipe)
            return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, cosine(EPOCHS * count, recipe.warmup))
        body = [one for one in moving.backbone.parameters() if one.requires_grad]
        groups = [{"params": body, "lr": rate}, {"params": list(moving.head.parameters()), "lr": 10 * rate}]
        optimizer = torch.optim.AdamW(groups)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * count)

    def _carried(self, batches: list[Tensor], *, low: bool = False) -> Tensor:
        with torch.inference_mode(), (self._low if low else self._float).autocast():
            return torch.cat([self._resumed.carry(batch).clone() for batch in batches]).clone()


if __name__ == "__main__":
    main()
