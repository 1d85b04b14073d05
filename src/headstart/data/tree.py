"""A tree of files, in a folder or in a zip alike: relative names, and what reads each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headstart.data.items import Stored
from headstart.errors import DataError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".tga"}
)
TEXT_SUFFIXES = frozenset({".txt"})
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet"})
LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini", "@eadir"})


@dataclass(frozen=True, slots=True)
class Tree:
    """Files by their relative posix names, sorted; hidden files and litter of operating systems are left out."""

    name: str
    files: Mapping[str, Path | Stored]

    def having(self, suffixes: frozenset[str]) -> list[str]:
        """The names with one of these suffixes."""
        return [name for name in self.files if suffix(name) in suffixes]


def suffix(name: str) -> str:
    """The suffix of a name in lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()


def is_litter(name: str) -> bool:
    """Whether any piece of this relative posix name is hidden, or dropped there by an operating system."""
    return any(piece.startswith(".") or piece.lower() in LITTER for piece in name.split("/"))


def folder_tree(folder: Path) -> Tree:
    """The files below `folder`; linked folders are followed, each real folder once. Raises DataError if empty."""
    files = {name: folder / name for name in sorted(_walk(folder)) if not is_litter(name)}
    if not files:
        raise DataError(f"{folder}: empty folder. Put one folder of examples per class into it, or a table.")
    return Tree(str(folder), files)


def _walk(folder: Path) -> Iterator[str]:
    seen: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        relative = Path(here).relative_to(folder).as_posix()
        yield from (name if relative == "." else f"{relative}/{name}" for name in names)
