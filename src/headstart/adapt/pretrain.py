"""Pre-training, stage one of transfer: a backbone from broad pictures, by labels or from a larger one."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.adapt.pretrain_views import Pictures, ViewBank
from headstart.errors import OptionError, RunError
from headstart.events import Listener, Progress, Said, silent
from headstart.features.extract import for_inference
from headstart.files import read_json, replacing, write_json
from headstart.runtime import Placement, child_seed, generator, place, seed_everything

OBJECTIVES = ("supervised", "distil")
GRID = 4
"""Distillation matches the teacher's feature map, averaged to GRID × GRID places, besides its pooled features."""
PLACES_WIDTH = 256
"""Principal directions of the teacher's feature map that are matched."""
CHECKPOINT_S = 60.0


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """Everything that decides the weights; kept in the folder, so that a resumed run is held to it."""

    architecture: str
    model_args: Mapping[str, Any]
    objective: str
    size: int
    epochs: int
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    seed: int = 0
    teacher_size: int = 160


def pretrain_network(
    sources: Sequence[Pictures],
    recipe: PretrainRecipe,
    *,
    work: Path,
    classes: int = 0,
    teacher: nn.Module | None = None,
    listener: Listener = silent,
    device: str = "auto",
    precision: str = "auto",
    checkpoint_s: float = CHECKPOINT_S,
) -> nn.Module:
    """Train a timm architecture from random weights on the sources' views; returns it without its head, in eval mode.

    Everything is kept in `work` as it is made (views, teacher features, checkpoints), so that the same call goes on
    where a killed one stopped; a checkpoint is written every `checkpoint_s` seconds. Source of the distillation: Beyer
    et al. 2022 (the same view for teacher and student, a long schedule), with the feature map matched place by place
    besides the pooled features.
    Raises OptionError for an objective that the sources do not allow.
    """
    placement = place(device, precision=precision)
    _same_recipe(work, recipe)
    bank = ViewBank(work, sources, size=recipe.size, seed=recipe.seed)
    bank.fill(threads=placement.threads, listener=listener)
    seed_everything(child_seed(recipe.seed, "student") % 2**32)
    student = create_student(recipe)
    objective = make_objective(recipe, bank, student, classes, teacher, work, placement, listener)
    trainer = _Trainer(student, objective, recipe, len(bank), work / "checkpoint.pt", placement)
    trainer.run(bank, listener, checkpoint_s)
    return student.cpu().eval()


def create_student(recipe: PretrainRecipe) -> nn.Module:
    """The architecture with random weights and no classifier; raises OptionError for a name that timm does not have."""
    import timm

    try:
        net: nn.Module = timm.create_model(recipe.architecture, pretrained=False, num_classes=0, **recipe.model_args)
    except (RuntimeError, TypeError) as error:
        raise OptionError(
            f"--architecture {recipe.architecture}: timm cannot make it ({error}). See timm.list_models()."
        ) from error
    return net


class Objective(nn.Module):
    """What the student is trained on: a head of its own and a loss for the rows of the bank."""

    def loss(self, student: nn.Module, views_BHWC: np.ndarray, rows: np.ndarray) -> Tensor:
        """The loss of a batch of views."""
        raise NotImplementedError


class Supervised(Objective):
    """Class labels, by cross-entropy with label smoothing 0.1."""

    def __init__(self, labels: np.ndarray, width: int, classes: int) -> None:
        super().__init__()
        self.labels = torch.from_numpy(labels)
        self.head = nn.Linear(width, classes)

    def loss(self, student: nn.Module, views_BHWC: np.ndarray, rows: np.ndarray) -> Tensor:
        """Mean cross-entropy of the batch."""
        device = self.head.weight.device
        logits_BK = self.head(student(normalised(views_BHWC, device)))
        return F.cross_entropy(logits_BK.float(), self.labels[torch.from_numpy(rows)].to(device), label_smoothing=0.1)


