"""Labels of words and the spans that they stand for: how tags are read, and what metrics judge of them (pure).

Tags are IOB2: `B-PER` begins a span of the type PER, `I-PER` continues it, `O` is outside. A tag without B- or I- is a span of one word,
as a part of speech is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from headstart.errors import DataError
from headstart.prove.estimate import Array

OUTSIDE = "O"
WORDS = 512
"""Words of an example at most: longer texts are read in stretches."""
ROW = 2 * WORDS
"""Numbers in a row: of each word the number of its tag, from 1 (0 where there is no word), then of each the log of its probability."""
UNSEEN = 1e-6
"""The least probability that counts, of a tag or of all others together."""

Span = tuple[int, int, str]
"""First word, the word after the last, and type."""


def parts(tag: str) -> tuple[str, str]:
    """Prefix (`B`, `I` or nothing) and type of a tag; nothing and nothing for OUTSIDE."""
    if tag == OUTSIDE:
        return "", ""
    return (tag[0], tag[2:]) if tag[:2] in ("B-", "I-") else ("", tag)


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans of IOB2 tags, in order. An I- that continues nothing of its type begins a span: so the evaluation of CoNLL-2000 reads it
    (Tjong Kim Sang and Buchholz 2000).
    """
    found: list[Span] = []
    for place, tag in enumerate(tags):
        prefix, kind = parts(tag)
        if not kind:
            continue
        if prefix == "I" and found and found[-1][1:] == (place, kind):
            found[-1] = (found[-1][0], place + 1, kind)
        else:
            found.append((place, place + 1, kind))
    return found


