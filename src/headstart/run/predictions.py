r"""`predictions.csv`: every test example with its true and predicted labels and the probabilities behind them.

Columns: `id`, `true`, `predicted`, `confidence`, `fold`, then one probability per class, `p:NAME`. Several labels are
joined with `;`; a `;` or `\\` inside a name is written `\\;` or `\\\\`. A text that a spreadsheet would run as a formula
(it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) gets a `'` in front, the mark that spreadsheets use
themselves; reading takes it away again, so that what is read is what was written. Of a quantity the columns are `id`,
`true`, `predicted`, `low`, `high` and `fold`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import RunError
from headstart.files import replacing

NUMBER_COLUMNS = ("id", "true", "predicted", "low", "high", "fold")
COLUMNS = ("id", "true", "predicted", "confidence", "fold")
FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """One test example as the model saw it.

    `confidence` is the probability of the predicted label, or of the least certain decision where there are several;
    `fold` numbers the split whose test part the example was in; `probabilities` (K) follow the order of the classes.
    """

    id: str
    true: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: float
    fold: int
    probabilities: tuple[float, ...]

    @property
    def right(self) -> bool:
        """Whether exactly the true labels were predicted."""
        return set(self.true) == set(self.predicted)


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One test example of a quantity as the model saw it, in the user's own unit; `low` and `high` end its interval."""

    id: str
    true: float
    predicted: float
    low: float
    high: float
    fold: int

    @property
    def off(self) -> float:
        """By how much the prediction is too large."""
        return self.predicted - self.true


def write_numbers(path: Path, rows: Sequence[NumberRow]) -> None:
    """Write the predictions of a quantity in their order, with the columns NUMBER_COLUMNS."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(NUMBER_COLUMNS)
        for row in rows:
            figures = (f"{figure:.9g}" for figure in (row.true, row.predicted, row.low, row.high))
            writer.writerow([safe_cell(row.id), *figures, row.fold])


def read_numbers(path: Path) -> list[NumberRow]:
    """The rows that `write_numbers` wrote; raises RunError where the file is missing or another kind."""
    lines = _lines(path, NUMBER_COLUMNS)
    return [number_row(plain_cell(line[0]), [float(cell) for cell in line[1:5]], int(line[5])) for line in lines[1:]]


def number_row(name: str, figures: Sequence[float], fold: int) -> NumberRow:
    """A row from its true and predicted number and the ends of its interval, in this order."""
    true, predicted, low, high = map(float, figures)
    return NumberRow(name, true, predicted, low, high, fold)


def write_predictions(path: Path, rows: Sequence[PredictionRow], classes: Sequence[str]) -> None:
    """Write `rows` in their order; `classes` names the probability columns."""
    with (
        replacing(path) as temporary,
        # A file name that is no Unicode is written with escapes: a run must not fail at its last step.
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *(f"p:{name}" for name in classes)])
        for row in rows:
            texts = (safe_cell(row.id), safe_cell(join_names(row.true)), safe_cell(join_names(row.predicted)))
            chances = (f"{chance:.6g}" for chance in row.probabilities)
            writer.writerow([*texts, f"{row.confidence:.6g}", row.fold, *chances])


def read_predictions(path: Path) -> tuple[tuple[str, ...], list[PredictionRow]]:
    """The classes and rows that `write_predictions` wrote; raises RunError where the file is missing or another kind."""
    lines = _lines(path, COLUMNS)
    classes = tuple(name.removeprefix("p:") for name in lines[0][len(COLUMNS) :])
    return classes, [_row(line) for line in lines[1:]]


def _lines(path: Path, columns: Sequence[str]) -> list[list[str]]:
    if not path.is_file():
        raise RunError(f"{path}: no such file. Run `headstart fit` to its end first.")
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    if not lines or lines[0][: len(columns)] != list(columns):
        raise RunError(f"{path}: not a predictions.csv of a run (its columns begin with {', '.join(columns)}).")
    return lines


def _row(line: Sequence[str]) -> PredictionRow:
    name, true, predicted = (plain_cell(cell) for cell in line[:3])
    chances = tuple(map(float, line[len(COLUMNS) :]))
    return PredictionRow(name, split_names(true), split_names(predicted), float(line[3]), int(line[4]), chances)


def safe_cell(text: str) -> str:
    """`text` with a `'` in front where a spreadsheet would run it as a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def plain_cell(text: str) -> str:
    """The inverse of `safe_cell`."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def join_names(names: Sequence[str]) -> str:
    """Class names in one cell."""
    return ";".join(name.replace("\\", "\\\\").replace(";", "\\;") for name in names)


def split_names(cell: str) -> tuple[str, ...]:
    """The inverse of `join_names`; an empty cell holds no name."""
    if not cell:
        return ()
    names = re.findall(r"(?:^|;)((?:[^;\\]|\\.)*)", cell, flags=re.DOTALL)
    return tuple(re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) for name in names)
