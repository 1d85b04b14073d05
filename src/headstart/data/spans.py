"""Answers that stand in their text: read from a column in any of its usual forms, each checked against the context.

A label is the answer and where it begins, `in 1815 @74`; a question without any label has no answer in its context.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.data.guess import is_missing
from headstart.data.labels import Labels

START, IMPOSSIBLE = ("answer_start", "answer_begin", "start"), "is_impossible"
SHOWN = 40


def label(text: str, start: int) -> str:
    """An answer and where it begins, as a label."""
    return f"{text} @{start}"


def answer_of(written: str) -> tuple[str, int]:
    """The inverse of `label`."""
    text, _, start = written.rpartition(" @")
    return text, int(start)


def read_answers(
    contexts: Sequence[str], cells: Sequence[Any], starts: Sequence[Any], impossible: Sequence[Any]
) -> Labels:
    """The answers of every question as labels, `impossible` saying of which it is known that there are none.

    A cell is a text, a list of texts, the JSON of either, or `{"text": [...], "answer_start": [...]}` as SQuAD has it; `starts` tell where
    they begin where the cell does not. Of an answer that does not stand where it should the nearest occurrence is taken; one that
    does not occur is none, and a question all of whose answers are none is set aside.
    """
    values: list[tuple[str, ...] | None] = []
    why: dict[int, str] = {}
    moved = none = 0
    for row, (context, cell, start) in enumerate(zip(contexts, cells, starts, strict=True)):
        given = [] if _is_yes(impossible[row]) else _given(cell, start)
        if given is None:
            values.append(None)
            why[row] = f"answers of a form that is not known: '{str(cell)[:SHOWN]}'"
            continue
        found = [(text, _place(context, text, begin), begin) for text, begin in given]
        right = [(text, place) for text, place, _ in found if place is not None]
        if given and not right:
            values.append(None)
            why[row] = f"its answer '{given[0][0][:SHOWN]}' does not occur in its context"
            continue
        moved += sum(place is not None and begin is not None and place != begin for _, place, begin in found)
        none += not right
        values.append(tuple(dict.fromkeys(label(text, place) for text, place in right)))
    known = [value for value in values if value is not None]
    said = [f"questions: {len(known)}, {len(known) - none} with an answer in their context and {none} without"]
    if moved:
        said.append(f"answers that do not begin where their answer_start says: {moved}, of which the nearest occurrence is taken")
    return Labels("span", values, tuple(said), why)


def _given(cell: Any, start: Any) -> list[tuple[str, int | None]] | None:
    """The answers in a cell with their begin where it is told; None where nobody can tell what it is."""
    if is_missing(cell):
        return []
    if isinstance(cell, str):
        read = _json(cell)
        if read is None:
            return [(cell, _whole(start))]
        cell = read
    if isinstance(cell, Mapping):
        texts, begins = cell.get("text"), next((cell[name] for name in START if name in cell), None)
        return _paired(texts, begins)
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if isinstance(cell, list | tuple):
        if all(isinstance(one, Mapping) for one in cell):
            pairs = [_given(one, None) for one in cell]
            return None if any(one is None for one in pairs) else [pair for one in pairs for pair in one or ()]
        return _paired(cell, start)
    return [(str(cell), _whole(start))] if isinstance(cell, int | float) else None


def _paired(texts: Any, begins: Any) -> list[tuple[str, int | None]] | None:
    texts = [texts] if isinstance(texts, str) else texts.tolist() if hasattr(texts, "tolist") else texts
    begins = begins.tolist() if hasattr(begins, "tolist") else begins
    if texts is None or not all(isinstance(text, str) for text in texts):
        return None
    places = list(begins) if isinstance(begins, list | tuple) else [begins]
    places += [None] * (len(texts) - len(places))
    return [(text, _whole(place)) for text, place in zip(texts, places, strict=False) if text.strip()]


def _place(context: str, text: str, begin: int | None) -> int | None:
    """Where `text` stands: at `begin`, else where it occurs nearest to it, else nowhere."""
    if begin is not None and begin >= 0 and context.startswith(text, begin):
        return begin
    places, place = [], context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return min(places, key=lambda one: abs(one - (begin or 0)), default=None)


def _json(cell: str) -> Any:
    """What a cell holds that begins like a JSON list or object; None for any other text."""
    if cell.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(cell)
    except json.JSONDecodeError:
        return None


def _whole(value: Any) -> int | None:
    if is_missing(value):
        return None
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return None


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "1", "yes")) or value == 1
