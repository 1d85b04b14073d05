"""CoNLL files: a word a line with its tag in a column beside it, an empty line after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.data.dataset import Dataset, Part
from headstart.data.items import item_name, raw_bytes
from headstart.data.labelled_words import Sentence, words_dataset
from headstart.data.options import PARTS, Columns
from headstart.data.read_corpus import text_of
from headstart.data.tree import Tree, suffix
from headstart.errors import DataError

CONLL_SUFFIXES = frozenset({".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes", ".conll03", ".train", ".testa", ".testb"})
MAYBE_SUFFIXES = frozenset({".txt", ".tsv"})
"""Files that may hold something else: they are looked into."""
DOCUMENT = "-DOCSTART-"
BEGINNING, MOST_FILES = 1 << 16, 40
"""Bytes of a file that are looked at to tell what it is, and how many files: of more, each is an example by itself."""
LOOKED_AT = 200
"""Lines that tell how many columns there are, and whether a file is one of these at all."""
_TAG = re.compile(r"O|[BIESLU](-\S+)?")
_PARTS: dict[str, Part] = {**PARTS, "testa": "val", "testb": "test", "deva": "val"}


def is_conll_text(text: str) -> bool:
    """Whether a text reads like such a file: lines of as many columns, empty ones between them, and tags of spans in the last."""
    lines = text.splitlines()[:LOOKED_AT]
    rows = [_columns(line) for line in lines if line.strip() and not line.startswith((DOCUMENT, "#"))]
    if len(rows) < 2 or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return False
    tags = [row[-1] for row in rows]
    return any(not line.strip() for line in lines) and all(map(_TAG.fullmatch, tags)) and any(tag != "O" for tag in tags)


def is_conll_file(item: Any) -> bool:
    """Whether a file is one, by its name, or by its beginning where its name leaves that open."""
    kind = suffix(item_name(item))
    if kind not in MAYBE_SUFFIXES:
        return kind in CONLL_SUFFIXES
    try:
        return is_conll_text(_beginning(item).decode("utf-8-sig", errors="replace"))
    except (DataError, OSError):
        return False  # whoever reads it as something else says what is wrong with it


def _beginning(item: Any) -> bytes:
    """The first bytes of a file."""
    if not isinstance(item, Path):
        return raw_bytes(item)[:BEGINNING]
    with item.open("rb") as file:
        return file.read(BEGINNING)


def conll_names(tree: Tree) -> list[str]:
    """The files of a tree that are such files: by their names, or where no name says so, of a few, those that read like one."""
    named, maybe = tree.having(CONLL_SUFFIXES), tree.having(MAYBE_SUFFIXES)
    return named or [name for name in maybe if len(maybe) <= MOST_FILES and is_conll_file(tree.files[name])]


def tree_conll(tree: Tree, names: Sequence[str], columns: Columns, *, labelled: bool = True) -> Dataset:
    """The files called `names` of a tree; where some names tell a part, those alone."""
    parts = {name: part_of(name) for name in names}
    read = [name for name in names if parts[name]] or list(names)
    said = [f"read {', '.join(read[:4])}{', …' if len(read) > 4 else ''}"]
    said += [f"left out, because others are called train, dev or test: {', '.join(name for name in names if name not in read)}"] if len(read) < len(names) else []
    return _dataset(tree.name, [(name, tree.files[name], parts[name]) for name in read], columns, said, labelled)


def file_conll(path: Path, columns: Columns, *, labelled: bool = True) -> Dataset:
    """One such file."""
    return _dataset(str(path), [(path.name, path, "")], columns, [], labelled)


def part_of(name: str) -> Part:
    """The part that a file's name, or a folder that it lies in, tells: `train.txt`, `eng.testa`, `dev/a.conll`."""
    for piece in reversed(PurePosixPath(name.lower()).parts):
        found = [_PARTS[word] for word in re.split(r"[._-]", piece) if word in _PARTS]
        if found:
            return found[0]
    return ""


def _dataset(name: str, files: Sequence[tuple[str, Any, Part]], columns: Columns, said: list[str], labelled: bool) -> Dataset:
    sentences: list[Sentence] = []
    aside: list[tuple[str, str]] = []
    for title, item, part in files:
        text, is_utf8 = text_of(item)
        said += [] if is_utf8 else [f"{title}: not UTF-8, read as Windows-1252"]
        found = list(_read(text, title, part, columns, labelled))
        sentences += [one for one in found if isinstance(one, Sentence)]
        aside += [one for one in found if isinstance(one, tuple)]
    return words_dataset(name, sentences, aside=aside, said=said, labelled=labelled)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a file is written: how many columns, and which of them, from 0, hold the word and the tag (None: there are no tags)."""

    columns: int
    word: int
    tag: int | None


def _read(text: str, title: str, part: Part, columns: Columns, labelled: bool) -> Iterator[Sentence | tuple[str, str]]:
    """The sentences of a file, and in place of one that cannot be used its name and the reason."""
    lines = text.splitlines()
    form = _form(lines, title, columns, labelled)
    rows: list[list[str]] = []
    document, first, problem = 0, 0, ""
    for number, line in enumerate([*lines, ""], start=1):
        row = _columns(line)
        is_mark = line.startswith(DOCUMENT)
        if is_mark or not line.strip():
            if rows or problem:
                name = f"{title} line {first}"
                yield (name, problem) if problem else _sentence(name, rows, form, part, f"{title} document {document}" if document else None)
            document += is_mark
            rows, problem = [], ""
            continue
        if line.startswith("#") and len(row) != form.columns:
            continue  # a comment
        first = first if rows or problem else number
        if form.columns == 10 and row and not row[0].isdigit():
            continue  # CoNLL-U: a word that stands for several, each of which follows
        problem = problem or _problem(row, form, number)
        rows.append(row)


def _problem(row: Sequence[str], form: _Form, number: int) -> str:
    if len(row) != form.columns:
        return f"line {number} has {len(row)} columns where others have {form.columns}"
    if not row[form.word].strip():
        return f"line {number} has a tag without a word"
    return f"line {number} has a word without a tag" if form.tag is not None and not row[form.tag].strip() else ""


def _sentence(name: str, rows: Sequence[Sequence[str]], form: _Form, part: Part, document: str | None) -> Sentence:
    tags = None if form.tag is None else tuple(row[form.tag] for row in rows)
    return Sentence(name, words=tuple(row[form.word] for row in rows), tags=tags, part=part, group=document)


def _form(lines: Sequence[str], title: str, columns: Columns, labelled: bool) -> _Form:
    rows = [_columns(line) for line in lines[: 5 * LOOKED_AT] if line.strip() and not line.startswith((DOCUMENT, "# "))][:LOOKED_AT]
    if not rows:
        raise DataError(f"{title}: no word in it. Give a word a line with its tag, and an empty line after each sentence.")
    width = Counter(map(len, rows)).most_common(1)[0][0]
    if columns.label is not None:
        place = int(columns.label) - 1 if columns.label.isdigit() else -1
        if not 0 <= place < width:
            raise DataError(f"{title}: no column {columns.label}. It has {width}; give the number of the one with the tags, from 1, with --label.")
        return _Form(width, 1 if width == 10 else 0, place)
    if width == 10:
        return _Form(width, 1, 3)
    if width < 2 and labelled:
        raise DataError(f"{title}: words without tags (one column). Give a word a line with its tag beside it, and an empty line after each sentence.")
    return _Form(width, 0, width - 1 if width > 1 else None)


def _columns(line: str) -> list[str]:
    return line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
