"""Whether a pre-training can be done: its options, its architecture, and the folder that it is to fill."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from headstart.adapt.pretraining.from_pictures import OBJECTIVES, PretrainRecipe, create_student
from headstart.errors import OptionError, RunError
from headstart.files import read_json, write_json
from headstart.models.card_file import CARD_FILE

WORK, JOB_FILE = "work", "job.json"
"""The folder of working files inside the one to fill, and what notes there which job they belong to."""


def check_options(recipe: PretrainRecipe, input_size: int | None, teacher: str | Path | None) -> None:
    """Raise OptionError for what cannot work, before anything is read."""
    if recipe.objective not in OBJECTIVES:
        raise OptionError(f"--objective {recipe.objective}: choose from {', '.join(OBJECTIVES)}.")
    if recipe.objective == "distil" and teacher is None:
        raise OptionError("--objective distil needs a --teacher: a folder or name of a larger model.")
    if recipe.objective == "supervised" and teacher is not None:
        raise OptionError("--teacher: only --objective distil learns from one. Leave one of them out.")
    numbers = {
        "size": recipe.size,
        "input-size": input_size or recipe.size,
        "epochs": recipe.epochs,
        "batch-size": recipe.batch_size,
        "learning-rate": recipe.learning_rate,
    }
    above_zero(numbers)
    _check_student(recipe)


def above_zero(numbers: Mapping[str, float]) -> None:
    """Raise OptionError for the first of the options' numbers that is not."""
    for name, value in numbers.items():
        if not value > 0:
            raise OptionError(f"--{name} {value}: has to be above zero.")


def _check_student(recipe: PretrainRecipe) -> None:
    """Raise OptionError where the architecture does not take the views, or its head is more than a classifier."""
    net: Any = create_student(recipe).eval()
    try:
        with torch.inference_mode():
            found = net.forward_features(torch.zeros(1, 3, recipe.size, recipe.size))
            pooled = net.forward_head(found, pre_logits=True)
    except (RuntimeError, AssertionError, AttributeError) as error:
        raise OptionError(
            f"--architecture {recipe.architecture}: takes no views of {recipe.size} pixels ({error}). Set --size."
        ) from error
    is_map = found.ndim == 4 and found.shape[1] == net.num_features
    if pooled.shape != (1, net.num_features) or (recipe.objective == "distil" and not is_map):
        raise OptionError(
            f"--architecture {recipe.architecture}: has no plain pooled feature map. Choose another, such as resnet10t."
        )


def is_to_do(folder: Path, job: Mapping[str, Any]) -> bool:
    """Whether the job is still to be done in `folder`; raises RunError where that holds something else."""
    note = folder / WORK / JOB_FILE
    if (folder / CARD_FILE).is_file():
        _same(folder, read_json(folder / CARD_FILE).get("pretraining") or {}, job)
        return False
    if note.is_file():
        _same(folder, read_json(note), job)
    elif not (folder / WORK).is_dir() and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: holds something else. Choose another --out.")
    else:
        write_json(note, job)
    return True


def _same(folder: Path, before: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    kept, wanted = _essence(before), _essence(job)
    changed = sorted(key for key in wanted if kept.get(key) != wanted[key])
    if changed:
        raise RunError(
            f"{folder}: holds a pre-training with another {', '.join(changed)}. Choose another --out, or delete it."
        )


def _essence(job: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the weights, under the names of the options; not what data and teacher are called."""
    return {
        "sources": [source["fingerprint"] for source in job.get("sources", ())],
        "views": [source.get("views") for source in job.get("sources", ())],
        "teacher": (job.get("teacher") or {}).get("weights_sha256"),
        "input size": job.get("input_size"),
        **{name.replace("_", " "): value for name, value in job.get("recipe", {}).items()},
    }
