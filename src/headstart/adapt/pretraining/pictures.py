"""Pre-training on pictures: from the sources to the folder of a timm network with its source card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from headstart.adapt.pretraining.asked import Asked, plain_arguments
from headstart.adapt.pretraining.checks import WORK, check_options, is_to_do
from headstart.adapt.pretraining.figures import check_probe
from headstart.adapt.pretraining.folder import write_backbone_folder
from headstart.adapt.pretraining.from_pictures import PretrainRecipe, pretrain_network
from headstart.adapt.pretraining.made import made_by
from headstart.adapt.pretraining.sources import as_pictures, class_names, read_sources, views_of
from headstart.adapt.pretraining.teacher import load_teacher
from headstart.models.card import SourceCard
from headstart.runtime import Placement

DEFAULTS: Mapping[str, Any] = {
    "objective": "distil",
    "architecture": "resnet10t",
    "size": 112,
    "epochs": 14,
    "batch_size": 128,
    "learning_rate": 3e-3,
}
OF_TEXTS = ("text", "tokenizer", "vocabulary", "length")


def pretrain_pictures(given: Asked) -> bool:
    """Do what is asked for, or nothing where that is done already; returns whether there was something to do."""
    asked = given.completed(DEFAULTS, OF_TEXTS, "pictures")
    recipe = _recipe(asked)
    check_options(recipe, asked.input_size, asked.teacher)
    read = read_sources(
        asked.sources, labelled=recipe.objective == "supervised", licences=asked.licences, listener=asked.listener
    )
    counts = views_of(read, asked.views)
    tutor, about_teacher = load_teacher(asked.teacher, size=recipe.size) if asked.teacher is not None else (None, None)
    input_size = asked.input_size or recipe.size
    job: dict[str, Any] = {
        "objective": recipe.objective,
        "sources": [source.facts(count) for source, count in zip(read, counts, strict=True)],
        "classes": len(class_names(read)),
        "teacher": about_teacher,
        "recipe": asdict(recipe),
        "input_size": input_size,
    }
    if not is_to_do(asked.out, job):
        return False
    if asked.probe is not None:
        check_probe(asked.probe, "image")
    pictures = as_pictures(read, counts)

    def train(work: Path, placement: Placement, listener: Any, seconds: Callable[[], float] | None) -> nn.Module:
        return pretrain_network(
            pictures,
            recipe,
            work=work,
            classes=job["classes"],
            teacher=tutor,
            listener=listener,
            placement=placement,
            checkpoint_s=asked.checkpoint_s,
            seconds=seconds,
        )

    net, facts = made_by(train, asked, asked.out / WORK)
    facts["views"] = sum(len(source.items) * source.views for source in pictures)
    card = SourceCard(
        spec=asked.out.resolve().name,
        name=asked.name or asked.out.resolve().name,
        modality="image",
        family="timm",
        architecture=recipe.architecture,
        domain=asked.domain,
        data=tuple(source.name for source in read),
        licence=asked.weights_licence,
        made_with=asked.command_line(DEFAULTS),
        pretraining={**job, **facts},
    )
    write_backbone_folder(
        asked.out, net, recipe, input_size=input_size, sources=read, card=card, probe=asked.probe
    )
    return True


def _recipe(asked: Any) -> PretrainRecipe:
    return PretrainRecipe(
        asked.architecture,
        plain_arguments(asked.model_args),
        asked.objective,
        asked.size,
        asked.epochs,
        asked.batch_size,
        asked.learning_rate,
        asked.weight_decay,
        asked.seed,
    )
