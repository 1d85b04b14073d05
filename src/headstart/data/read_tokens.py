"""Tables of labelled words: lists of tokens with a tag each, or texts with spans in characters, as annotation tools export them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset, Part
from headstart.data.frame import Frame
from headstart.data.guess import TEXT_NAMES, is_missing
from headstart.data.labelled_words import TAKES, Sentence, words_dataset
from headstart.data.options import PARTS, Columns, Limits
from headstart.errors import DataError
from headstart.prove.tags import OUTSIDE
from headstart.prove.word_texts import Words, words_at

TOKENS = "tokens"
"""What a user calls labels of words."""
TOKEN_NAMES = ("tokens", "words")
TAG_NAMES = ("ner_tags", "tags", "labels", "label", "ner", "pos_tags", "upos", "pos")
SPAN_NAMES = ("entities", "spans", "labels", "label")
STARTS, ENDS, TYPES = ("start", "start_offset", "begin"), ("end", "end_offset"), ("label", "type", "tag", "labels")
"""What tools call the first character of a span, the one after its last, and its type."""
REJECTED = ("reject", "ignore")
CUT = "a span begins or ends within a word: the whole word is taken"
OVERLAP = "spans overlap: the longest is kept"
NO_WORD = "a span of blanks only: left out"


@dataclass(frozen=True, slots=True)
class Form:
    """Where a table has its words, as a list or in a text, and their labels (None where nobody asks for them), tags or spans."""

    words: str
    labels: str | None
    are_lists: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of these columns."""
        return (self.words,) if self.labels is None else (self.words, self.labels)


def form_of(frame: Frame, columns: Columns, *, labelled: bool) -> Form | None:
    """How a table holds labelled words; None where it holds none."""
    tokens = _named(frame, TOKEN_NAMES, _is_list_of_words)
    tags = _named(frame, TAG_NAMES if columns.label is None else (columns.label,), _is_list_of_tags)
    if tokens is not None and not labelled:
        return Form(tokens, None, True)
    if tokens is not None and tags is not None:
        return Form(tokens, tags, True)
    text = columns.text[0] if columns.text else _named(frame, TEXT_NAMES, lambda cell: isinstance(cell, str))
    spans = _named(frame, SPAN_NAMES if columns.label is None else (columns.label,), _is_list_of_spans)
    if text is None or (labelled and spans is None):
        return None
    return Form(text, spans if labelled else None, False)


def are_tokens(frame: Frame, columns: Columns, *, labelled: bool) -> bool:
    """Whether a table holds labelled words: as the user says, or by the form of its columns."""
    if columns.task is not None or columns.text or columns.image:
        return columns.task == TOKENS
    form = form_of(frame, columns, labelled=labelled)
    return form is not None and (labelled or form.are_lists)


def tokens_dataset(
    name: str, frames: Sequence[Frame], columns: Columns, limits: Limits, *, labelled: bool = True
) -> Dataset:
    """The rows as examples; those that cannot be used are set aside. Raises DataError where the columns are not there."""
    first = next((frame for frame in frames if len(frame)), None)
    if first is None:
        reason = next((f"{row}: {why}" for frame in frames for row, why in frame.aside), "it has no rows")
        raise DataError(f"{name}: nothing to read ({reason}). {TAKES}")
    form = form_of(first, columns, labelled=labelled)
    if form is None:
        raise DataError(f"{name}: no labelled words in its columns {', '.join(first.columns)}. {TAKES}")
    sentences: list[Sentence] = []
    aside = [one for frame in frames for one in frame.aside]
    for frame in frames:
        missing = next((one for one in (*form.columns, columns.group) if one is not None and one not in frame.columns), None)
        if missing is not None and len(frame):
            raise DataError(f"{frame.name}: no column '{missing}'. Its columns are: {', '.join(frame.columns)}. Give every table the same columns.")
        for row, title in enumerate(frame.ids):
            try:
                found = _sentence(frame, row, form, limits)
            except ValueError as problem:
                aside.append((title, str(problem)))
                continue
            sentences.append(replace(found, part=_part(frame, columns, row), group=_group(frame, columns, row)))
    said = [word for frame in frames for word in frame.said]
    said.append(f"column{'s' if len(form.columns) > 1 else ''} {' + '.join(form.columns)} taken as words{' with their labels' if labelled else ''}")
    return words_dataset(name, sentences, aside=aside, said=said, labelled=labelled, grouped=columns.group is not None)


