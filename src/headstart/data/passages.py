"""Running text to learn a language from: any file, folder, zip or table of it, cut into pieces, nothing normalised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.data.builtin import PREFIX
from headstart.data.frame import path_beside
from headstart.data.guess import is_missing, roles
from headstart.data.items import item_name, raw_bytes
from headstart.data.options import Columns, Limits
from headstart.data.read_table import read_frame
from headstart.data.read_zip import zip_tree
from headstart.data.tree import IMAGE_SUFFIXES, TABLE_SUFFIXES, folder_tree, suffix
from headstart.errors import DataError

PLAIN_SUFFIXES = frozenset({".txt", ".text", ".md", ".markdown", ".rst"})
CONTROL_SHARE = 0.02
"""A file with more characters that no text has than this is not one."""
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text or a table row's, the name people know it by, and a note where something about it is odd."""

    name: str
    text: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file or row that holds no usable text, and why."""

    name: str
    reason: str


def holds_texts(source: str | Path) -> bool:
    """Whether `source` holds more texts than pictures; raises DataError where there is nothing or it cannot be opened."""
    if str(source).startswith(PREFIX):
        return False
    path = Path(source)
    if not path.exists():
        raise DataError(f"{source}: no such file or folder. Check the path.")
    if path.is_file() and suffix(path.name) != ".zip":
        if suffix(path.name) in TABLE_SUFFIXES:
            frame = read_frame(path, resolve=path_beside(path.parent), title=path.name, limits=Limits())
            return roles(frame.name, frame.columns, Columns(), labelled=False).modality == "text"
        return suffix(path.name) in PLAIN_SUFFIXES
    files = _files(path)
    texts, pictures = (
        sum(suffix(name) in kinds for name in files) for kinds in (PLAIN_SUFFIXES | TABLE_SUFFIXES, IMAGE_SUFFIXES)
    )
    return texts > pictures


def documents(source: str | Path, *, column: str | None = None) -> Iterator[Document | SetAside]:
    """Every text in `source`, one file in memory at a time: plain files as they are, tables row by row.

    `column` names the text column of tables; else it is guessed. A table without one, a binary or empty file and an
    empty row are set aside. Raises DataError for a source without any text file or table, and for a table without the
    named column.
    """
    path = Path(source)
    if not path.exists():
        raise DataError(f"{source}: no such file or folder. Check the path.")
    files = _files(path)
    named = [name for name in files if suffix(name) in PLAIN_SUFFIXES | TABLE_SUFFIXES]
    if not named:
        kinds = ", ".join(sorted({suffix(name) or "no suffix" for name in files}))
        raise DataError(f"{source}: holds no texts, only {kinds}. Give .txt, .md or .rst files, or a table.")
    for name in named:
        if suffix(name) in PLAIN_SUFFIXES:
            yield _plain(name, files[name])
        else:
            yield from _rows(name, files[name], column)


def cut_up(text: str, most: int, *, joined: bool) -> Iterator[str]:
    """The paragraphs of a text in order, each at most `most` characters; `joined` puts as many together as fit.

    What is longer is cut where a line, a sentence or a word ends, the first of these that the second half of it has.
    """
    kept = ""
    for paragraph in re.split(r"\n[^\S\n]*\n\s*", text.replace("\r\n", "\n")):
        left = paragraph.strip("\n")
        if not left.strip():
            continue
        if kept and (not joined or len(kept) + 2 + len(left) > most):
            yield kept
            kept = ""
        left = f"{kept}\n\n{left}" if kept else left
        start = 0  # a place, not a shorter copy each time: a file may be one paragraph
        while len(left) - start > most:
            end = _end(left, start, most)
            if piece := left[start:end].strip():
                yield piece
            start = end
        kept = left[start:].strip() if start else left
    if kept.strip():
        yield kept


def _end(text: str, start: int, most: int) -> int:
    for mark in ("\n", ". ", " "):
        place = text.rfind(mark, start + most // 2, start + most)
        if place > 0:
            return place + len(mark)
    return start + most


def _files(path: Path) -> Mapping[str, Any]:
    if path.is_dir():
        return folder_tree(path).files
    if suffix(path.name) == ".zip":
        return zip_tree(path, Limits()).files
    return {path.name: path}


def _plain(name: str, item: Any) -> Document | SetAside:
    try:
        content = raw_bytes(item)
    except DataError as error:
        return SetAside(name, _reason(error, item))
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in content and not wide:
        return SetAside(name, "not a text file (it holds zero bytes)")
    note = None
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text, note = content.decode("cp1252", errors="replace"), "not UTF-8, read as Windows-1252"
    if len(_CONTROLS.findall(text)) > CONTROL_SHARE * len(text):
        return SetAside(name, "not a text file (it holds control characters)")
    return Document(name, text, note) if text.strip() else SetAside(name, "nothing but white space")


def _rows(name: str, item: Any, column: str | None) -> Iterator[Document | SetAside]:
    try:
        frame = read_frame(item, resolve=path_beside(Path()), title=name, limits=Limits())
        columns = Columns(text=() if column is None else (column,))
        meaning = roles(frame.name, frame.columns, columns, labelled=False)
    except DataError as error:
        if column is not None and "no column" in str(error):
            raise
        yield SetAside(name, _reason(error, item))
        return
    yield from (SetAside(row, why) for row, why in frame.aside)
    if not meaning.text:
        yield SetAside(name, "a table of pictures")
        return
    for number, row in enumerate(frame.ids):
        cells = [frame.columns[named][number] for named in meaning.text]
        kept = [str(cell) for cell in cells if not is_missing(cell)]
        yield Document(row, "\n".join(kept)) if kept else SetAside(row, "an empty field")


def _reason(error: DataError, item: Any) -> str:
    """An error about a file without the file's name, which stands beside it."""
    told = str(error)
    for name in (item_name(item), Path(item_name(item)).name):
        told = told.removeprefix(f"{name}: ")
    return told.split(". ")[0]
