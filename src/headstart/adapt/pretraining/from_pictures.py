"""Pre-training, stage one of transfer: a backbone from broad pictures, by labels or from a larger one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.objectives import Distil, Objective, Supervised
from headstart.adapt.precision import spare_slow_layers
from headstart.adapt.pretraining.steps import CHECKPOINT_S, Learning, Settings, Steps, same_recipe
from headstart.adapt.pretraining.views import Pictures, ViewBank
from headstart.errors import OptionError
from headstart.events import Listener, silent
from headstart.features.extract import for_inference
from headstart.runtime import Placement, child_seed, seed_everything

OBJECTIVES = ("supervised", "distil")


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
    placement: Placement,
    listener: Listener = silent,
    checkpoint_s: float = CHECKPOINT_S,
    seconds: Callable[[], float] | None = None,
) -> nn.Module:
    """Train a timm architecture from random weights on the sources' views; returns it without its head, in eval mode.

    Everything is kept in `work` as it is made (views, checkpoints), so that the same call goes on
    where a killed one stopped; a checkpoint is written every `checkpoint_s` seconds. `seconds` tells how many are left of a
    budget.
    Raises OptionError for an objective that the sources do not allow.
    """
    same_recipe(work, recipe)
    bank = ViewBank(work, sources, size=recipe.size, seed=recipe.seed)
    bank.fill(threads=placement.threads, listener=listener)
    seed_everything(child_seed(recipe.seed, "student") % 2**32)
    student = create_student(recipe)
    objective = make_objective(recipe, bank, student, classes, teacher, placement)
    spare_slow_layers(student, placement)
    student.to(memory_format=torch.channels_last)

    def loss(rows: np.ndarray, phase: int, rng: np.random.Generator) -> Tensor:
        views_BCHW = normalised(bank.batch(rows), placement.torch_device)
        with placement.autocast():
            return objective.loss(student, views_BCHW, rows, phase=phase, rng=rng)

    parts = nn.ModuleDict({"student": student, "objective": objective})
    learning = Learning(parts, loss, objective.pieces(student), objective.phases)
    how = Settings(recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.weight_decay, recipe.seed)
    Steps(learning, how, len(bank), work / "checkpoint.pt", placement).run(listener, checkpoint_s, seconds)
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
