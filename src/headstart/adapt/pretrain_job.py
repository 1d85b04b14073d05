"""`pretrain`: from source pictures to a backbone folder with its source card; killed at any moment, it goes on."""

from __future__ import annotations

import inspect
import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from headstart.adapt.pretrain import CHECKPOINT_S, PretrainRecipe, pretrain_network
from headstart.adapt.pretrain_checks import WORK, check_options, is_to_do, plain_arguments
from headstart.adapt.pretrain_folder import write_backbone_folder
from headstart.adapt.pretrain_sources import as_pictures, class_names, read_sources, views_of
from headstart.adapt.pretrain_teacher import load_teacher
from headstart.adapt.pretrain_views import Pictures
from headstart.adapt.stopwatch import Stopwatch
from headstart.events import Listener, Said, silent
from headstart.models.card import SourceCard
from headstart.runtime import place

NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


def pretrain(
    sources: Sequence[str | Path],
    *,
    out: str | Path,
    objective: str = "distil",
    teacher: str | Path | None = None,
    architecture: str = "resnet10t",
    model_args: Mapping[str, Any] = NO_ARGUMENTS,
    size: int = 112,
    input_size: int | None = None,
    epochs: int = 14,
    views: Sequence[int] | int | None = None,
    batch_size: int = 128,
    learning_rate: float = 3e-3,
    weight_decay: float = 0.02,
    seed: int = 0,
    name: str | None = None,
    domain: str | None = None,
    licences: Sequence[str] = (),
    weights_licence: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    checkpoint_s: float = CHECKPOINT_S,
    keep_work: bool = False,
    listener: Listener = silent,
) -> Path:
    """Pre-train a timm architecture from random weights on `sources`; returns `out`, a backbone folder.

    `sources` are folders, zips or tables of pictures, or `builtin:glyphs`. `objective` "distil" learns the features
    of `teacher` (a convolutional network of timm's, by anything that `load_backbone` takes) and needs no labels;
    "supervised" learns the classes. `views` says how often each picture is viewed, one number or one per source; by
    default each source gets about 40,000 views. Views are `size` pixels; the finished folder declares `input_size`
    (default: the same). `licences` are those of the sources, one each; `weights_licence` is that of the result.

    The same call goes on where a killed one stopped, and does nothing where it is finished. Its working files, in
    `out`/work, go at the end unless `keep_work`. Raises DataError, OptionError or ModelError for what cannot be
    used, RunError where `out` holds something else.
    """
    given = dict(locals())
    folder = Path(out)
    recipe = PretrainRecipe(
        architecture,
        plain_arguments(model_args),
        objective,
        size,
        epochs,
        batch_size,
        learning_rate,
        weight_decay,
        seed,
    )
    check_options(recipe, input_size, teacher)
    read = read_sources(sources, labelled=objective == "supervised", licences=licences, listener=listener)
    counts = views_of(read, views)
    tutor, about_teacher = load_teacher(teacher, size=size) if teacher is not None else (None, None)
    job: dict[str, Any] = {
        "objective": objective,
        "sources": [source.facts(count) for source, count in zip(read, counts, strict=True)],
        "classes": len(class_names(read)),
        "teacher": about_teacher,
        "recipe": asdict(recipe),
        "input_size": input_size or size,
    }
    if is_to_do(folder, job):
        made = _Settings(device, precision, checkpoint_s).train(
            as_pictures(read, counts), recipe, job["classes"], tutor, folder / WORK, listener
        )
        card = SourceCard(
            spec=folder.resolve().name,
            name=name or folder.resolve().name,
            modality="image",
            family="timm",
            architecture=architecture,
            domain=domain,
            data=tuple(source.name for source in read),
            licence=weights_licence,
            made_with=command_line(sources, folder, given),
            pretraining={**job, **made.facts},
        )
        write_backbone_folder(folder, made.net, recipe, input_size=input_size or size, sources=read, card=card)
    else:
        listener(Said(f"{folder} is finished already."))
    if not keep_work and (folder / WORK).is_dir():
        shutil.rmtree(folder / WORK)
    return folder


def command_line(sources: Sequence[str | Path], out: Path, given: Mapping[str, Any]) -> str:
    """The command that does the same as `pretrain` with the arguments `given`; those at their default are left out."""
    words = ["headstart", "pretrain", *map(str, sources), "--out", str(out)]
    for key, parameter in inspect.signature(pretrain).parameters.items():
        value = given.get(key, parameter.default)
        if key not in NOT_STATED and value != parameter.default:
            words += _as_option(key, value)
    return shlex.join(words)


NOT_STATED = ("sources", "out", "checkpoint_s", "keep_work", "listener")
"""Arguments that stand elsewhere in the command, or do not shape the weights."""


@dataclass(frozen=True, slots=True)
class Made:
    """A trained network without its head, and how it was made, for its card."""

    net: nn.Module
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Where and how to train; none of it is part of the recipe."""

    device: str
    precision: str
    checkpoint_s: float

    def train(
        self,
        pictures: Sequence[Pictures],
        recipe: PretrainRecipe,
        classes: int,
        teacher: nn.Module | None,
        work: Path,
        listener: Listener,
    ) -> Made:
        placement = place(self.device, precision=self.precision)
        watch = Stopwatch(work / "seconds.json")
        net = pretrain_network(
            pictures,
            recipe,
            work=work,
            classes=classes,
            teacher=teacher,
            listener=watch.listening(listener),
            device=self.device,
            precision=self.precision,
            checkpoint_s=self.checkpoint_s,
        )
        facts = {
            "views": sum(len(source.items) * source.views for source in pictures),
            "seconds": round(watch.seconds(), 3),
            "device": placement.device.split(":")[0],
            "threads": placement.threads,
            "precision": placement.low or "float32",
        }
        return Made(net, facts)


def _as_option(key: str, value: Any) -> list[str]:
    flag = f"--{key.replace('_', '-')}"
    if isinstance(value, Mapping):
        return [flag, json.dumps(plain_arguments(value))]
    if key == "licences":
        return [word for licence in value for word in ("--licence", str(licence))]
    return [flag, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