def token_lists(examples: Any) -> Any:
    """Lists of words in memory as texts that know them; what is of another form as it is. Raises DataError for one without words."""
    if not isinstance(examples, list | tuple) or not examples or not all(isinstance(one, list) for one in examples):
        return examples
    if not all(one and all(isinstance(word, str) and word.strip() for word in one) for one in examples):
        raise DataError("an example without words, or with an empty one. Give lists of words, or texts.")
    return [Words.of(one) for one in examples]


def _sentence(frame: Frame, row: int, form: Form, limits: Limits) -> Sentence:
    """One row; raises ValueError, saying why it cannot be used."""
    answer = frame.columns["answer"][row] if "answer" in frame.columns and not form.are_lists else None
    if form.labels is not None and answer in REJECTED:
        raise ValueError(f"its answer is '{answer}': who labelled it did not accept it")
    words = frame.columns[form.words][row]
    labels = None if form.labels is None else frame.columns[form.labels][row]
    if form.are_lists:
        found = _listed(frame.ids[row], _parsed(words))
        return found if form.labels is None else replace(found, tags=_tags(found, _parsed(labels), frame.class_names.get(form.labels, ())))
    if is_missing(words) or not isinstance(words, str):
        raise ValueError("no text")
    if len(words) > limits.field_characters:
        raise ValueError(f"a text of {len(words):,} characters, over the limit of {limits.field_characters:,}")
    if form.labels is None:
        return Sentence(frame.ids[row], text=Words.at(words, words_at(words)))
    tags, odd = tags_of(words, spans_in(_parsed(labels)))
    return Sentence(frame.ids[row], text=Words.at(words, words_at(words), odd), tags=tags, odd=odd)


def _listed(name: str, tokens: Any) -> Sentence:
    if is_missing(tokens) or not isinstance(tokens, list) or not tokens:
        raise ValueError("no tokens")
    words = tuple(token["text"] if isinstance(token, Mapping) else token for token in tokens)
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise ValueError(f"token {next(place for place, word in enumerate(words) if not (isinstance(word, str) and word.strip())) + 1} is empty or no text")
    return Sentence(name, words=words)


def _tags(sentence: Sentence, tags: Any, names: Sequence[str]) -> tuple[str, ...]:
    """The tags of a sentence, numbers by the `names` they stand for; raises ValueError where they do not fit."""
    words = sentence.words
    if not isinstance(tags, list) or len(tags) != len(words):
        raise ValueError(f"{len(tags) if isinstance(tags, list) else 'no'} tags for {len(words)} tokens")
    if not names and all(isinstance(tag, int) for tag in tags):
        raise DataError(f"{sentence.id}: tags are numbers, and nothing says what they stand for. Write the tags themselves (B-PER, O), or give the Hugging Face data set.")
    if any(isinstance(tag, int) and not 0 <= tag < len(names) for tag in tags):
        raise ValueError(f"a tag beyond the {len(names)} names there are")
    return tuple(names[tag] if isinstance(tag, int) else str(tag) for tag in tags)


def spans_in(cell: Any) -> list[tuple[int, int, str]]:
    """The spans of a cell, in characters, in any of their usual forms; raises ValueError for another."""
    if is_missing(cell):
        return []
    if not isinstance(cell, list):
        raise ValueError(f"spans of a form that is not known: '{str(cell)[:40]}'")
    return [_span(one) for one in cell]


