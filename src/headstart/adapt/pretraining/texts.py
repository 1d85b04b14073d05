"""Pre-training on texts: from any folder of text to a folder in transformers' format with tokenizer and source card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.adapt.pretraining.asked import Asked, plain_arguments
from headstart.adapt.pretraining.bank import Cut, TextBank, TextSource, read_text_sources
from headstart.adapt.pretraining.checks import WORK, above_zero, is_to_do
from headstart.adapt.pretraining.distil import load_text_teacher
from headstart.adapt.pretraining.figures import check_probe
from headstart.adapt.pretraining.made import made_by
from headstart.adapt.pretraining.network import Desk, TextRecipe, Trained, create_reader, train_reader
from headstart.adapt.pretraining.reading import READINGS
from headstart.adapt.pretraining.sources import names_of
from headstart.adapt.pretraining.steps import same_recipe
from headstart.adapt.pretraining.text_folder import write_text_folder
from headstart.adapt.pretraining.tokens import KINDS, Around, plain, tokenizer_of
from headstart.errors import DataError, OptionError
from headstart.events import Listener
from headstart.models.card import SourceCard
from headstart.models.text_backbone import TextBackbone
from headstart.runtime import Placement

DEFAULTS: Mapping[str, Any] = {"vocabulary": 8000, "length": 128, "epochs": 10, "batch_size": 64, "learning_rate": 1e-3}
OF_PICTURES = ("size", "input_size", "views")
CHARACTERS_PER_TOKEN = 4
SEQUENCES_PER_PIECE = 2
"""Text is held out, and kept from running into other text, by pieces of about so many sequences."""


def pretrain_texts(given: Asked) -> bool:
    """Do what is asked for, or nothing where that is done already; returns whether there was something to do."""
    defaults = defaults_for(given)
    asked = given.completed(defaults, OF_PICTURES, "texts")
    recipe = _recipe(asked)
    _check(recipe, asked)
    teacher, about_teacher = load_text_teacher(asked.teacher) if asked.teacher is not None else (None, None)
    _check_width(recipe, teacher)
    cut = cut_for(recipe)
    if not asked.sources:
        raise DataError("pretrain: no sources given. Give a file, folder, zip or table of texts.")
    read = read_text_sources(
        asked.sources, names_of(asked.sources), cut, column=asked.text, licences=asked.licences, listener=asked.listener
    )
    job: dict[str, Any] = {
        "objective": recipe.objective,
        "sources": [source.facts() for source in read],
        "teacher": about_teacher,
        "recipe": asdict(recipe),
    }
    if not is_to_do(asked.out, job):
        return False
    if asked.probe is not None:
        check_probe(asked.probe, "text")
    command = asked.command_line({**defaults, "objective": unasked(given)})
    _train_and_write(asked, recipe, read, cut, teacher, job, command)
    return True


def unasked(given: Asked) -> str:
    """The objective where none is named: a teacher's features where there is a teacher, else hidden tokens."""
    return "masked" if given.teacher is None else "distil"


def defaults_for(given: Asked) -> dict[str, Any]:
    """What is meant where nothing is said; raises OptionError for an objective that texts do not have."""
    objective = given.objective or unasked(given)
    if objective not in READINGS:
        raise OptionError(f"--objective {objective}: choose from {', '.join(READINGS)} for texts.")
    reading = READINGS[objective]
    return {
        **DEFAULTS,
        "objective": objective,
        "architecture": reading.architectures[0],
        "tokenizer": reading.tokenizer,
    }


def cut_for(recipe: TextRecipe) -> Cut:
    """Pieces to distil from are texts by themselves, of one sequence; else text goes on for several."""
    sequence = CHARACTERS_PER_TOKEN * recipe.length
    if recipe.objective == "distil":
        return Cut(sequence, joined=False)
    return Cut(SEQUENCES_PER_PIECE * sequence, joined=True)


def _recipe(asked: Any) -> TextRecipe:
    return TextRecipe(
        asked.architecture,
        plain_arguments(asked.model_args),
        asked.objective,
        asked.tokenizer,
        asked.vocabulary,
        asked.length,
        asked.epochs,
        asked.batch_size,
        asked.learning_rate,
        asked.weight_decay,
        asked.seed,
    )


def _check(recipe: TextRecipe, asked: Asked) -> None:
    """Raise OptionError for what cannot work, before anything is read."""
    reading = READINGS[recipe.objective]
    if recipe.objective == "distil" and asked.teacher is None:
        raise OptionError("--objective distil needs a --teacher: a folder or name of a larger encoder, such as minilm.")
    if recipe.objective != "distil" and asked.teacher is not None:
        raise OptionError("--teacher: only --objective distil learns from one. Leave one of them out.")
    if recipe.architecture not in reading.architectures:
        raise OptionError(
            f"--architecture {recipe.architecture}: choose from {', '.join(reading.architectures)} for {recipe.objective}."
        )
    if recipe.tokenizer not in KINDS:
        raise OptionError(f"--tokenizer {recipe.tokenizer}: choose from {', '.join(KINDS)}.")
    above_zero(
        {
            "epochs": recipe.epochs,
            "batch-size": recipe.batch_size,
            "learning-rate": recipe.learning_rate,
        }
    )
    least = {"vocabulary": (recipe.vocabulary, 300), "length": (recipe.length, 8)}
    for name, (value, fewest) in least.items():
        if value < fewest:
            raise OptionError(f"--{name} {value}: too few tokens. Give {fewest} or more.")
    create_reader(recipe, recipe.vocabulary, {})


def _check_width(recipe: TextRecipe, teacher: TextBackbone | None) -> None:
    """Raise OptionError for a student wider than its teacher, whose features it could not be like in all directions."""
    width = create_reader(recipe, recipe.vocabulary, {}).config.hidden_size
    if teacher is not None and width > teacher.width:
        raise OptionError(
            f"--model-args: hidden_size {width} is more than the {teacher.width} features of the teacher. Give at most those."
        )


def _train_and_write(
    asked: Asked,
    recipe: TextRecipe,
    read: Sequence[TextSource],
    cut: Cut,
    teacher: TextBackbone | None,
    job: Mapping[str, Any],
    command: str,
) -> None:
    def train(
        work: Path, placement: Placement, listener: Listener, seconds: Callable[[], float] | None
    ) -> tuple[Desk, Trained]:
        same_recipe(work, recipe)
        bank = TextBank.write(work, read, cut, asked.text)
        tokenizer = tokenizer_of(bank, work, recipe.tokenizer, recipe.vocabulary, recipe.length)
        fast = plain(tokenizer)
        around = Around.of_kind(recipe.tokenizer, fast)
        desk = Desk(bank, tokenizer, fast, around, work, placement, listener, asked.checkpoint_s, seconds)
        return desk, train_reader(recipe, desk, teacher)

    (desk, trained), facts = made_by(train, asked, asked.out / WORK)
    card = SourceCard(
        spec=asked.out.resolve().name,
        name=asked.name or asked.out.resolve().name,
        modality="text",
        family="transformers",
        architecture=recipe.architecture,
        domain=asked.domain,
        data=tuple(source.name for source in read),
        licence=asked.weights_licence,
        made_with=command,
        figures=trained.figures,
        pretraining={**job, **facts, **trained.counts, "held_out": len(desk.bank.held_out)},
    )
    write_text_folder(
        asked.out, trained.net, desk.tokenizer, desk.bank, card=card, seed=recipe.seed, probe=asked.probe
    )
