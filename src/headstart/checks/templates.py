"""Changes with a known right effect: other names and numbers must not move an answer, a negation must.

After CheckList (Ribeiro et al. 2020): invariance and directional tests, made from templates. English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.checks.corrupt import Text

NAMES = (
    "Anna", "Ahmed", "Carlos", "Chen", "David", "Emma", "Fatima", "Grace", "Hassan", "Ingrid", "James", "John", "Julia", "Kofi",
    "Lakshmi", "Laura", "Maria", "Mary", "Michael", "Mohammed", "Nadia", "Olga", "Paul", "Peter", "Priya", "Rosa", "Sarah",
    "Thomas", "William", "Yuki",
)  # fmt: skip
A_NAME = re.compile(rf"\b({'|'.join(NAMES)})\b")
DIGITS = re.compile(r"\d+")
SUBJECTS = ("It", "This", "The whole thing", "Everything about it")
VERBS = (("is", "is not"), ("was", "was not"))
POLES: Mapping[str, tuple[str, ...]] = {
    "positive": ("good", "great", "wonderful", "excellent", "delightful"),
    "negative": ("bad", "terrible", "awful", "boring", "disappointing"),
}
"""Adjectives at either end."""
POLE_NAMES: Mapping[str, str] = {
    "positive": "positive", "pos": "positive", "good": "positive", "negative": "negative", "neg": "negative", "bad": "negative",
}  # fmt: skip
"""What classes at either end are called."""


@dataclass(frozen=True, slots=True)
class Invariance:
    """A change that must leave an answer as it is; None where a text has nothing to change."""

    name: str
    told: str
    change: Callable[[str, np.random.Generator], str | None]

    def __call__(self, text: Text, rng: np.random.Generator) -> Text | None:
        """The changed text; of a pair, whatever of the two has something to change."""
        if isinstance(text, str):
            return self.change(text, rng)
        one, other = (self.change(part, rng) for part in text)
        return None if one is None and other is None else (one or text[0], other or text[1])


def other_names(text: str, rng: np.random.Generator) -> str | None:
    """Every common given name replaced by another one, the same by the same."""
    present = set(A_NAME.findall(text))
    free = [name for name in NAMES if name not in present]
    if not present or len(free) < len(present):
        return None
    new = dict(zip(sorted(present), rng.permutation(free).tolist(), strict=False))
    return A_NAME.sub(lambda found: str(new[found[0]]), text)


def other_numbers(text: str, rng: np.random.Generator) -> str | None:
    """Every number replaced by another one with as many digits."""
    if not DIGITS.search(text):
        return None

    def other(found: re.Match[str]) -> str:
        digits = found[0]
        first = int(digits[0]) if digits[0].isdecimal() else 0
        # Another first digit, not zero: never the same number again.
        changed = 1 + (first - 1 + int(rng.integers(1, 9))) % 9 if first else int(rng.integers(1, 10))
        return str(changed) + "".join(str(digit) for digit in rng.integers(0, 10, len(digits) - 1))

    return DIGITS.sub(other, text)


def name_in_front(text: str, rng: np.random.Generator) -> str:
    """Who says it, in front."""
    return f"{NAMES[int(rng.integers(len(NAMES)))]} says: {text}"


INVARIANCES: Sequence[Invariance] = (
    Invariance("other names", "given names replaced by others", other_names),
    Invariance("other numbers", "numbers replaced by others with as many digits", other_numbers),
    Invariance("a name in front", "“Maria says:” and the like put in front", name_in_front),
)


@dataclass(frozen=True, slots=True)
class Negation:
    """A made sentence, the same with "not", and the pole that its adjective speaks for."""

    plain: str
    negated: str
    pole: str


def negations() -> list[Negation]:
    """All subjects, verbs and adjectives together."""
    return [
        Negation(f"{subject} {verb} {adjective}.", f"{subject} {negative} {adjective}.", pole)
        for pole, adjectives in POLES.items()
        for subject in SUBJECTS
        for verb, negative in VERBS
        for adjective in adjectives
    ]


def poles_of(classes: Sequence[str]) -> Mapping[str, int]:
    """The class at either end, by name; empty unless there is exactly one of each."""
    ends = [(POLE_NAMES[name.strip().lower()], place) for place, name in enumerate(classes) if name.strip().lower() in POLE_NAMES]
    found = dict(ends)
    return found if len(found) == len(ends) == 2 else {}
