"""What a finished model says: one answer per input, and metrics on labelled data."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headstart.files import replacing
from headstart.prove.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer: labels with their confidence, or a number; where the input could not be read, `error` says why and nothing
    is predicted.

    Of a quantity there is no label, but its `value` in the user's own unit and the ends `low` and `high` of the interval that
    holds nine of ten new values.
    """

    id: str
    labels: tuple[str, ...]
    confidence: float | None
    probabilities: Mapping[str, float]
    error: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers in the order of the inputs; `are_numbers` where a quantity is predicted."""

    rows: tuple[Prediction, ...]
    classes: tuple[str, ...]
    are_numbers: bool = False

    def to_csv(self, path: str | Path) -> None:
        """Write id, predicted, confidence, error and one probability per class; for numbers id, value, low, high and error."""
        header, line = (NUMBERS, _number_line) if self.are_numbers else (LABELS, self._label_line)
        with replacing(Path(path)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*header, *(f"p:{name}" for name in self.classes)])
            writer.writerows(line(row) for row in self.rows)

    def _label_line(self, row: Prediction) -> list[str]:
        chances = [f"{row.probabilities[name]:.6g}" if row.probabilities else "" for name in self.classes]
        confidence = "" if row.confidence is None else f"{row.confidence:.6g}"
        return [row.id, ";".join(row.labels), confidence, row.error or "", *chances]

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        from headstart.report.notebook import html_predictions

        return html_predictions(self)


LABELS = ("id", "predicted", "confidence", "error")
NUMBERS = ("id", "value", "low", "high", "error")


def _number_line(row: Prediction) -> list[str]:
    figures = ("" if figure is None else f"{figure:.9g}" for figure in (row.value, row.low, row.high))
    return [row.id, *figures, row.error or ""]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a model on labelled data, each with a 95 % interval."""

    n: int
    metrics: Mapping[str, Estimate]
    confusion: Mapping[str, Any] | None
    set_aside: tuple[str, ...] = ()
    unknown_labels: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "n": self.n,
            "metrics": {name: asdict(estimate) for name, estimate in self.metrics.items()},
            "confusion": self.confusion,
            "set_aside": list(self.set_aside),
            "unknown_labels": list(self.unknown_labels),
        }


def answer(name: str, said: Sequence[float], labels: tuple[str, ...], classes: Sequence[str], kind: str) -> Prediction:
    """One answer of a task of this kind, from what it says of one example."""
    if kind == "quantity":
        value, low, high = map(float, said)
        return Prediction(name, (), None, {}, value=value, low=low, high=high)
    return Prediction(name, labels, confidence(said, kind), dict(zip(classes, map(float, said), strict=True)))


def confidence(chances_K: Sequence[float], kind: str) -> float:
    """The probability of the predicted class; for several labels, that of the least certain decision."""
    if kind == "multi":
        return float(min(max(chance, 1 - chance) for chance in chances_K))
    if kind == "ordinal":
        upto = 0.0
        for chance in chances_K:  # the median class, as the task decides
            upto += chance
            if upto >= 0.5:
                return float(chance)
    return float(max(chances_K))
