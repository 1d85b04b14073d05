"""Plain text to learn a language from: documents cut into blocks, each of which is an example.

A document is a file, or a row of a table. All its blocks stay on one side of every split; where a part has few documents, runs of SECTION
neighbouring blocks count as documents of their own, or nothing could be held out and no interval be told.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.data.dataset import Dataset, Part
from headstart.data.items import item_name, raw_bytes
from headstart.data.options import PARTS
from headstart.data.tree import IMAGE_SUFFIXES, TABLE_SUFFIXES, Tree, suffix
from headstart.errors import DataError
from headstart.prove.passages import Passage

PROSE_SUFFIXES = frozenset({".txt", ".md"})
BLOCK = 1024
"""Characters in a block at most; it ends with a line or a word where one ends in its last quarter."""
SECTION = 8
FEW = 20
"""With fewer documents than this in a part, sections of blocks are what stays together."""
MOST_BYTES = 256 * 2**20
"""A file that is longer is no document for a small data set."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text by the name people know it by, the part it is in and, where its source says so, the group it belongs to."""

    id: str
    text: str
    part: Part = ""
    group: str | None = None


def corpus_dataset(
    name: str, documents: Sequence[Document], *, aside: Iterable[tuple[str, str]] = (), said: Sequence[str] = ()
) -> Dataset:
    """The blocks of documents; raises DataError where there is no text at all."""
    lost = [*aside, *((one.id, "nothing but white space") for one in documents if not one.text.strip())]
    documents = [one for one in documents if one.text.strip()]
    if not documents:
        why = f" ({lost[0][0]}: {lost[0][1]})" if lost else ""
        raise DataError(f"{name}: no text to learn from{why}. Give .txt or .md files, or a table with a column of texts.")
    items: list[Passage] = []
    ids: list[str] = []
    parts: list[Part] = []
    groups: list[str] = []
    few = _few(documents)
    for document in documents:
        cut = blocks(document.text)
        run = max(1, min(SECTION, math.ceil(len(cut) / FEW)))
        for number, block in enumerate(cut):
            items.append(Passage.of(block, ends=number == len(cut) - 1))
            ids.append(document.id if len(cut) == 1 else f"{document.id} block {number + 1}")
            parts.append(document.part)
            groups.append(f"{document.id} section {number // run}" if document.part in few else document.group or document.id)
    told = [f"{len(documents)} document{'s' if len(documents) > 1 else ''} in {len(items)} blocks of up to {BLOCK:,} characters, without labels"]
    if few:
        told.append(f"fewer than {FEW} documents: runs of up to {SECTION} neighbouring blocks are kept on one side of every split, not whole documents")
    else:
        told.append("documents are kept on one side of every split")
    return Dataset(
        name=name,
        modality="text",
        kind="language",
        items=items,
        ids=ids,
        labels=[()] * len(items),
        parts=parts,
        groups=groups,
        guesses=(*said, *told),
        aside=tuple(lost),
    )


def blocks(text: str) -> list[str]:
    """A text in blocks of at most BLOCK characters, which joined give the text again."""
    found, start = [], 0
    while len(text) - start > BLOCK:
        low, high = start + 3 * BLOCK // 4, start + BLOCK
        ends = (text.rfind(sign, low, high) + 1 for sign in ("\n\n", "\n", " "))
        end = next((end for end in ends if end > 0), high)
        found.append(text[start:end])
        start = end
    return [*found, text[start:]]


def is_corpus(tree: Tree) -> bool:
    """Whether a tree is plain text without classes: no pictures, no tables, and no folders but those named after parts."""
    prose = tree.having(PROSE_SUFFIXES)
    if not prose or tree.having(IMAGE_SUFFIXES | TABLE_SUFFIXES | frozenset({".zip"})):
        return False
    return all(piece.lower() in PARTS for name in prose for piece in name.split("/")[:-1])


def tree_corpus(tree: Tree) -> Dataset:
    """The .txt and .md files of a tree. Where some are named after parts, or lie in such folders, only those are read."""
    names = tree.having(PROSE_SUFFIXES)
    parts = {name: _part(name) for name in names}
    given = [name for name in names if parts[name]]
    read = given or names
    said = []
    if len(read) < len(tree.files):
        others = [name for name in tree.files if name not in set(read)]
        said.append(f"ignored {len(others)} other file{'s' if len(others) > 1 else ''}: {', '.join(others[:3])}{', …' if len(others) > 3 else ''}")
    return _files(tree.name, [(name, tree.files[name], parts[name]) for name in read], said)


def file_corpus(path: Path) -> Dataset:
    """One file as a document."""
    return _files(str(path), [(path.name, path, "")], [])


def _files(name: str, files: Sequence[tuple[str, Any, Part]], said: Sequence[str]) -> Dataset:
    documents, aside, foreign = [], [], 0
    for title, item, part in files:
        try:
            text, is_utf8 = text_of(item)
        except DataError as error:
            aside.append((title, str(error)))
            continue
        foreign += not is_utf8
        documents.append(Document(title, text, part))
    told = [f"{foreign} of {len(documents)} files are not UTF-8, read as Windows-1252"] if foreign else []
    if not documents and len(aside) == 1:
        raise DataError(aside[0][1])
    return corpus_dataset(name, documents, aside=aside, said=[*said, *told])


def text_of(item: Any) -> tuple[str, bool]:
    """The text in a file, and whether it was UTF-8 or UTF-16; raises DataError for one that is empty, binary or too long."""
    content = raw_bytes(item)
    if len(content) > MOST_BYTES:
        raise DataError(f"{item_name(item)}: {len(content):,} bytes, over the limit of {MOST_BYTES:,} for one document. Cut it up.")
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in content and not wide:
        raise DataError(f"{item_name(item)}: not a text file (it holds zero bytes). Replace or remove it.")
    try:
        return content.decode("utf-16" if wide else "utf-8-sig").replace("\r\n", "\n"), True
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace").replace("\r\n", "\n"), False


def _few(documents: Sequence[Document]) -> set[Part]:
    """The parts that have few documents; a source that says what belongs together is believed."""
    count: dict[Part, int] = defaultdict(int)
    for one in documents:
        count[one.part] += 1
    return {part for part, many in count.items() if many < FEW} if all(one.group is None for one in documents) else set()


def _part(name: str) -> Part:
    """The part that a file's folders or its whole name tell: `train.txt`, `test/letters.txt`."""
    path = PurePosixPath(name.lower())
    return next((PARTS[piece] for piece in (*path.parts[:-1], path.name.removesuffix(suffix(name))) if piece in PARTS), "")
