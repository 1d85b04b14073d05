"""The command `pretrain`. Nothing heavy is imported before it runs."""

from __future__ import annotations

from typing import Any

import typer

from headstart import cli_options as o
from headstart.cli_parts import examples
from headstart.errors import OptionError


def pretrain_command(app: typer.Typer) -> None:
    """Add the command `pretrain` to `app`."""
    app.command(
        short_help="Make a backbone of your own from broad pictures or texts.",
        epilog=examples(
            "headstart pretrain broad-photos/ --teacher timm:resnet50.a1_in1k --out backbones/mine",
            "headstart pretrain builtin:glyphs --objective supervised --epochs 8 --out backbones/glyphs",
            "headstart pretrain books/ --budget 30m --out backbones/reader",
            "headstart pretrain books.zip notes.jsonl --teacher minilm --out backbones/words",
            "headstart fit photos/ --model backbones/mine",
        ),
    )(pretrain)


def pretrain(
    sources: o.Sources,
    out: o.BackboneOut,
    objective: o.HowToLearn = None,
    teacher: o.Teacher = None,
    architecture: o.Architecture = None,
    model_args: o.ModelArgs = "{}",
    size: o.Size = None,
    input_size: o.InputSize = None,
    text: o.PassageColumn = None,
    tokenizer: o.OwnTokenizer = None,
    vocabulary: o.Vocabulary = None,
    length: o.Length = None,
    epochs: o.Epochs = None,
    budget: o.PretrainBudget = None,
    views: o.Views = None,
    batch_size: o.BatchSize = None,
    learning_rate: o.LearningRate = None,
    weight_decay: o.WeightDecay = 0.02,
    seed: o.Seed = 0,
    probe: o.ProbeOn = None,
    name: o.CardName = None,
    domain: o.Domain = None,
    licence: o.Licences = None,
    weights_licence: o.WeightsLicence = None,
    device: o.Device = "auto",
    precision: o.InPrecision = o.Precision.auto,
    keep_work: o.KeepWork = False,
) -> None:
    """Pre-train a backbone from random weights, on pictures or on texts; writes a folder with its weights and source card.

    The same command goes on where it was stopped.
    """
    from headstart.run.clock import seconds
    from headstart.terminal import Terminal

    arguments, counts = _json_object("--model-args", model_args), _numbers("--views", views)
    with Terminal() as terminal:
        from headstart.adapt.pretraining.job import pretrain as run

        folder = run(
            sources,
            out=out,
            objective=objective.value if objective else None,
            teacher=teacher,
            architecture=architecture,
            model_args=arguments,
            size=size,
            input_size=input_size,
            text=text,
            tokenizer=tokenizer.value if tokenizer else None,
            vocabulary=vocabulary,
            length=length,
            epochs=epochs,
            budget=seconds(budget),
            views=counts,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            seed=seed,
            probe=probe,
            name=name,
            domain=domain,
            licences=licence or (),
            weights_licence=weights_licence,
            device=device,
            precision=precision.value,
            keep_work=keep_work,
            listener=terminal,
        )
    typer.echo(f"Backbone: {folder}. Use it: headstart fit DATA --model {folder}")


def _json_object(option: str, text: str) -> dict[str, Any]:
    import json

    try:
        value = json.loads(text)
    except ValueError as error:
        raise OptionError(f'{option} {text}: not JSON ({error}). Write it as {{"width": 32}}.') from error
    if not isinstance(value, dict):
        raise OptionError(f'{option} {text}: not a JSON object. Write it as {{"width": 32}}.')
    return value


def _numbers(option: str, text: str | None) -> list[int] | int | None:
    if text is None:
        return None
    try:
        found = [int(number) for number in text.split(",")]
    except ValueError as error:
        raise OptionError(f"{option} {text}: not whole numbers with commas between. Write it as 40,1.") from error
    return found if len(found) > 1 else found[0]
