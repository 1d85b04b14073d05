"""What was taken for what: the matrix, its cells' examples, and how each class fared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.prove.estimate import proportion
from headstart.report.gallery import Example, Gallery
from headstart.report.words import share
from headstart.run.predictions import PredictionRow

TABLE_CLASSES = 16
"""Up to so many classes the matrix is a table with numbers; beyond, a map of small squares."""
MAP_CLASSES = 200
SHOWN = 240
"""About how many examples stand behind the cells together."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One square: `part` is its share of the true class, `examples` those shown behind it."""

    row: int
    column: int
    count: int
    of: int
    part: float
    examples: tuple[Example, ...]

    @property
    def right(self) -> bool:
        """Whether these were answered right."""
        return self.row == self.column

    @property
    def anchor(self) -> str:
        """Its name within the page."""
        return f"cell-{self.row}-{self.column}"


@dataclass(frozen=True, slots=True)
class Fared:
    """One class: how many of it were found (recall), how many called so were it (precision), with intervals."""

    name: str
    count: int
    recall: Mapping[str, Any]
    precision: Mapping[str, Any]
    recall_text: str
    recall_counts: str
    precision_text: str
    precision_counts: str


def cells(confusion: Mapping[str, Any], rows: Sequence[PredictionRow], gallery: Gallery) -> list[Cell]:
    """The squares that hold anything; room for examples goes to mistakes first, the commonest before the rare."""
    classes, counts = confusion["classes"], confusion["counts"]
    place = {name: number for number, name in enumerate(classes)}
    behind: dict[tuple[int, int], list[PredictionRow]] = defaultdict(list)
    for row in rows:
        if len(row.true) == len(row.predicted) == 1 and row.true[0] in place and row.predicted[0] in place:
            behind[place[row.true[0]], place[row.predicted[0]]].append(row)
    filled = [(i, j) for i, line in enumerate(counts) for j, number in enumerate(line) if number]
    order = sorted(filled, key=lambda at: (at[0] == at[1], -counts[at[0]][at[1]], at))
    each = max(2, min(6, SHOWN // max(1, len(order))))
    return [_cell(i, j, counts, behind[i, j], each, gallery) for i, j in order]


def _cell(i: int, j: int, counts: list[list[int]], rows: list[PredictionRow], each: int, gallery: Gallery) -> Cell:
    # A mistake is telling where the model was sure of it, a right answer where it was not.
    telling = sorted(rows, key=lambda row: row.confidence if i == j else -row.confidence)
    shown: list[Example] = []
    for row in telling[:each]:
        if gallery.is_full:
            break
        shown.append(gallery.show(row))
    of = sum(counts[i])
    return Cell(i, j, counts[i][j], of, counts[i][j] / of, tuple(shown))


def fared(classes: Sequence[str], rows: Sequence[PredictionRow]) -> list[Fared]:
    """How each class fared, the least found first; for several labels per example each label counts by itself."""
    true: dict[str, int] = defaultdict(int)
    called: dict[str, int] = defaultdict(int)
    hits: dict[str, int] = defaultdict(int)
    for row in rows:
        for name in row.true:
            true[name] += 1
        for name in row.predicted:
            called[name] += 1
        for name in set(row.true) & set(row.predicted):
            hits[name] += 1
    found = [_fared(name, true[name], called[name], hits[name]) for name in classes]
    return sorted(found, key=lambda one: (one.recall["value"] is None, one.recall["value"], -one.count))


def _fared(name: str, true: int, called: int, hits: int) -> Fared:
    recall, precision = (
        {"value": x.value, "low": x.low, "high": x.high, "n": x.n}
        for x in (proportion(hits, true), proportion(hits, called))
    )
    told = (*_told(hits, recall, "no example"), *_told(hits, precision, "never predicted"))
    return Fared(name, true, recall, precision, *told)


def _told(hits: int, figure: Mapping[str, Any], none: str) -> tuple[str, str]:
    return (none, "") if figure["value"] is None else (share(figure), f"{hits:,} of {figure['n']:,}")