def tag_names(labels: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Every tag that these and tags like them may hold: OUTSIDE first, both tags of each type, then tags without a prefix."""
    seen = {tag for tags in labels for tag in tags}
    prefixed = sorted({kind for prefix, kind in map(parts, seen) if prefix})
    plain = sorted(kind for prefix, kind in map(parts, seen) if kind and not prefix)
    outside = (OUTSIDE,) if prefixed or OUTSIDE in seen else ()
    return (*outside, *(f"{prefix}-{kind}" for kind in prefixed for prefix in "BI"), *plain)


def type_names(classes: Iterable[str]) -> tuple[str, ...]:
    """The types of tags, in their order."""
    return tuple(dict.fromkeys(kind for _, kind in map(parts, classes) if kind))


@dataclass(frozen=True)
class TrueTags:
    """What is right for one example: the number of each word's tag among `classes`. Unlike other results it has no slots, because its spans are
    remembered.
    """

    tags: tuple[int, ...]
    classes: tuple[str, ...]

    @cached_property
    def spans(self) -> frozenset[Span]:
        """The true spans."""
        return frozenset(spans_of([self.classes[tag] for tag in self.tags]))


def said_in(row: Array, words: int) -> tuple[Array, Array]:
    """Of the first `words` words of a row the numbers of their tags, from 0, and the logs of their probabilities."""
    return np.maximum(0, row[:words].astype(np.int64) - 1), row[WORDS : WORDS + words]


def row_of(tags: Sequence[int] | Array, log: float = 0.0) -> Array:
    """A row that gives these tags (numbers from 0) one probability."""
    row = np.zeros(ROW, dtype=np.float32)
    row[: len(tags)] = np.asarray(tags) + 1
    row[WORDS : WORDS + len(tags)] = log
    return row


def said_spans(row: Array, words: int, classes: Sequence[str]) -> list[tuple[Span, float]]:
    """The spans that a row says, each with its probability: the product over its words."""
    tags, logs = said_in(row, words)
    return [(span, float(np.exp(logs[span[0] : span[1]].sum()))) for span in spans_of([classes[tag] for tag in tags.tolist()])]


@dataclass(frozen=True, slots=True)
class TagAnswers:
    """What N examples' tags are worth. Of each and of T types the spans that are right, were said and are true (N × T); the words that have the right
    tag, the words, minus the log of the probability of the true tags (N), and whether all spans are right. Make them with `judged`.
    """

    types: tuple[str, ...]
    hits_NT: Array
    said_NT: Array
    true_NT: Array
    right_words_N: Array
    words_N: Array
    nats_N: Array
    correct_N: Array

    @property
    def kind(self) -> Literal["tags"]:
        """The kind of answers, as the metrics ask for it."""
        return "tags"

    @property
    def gained_N(self) -> Array:
        """Minus the number of spans that were missed and of those that were said wrongly."""
        return np.asarray((2 * self.hits_NT - self.said_NT - self.true_NT).sum(1))

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.words_N)

    def take(self, rows: Array) -> TagAnswers:
        """Those at `rows` (indices or a mask)."""
        columns = (self.hits_NT, self.said_NT, self.true_NT, self.right_words_N, self.words_N, self.nats_N, self.correct_N)
        return TagAnswers(self.types, *(part[rows] for part in columns))


def judged(true: Sequence[TrueTags], rows: Array) -> TagAnswers:
    """What the rows (N × ROW) of N examples are worth; raises DataError where the numbers differ."""
    if len(true) != len(rows):
        raise DataError(f"tags: {len(rows)} rows for {len(true)} examples.")
    classes = true[0].classes if len(true) else ()
    types = type_names(classes)
    place = {kind: number for number, kind in enumerate(types)}
    hits, said, truth = (np.zeros((len(true), len(types))) for _ in range(3))
    right, words, nats = (np.zeros(len(true)) for _ in range(3))
    whole = np.zeros(len(true), dtype=bool)
    for number, (one, row) in enumerate(zip(true, rows, strict=True)):
        tags, logs = said_in(row, len(one.tags))
        found = set(spans_of([classes[tag] for tag in tags.tolist()]))
        for table, spans in ((hits, found & one.spans), (said, found), (truth, one.spans)):
            for _, _, kind in spans:
                table[number, place[kind]] += 1
        is_right = tags == np.array(one.tags)
        right[number], words[number] = is_right.sum(), len(tags)
        nats[number] = _nats(is_right, logs.astype(np.float64), len(classes))
        whole[number] = found == one.spans
    return TagAnswers(types, hits, said, truth, right, words, nats, whole)


def _nats(is_right: Array, logs: Array, classes: int) -> float:
    """Minus the log of the probability of the true tags; what is left beside the said tag is shared by all others alike."""
    chances = np.exp(logs)
    others = np.maximum(UNSEEN, 1 - chances) / max(1, classes - 1)
    return -float(np.log(np.where(is_right, np.maximum(UNSEEN, chances), others)).sum())


def tag_f1(answers: TagAnswers, counts_bN: Array) -> Array:
    """2·hits / (said + true), over all types together."""
    return _ratio(2 * (counts_bN @ answers.hits_NT.sum(1)), counts_bN @ (answers.said_NT + answers.true_NT).sum(1))


def tag_precision(answers: TagAnswers, counts_bN: Array) -> Array:
    """The share of said spans that are right."""
    return _ratio(counts_bN @ answers.hits_NT.sum(1), counts_bN @ answers.said_NT.sum(1))


def tag_recall(answers: TagAnswers, counts_bN: Array) -> Array:
    """The share of true spans that were said."""
    return _ratio(counts_bN @ answers.hits_NT.sum(1), counts_bN @ answers.true_NT.sum(1))


def type_f1(answers: TagAnswers, counts_bN: Array) -> Array:
    """The mean F1 of the types that are true or said somewhere."""
    f1_bT = _ratio(2 * (counts_bN @ answers.hits_NT), counts_bN @ (answers.said_NT + answers.true_NT))
    known_bT = np.isfinite(f1_bT)
    return _ratio(np.where(known_bT, f1_bT, 0).sum(1), known_bT.sum(1))


def token_accuracy(answers: TagAnswers, counts_bN: Array) -> Array:
    """The share of words with the right tag."""
    return _ratio(counts_bN @ answers.right_words_N, counts_bN @ answers.words_N)


def token_log_loss(answers: TagAnswers, counts_bN: Array) -> Array:
    """Minus the mean log of the probability of a word's true tag, in nats."""
    return _ratio(counts_bN @ answers.nats_N, counts_bN @ answers.words_N)


def of_type(answers: TagAnswers, number: int) -> TagAnswers:
    """The same with the spans of one type only."""
    tables = {name: getattr(answers, name)[:, number : number + 1] for name in ("hits_NT", "said_NT", "true_NT")}
    return replace(answers, types=(answers.types[number],), **tables)


def _ratio(top: Array, bottom: Array) -> Array:
    return np.asarray(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan))