class Distil(Objective):
    """The teacher's features: its map place by place in its principal directions, and its pooled features."""

    def __init__(self, targets: Mapping[str, np.ndarray], width: int) -> None:
        super().__init__()
        self.places, self.pooled = targets["places"], targets["pooled"]
        self.to_places = nn.Conv2d(width, self.places.shape[1], 1)
        self.to_pooled = nn.Linear(width, self.pooled.shape[1])

    def loss(self, student: nn.Module, views_BHWC: np.ndarray, rows: np.ndarray) -> Tensor:
        """Smooth L1 to both targets, which are standardised."""
        device = self.to_pooled.weight.device
        map_BCHW = student.forward_features(normalised(views_BHWC, device))  # type: ignore[operator]
        pooled_BC = student.forward_head(map_BCHW, pre_logits=True)  # type: ignore[operator]
        places = self.to_places(F.adaptive_avg_pool2d(map_BCHW, GRID))
        wanted_places = torch.from_numpy(self.places[rows].astype(np.float32)).to(device)
        wanted_pooled = torch.from_numpy(self.pooled[rows].astype(np.float32)).to(device)
        return F.smooth_l1_loss(places.float(), wanted_places) + F.smooth_l1_loss(
            self.to_pooled(pooled_BC).float(), wanted_pooled
        )


def make_objective(
    recipe: PretrainRecipe,
    bank: ViewBank,
    student: nn.Module,
    classes: int,
    teacher: nn.Module | None,
    work: Path,
    placement: Placement,
    listener: Listener,
) -> Objective:
    """The objective by name, with its targets; raises OptionError where labels or a teacher are missing."""
    width = int(student.num_features)  # type: ignore[arg-type]
    if recipe.objective == "supervised":
        if bank.labels is None or classes < 2:
            raise OptionError(
                "--objective supervised needs a folder per class. Give labelled pictures, or distil from a --teacher."
            )
        return Supervised(bank.labels, width, classes)
    if recipe.objective == "distil":
        if teacher is None:
            raise OptionError("--objective distil needs a --teacher: a folder or name of a larger model.")
        return Distil(teacher_targets(teacher, bank, recipe, work, placement, listener), width)
    raise OptionError(f"--objective {recipe.objective}: choose from {', '.join(OBJECTIVES)}.")


def teacher_targets(
    teacher: nn.Module, bank: ViewBank, recipe: PretrainRecipe, work: Path, placement: Placement, listener: Listener
) -> dict[str, np.ndarray]:
    """Teacher features of every view, standardised float16 in `work`: `places` (N, P, GRID, GRID), `pooled` (N, C)."""
    paths = {name: work / f"teacher_{name}.npy" for name in ("places", "pooled")}
    if all(path.is_file() for path in paths.values()):
        return {name: np.load(path, mmap_mode="r") for name, path in paths.items()}
    net = for_inference(teacher, placement)
    directions_PC, centre_C = principal_directions(net, bank, recipe, placement)
    places, pooled = [], []
    began = time.monotonic()
    for start in range(0, len(bank), 128):
        rows = np.arange(start, min(start + 128, len(bank)))
        map_BCHW = teacher_map(net, bank.batch(rows), recipe.teacher_size, placement)
        turned = torch.einsum("bchw,pc->bphw", map_BCHW - centre_C[:, None, None], directions_PC)
        places.append(turned.half().cpu().numpy())
        pooled.append(map_BCHW.mean((2, 3)).half().cpu().numpy())
        left = (time.monotonic() - began) / len(places) * ((len(bank) - rows[-1] - 1) / 128)
        listener(Progress("teacher features", int(rows[-1]) + 1, len(bank), left))
    found = {"places": np.concatenate(places), "pooled": np.concatenate(pooled)}
    found["places"] = standardised(found["places"], axes=(0, 2, 3), each=False)
    found["pooled"] = standardised(found["pooled"], axes=(0,), each=True)
    for name, path in paths.items():
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, found[name])
    return found


def teacher_map(net: nn.Module, views_BHWC: np.ndarray, size: int, placement: Placement) -> Tensor:
    """The teacher's last feature map on views resized to `size`, averaged to (B, C, GRID, GRID), float32."""
    with torch.inference_mode():
        views = normalised(views_BHWC, placement.torch_device)
        views = F.interpolate(views, size=size, mode="bilinear", align_corners=False)
        views = views.to(next(net.parameters()).dtype).contiguous(memory_format=torch.channels_last)
        map_BCHW: Tensor = net.forward_features(views)  # type: ignore[operator]
    return F.adaptive_avg_pool2d(map_BCHW.float(), GRID)


