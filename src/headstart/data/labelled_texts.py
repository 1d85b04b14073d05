"""Texts that are labelled examples, and how other text is cleared of them before a network learns from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from headstart.data.passages import Document, SetAside

RUN = 13
"""Words in a row that two texts hardly share by chance (Brown et al. 2020, appendix C, for the same purpose)."""
SAME, PARTLY = "the same as a labelled example", "some lines left out, which are or hold labelled examples"
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """The words of labelled texts: `wholes`, each text by its words, and `runs`, stretches of RUN words of the longer ones, side by
    side, the last one at the end: together they hold every word.
    """

    wholes: frozenset[str]
    runs: frozenset[str]

    @classmethod
    def of(cls, examples: Iterable[Any]) -> LabelledTexts:
        """Those of decoded examples: texts, or pairs of texts of which each counts by itself."""
        wholes: set[str] = set()
        runs: set[str] = set()
        for text in (text for example in examples for text in texts_in(example)):
            words = words_of(text)
            if words:
                wholes.add(" ".join(words))
            starts = [*range(0, len(words) - RUN + 1, RUN), len(words) - RUN] if len(words) >= RUN else []
            runs.update(" ".join(words[start : start + RUN]) for start in starts)
        return cls(frozenset(wholes), frozenset(runs))

    def cleared(self, document: Document) -> Document | SetAside:
        """A document without the lines that are a labelled text or hold a run of one; set aside where nothing is left, or it is one itself."""
        lines = document.text.splitlines(keepends=True)
        words = [(word, number) for number, line in enumerate(lines) for word in words_of(line)]
        if " ".join(word for word, _ in words) in self.wholes:
            return SetAside(document.name, SAME)
        known = {number for number, line in enumerate(lines) if " ".join(words_of(line)) in self.wholes}
        for start in range(len(words) - RUN + 1 if self.runs else 0):
            if " ".join(word for word, _ in words[start : start + RUN]) in self.runs:
                known.update(number for _, number in words[start : start + RUN])
        if not known:
            return document
        left = "".join(line for number, line in enumerate(lines) if number not in known)
        if not words_of(left):
            return SetAside(document.name, SAME)
        return replace(document, text=left, note="; ".join(filter(None, (document.note, PARTLY))))


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, whatever stands between them."""
    return _WORDS.findall(text.lower())


def texts_in(example: Any) -> Iterator[str]:
    """The texts of a decoded example: itself, or those of a pair; of a conversation each turn as well."""
    if not isinstance(example, str):
        yield from (text for text in example if text)
        return
    yield example
    yield from (said for _, said in getattr(example, "turns", ()))
