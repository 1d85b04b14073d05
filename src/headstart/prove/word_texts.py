"""Texts whose words are known, and how words of other texts are told (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from headstart.prove.estimate import Array
from headstart.prove.tags import WORDS

_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff]"
WORD = re.compile(
    r"(?:[^\W\d_]\.){2,}"  # an abbreviation with its points
    r"|['’]s\b"
    rf"|{_LETTER}+(?:(?!['’]s\b)[^\w\s]{_LETTER}+)*"
    r"|\S"
)
"""Letters and digits, also with single signs between them; `U.S.`; an English 's; a Chinese or Japanese character; any other sign."""
ENDS = frozenset(".!?。！？")
"""Words that end a sentence."""


class Words(str):
    """A text that knows its words: `edges` (2 × W) says where each begins and ends, `odd` what was odd about their labels.

    Where words are all that is known the text is made of them, with blanks between.
    """

    edges: Array
    odd: tuple[str, ...] = ()

    @classmethod
    def at(cls, text: str, edges: Array, odd: Sequence[str] = ()) -> Words:
        """A text with words at `edges`."""
        made = cls(text)
        made.edges, made.odd = edges, tuple(odd)
        return made

    @classmethod
    def of(cls, words: Sequence[str], odd: Sequence[str] = ()) -> Words:
        """The words with blanks between them."""
        lengths = np.array([len(word) for word in words], dtype=np.int32)
        ends = np.cumsum(lengths + 1) - 1
        return cls.at(" ".join(words), np.stack([ends - lengths, ends]).astype(np.int32), odd)


def words_at(text: str) -> Array:
    """Where the W words of a text begin and end, in characters (2 × W)."""
    if isinstance(text, Words):
        return text.edges
    found = [match.span() for match in WORD.finditer(text)]
    return np.array(found, dtype=np.int32).reshape(-1, 2).T


def words_of(text: str) -> list[str]:
    """The words of a text."""
    return [text[begin:end] for begin, end in words_at(text).T.tolist()]


def stretches(text: str, tags: Sequence[str] = ()) -> list[tuple[int, int]]:
    """The words of a text in runs of at most WORDS (first, and after the last): each ends with a sentence where one ends in its second half, and
    never within a span of `tags`, unless that is as long.
    """
    words, found, start = words_of(text), [], 0
    while len(words) - start > WORDS:
        last = start + WORDS
        ends = (end for end in range(last, start + WORDS // 2, -1) if words[end - 1] in ENDS)
        end = next(ends, last)
        while tags and end > start + 1 and tags[end].startswith("I-"):
            end -= 1
        end = end if end > start + 1 else last
        found.append((start, end))
        start = end
    return [*found, (start, len(words))]


def stretch(text: str, first: int, end: int, odd: Sequence[str] = ()) -> Words:
    """The words from `first` to before `end` as a text of their own."""
    edges = words_at(text)[:, first:end]
    low, high = int(edges[0, 0]), int(edges[1, -1])
    return Words.at(str(text)[low:high], edges - low, odd)
