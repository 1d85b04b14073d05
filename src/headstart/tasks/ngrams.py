"""What counting says of the next token: the floors of a language model, on the same tokens (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np


class Told(Protocol):
    """What of a prepared text is counted: its windows of ids, and of each token that counts who tells it and which it is."""

    ids: tuple[np.ndarray, ...]
    windows: np.ndarray
    places: np.ndarray
    next: np.ndarray
    bytes: int


class Counts:
    """How often each token, and each token after another, was seen among the tokens that count."""

    def __init__(self, texts: Iterable[Told], vocabulary: int) -> None:
        """Count; `vocabulary` is how many tokens there are."""
        self.vocabulary = vocabulary
        told, following = (np.concatenate(parts) for parts in zip(*map(pairs, texts), strict=True))
        self.seen_V = np.bincount(following, minlength=vocabulary)
        self.pairs, self.times = np.unique(told * vocabulary + following, return_counts=True)
        first = self.pairs // vocabulary
        self.after_V = np.bincount(first, self.times, minlength=vocabulary)
        self.distinct_V = np.bincount(first, minlength=vocabulary)

    def single(self, next_n: np.ndarray) -> np.ndarray:
        """The probability of each token by itself, one more of each having been seen (Laplace)."""
        return np.asarray((self.seen_V[next_n] + 1) / (self.seen_V.sum() + self.vocabulary))

    def paired(self, told_n: np.ndarray, next_n: np.ndarray) -> np.ndarray:
        """The probability of each token after the one before it: counts of pairs, and for what was not seen after it as much weight as
        different tokens were, spread as `single` has it (Witten and Bell 1991, method C). After a token never seen it is `single`.
        """
        wanted = told_n * self.vocabulary + next_n
        place = np.searchsorted(self.pairs, wanted).clip(max=len(self.pairs) - 1)
        times_n = np.where(self.pairs[place] == wanted, self.times[place], 0)
        weight_n, single_n = self.distinct_V[told_n], self.single(next_n)
        known_n = self.after_V[told_n] + weight_n
        return np.where(known_n > 0, (times_n + weight_n * single_n) / np.maximum(1, known_n), single_n)


def pairs(text: Told) -> tuple[np.ndarray, np.ndarray]:
    """Of each token that counts the token before it and itself."""
    told = [text.ids[window][place] for window, place in zip(text.windows.tolist(), text.places.tolist(), strict=True)]
    return np.array(told, dtype=np.int64), np.asarray(text.next, dtype=np.int64)


def rows(texts: Iterable[Told], counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `prove.losses` (N × 3) for texts: by single tokens, and by pairs."""
    single, paired = [], []
    for text in texts:
        told_n, next_n = pairs(text)
        size = (len(next_n), text.bytes)
        single.append((-np.log(counts.single(next_n)).sum(), *size))
        paired.append((-np.log(counts.paired(told_n, next_n)).sum(), *size))
    return np.array(single, dtype=np.float64).reshape(-1, 3), np.array(paired, dtype=np.float64).reshape(-1, 3)
