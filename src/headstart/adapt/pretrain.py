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

from headstart.adapt.objectives import Distil, Objective, Supervised
from headstart.adapt.precision import spare_slow_layers
from headstart.adapt.pretrain_views import Pictures, ViewBank
from headstart.errors import OptionError, RunError
from headstart.events import Listener, Progress, Said, silent
from headstart.features.extract import for_inference
from headstart.files import read_json, replacing, write_json
from headstart.runtime import Placement, child_seed, generator, place, seed_everything

OBJECTIVES = ("supervised", "distil")
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

    Everything is kept in `work` as it is made (views, checkpoints), so that the same call goes on
    where a killed one stopped; a checkpoint is written every `checkpoint_s` seconds.
    Raises OptionError for an objective that the sources do not allow.
    """
    placement = place(device, precision=precision)
    _same_recipe(work, recipe)
    bank = ViewBank(work, sources, size=recipe.size, seed=recipe.seed)
    bank.fill(threads=placement.threads, listener=listener)
    seed_everything(child_seed(recipe.seed, "student") % 2**32)
    student = create_student(recipe)
    objective = make_objective(recipe, bank, student, classes, teacher, placement)
    spare_slow_layers(student, placement)
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


def make_objective(
    recipe: PretrainRecipe,
    bank: ViewBank,
    student: nn.Module,
    classes: int,
    teacher: nn.Module | None,
    placement: Placement,
) -> Objective:
    """The objective by name; raises OptionError where labels or a teacher are missing."""
    if recipe.objective == "supervised":
        if bank.labels is None or classes < 2:
            raise OptionError(
                "--objective supervised needs a folder per class. Give labelled pictures, or distil from a --teacher."
            )
        return Supervised(bank.labels, int(student.num_features), classes)  # type: ignore[arg-type]
    if recipe.objective == "distil":
        if teacher is None:
            raise OptionError("--objective distil needs a --teacher: a folder or name of a larger model.")
        return Distil(for_inference(teacher, placement), student, recipe.size)
    raise OptionError(f"--objective {recipe.objective}: choose from {', '.join(OBJECTIVES)}.")


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
            fused=True,
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
                loss = self._one(normalised(bank.batch(rows), self.placement.torch_device), rows)
                if self.step % 20 == 0:
                    left = (time.monotonic() - began) / (self.step - first) * (self.steps - self.step)
                    listener(Progress(f"pre-training, loss {loss:.4f}", self.step, self.steps, left))
                if time.monotonic() - saved >= checkpoint_s:
                    self._save()
                    saved = time.monotonic()
        self._save()

    def _one(self, views_BCHW: Tensor, rows: np.ndarray) -> float:
        student, objective = self.parts["student"], self.parts["objective"]
        assert isinstance(objective, Objective)
        phase, factor = schedule(self.step, self.steps, objective.phases)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        rng = generator(self.recipe.seed, "step", self.step)
        with self.placement.autocast():
            loss = objective.loss(student, views_BCHW, rows, phase=phase, rng=rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for piece in objective.pieces(student):
            nn.utils.clip_grad_norm_(piece.parameters(), max_norm=1.0)
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


def schedule(step: int, steps: int, phases: Sequence[float]) -> tuple[int, float]:
    """The phase that `step` is in, and the factor of its learning rate: a short rise, then a cosine, in each phase."""
    ends = np.round(np.cumsum(phases) * steps).astype(int)
    phase = int(np.searchsorted(ends[:-1], step, side="right"))
    start = int(ends[phase - 1]) if phase else 0
    within, length = step - start, max(1, int(ends[phase]) - start)
    rising = min(1.0, (within + 1) / max(1, length // 20))
    return phase, rising * 0.5 * (1 + math.cos(math.pi * within / length))


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
