"""A tiny backbone and workbench for tests that need neither weights nor a model family."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from headstart.adapt.strategy import Effort, Strategy
from headstart.adapt.workbench import Workbench
from headstart.models.backbone import Backbone, Inputs, Stage
from headstart.models.card import SourceCard
from headstart.runtime import Placement
from headstart.tasks import TASKS

SIZE = 8
CPU = Placement(device="cpu", threads=2, low=None)


class TinyPreprocess:
    """RGB pictures as uint8 arrays of SIZE × SIZE."""

    def prepare(self, raw: Image.Image) -> np.ndarray:
        return np.asarray(raw.convert("RGB").resize((SIZE, SIZE)))

    def collate(self, prepared: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2)

    def cost(self, prepared: Any) -> int:
        return 1

    def to_dict(self) -> dict[str, Any]:
        return {"size": SIZE}


class TinyBackbone(Backbone):
    """Two convolutions with batch norm; three stages, eight features."""

    def __init__(self, name: str = "tiny", seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
        )
        self.preprocess = TinyPreprocess()
        self.stages = (Stage("stem", ("0",), 6), Stage("norm", ("1",), 6), Stage("body", ("3",), 8))
        self.card = SourceCard(spec=f"test:{name}", name=name, modality="image", family="test", architecture="tiny")

    def forward(self, inputs: Inputs) -> Tensor:
        return self.stage_features(inputs)[-1]

    def stage_features(self, inputs: Inputs, only: Sequence[int] | None = None) -> list[Tensor]:
        assert isinstance(inputs, Tensor)
        state = inputs.to(self.net[0].weight.dtype) / 127.5 - 1
        features = []
        for number, module in enumerate(self.net):
            state = module(state)
            if number in (0, 1, 4):
                features.append(state.mean((2, 3)))
        return features if only is None else [features[number] for number in only]

    def describe(self) -> Mapping[str, Any]:
        return {"family": "test", "name": self.card.name}

    def twin(self) -> TinyBackbone:
        return TinyBackbone(self.card.name, seed=int(torch.randint(2**31, ()).item()))


def stripes(
    count: int, *, classes: int = 2, noise: float = 40.0, seed: int = 0
) -> tuple[list[Image.Image], np.ndarray]:
    """Pictures whose class is their hue, under noise: `count` in all, classes in turn."""
    rng = np.random.default_rng(seed)
    colours = np.array([[200, 80, 80], [80, 200, 80], [80, 80, 200], [200, 200, 60]])
    labels = np.arange(count) % classes
    pictures = []
    for label in labels:
        pixels = colours[label] + rng.normal(0, noise, (SIZE, SIZE, 3)) + rng.normal(0, noise / 2, 3)
        pictures.append(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))
    return pictures, labels.astype(np.int64)


def workbench(
    cache: Path,
    *,
    count: int = 48,
    classes: int = 2,
    noise: float = 40.0,
    seed: int = 0,
    names: Sequence[str] = ("tiny",),
) -> Workbench:
    """A workbench over `stripes` with tiny backbones."""
    pictures, targets = stripes(count, classes=classes, noise=noise)
    task = TASKS["single"]
    return Workbench(
        items=pictures,
        contents=[hashlib.sha256(f"{count}/{classes}/{noise}/{row}".encode()).hexdigest() for row in range(count)],
        targets=targets,
        groups=np.arange(count),
        task=task,
        classes=tuple("abcd"[:classes]),
        metric=task.default_metric,
        decode=lambda item: item,
        augment=None,
        placement=CPU,
        cache=cache,
        seed=seed,
        backbones={name: TinyBackbone(name, seed=number) for number, name in enumerate(names)},
    )


def folds_of(count: int, k: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    """Interleaved folds that keep `stripes` with two or four classes balanced."""
    rows = np.arange(count)
    return [(rows[rows // 4 % k != fold], rows[rows // 4 % k == fold]) for fold in range(k)]


def proposed(
    strategy: Strategy,
    bench: Workbench,
    rows: np.ndarray,
    *,
    seconds: float | None = None,
    backbone: str = "tiny",
    effort: Effort = Effort.FIRST,
) -> dict[str, Any] | None:
    """Complete settings for the first of a strategy's portfolio in so much time; None where that is too little."""
    proposal = strategy.propose(strategy.portfolio[0], bench, backbone, rows, seconds=seconds, effort=effort)
    return None if proposal is None else dict(proposal.settings)
