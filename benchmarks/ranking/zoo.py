"""The candidates and the data sets of the ranking benchmarks: real weights, their random twins, small real targets.

WEIGHTS holds the folders named in IMAGE_FOLDERS and TEXT_FOLDERS, DATA holds NAME/NAME.zip or NAME/train.csv and test.csv.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from headstart.data.audit import audit
from headstart.data.dataset import Dataset
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.split import group_numbers
from headstart.models.backbone import Backbone
from headstart.models.from_module import from_module
from headstart.models.resolve import load_backbone
from headstart.runtime import generator, seed_everything

IMAGE_FOLDERS = {
    "mnv2-imagenet-a": "mobilenetv2_100_imagenet_coral",
    "mnv2-imagenet-b": "mobilenetv2_100_imagenet_tf2",
    "mnv2-birds": "mobilenetv2_100_inat_bird",
    "mnv2-insects": "mobilenetv2_100_inat_insect",
    "mnv1-100": "mobilenetv1_100_imagenet_features",
    "mnv1-075": "mobilenet_v1_0.75_192_imagenet",
    "mnv1-025": "mobilenet_v1_0.25_128_imagenet",
}
STARTERS = ("natural", "glyph")
CIFAR_DEPTHS = (20, 32, 44, 56)
TEXT_FOLDERS = {"llama-260k": "tinyllama_stories260k"}
TWINS = ("mnv2-imagenet-b", "mnv1-100", "mnv1-075", "mnv1-025", "natural", "glyph", "cifar-20", "cifar-56")
"""One twin for each architecture whose depth or width differs enough to matter."""
IMAGE_SETS = (
    "hymenoptera", "sign_digits", "orl_faces", "fashion_mnist_sprite", "bccd_cells",
    "brain_tumor_mri", "mnist", "cifar10", "cifar100",
)  # fmt: skip
TEXT_SETS = ("trec6", "sst2", "banking77")
SAME_DATA = {("cifar10", f"cifar-{depth}") for depth in CIFAR_DEPTHS}
"""Not candidates: these networks were trained on the very pictures of the set."""
POOL, TRAIN, MOST_TRAIN, PER_CLASS, TESTED = 1500, 0.5, 300, 5, 600
DRAWS = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A pool of audited examples with class numbers (N,) and groups that may not be parted (N,)."""

    name: str
    data: Dataset
    labels_N: np.ndarray
    groups_N: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows of the pool to train on and to be judged on, ascending."""

    train: np.ndarray
    test: np.ndarray


def target(folder: Path, name: str) -> Target:
    """At most POOL usable examples of a data set, both its parts together, as even over the classes as it is itself."""
    source = folder / name / f"{name}.zip"
    data = read(source) if source.is_file() else read(folder / name, columns=Columns())
    found = audit(data)
    groups_N = np.asarray(group_numbers(data, found))
    rng = generator(0, "pool", name)
    kept = np.sort(rng.permutation(found.keep)[:POOL])
    pool = data.take(kept.tolist())
    number = {called: index for index, called in enumerate(pool.classes)}
    assert pool.labels is not None
    labels_N = np.array([number[names[0]] for names in pool.labels])
    return Target(name, pool, labels_N, groups_N[kept], pool.classes)


def draw(found: Target, number: int) -> Draw:
    """Training rows, PER_CLASS of each class at least and MOST_TRAIN together if that allows; groups are not parted."""
    rng = generator(number, "draw", found.name)
    classes = len(found.classes)
    wanted = max(PER_CLASS * classes, min(MOST_TRAIN, round(TRAIN * len(found.labels_N))))
    train: list[int] = []
    taken = np.zeros(classes, dtype=int)
    order = rng.permutation(np.unique(found.groups_N))
    for share in (PER_CLASS, np.inf):  # first enough of each class, then the rest as it comes
        for group in order:
            rows = np.flatnonzero(found.groups_N == group)
            if len(train) >= wanted or rows[0] in train:
                continue
            if (taken[found.labels_N[rows]] < share).all():
                train += rows.tolist()
                np.add.at(taken, found.labels_N[rows], 1)
    rest = np.setdiff1d(np.arange(len(found.labels_N)), train)
    test = rng.choice(rest, min(TESTED, len(rest)), replace=False)
    return Draw(np.sort(np.array(train)), np.sort(test))


def image_zoo(weights: Path) -> dict[str, Callable[[], Backbone]]:
    """Loaders of the image candidates by short name; `… (random)` are twins with random weights."""
    loaders: dict[str, Callable[[], Backbone]] = {}
    for name, folder in IMAGE_FOLDERS.items():
        loaders[name] = lambda folder=folder: load_backbone(weights / folder)
    for name in STARTERS:
        loaders[name] = lambda name=name: load_backbone(f"starter:{name}")
    for depth in CIFAR_DEPTHS:
        loaders[f"cifar-{depth}"] = lambda depth=depth: cifar_resnet(weights / "cifar10_resnets", depth)
    return _with_twins(loaders, TWINS)


def text_zoo(weights: Path) -> dict[str, Callable[[], Backbone]]:
    """Loaders of the text candidates by short name."""
    loaders: dict[str, Callable[[], Backbone]] = {"minilm": lambda: load_backbone("minilm")}
    for name, folder in TEXT_FOLDERS.items():
        loaders[name] = lambda folder=folder: load_backbone(weights / folder)
    return _with_twins(loaders, tuple(loaders))


def _with_twins(
    loaders: dict[str, Callable[[], Backbone]], names: tuple[str, ...]
) -> dict[str, Callable[[], Backbone]]:
    def twin(name: str) -> Backbone:
        backbone = loaders[name]()
        seed_everything(0)
        return backbone.twin()

    return loaders | {f"{name} (random)": lambda name=name: twin(name) for name in names}


class CifarBlock(nn.Module):
    """Two 3 × 3 convolutions with a shortcut that has no parameters (He et al. 2015, section 4.2, option A)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.pad = stride, (after - before) // 2

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        short = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return torch.relu(out + short)


class CifarResNet(nn.Module):
    """The CIFAR ResNet without its classifier."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = self._layer(16, 16, 1, blocks)
        self.layer2 = self._layer(16, 32, 2, blocks)
        self.layer3 = self._layer(32, 64, 2, blocks)

    @staticmethod
    def _layer(before: int, after: int, stride: int, blocks: int) -> nn.Sequential:
        first = CifarBlock(before, after, stride)
        return nn.Sequential(first, *(CifarBlock(after, after, 1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))


def cifar_resnet(folder: Path, depth: int) -> Backbone:
    """A CIFAR-10 ResNet of the folder as a backbone."""
    config = json.loads((folder / "config.json").read_text())
    net = CifarResNet((depth - 2) // 6)
    tensors = load_file(folder / config["models"][f"resnet{depth}"]["file"])
    net.load_state_dict({name: value for name, value in tensors.items() if not name.startswith("linear.")})
    mean, std = np.array(config["mean"], np.float32), np.array(config["std"], np.float32)

    def prepare(picture: Image.Image) -> np.ndarray:
        pixels_HW3 = np.asarray(picture.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC), np.float32) / 255
        return ((pixels_HW3 - mean) / std).transpose(2, 0, 1).copy()

    return from_module(
        net,
        prepare=prepare,
        modality="image",
        name=f"cifar-{depth}",
        build=lambda: CifarResNet((depth - 2) // 6),
    )
