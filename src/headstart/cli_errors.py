"""How the command line ends when something is wrong: in one line, with an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Never

import typer

from headstart.errors import HeadstartError, is_out_of_memory

USAGE, STOPPED = 2, 130
"""Exit codes, besides those of errors.py; 1 is Python's for an unexpected error, which keeps its traceback."""

FILE_TROUBLE: Mapping[int | None, str] = {
    errno.EACCES: "Choose another folder, or ask for the right to use it.",
    errno.EPERM: "Choose another folder, or ask for the right to use it.",
    errno.EROFS: "Choose another folder.",
    errno.ENOSPC: "Make room, then run the same command: it goes on.",
    errno.EDQUOT: "Make room, then run the same command: it goes on.",
}
"""Errors of the file system that the user can mend, and how."""


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """End the program in one line where what goes wrong inside is something that the user can mend."""
    try:
        yield
    except HeadstartError as error:
        fail(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        fail("stopped.", STOPPED)
    except OSError as error:
        if error.errno not in FILE_TROUBLE:
            raise
        fail(f"{error.filename or 'disk'}: {error.strerror}. {FILE_TROUBLE[error.errno]}", USAGE)
    except Exception as error:
        if is_out_of_memory(error):
            fail("out of memory. Choose a smaller model, or --strategy probe; or run it where more is free.", USAGE)
        # Mistakes on the command line know how to tell themselves; typer does not export their class.
        tell = getattr(error, "format_message", None)
        if tell is None:
            raise
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "headstart"
        fail(f"{ended(tell())} See `{command} --help`.", USAGE)


def fail(message: str, code: int) -> Never:
    """Say it in one red line on standard error and leave."""
    typer.secho(f"headstart: {' '.join(message.split())}", err=True, fg="red")
    sys.exit(code)


def ended(sentence: str) -> str:
    """The sentence with its mark at the end, and without what the checker of types says about itself."""
    told = sentence.replace("Value error, ", "").rstrip(". ")
    return told if told.endswith(("?", "!")) else f"{told}."
