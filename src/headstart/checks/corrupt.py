"""Changes to a text that leave its meaning to a person: a ladder of typos, other case, words out of order, words left out.

Every change is a function of the text, its strength and the generator handed in; strength 0 changes nothing. White space stays
where it is, except around words that are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Text = str | tuple[str, str]
Change = Callable[[str, float, np.random.Generator], str]

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS: Mapping[str, str] = {
    letter: "".join(row[max(0, place - 1) : place + 2]).replace(letter, "")
    for row in KEYS
    for place, letter in enumerate(row)
}
"""The letters beside each on a keyboard, in its row."""
PIECES = re.compile(r"\s+|\S+")


@dataclass(frozen=True, slots=True)
class Corruption:
    """A way to change texts: `told` says with `{share}` what a strength means."""

    name: str
    told: str
    strengths: tuple[float, ...]
    change: Change

    def __call__(self, text: Text, strength: float, rng: np.random.Generator) -> Text:
        """The changed text; of a pair both."""
        if isinstance(text, str):
            return self.change(text, strength, rng)
        return self.change(text[0], strength, rng), self.change(text[1], strength, rng)


def typos(text: str, strength: float, rng: np.random.Generator) -> str:
    """A share of the letters mistyped, in equal parts doubled, left out, swapped with the next one, or the key beside it hit.

    The length changes by at most one for each letter that is mistyped. A word of one letter is never lost.
    """
    letters = list(text)
    places = [place for place, letter in enumerate(letters) if letter.isalpha()]
    for place in sorted(_some(places, strength, rng), reverse=True):
        kind = int(rng.integers(4))
        letter = letters[place]
        alone = not any(0 <= near < len(letters) and not letters[near].isspace() for near in (place - 1, place + 1))
        if kind == 0:
            letters.insert(place, letter)
        elif kind == 1 and not alone:
            del letters[place]
        elif kind == 2 and place + 1 < len(letters) and letters[place + 1].isalpha():
            letters[place], letters[place + 1] = letters[place + 1], letter
        else:
            beside = NEIGHBOURS.get(letter.lower(), "")
            hit = beside[int(rng.integers(len(beside)))] if beside else letter
            letters[place] = hit.upper() if letter.isupper() else hit
    return "".join(letters)


def case(text: str, strength: float, rng: np.random.Generator) -> str:
    """A share of the words in the other case, letter by letter where that is one letter too; the length stays."""
    pieces, words = _pieces(text)
    for place in _some(words, strength, rng):
        pieces[place] = "".join(_other_case(letter) for letter in pieces[place])
    return "".join(pieces)


def order(text: str, strength: float, rng: np.random.Generator) -> str:
    """A share of the words trade places with one another."""
    pieces, words = _pieces(text)
    moved = sorted(_some(words, strength, rng))
    for place, word in zip(moved, [pieces[other] for other in rng.permutation(moved)], strict=True):
        pieces[place] = word
    return "".join(pieces)


def dropout(text: str, strength: float, rng: np.random.Generator) -> str:
    """A share of the words left out; those that stay keep their order, and one always stays."""
    pieces, words = _pieces(text)
    lost = set(_some(words, strength, rng))
    if lost and len(lost) == len(words):
        lost.remove(words[int(rng.integers(len(words)))])
    if not lost:
        return text
    return " ".join(pieces[place] for place in words if place not in lost)


CORRUPTIONS: Mapping[str, Corruption] = {
    one.name: one
    for one in (
        Corruption("typos", "{share} letters mistyped", (0.02, 0.05, 0.1, 0.2), typos),
        Corruption("case", "{share} words in other case", (0.25, 1.0), case),
        Corruption("order", "{share} words out of order", (0.25, 0.5, 1.0), order),
        Corruption("dropout", "{share} words left out", (0.1, 0.25, 0.5), dropout),
    )
}
"""The ladder: each change at growing strengths."""


def _pieces(text: str) -> tuple[list[str], list[int]]:
    """Words and the white space between them, and which of these are words."""
    pieces = PIECES.findall(text)
    return pieces, [place for place, piece in enumerate(pieces) if not piece.isspace()]


def _some(places: list[int], strength: float, rng: np.random.Generator) -> list[int]:
    """A share of the places, at least one unless the strength is 0."""
    if not places or strength <= 0:
        return []
    count = min(len(places), max(1, round(strength * len(places))))
    return [places[number] for number in rng.choice(len(places), size=count, replace=False)]


def _other_case(letter: str) -> str:
    swapped = letter.swapcase()
    return swapped if len(swapped) == 1 and swapped.swapcase() == letter else letter
