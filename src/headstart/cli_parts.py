"""What several commands share. Nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from headstart.errors import OptionError

if TYPE_CHECKING:
    from headstart.data.options import Columns

COLUMN_OPTIONS = ("text", "image", "label", "split", "group", "task")


def examples(*lines: str) -> str:
    """Examples for the end of a command's help."""
    # \b keeps click from joining the lines into a paragraph.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def columns(
    text: list[str] | None = None,
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    task: str | None = None,
) -> Columns:
    """The named columns of a table, and what its labels are."""
    from headstart.data.options import Columns

    return Columns(text=tuple(text or ()), image=image, label=label, split=split, group=group, task=task and str(task))


def settings(texts: list[str] | None) -> dict[str, str]:
    """What `--set NAME=VALUE` says; raises OptionError for what is not of that form."""
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise OptionError(f"--set {text}: write it as NAME=VALUE, such as lr=3e-4.")
        found[name.strip()] = value.strip()
    return found


def open_page(page: Path) -> None:
    """Show a page in a browser; say so where there is none."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        typer.echo("No browser was found to open it.", err=True)
