"""The command `ask`: questions to a finished model that finds answers in a context. Nothing heavy is imported before it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from headstart import cli_options as o
from headstart.cli_parts import examples
from headstart.errors import DataError, OptionError

if TYPE_CHECKING:
    from headstart.model import Model


def ask_command(app: typer.Typer) -> None:
    """Add it to the program."""
    app.command(
        name="ask",
        short_help="Questions to a model that finds answers in a text.",
        epilog=examples(
            'headstart ask runs/squad --context "It was built in 1815." --question "When was it built?"',
            "headstart ask runs/squad --context chapter.txt",
        ),
    )(ask)


def ask(
    run: o.RunFolder,
    question: o.Question = None,
    context: o.Context = None,
    best: o.Best = 3,
    device: o.Device = "auto",
    precision: o.InPrecision = o.Precision.auto,
) -> None:
    """Answer questions with words of a context, the best answers first, each with its probability.

    Without --question it reads questions line by line until an empty one or the end; without --context the first line is the context.
    """
    from headstart.model import load
    from headstart.terminal import working, write_lines

    with working("Loading"):
        model = load(run, device=device, precision=precision.value)
    if model.kind != "span":
        raise OptionError(f"{run}: a model for {model.task.name}, not one that finds answers. Use `headstart predict`.")
    text = context_of(context) if context is not None else next(_lines("Context: "), "")
    if not text.strip():
        raise OptionError("--context: nothing to look for answers in. Give a text, or the name of a text file.")
    for asked in [question] if question is not None else _lines("Question: "):
        if not asked.strip():
            break
        write_lines(answers(model, asked, text, best))


def answers(model: Model, question: str, context: str, best: int) -> list[str]:
    """The best answers as lines of text, the one that is given first."""
    row = model.predict([(question, context)]).rows[0]
    if row.error is not None:
        raise DataError(row.error)
    return [f"{one.probability:6.1%}  {one.text or '(no answer in the context)'}" for one in row.answers[:best]]


def context_of(given: str) -> str:
    """The text itself, or that of the file it names; raises DataError for a file that is not UTF-8."""
    path = Path(given)
    try:
        is_file = path.is_file()
    except OSError:  # a text too long for a name
        is_file = False
    try:
        return path.read_text(encoding="utf-8-sig") if is_file else given
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text in UTF-8 ({error.reason}). Save it as UTF-8.") from error


def _lines(prompt: str) -> Iterator[str]:
    """Lines from standard input, asked for where somebody sits there."""
    while True:
        if sys.stdin.isatty():
            typer.echo(prompt, nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line.rstrip("\n")
