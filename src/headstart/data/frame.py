"""A table of any origin as columns, and the data set it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset, Part
from headstart.data.guess import Roles, is_missing, roles
from headstart.data.labels import Labels, read_labels
from headstart.data.options import PARTS, Columns, Limits
from headstart.data.spans import IMPOSSIBLE, START, read_answers
from headstart.errors import DataError

Aside = tuple[str, str]


def path_beside(folder: Path) -> Callable[[str], Path]:
    """A resolver of paths written in a table: relative ones start at the table's folder."""
    return lambda written: folder / written


HERE = path_beside(Path())


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns of equal length, each row with the name people know it by.

    `resolve` turns what stands in an image column into an item; `part` is the part the whole table is in;
    `class_names` are the names behind the integers of a column; `aside` are rows that could not be read.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    ids: Sequence[str]
    resolve: Callable[[str], Any] = HERE
    part: Part = ""
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    aside: tuple[Aside, ...] = ()
    said: tuple[str, ...] = ()

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.ids)


def frames_dataset(
    name: str, frames: Sequence[Frame], columns: Columns, limits: Limits, *, labelled: bool = True
) -> Dataset:
    """One data set of one or several tables with the same columns.

    What the first table's columns mean holds for all. Rows without a label (`labelled`), without an example, or with
    a field over the limit are set aside; raises DataError when that leaves none, or when a column is not there.
    """
    first = next((frame for frame in frames if len(frame)), None)
    if first is None:
        reason = next((f"{row}: {why}" for frame in frames for row, why in frame.aside), "it has no rows")
        raise DataError(f"{name}: nothing to read ({reason}). Give a table with a header and rows.")
    meaning = roles(first.name, first.columns, columns, labelled=labelled)
    for frame in frames:
        _require(frame, meaning)
    kept, aside = _rows(frames, meaning, limits)
    if not kept:
        row, why = aside[0]
        raise DataError(f"{row}: {why}, and so it is with every row. Correct the table or name other columns.")
    labels = (_answers if meaning.spans and meaning.label else _labels)(kept, meaning, columns)
    wanted = [i for i in range(len(kept)) if labels.values[i] is not None or not labelled or not meaning.label]
    lost = [(kept[i][0].ids[kept[i][1]], labels.reason(i)) for i in sorted(set(range(len(kept))) - set(wanted))]
    if not wanted:
        why = f" ({lost[0][0]}: {lost[0][1]})" if meaning.spans and lost else ""
        raise DataError(f"{name}: column '{meaning.label[0]}' has no label in any row{why}. Name another one with --label.")
    chosen = [kept[i] for i in wanted]
    return Dataset(
        name=name,
        modality=meaning.modality,
        kind=labels.kind,
        items=[_item(frame, meaning, row) for frame, row in chosen],
        ids=[frame.ids[row] for frame, row in chosen],
        labels=[labels.values[i] or () for i in wanted] if meaning.label and labelled else None,
        parts=[_part(frame, meaning, row) for frame, row in chosen],
        groups=_groups(chosen, meaning.group),
        guesses=(*(word for frame in frames for word in frame.said), *meaning.said, *labels.said),
        aside=(*aside, *lost),
    )


def _labels(kept: Sequence[tuple[Frame, int]], meaning: Roles, columns: Columns) -> Labels:
    first = kept[0][0]
    return read_labels(
        [[_cell(frame, column, row) for column in meaning.label] for frame, row in kept],
        names=meaning.label,
        class_names=first.class_names.get(meaning.label[0], ()) if meaning.label else (),
        task=None if meaning.spans else columns.task,
    )


def _answers(kept: Sequence[tuple[Frame, int]], meaning: Roles, columns: Columns) -> Labels:
    def cells(*names: str) -> list[Any]:
        return [next((frame.columns[one][row] for one in names if one in frame.columns), None) for frame, row in kept]

    return read_answers(list(map(_text, cells(meaning.text[1]))), cells(*meaning.label), cells(*START), cells(IMPOSSIBLE))


def _require(frame: Frame, meaning: Roles) -> None:
    needed = (*meaning.text, *meaning.label, *filter(None, (meaning.image, meaning.group)))
    missing = [column for column in needed if column not in frame.columns]
    if missing and len(frame):
        raise DataError(
            f"{frame.name}: no column '{missing[0]}'. Its columns are: {', '.join(frame.columns)}. "
            "Give every table the same columns."
        )


def _rows(frames: Sequence[Frame], meaning: Roles, limits: Limits) -> tuple[list[tuple[Frame, int]], list[Aside]]:
    """The rows that can be used, and those set aside."""
    kept: list[tuple[Frame, int]] = []
    aside: list[Aside] = []
    for frame in frames:
        aside.extend(frame.aside)
        for row in range(len(frame)):
            problem = _problem(frame, meaning, row, limits)
            if problem:
                aside.append((frame.ids[row], problem))
            else:
                kept.append((frame, row))
    return kept, aside


def _problem(frame: Frame, meaning: Roles, row: int, limits: Limits) -> str | None:
    for column in (*meaning.text, *meaning.label, *filter(None, (meaning.image,))):
        value = _cell(frame, column, row)
        if isinstance(value, str) and len(value) > limits.field_characters:
            limit = f"over the limit of {limits.field_characters:,}"
            return f"field '{column}' has {len(value):,} characters, {limit} (an unclosed quote?)"
        if column not in meaning.label and is_missing(value):
            return f"field '{column}' is empty"
    if meaning.split is not None and meaning.split in frame.columns:
        word = _cell(frame, meaning.split, row)
        if not is_missing(word) and str(word).strip().lower() not in PARTS:
            return f"'{word}' in column '{meaning.split}' is no part (train, val, test)"
    return None


def _cell(frame: Frame, column: str, row: int) -> Any:
    return frame.columns[column][row]


def _item(frame: Frame, meaning: Roles, row: int) -> Any:
    if meaning.image is not None:
        value = _cell(frame, meaning.image, row)
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        return frame.resolve(value.strip()) if isinstance(value, str) else value
    texts = tuple(_text(_cell(frame, column, row)) for column in meaning.text)
    return texts[0] if len(texts) == 1 else texts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _part(frame: Frame, meaning: Roles, row: int) -> Part:
    if meaning.split is None or meaning.split not in frame.columns:
        return frame.part
    word = _cell(frame, meaning.split, row)
    return frame.part if is_missing(word) else PARTS[str(word).strip().lower()]


def _groups(chosen: Sequence[tuple[Frame, int]], column: str | None) -> list[str] | None:
    """The group of every row; a row without one is a group of its own."""
    if column is None:
        return None
    values = [_cell(frame, column, row) for frame, row in chosen]
    return [f"row {i}" if is_missing(value) else f"={value}" for i, value in enumerate(values)]
