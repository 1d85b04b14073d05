"""From the cells of a label column to class names (one per example, or any number) or to numbers.

An example has several labels where the column holds lists (Parquet, Python, JSON such as `["red", "round"]`), where
several 0/1 columns are named, or where cells are joined by `;` or `|` and some joined name also occurs elsewhere
(so that a class called `either; or` is left alone). A column that is clearly a quantity is read as numbers, and any
column of numbers where the user says so; cells that hold none are set aside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset, Kind
from headstart.data.guess import is_missing
from headstart.data.numbers import is_quantity, number_in, place_of, written
from headstart.data.options import TASK_NAMES
from headstart.errors import DataError, OptionError

SEPARATORS = (";", "|")
YES = {"1", "1.0", "true", "yes"}
NO = {"0", "0.0", "false", "no", ""}


@dataclass(frozen=True, slots=True)
class Labels:
    """The class names of every example (its number, for a quantity), None where there is no label; `why` tells of those
    with a cell that is no label.
    """

    kind: Kind
    values: list[tuple[str, ...] | None]
    said: tuple[str, ...] = ()
    why: Mapping[int, str] = field(default_factory=dict)

    def reason(self, row: int) -> str:
        """Why an example has no label."""
        return self.why.get(row, "no label")


def read_labels(
    cells: Sequence[Sequence[Any]],
    *,
    names: Sequence[str],
    class_names: Sequence[str] = (),
    task: str | None = None,
) -> Labels:
    """Labels from `cells` (one list per example, one cell per label column), `task` being what they are said to be.

    Raises DataError, and OptionError for a task that is none of TASK_NAMES.
    """
    if task is not None and task not in TASK_NAMES:
        raise OptionError(f"task '{task}' is not known. Choose from: {', '.join(TASK_NAMES)}.")
    if task == "lm":
        raise OptionError("--task lm: learns from .txt and .md files, or a table of texts, messages, or prompts and completions.")
    if task == "tokens":
        raise OptionError("--task tokens: labels of words are read from CoNLL files, lists of tokens and tags, or texts with entities (start, end, label).")
    if task == "qa":
        raise OptionError("--task qa: answers are read from a table with question, context and answers, or a file as SQuAD has it.")
    if not names:
        return Labels("single", [None] * len(cells))
    if len(names) > 1:
        if task in ("regression", "ordinal"):
            raise OptionError(f"--task {task}: takes one label column, {len(names)} are named. Name one.")
        return _from_flags(cells, names)
    column = [row[0] for row in cells]
    if task == "regression":
        return _quantities(column, names[0])
    if task == "ordinal":
        whole = read_labels(cells, names=names, class_names=class_names, task="classification")
        return in_order(whole, names[0])
    name = _namer(class_names)
    if any(isinstance(value, list | tuple | set | np.ndarray) for value in column):
        return Labels("multi", [_listed(value, name) for value in column])
    parsed = [_json_list(value) for value in column]
    if any(value is not None for value in parsed):
        return _from_json(column, parsed, name)
    joined = _separator(column)
    if joined:
        said = f"labels separated by '{joined}': several per example"
        return Labels("multi", [_pieces(value, joined) for value in column], (said,))
    if task is None and not class_names and is_quantity([cell for cell in column if not is_missing(cell)]):
        found = _quantities(column, names[0])
        said = f"column {names[0]} taken as a quantity: a number is predicted (--task classification takes it as classes)"
        return replace(found, said=(said,))
    return Labels("single", [_single(value, name) for value in column])


def _quantities(column: Sequence[Any], name: str) -> Labels:
    """Every cell as a number; those that hold none tell why. Raises DataError where there is none at all."""
    values: list[tuple[str, ...] | None] = []
    why: dict[int, str] = {}
    for row, cell in enumerate(column):
        number = None if is_missing(cell) else number_in(cell)
        values.append(None if number is None else (written(number),))
        if number is None and not is_missing(cell):
            why[row] = f"'{str(cell)[:40]}' in column '{name}' is no finite number"
    if why and not any(values):
        first = next(iter(why.values()))
        raise DataError(f"{first}, nor is any other. Write decimals with a point, or take another --task or --label.")
    return Labels("quantity", values, why=why)


def in_order(found: Labels, name: str) -> Labels:
    """Classes as an order, by the numbers that their names begin with; raises DataError for a name without one."""
    if found.kind != "single":
        raise OptionError(f"--task ordinal: '{name}' holds several labels per example. Leave --task out.")
    names = {label for labels in found.values if labels is not None for label in labels}
    places: dict[float, str] = {}
    for label in sorted(names):
        try:
            place = place_of(label)
        except ValueError:
            raise DataError(
                f"'{label}' in '{name}': does not begin with a number, so its place in the order is not known. "
                "Name classes as 1, 2, 3, or as 1-mild, 2-severe."
            ) from None
        if place in places:
            raise DataError(f"'{name}': {places[place]} and {label} have the same place in the order. Number them apart.")
        places[place] = label
    ordered = " < ".join(places[place] for place in sorted(places)[:12]) + (" < …" if len(places) > 12 else "")
    return replace(found, kind="ordinal", said=(*found.said, f"classes in this order: {ordered}"))


def as_task(data: Dataset, task: str | None) -> Dataset:
    """Data whose classes come from folders, read as what `task` says they are."""
    if task in (None, "classification"):
        return data
    found = read_labels([list(names) for names in data.labels or ()], names=["folders"], task=task)
    kept = [row for row, value in enumerate(found.values) if value is not None]
    lost = tuple((data.ids[row], found.reason(row)) for row in range(len(data)) if found.values[row] is None)
    told = replace(data, labels=[value or () for value in found.values], kind=found.kind)
    return replace(told.take(kept), guesses=(*data.guesses, *found.said), aside=(*data.aside, *lost))


def _from_flags(cells: Sequence[Sequence[Any]], names: Sequence[str]) -> Labels:
    values: list[tuple[str, ...] | None] = []
    for row in cells:
        words = ["" if is_missing(cell) else str(cell).strip().lower() for cell in row]
        wrong = next((word for word in words if word not in YES and word not in NO), None)
        if wrong is not None:
            raise DataError(
                f"label columns {', '.join(names)}: '{wrong}' is neither 0 nor 1. Name one label column instead."
            )
        values.append(tuple(sorted(name for name, word in zip(names, words, strict=True) if word in YES)))
    return Labels("multi", values, (f"{len(names)} label columns: several labels per example",))


def _from_json(column: Sequence[Any], parsed: Sequence[list[Any] | None], name: Callable[[Any], str | None]) -> Labels:
    values: list[tuple[str, ...] | None] = []
    for value, items in zip(column, parsed, strict=True):
        single = None if is_missing(value) else _listed([value], name)
        values.append(_listed(items, name) if items is not None else single)
    return Labels("multi", values, ("labels are JSON lists: several per example",))


def _namer(class_names: Sequence[str]) -> Callable[[Any], str | None]:
    """How a cell is called: by its own words, or by the name behind an integer (negative means unlabelled)."""

    def name(value: Any) -> str | None:
        if is_missing(value):
            return None
        if class_names and isinstance(value, int | np.integer):
            return str(class_names[int(value)]) if 0 <= int(value) < len(class_names) else None
        whole = isinstance(value, float | np.floating) and float(value).is_integer()
        return str(int(value)) if whole else str(value).strip()

    return name


def _single(value: Any, name: Callable[[Any], str | None]) -> tuple[str, ...] | None:
    named = name(value)
    return None if named is None else (named,)


def _listed(value: Any, name: Callable[[Any], str | None]) -> tuple[str, ...] | None:
    if value is None or (isinstance(value, float) and is_missing(value)):
        return None
    several = [value] if isinstance(value, str) else list(value)
    return tuple(sorted({named for named in map(name, several) if named is not None}))


def _pieces(value: Any, separator: str) -> tuple[str, ...]:
    text = "" if is_missing(value) else str(value)
    return tuple(sorted({piece.strip() for piece in text.split(separator)} - {""}))


def _json_list(value: Any) -> list[Any] | None:
    if not isinstance(value, str) or not value.strip().startswith("["):
        return None
    try:
        found = json.loads(value)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, list) and all(isinstance(one, str | int | float) for one in found) else None


def _separator(column: Sequence[Any]) -> str | None:
    """The separator that joins labels, if one does: some joined name has to occur in another combination too."""
    whole = {str(value) for value in column if not is_missing(value)}
    for separator in SEPARATORS:
        combinations = {frozenset(_pieces(value, separator)) for value in whole}
        counts = Counter(name for names in combinations for name in names)
        if any(counts[name] > 1 for names in combinations if len(names) > 1 for name in names):
            return separator
    return None
