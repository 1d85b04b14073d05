"""`predictions.csv` of labelled words: every true and every said span of the test texts, one a row.

Columns: `id` of the text, `begin` and `end` (characters of the text, of the true span where there is one), `text`, `true` and `predicted` (types, empty for none),
`error` (empty where it is right), `said_begin` and `said_end`, `confidence` and `fold`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.files import replacing
from headstart.run.predictions import safe_cell

RIGHT = "right"
"""What nothing is wrong with, as `prove.tag_errors` calls it."""
TAG_COLUMNS = ("id", "begin", "end", "text", "true", "predicted", "error", "said_begin", "said_end", "confidence", "fold")


@dataclass(frozen=True, slots=True)
class Mark:
    """A true span and the one that was said for it, each with its first character, the one after its last, and its type, or None; `kind` says what is
    wrong, as `prove.tag_errors` has it, and `confidence` is that of what was said.
    """

    true: tuple[int, int, str] | None
    said: tuple[int, int, str] | None
    kind: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class TagRow:
    """One test text with its spans."""

    id: str
    text: str
    marks: tuple[Mark, ...]
    fold: int

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return all(mark.kind == RIGHT for mark in self.marks)


def write_tags(path: Path, rows: Sequence[TagRow]) -> None:
    """Write the spans of `rows` in their order, with the columns TAG_COLUMNS."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(TAG_COLUMNS)
        for row in rows:
            for mark in row.marks:
                begin, end, _ = mark.true or mark.said or (0, 0, "")
                said = mark.said or ("", "", "")
                sure = "" if mark.confidence is None else f"{mark.confidence:.6g}"
                texts = (safe_cell(row.text[begin:end]), safe_cell(mark.true[2] if mark.true else ""), safe_cell(str(said[2])))
                writer.writerow([safe_cell(row.id), begin, end, *texts, "" if mark.kind == RIGHT else mark.kind, *said[:2], sure, row.fold])