def principal_directions(
    net: nn.Module, bank: ViewBank, recipe: PretrainRecipe, placement: Placement
) -> tuple[Tensor, Tensor]:
    """The leading directions (P, C) of the teacher's map, and its mean (C,), from a sample of views."""
    sample = np.sort(generator(recipe.seed, "directions").choice(len(bank), min(1024, len(bank)), replace=False))
    rows_MC = torch.cat(
        [
            teacher_map(net, bank.batch(part), recipe.teacher_size, placement).permute(0, 2, 3, 1).flatten(0, 2)
            for part in np.array_split(sample, max(1, len(sample) // 128))
        ]
    )
    centre_C = rows_MC.mean(0)
    _, _, directions_CC = torch.linalg.svd(rows_MC - centre_C, full_matrices=False)
    return directions_CC[:PLACES_WIDTH], centre_C


def standardised(values: np.ndarray, *, axes: tuple[int, ...], each: bool) -> np.ndarray:
    """Centred per channel and divided by the spread: of `each` channel, or the mean one: strong ones then stay so."""
    floats = values.astype(np.float32)
    spread = floats.std(axes, keepdims=True)
    scale = spread + 1e-3 if each else np.sqrt((spread**2).mean())
    return np.asarray((floats - floats.mean(axes, keepdims=True)) / scale, dtype=np.float16)


def normalised(views_BHWC: np.ndarray, device: torch.device) -> Tensor:
    """Views as a tensor (B, 3, H, W) on the device, channels last, between −1 and 1."""
    tensor = torch.from_numpy(views_BHWC).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    return tensor.contiguous(memory_format=torch.channels_last)


class _Trainer:
    """Steps over a bank of views with AdamW and a cosine schedule; checkpoints make it resumable."""

    def __init__(
        self,
        student: nn.Module,
        objective: Objective,
        recipe: PretrainRecipe,
        views: int,
        path: Path,
        placement: Placement,
    ) -> None:
        self.parts = nn.ModuleDict({"student": student, "objective": objective})
        self.parts.to(placement.torch_device)
        student.to(memory_format=torch.channels_last)
        self.recipe, self.path, self.placement = recipe, path, placement
        self.per_epoch = max(1, views // recipe.batch_size)
        self.steps = recipe.epochs * self.per_epoch
        self.views, self.step = views, 0
        matrices = [parameter for parameter in self.parts.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.parts.parameters() if parameter.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=recipe.learning_rate,
        )

    def run(self, bank: ViewBank, listener: Listener, checkpoint_s: float) -> None:
        """Train to the last step, going on from the checkpoint where there is one."""
        self._resume(listener)
        self.parts.train()
        began, first, saved = time.monotonic(), self.step, time.monotonic()
        while self.step < self.steps:
            epoch, within = divmod(self.step, self.per_epoch)
            order = generator(self.recipe.seed, "epoch", epoch).permutation(self.views)
            for batch in range(within, self.per_epoch):
                rows = np.sort(order[batch * self.recipe.batch_size : (batch + 1) * self.recipe.batch_size])
                loss = self._one(bank.batch(rows), rows)
                if self.step % 20 == 0:
                    left = (time.monotonic() - began) / (self.step - first) * (self.steps - self.step)
                    listener(Progress(f"pre-training, loss {loss:.4f}", self.step, self.steps, left))
                if time.monotonic() - saved >= checkpoint_s:
                    self._save()
                    saved = time.monotonic()
        self._save()

    def _one(self, views_BHWC: np.ndarray, rows: np.ndarray) -> float:
        rising = max(1, self.steps // 20)
        factor = min(1.0, (self.step + 1) / rising) * 0.5 * (1 + math.cos(math.pi * self.step / self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        student, objective = self.parts["student"], self.parts["objective"]
        assert isinstance(objective, Objective)
        with self.placement.autocast():
            loss = objective.loss(student, views_BHWC, rows)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parts.parameters(), max_norm=5.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def _save(self) -> None:
        with replacing(self.path) as temporary:
            torch.save(
                {"parts": self.parts.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step},
                temporary,
            )

    def _resume(self, listener: Listener) -> None:
        if not self.path.is_file():
            return
        state = torch.load(self.path, map_location=self.placement.torch_device, weights_only=True)
        self.parts.load_state_dict(state["parts"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        listener(Said(f"Going on with the pre-training at step {self.step} of {self.steps}."))


def _same_recipe(work: Path, recipe: PretrainRecipe) -> None:
    path, wanted = work / "recipe.json", asdict(recipe)
    if not path.is_file():
        write_json(path, wanted)
        return
    before = read_json(path)
    changed = sorted(name for name in wanted if before.get(name) != wanted[name])
    if changed:
        raise RunError(
            f"{work.parent}: holds a pre-training with another {', '.join(changed)}. Choose another --out or delete it."
        )
