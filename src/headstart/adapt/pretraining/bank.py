"""The texts of a pre-training on disk: read once, cut into pieces, repeated ones left out, some held out for measuring."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.passages import Document, SetAside, cut_up, documents
from headstart.errors import DataError, OptionError
from headstart.events import Listener, Progress, Said
from headstart.files import replacing

HELD_OUT_SHARE, MOST_HELD_OUT = 0.05, 500
"""The share of the pieces that is measured on and never learned from, and how many those are at most."""
LEAST = 2
Through = Callable[[Document], Document | SetAside]
"""What is left of a document before it is cut."""
TOLD_EVERY = 20_000


@dataclass(frozen=True, slots=True)
class Cut:
    """How documents become pieces: at most so many characters, paragraphs together where they fit or each for itself."""

    most: int
    joined: bool


@dataclass(frozen=True, slots=True)
class TextSource:
    """One source of texts: what it holds, and the fingerprint of that."""

    name: str
    path: str
    fingerprint: str
    documents: int
    pieces: int
    characters: int
    set_aside: int
    repeated: int
    licence: str | None

    def facts(self) -> dict[str, Any]:
        """What the source card says of it; JSON-ready."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "documents": self.documents,
            "pieces": self.pieces,
            "characters": self.characters,
            "set_aside": self.set_aside,
            "repeated": self.repeated,
            "licence": self.licence,
        }


class TextBank:
    """Pieces of text in one file, with where each ends and its hash in another; any piece can be had by its number."""

    def __init__(self, folder: Path, most_held_out: int = MOST_HELD_OUT) -> None:
        """Open what `write` left in `folder`."""
        self._text = np.memmap(_texts(folder), np.uint8, "r")
        index_N2 = np.load(_index(folder))
        self._ends, self.hashes = index_N2[:, 0].astype(np.int64), index_N2[:, 1]
        self.held_out = np.sort(_held_out(self.hashes, most_held_out))
        self.learned = np.setdiff1d(np.arange(len(self)), self.held_out)

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self._ends)

    def __getitem__(self, number: int) -> str:
        """The piece with this number."""
        start = int(self._ends[number - 1]) if number else 0
        return bytes(self._text[start : int(self._ends[number])]).decode(errors="surrogatepass")

    @classmethod
    def write(
        cls,
        folder: Path,
        sources: Sequence[TextSource],
        cut: Cut,
        column: str | None,
        *,
        through: Through | None = None,
        most_held_out: int = MOST_HELD_OUT,
    ) -> TextBank:
        """Read the sources into `folder`, unless that is done."""
        if not _index(folder).is_file():
            ends: list[int] = []
            hashes: list[int] = []
            with replacing(_texts(folder)) as temporary, temporary.open("wb") as file:
                for text, digest in _distinct(_pieces(_read(source.path, column, through), cut) for source in sources):
                    file.write(text)
                    ends.append(file.tell())
                    hashes.append(digest)
            with replacing(_index(folder)) as temporary, temporary.open("wb") as file:
                np.save(file, np.array([ends, hashes], dtype=np.uint64).T)
        return cls(folder, most_held_out)


def read_text_sources(
    sources: Sequence[str | Path],
    names: Sequence[str],
    cut: Cut,
    *,
    column: str | None,
    licences: Sequence[str],
    listener: Listener,
    through: Through | None = None,
) -> list[TextSource]:
    """Look through every source; what cannot be used, and what is odd, is said with its number and the first of its kind.

    Raises DataError for a source without usable text, OptionError where licences do not fit.
    """
    if licences and len(licences) != len(sources):
        raise OptionError(f"--licence: {len(licences)} for {len(sources)} sources. Give one for each, or none.")
    told: list[str | None] = [*licences] or [None] * len(sources)
    seen: set[int] = set()
    found = [
        _look(source, name, licence, cut, column, seen, listener, through)
        for source, name, licence in zip(sources, names, told, strict=True)
    ]
    if sum(source.pieces for source in found) < LEAST:
        raise DataError(f"{sources[0]}: one short piece of text, nothing to measure on. Give more.")
    return found


def _look(
    source: str | Path,
    name: str,
    licence: str | None,
    cut: Cut,
    column: str | None,
    seen: set[int],
    listener: Listener,
    through: Through | None,
) -> TextSource:
    aside: list[SetAside] = []
    odd: list[tuple[str, str]] = []
    digests: list[int] = []
    count = characters = repeated = 0
    for entry in _read(source, column, through):
        if isinstance(entry, SetAside):
            aside.append(entry)
            continue
        count += 1
        if entry.note:
            odd.append((entry.note, entry.name))
        for text, digest in _pieces([entry], cut):
            digests.append(digest)
            repeated += digest in seen
            characters += 0 if digest in seen else len(text.decode(errors="surrogatepass"))
            seen.add(digest)
        if count % TOLD_EVERY == 0:
            listener(Progress(f"reading {name}", count, count, None))
    _say(name, "set aside", [(entry.reason, entry.name) for entry in aside], listener)
    _say(name, "odd,", odd, listener)
    if not digests:
        first = f": {aside[0].name}, {aside[0].reason}" if aside else ""
        raise DataError(f"{source}: no usable text{first}. Give files or tables of text.")
    if repeated:
        listener(Said(f"{name}: {repeated} of {len(digests)} pieces were there before and are left out"))
    whole = hashlib.sha256(np.sort(np.array(digests, dtype=np.uint64)).tobytes()).hexdigest()
    pieces = len(digests) - repeated
    return TextSource(name, str(source), whole, count, pieces, characters, len(aside), repeated, licence)


def _read(source: str | Path, column: str | None, through: Through | None) -> Iterator[Document | SetAside]:
    for entry in documents(source, column=column):
        yield through(entry) if through is not None and isinstance(entry, Document) else entry


def _say(name: str, what: str, entries: Sequence[tuple[str, str]], listener: Listener) -> None:
    for reason, count in Counter(reason for reason, _ in entries).most_common():
        first = next(named for told, named in entries if told == reason)
        listener(Said(f"{name}: {what} {count}, {reason}; the first: {first}", warning=True))


def _pieces(entries: Iterable[Document | SetAside], cut: Cut) -> Iterator[tuple[bytes, int]]:
    """Each piece in UTF-8 with the first 63 bits of its hash."""
    for entry in entries:
        if isinstance(entry, Document):
            for piece in cut_up(entry.text, cut.most, joined=cut.joined):
                text = piece.encode(errors="surrogatepass")
                yield text, int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def _distinct(sources: Iterable[Iterator[tuple[bytes, int]]]) -> Iterator[tuple[bytes, int]]:
    seen: set[int] = set()
    for pieces in sources:
        for text, digest in pieces:
            if digest not in seen:
                seen.add(digest)
                yield text, digest


def _held_out(hashes_N: np.ndarray, most: int) -> np.ndarray:
    """The pieces with the smallest hashes: the same ones wherever the texts lie and in whatever order."""
    count = min(most, max(1, round(HELD_OUT_SHARE * len(hashes_N))))
    return np.argsort(hashes_N, kind="stable")[:count]


def _texts(folder: Path) -> Path:
    return folder / "texts.utf8"


def _index(folder: Path) -> Path:
    return folder / "texts.npy"