def _span(one: Any) -> tuple[int, int, str]:
    if isinstance(one, Mapping):
        one = [next((one[name] for name in names if one.get(name) is not None), None) for names in (STARTS, ENDS, TYPES)]
    if not isinstance(one, list | tuple) or len(one) < 3:
        raise ValueError(f"a span without start, end and label: '{str(one)[:40]}'")
    start, end, kind = one[:3]
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if not isinstance(start, int | float) or not isinstance(end, int | float) or not isinstance(kind, str) or not kind.strip():
        raise ValueError(f"a span without start, end and label: '{str(one)[:40]}'")
    return int(start), int(end), kind.strip()


def tags_of(text: str, spans: Sequence[tuple[int, int, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """IOB2 tags of the words of a text from spans in characters, and what was odd; raises ValueError for a span beyond the text."""
    edges = words_at(text)
    tags = [OUTSIDE] * edges.shape[1]
    odd: dict[str, None] = {}
    for start, end, kind in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if not 0 <= start < end <= len(text):
            raise ValueError(f"a span from {start} to {end} does not lie in its text of {len(text)} characters")
        marked = text[start:end]
        start, end = end - len(marked.lstrip()), start + len(marked.rstrip())
        first, last = int(np.searchsorted(edges[1], start, side="right")), int(np.searchsorted(edges[0], end, side="left"))
        if start >= end or first >= last:
            odd[NO_WORD] = None
        elif any(tag != OUTSIDE for tag in tags[first:last]):
            odd[OVERLAP] = None
        else:
            if (edges[0, first], edges[1, last - 1]) != (start, end):
                odd[CUT] = None
            tags[first:last] = [f"B-{kind}", *([f"I-{kind}"] * (last - first - 1))]
    return tuple(tags), tuple(odd)


def _named(frame: Frame, names: Sequence[str], fits: Any) -> str | None:
    """The first column with one of these names whose first cell that holds anything is of a form."""
    lower = {column.lower(): column for column in frame.columns}
    for name in names:
        column = name if name in frame.columns else lower.get(name)
        if column is None:
            continue
        cell = next((found for found in map(_parsed, frame.columns[column]) if not is_missing(found) and found != []), None)
        if cell is not None and fits(cell):
            return column
    return None


def _is_list_of_words(cell: Any) -> bool:
    return isinstance(cell, list) and all(isinstance(one, str) or (isinstance(one, Mapping) and isinstance(one.get("text"), str)) for one in cell)


def _is_list_of_tags(cell: Any) -> bool:
    return isinstance(cell, list) and all(isinstance(one, str | int) for one in cell)


def _is_list_of_spans(cell: Any) -> bool:
    if not isinstance(cell, list) or not cell:
        return False
    one = cell[0]
    if isinstance(one, Mapping):
        return any(name in one for name in STARTS) and any(name in one for name in ENDS)
    return isinstance(one, list | tuple) and len(one) >= 3 and all(isinstance(place, int) for place in one[:2]) and isinstance(one[2], str)


def _parsed(cell: Any) -> Any:
    """A cell as a plain list where it is an array, or a text of JSON that holds a list."""
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    if isinstance(cell, str) and cell.lstrip()[:1] == "[":
        try:
            return json.loads(cell)
        except json.JSONDecodeError:
            return cell
    return list(cell) if isinstance(cell, tuple) else cell


def _part(frame: Frame, columns: Columns, row: int) -> Part:
    column = columns.split or next((one for one in frame.columns if one.lower() == "split"), None)
    word = frame.columns[column][row] if column and column in frame.columns else None
    return frame.part if is_missing(word) else PARTS.get(str(word).strip().lower(), frame.part)


def _group(frame: Frame, columns: Columns, row: int) -> str | None:
    value = None if columns.group is None else frame.columns[columns.group][row]
    return None if is_missing(value) else f"={value}"
