"""Where an example's raw bytes come from: a file, a member of a zip, a cell of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from headstart.errors import DataError

TAKES = "Give arrays, PIL images, strings or paths."


@runtime_checkable
class Stored(Protocol):
    """Something that can be read again and again, by several threads, and can be pickled."""

    @property
    def name(self) -> str:
        """What people call it; its suffix tells the kind of file."""
        ...

    def read(self) -> bytes:
        """Its bytes; raises DataError where they are broken."""
        ...


def raw_bytes(item: Path | Stored | bytes) -> bytes:
    """The bytes of a stored item; raises DataError when it is not there, is empty or cannot be read."""
    if not isinstance(item, Path | bytes | Stored):
        raise DataError(f"an example of type {type(item).__name__}: neither picture nor text. {TAKES}")
    content = _file_bytes(item) if isinstance(item, Path) else item if isinstance(item, bytes) else item.read()
    if not content:
        raise DataError(f"{item_name(item)}: empty (0 bytes). Replace or remove it.")
    return content


def item_name(item: Any) -> str:
    """What to call an item in a message."""
    if isinstance(item, Path):
        return str(item)
    return item.name if isinstance(item, Stored) else f"an example in memory ({type(item).__name__})"


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file. Correct the path or remove the entry.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check the file and its permissions.") from error
