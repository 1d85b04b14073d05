"""From the cells of a label column to class names: one per example, or any number.

An example has several labels where the column holds lists (Parquet, Python, JSON such as `["red", "round"]`), where
several 0/1 columns are named, or where cells are joined by `;` or `|` and some joined name also occurs elsewhere
(so that a class called `either; or` is left alone).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.data.dataset import Kind
from headstart.data.guess import is_missing
from headstart.errors import DataError

SEPARATORS = (";", "|")
YES = {"1", "1.0", "true", "yes"}
NO = {"0", "0.0", "false", "no", ""}


@dataclass(frozen=True, slots=True)
class Labels:
    """The class names of every example, None where there is no label."""

    kind: Kind
    values: list[tuple[str, ...] | None]
    said: tuple[str, ...] = ()


def read_labels(cells: Sequence[Sequence[Any]], *, names: Sequence[str], class_names: Sequence[str] = ()) -> Labels:
    """Class names from `cells` (one list per example, one cell per label column); raises DataError."""
    if not names:
        return Labels("single", [None] * len(cells))
    if len(names) > 1:
        return _from_flags(cells, names)
    column = [row[0] for row in cells]
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
    _refuse_numbers(column, names[0])
    return Labels("single", [_single(value, name) for value in column])


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


def _refuse_numbers(column: Sequence[Any], name: str) -> None:
    """Raise DataError for a column of many different fractions: a quantity, not a class."""
    cells = [str(value) for value in column if not is_missing(value)]
    different = set(cells)
    if len(different) > max(20, len(cells) // 2) and all("." in cell and _is_number(cell) for cell in different):
        raise DataError(
            f"label column '{name}': {len(different)} different numbers, a quantity, not a class. Name another column."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
