"""Tables to learn a language from: conversations, prompts with their completions, or a column of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.data.dataset import Dataset, Part
from headstart.data.frame import Frame, frames_dataset
from headstart.data.guess import TEXT_NAMES, is_missing
from headstart.data.options import PARTS, Columns, Limits
from headstart.data.read_corpus import MOST_BYTES, Document, corpus_dataset
from headstart.data.read_tokens import are_tokens, tokens_dataset
from headstart.errors import DataError
from headstart.prove.passages import ANSWERS, Conversation

LM = "lm"
"""What a user calls texts that are to be learned themselves."""
TURNS = ("messages", "conversations")
PAIRS = (("prompt", "completion"), ("prompt", "response"), ("instruction", "output"))
"""Columns that tell a conversation without a word from the user; only the first pair does, and the first of TURNS."""
ROLES: Mapping[str, str] = {"human": "user", "gpt": ANSWERS, "bot": ANSWERS, "model": ANSWERS}
"""Other names of roles."""


def dataset_of(name: str, frames: Sequence[Frame], columns: Columns, limits: Limits, *, labelled: bool = True) -> Dataset:
    """Tables as labelled examples, or where the user or the columns say so as texts to be learned, or with labelled words."""
    first = next((frame for frame in frames if len(frame)), None)
    if first is not None and are_tokens(first, columns, labelled=labelled):
        return tokens_dataset(name, frames, columns, limits, labelled=labelled)
    named = columns.text or columns.image or columns.label
    told = first is not None and (TURNS[0] in first.columns or set(PAIRS[0]) <= first.columns.keys())
    if columns.task == LM or (columns.task is None and not named and told):
        return _learned(name, frames, columns, limits)
    return frames_dataset(name, frames, columns, limits, labelled=labelled)


def _learned(name: str, frames: Sequence[Frame], columns: Columns, limits: Limits) -> Dataset:
    first = next((frame for frame in frames if len(frame)), None)
    if first is None:
        reason = next((f"{row}: {why}" for frame in frames for row, why in frame.aside), "it has no rows")
        raise DataError(f"{name}: nothing to read ({reason}). Give one JSON object per line, with messages, or prompt and completion.")
    turns = next((one for one in TURNS if one in first.columns), None)
    pair = next((one for one in PAIRS if set(one) <= first.columns.keys()), None)
    if columns.text:
        turns, pair = None, columns.text if len(columns.text) == 2 else None
    if turns or pair:
        return _conversations(name, frames, columns, limits, (turns,) if turns else pair or ())
    return _documents(name, frames, columns)


def _documents(name: str, frames: Sequence[Frame], columns: Columns) -> Dataset:
    names = {one.lower(): one for frame in frames for one in frame.columns}
    column = columns.text[0] if columns.text else next((names[one] for one in TEXT_NAMES if one in names), None)
    documents: list[Document] = []
    aside = [one for frame in frames for one in frame.aside]
    for frame in frames:
        if column is None or column not in frame.columns:
            known = ", ".join(frame.columns)
            raise DataError(f"{frame.name}: no column of texts among: {known}. Name it with --text, or give messages, or prompt and completion.")
        for row, title in enumerate(frame.ids):
            text = frame.columns[column][row]
            problem = "empty text" if is_missing(text) else None if isinstance(text, str) else f"its '{column}' is no text"
            if isinstance(text, str) and len(text) > MOST_BYTES:
                problem = f"field '{column}' has {len(text):,} characters, over the limit of {MOST_BYTES:,}"
            if problem:
                aside.append((title, problem))
            else:
                documents.append(Document(title, text, _part(frame, columns, row), _group(frame, columns, row)))
    said = [] if columns.text else [f"column {column} taken as text"]
    return corpus_dataset(name, documents, aside=aside, said=said)


def _conversations(
    name: str, frames: Sequence[Frame], columns: Columns, limits: Limits, named: Sequence[str]
) -> Dataset:
    items: list[Conversation] = []
    ids: list[str] = []
    parts: list[Part] = []
    groups: list[str | None] = []
    aside = [one for frame in frames for one in frame.aside]
    for frame in frames:
        missing = [one for one in named if one not in frame.columns]
        if missing and len(frame):
            raise DataError(f"{frame.name}: no column '{missing[0]}'. Its columns are: {', '.join(frame.columns)}. Give every table the same columns.")
        for row, title in enumerate(frame.ids):
            try:
                turns = turns_of([frame.columns[one][row] for one in named])
                _check(turns, limits)
            except ValueError as problem:
                aside.append((title, str(problem)))
                continue
            items.append(Conversation.of(turns))
            ids.append(title)
            parts.append(_part(frame, columns, row))
            groups.append(_group(frame, columns, row))
    if not items:
        first = f" ({aside[0][0]}: {aside[0][1]})" if aside else ""
        raise DataError(f"{name}: no conversation to learn from{first}. Give messages with role and content, or prompt and completion.")
    turns_in_all = sum(len(one.turns) for one in items)
    said = f"column{'s' if len(named) > 1 else ''} {' + '.join(named)} taken as conversations: {len(items)} with {turns_in_all} turns; the answers are learned"
    return Dataset(
        name=name,
        modality="text",
        kind="language",
        items=items,
        ids=ids,
        labels=[()] * len(items),
        parts=parts,
        groups=None if all(one is None for one in groups) else [one or f"row {row}" for row, one in enumerate(groups)],
        guesses=(*(word for frame in frames for word in frame.said), said),
        aside=tuple(aside),
    )


def turns_of(cells: Sequence[Any]) -> list[tuple[str, str]]:
    """The turns (role, what is said) in one cell of messages, or in a prompt and its completion; raises ValueError, saying why there are
    none.
    """
    if len(cells) == 1:
        return _messages(cells[0])
    prompt, completion = cells
    before = [("user", prompt)] if isinstance(prompt, str) else _messages(prompt)
    after = [(ANSWERS, completion)] if isinstance(completion, str) else _messages(completion)
    return [*before, *after]


def _messages(cell: Any) -> list[tuple[str, str]]:
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except json.JSONDecodeError as error:
            raise ValueError(f"messages are not JSON ({error.msg})") from None
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    if is_missing(cell) or not isinstance(cell, list | tuple) or not cell:
        raise ValueError("no list of messages")
    turns = []
    for number, turn in enumerate(cell, start=1):
        role = turn.get("role", turn.get("from")) if isinstance(turn, Mapping) else None
        said = turn.get("content", turn.get("value")) if isinstance(turn, Mapping) else None
        if not isinstance(role, str) or not role.strip():
            raise ValueError(f"message {number} has no role")
        if not isinstance(said, str):
            raise ValueError(f"message {number} has no text")
        role = role.strip().lower()
        turns.append((ROLES.get(role, role), said))
    return turns


def _check(turns: Sequence[tuple[str, str]], limits: Limits) -> None:
    """Raise ValueError where nothing can be learned from turns."""
    size = sum(len(said) for _, said in turns)
    if size > limits.field_characters:
        raise ValueError(f"a conversation of {size:,} characters, over the limit of {limits.field_characters:,}")
    if not any(role == ANSWERS for role, _ in turns):
        raise ValueError(f"no turn of the role {ANSWERS}, so no answer to learn")
    empty = next((number for number, (_, said) in enumerate(turns, start=1) if not said.strip()), None)
    if empty is not None:
        raise ValueError(f"message {empty} is empty")
    if turns[0][0] == ANSWERS and len(turns) == 1:
        raise ValueError("an answer to nothing")


def _part(frame: Frame, columns: Columns, row: int) -> Part:
    column = columns.split or next((one for one in frame.columns if one.lower() == "split"), None)
    word = frame.columns[column][row] if column and column in frame.columns else None
    return frame.part if is_missing(word) else PARTS.get(str(word).strip().lower(), frame.part)


def _group(frame: Frame, columns: Columns, row: int) -> str | None:
    if columns.group is None:
        return None
    if columns.group not in frame.columns:
        raise DataError(f"{frame.name}: no column '{columns.group}'. Name one of its columns: {', '.join(frame.columns)}.")
    value = frame.columns[columns.group][row]
    return f"row {row} of {frame.name}" if is_missing(value) else f"={value}"
