"""`predictions.csv` of answers that stand in a text: every test question with what is right and what was said.

Columns: `id`, `question`, `true` (several are joined with `;` as class names are, empty where there is no answer), `predicted` (empty for none),
`confidence`, `f1`, `exact`, `begin` and `end` (the characters of what was said in its context) and `fold`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.files import replacing
from headstart.run.predictions import join_names, safe_cell

ANSWER_COLUMNS = ("id", "question", "true", "predicted", "confidence", "f1", "exact", "begin", "end", "fold")


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One test question as the model answered it. `begin` and `end` are the characters of `predicted` in the context, 0 and 0 for no answer;
    `true` holds the right answers, none where there is none.
    """

    id: str
    question: str
    context: str
    true: tuple[str, ...]
    predicted: str
    confidence: float
    f1: float
    exact: bool
    begin: int
    end: int
    fold: int


def write_answers(path: Path, rows: Sequence[AnswerRow]) -> None:
    """Write `rows` in their order, with the columns ANSWER_COLUMNS."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(ANSWER_COLUMNS)
        for row in rows:
            texts = map(safe_cell, (row.id, row.question, join_names(row.true), row.predicted))
            figures = (f"{row.confidence:.6g}", f"{row.f1:.6g}", int(row.exact), row.begin, row.end, row.fold)
            writer.writerow([*texts, *figures])
