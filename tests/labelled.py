"""Made-up news in which people, places, organisations and dates are labelled: sentences from templates, names from lists that training and test
share in part only, so that what a test asks is read off the sentence and not off the name alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

FIRST = "Maria Tomas Ingrid Pavel Lucia Henrik Amara Joon Elif Mateo Sofia Viktor Nadia Emil Clara Rashid Yuki Oskar Leila Bruno".split()
LAST = "Lind Novak Moreau Tanaka Okafor Berger Silva Haddad Keller Duarte Kim Larsen Petrov Costa Aydin Walsh Janssen Ferrari".split()
PLACES = "Oslo Lisbon Nairobi Osaka Porto Tromsø Valencia Utrecht Gdansk Lima|New Harbour|Santa Rosa|Cape Fenton|Lower Marsh".replace(" ", "|", 9).split("|")
ORGANISED = "Norrvik Halden Corvo Atlas Brightwater Meridian Solano Kestrel Arden Vantor".split()
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


def name_of(kind: str, rng: np.random.Generator, half: slice) -> list[str]:
    """The words of a name of this type, its main word from one half of a list."""

    def one(words: Sequence[str]) -> str:
        return str(rng.choice(list(words)))

    if kind == "PER":
        return [one(FIRST[half]), one(LAST)] if rng.random() < 0.7 else [one(LAST[half])]
    if kind == "LOC":
        return one(PLACES[half]).split()
    if kind == "ORG":
        return [one(ORGANISED[half]), *one(KINDS).split()]
    return [one(DAYS)] if rng.random() < 0.4 else [str(rng.integers(1, 29)), one(MONTHS)]


def sentence(rng: np.random.Generator, half: slice = slice(None)) -> Tagged:
    """A sentence with a tag for each word, in IOB2."""
    words, tags = [], []
    for piece in str(rng.choice(TEMPLATES)).split():
        named = name_of(piece[1:-1], rng, half) if piece.startswith("{") else [piece]
        words += named
        tags += [f"B-{piece[1:-1]}", *[f"I-{piece[1:-1]}"] * (len(named) - 1)] if piece.startswith("{") else ["O"]
    return words, tags


def sentences(count: int, *, seed: int = 0, half: slice = slice(None)) -> Iterator[Tagged]:
    """So many different sentences."""
    rng, seen = np.random.default_rng(seed), set()
    while len(seen) < count:
        words, tags = sentence(rng, half)
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
    """A folder with `train.txt` and `test.txt`; two thirds of the names in the test are none of training's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.txt").write_text(conll(list(sentences(train, seed=seed, half=slice(0, None, 2)))), encoding="utf-8")
    mixed = [one for part, some in ((slice(1, None, 2), 2 * test // 3), (slice(None), test - 2 * test // 3)) for one in sentences(some, seed=seed + 1, half=part)]
    (folder / "test.txt").write_text(conll(mixed), encoding="utf-8")
    return folder
