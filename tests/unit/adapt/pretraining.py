"""Tiny pre-trainings for the tests: a network of a few thousand weights, pictures of two classes, a teacher folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from tests.pictures import save

from headstart.events import Event, Progress
from headstart.files import write_json, write_tensors

TINY = {"channels": [8, 8, 16, 16], "stem_width": 8}
RECIPE = {"architecture": "resnet10t", "model_args": TINY, "size": 32, "batch_size": 16, "precision": "fp32"}


class Killed(Exception):
    """Stands for the end of the process."""


class Ear:
    """A listener that keeps what it hears, and ends the run at an event, if told which."""

    def __init__(self, *, kill: tuple[str, int] | None = None) -> None:
        self.heard: list[Event] = []
        self._kill = kill

    def __call__(self, event: Event) -> None:
        self.heard.append(event)
        if self._kill and isinstance(event, Progress):
            what, done = self._kill
            if event.what.startswith(what) and event.done >= done:
                raise Killed

    @property
    def losses(self) -> list[float]:
        told = [event.what for event in self.heard if isinstance(event, Progress)]
        return [float(what.rsplit(" ", 1)[1]) for what in told if what.startswith("pre-training")]

    @property
    def words(self) -> str:
        return "\n".join(getattr(event, "text", "") for event in self.heard)


def striped(seed: int, *, upright: bool) -> Image.Image:
    """Stripes one way or the other, in colours, widths and places of their own."""
    rng = np.random.default_rng(seed)
    wave_40 = np.sin(np.arange(40) * rng.uniform(0.5, 1.2) + rng.uniform(0, 6))
    wave_HW = np.tile(wave_40, (40, 1)) if upright else np.tile(wave_40[:, None], (1, 40))
    grey_HW3 = 127 + 80 * wave_HW[:, :, None] * rng.uniform(0.4, 1, 3) + rng.normal(0, 8, (40, 40, 3))
    return Image.fromarray(np.clip(grey_HW3, 0, 255).astype(np.uint8))


def stripes_folder(root: Path, *, each: int = 12, start: int = 0) -> Path:
    """Two classes that differ by direction alone."""
    for number, name in enumerate(("across", "upright")):
        for count in range(each):
            save(root / name / f"{count}.png", striped(start + 1000 * number + count, upright=bool(number)))
    return root


def teacher_folder(folder: Path, *, mean: float = 0.5, std: float = 0.5) -> Path:
    """A timm folder of a network with random weights."""
    torch.manual_seed(7)
    arguments = {"channels": [8, 16, 16, 24], "stem_width": 8}
    net = timm.create_model("resnet10t", pretrained=False, num_classes=0, **arguments)
    settings = {"input_size": [3, 32, 32], "mean": [mean] * 3, "std": [std] * 3, "num_classes": 0, "classifier": "fc"}
    write_json(
        folder / "config.json", {"architecture": "resnet10t", "model_args": arguments, "pretrained_cfg": settings}
    )
    write_tensors(folder / "model.safetensors", net.state_dict())
    return folder
