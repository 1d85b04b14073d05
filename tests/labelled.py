"""Made-up news in which people, places, organisations and dates are labelled: sentences from templates, names put together from syllables, so that most
names of a test were never seen, and a stem such as `Halden` may be a person, a place or a company: the sentence says which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

FIRST = "Maria Tomas Ingrid Pavel Lucia Henrik Amara Joon Elif Mateo Sofia Viktor Nadia Emil Clara Rashid Yuki Oskar Leila Bruno".split()
STEMS = "Hal Nor Bran Kes Mar Tor Vel Sol Gren Lin Dor Fal Ser Wes Ald Cor Ost Rav Pel Tam".split()
PEOPLE = "berg sen ova ini man quist ez den aro ley".split()
TOWNS = "ville burg ton mouth den grad haven ford stad aro".split()
FIRMS = "vik den tec aro ix mont star dyne".split()
KINDS = ("Energy", "Bank", "University", "Foundation", "Motors", "Shipping Company")
MONTHS = "January March April June August October December".split()
DAYS = "Monday Tuesday Thursday Friday".split()
TEMPLATES = (
    "{PER} joined {ORG} in {LOC} on {DATE} .",
    "{ORG} will open an office in {LOC} , {PER} said on {DATE} .",
    "On {DATE} {PER} moved from {LOC} to {LOC} .",
    "Shares of {ORG} fell after {PER} left .",
    "The mayor of {LOC} , {PER} , met workers of {ORG} .",
    "{PER} was born in {LOC} .",
    "Nobody at {ORG} could say when the report will be ready .",
    "The meeting was put off until {DATE} .",
    "It rained all day , and the old bridge was closed .",
    "{ORG} and {ORG} signed a contract in {LOC} .",
    "Prices in the market rose again , said {PER} of {ORG} .",
    "A train from {LOC} was late by two hours on {DATE} .",
)
Tagged = tuple[list[str], list[str]]


def name_of(kind: str, rng: np.random.Generator) -> list[str]:
    """The words of a name of this type."""

    def one(words: Sequence[str]) -> str:
        return str(rng.choice(list(words)))

    if kind == "PER":
        last = one(STEMS) + one(PEOPLE)
        return [one(FIRST), last] if rng.random() < 0.7 else [last]
    if kind == "LOC":
        town = one(STEMS) + one(TOWNS)
        return [one(("New", "Port", "Lower")), town] if rng.random() < 0.2 else [town]
    if kind == "ORG":
        return [one(STEMS) + one(FIRMS), *(one(KINDS).split() if rng.random() < 0.7 else [])]
    return [one(DAYS)] if rng.random() < 0.4 else [str(rng.integers(1, 29)), one(MONTHS)]


def sentence(rng: np.random.Generator) -> Tagged:
    """A sentence with a tag for each word, in IOB2."""
    words, tags = [], []
    for piece in str(rng.choice(TEMPLATES)).split():
        named = name_of(piece[1:-1], rng) if piece.startswith("{") else [piece]
        words += named
        tags += [f"B-{piece[1:-1]}", *[f"I-{piece[1:-1]}"] * (len(named) - 1)] if piece.startswith("{") else ["O"]
    return words, tags


def sentences(count: int, *, seed: int = 0) -> Iterator[Tagged]:
    """So many different sentences."""
    rng, seen = np.random.default_rng(seed), set()
    while len(seen) < count:
        words, tags = sentence(rng)
        if tuple(words) not in seen:
            seen.add(tuple(words))
            yield words, tags


def conll(found: Sequence[Tagged], *, columns: int = 4, separator: str = " ") -> str:
    """The text of a CoNLL file, in two columns or in four."""
    lines = ["-DOCSTART- -X- -X- O", ""] if columns == 4 else []
    for words, tags in found:
        between = ["NN", "O"][: columns - 2]
        lines += [separator.join([word, *between, tag]) for word, tag in zip(words, tags, strict=True)] + [""]
    return "\n".join(lines)


def write_news(folder: Path, train: int, test: int, *, seed: int = 0) -> Path:
    """A folder with `train.txt` and `test.txt`, no sentence of the one in the other."""
    folder.mkdir(parents=True, exist_ok=True)
    found = list(sentences(train + test, seed=seed))
    (folder / "train.txt").write_text(conll(found[:train]), encoding="utf-8")
    (folder / "test.txt").write_text(conll(found[train:]), encoding="utf-8")
    return folder
