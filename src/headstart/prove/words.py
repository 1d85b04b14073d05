"""Words of a text and what makes two answers the same: the ground that spans, their metric and their reader share (pure)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from headstart.prove.estimate import Array

PIECE = re.compile(r"\d+|[^\W\d_]+|\S")
"""A run of digits, a run of letters, or any other single sign: answers begin and end between them (`1990` in `1990s`, `5` in `$5m`)."""
ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def edges(text: str) -> Array:
    """Where each of the W words of a text begins and ends, in characters (2 × W)."""
    found = [match.span() for match in PIECE.finditer(text)]
    return np.array(found, dtype=np.int32).reshape(-1, 2).T


def normalised(answer: str) -> str:
    """Lower case, without ASCII punctuation, articles and doubled white space: two answers that are equal then are the same
    (Rajpurkar et al. 2016, section 5, and the evaluation script published with SQuAD).
    """
    return " ".join(ARTICLES.sub(" ", answer.lower().translate(WITHOUT_PUNCTUATION)).split())


def word_f1(said: str, right: Sequence[str]) -> float:
    """The best harmonic mean of precision and recall, in words of the normalised texts, over the `right` answers.

    No answer, said or right, is the empty text: it is as good as equal to another empty one, and worth nothing beside any other.
    """
    words = normalised(said).split()
    return max(_f1(words, normalised(truth).split()) for truth in right or ("",))


def is_exact(said: str, right: Sequence[str]) -> bool:
    """Whether an answer is the same as one of the `right` ones."""
    return normalised(said) in {normalised(truth) for truth in right or ("",)}


def _f1(words: Sequence[str], truth: Sequence[str]) -> float:
    if not words or not truth:
        return float(words == truth)
    shared = sum((Counter(words) & Counter(truth)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(words), shared / len(truth)
    return 2 * precision * recall / (precision + recall)
