"""What a finished model says: one answer per input, and metrics on labelled data."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.files import replacing
from headstart.prove.estimate import Estimate
from headstart.prove.spans import NOTHING, chosen
from headstart.prove.words import edges


@dataclass(frozen=True, slots=True)
class Found:
    """An answer that stands in a context, from the character `begin` to before `end`; "no answer" is the empty text at 0."""

    text: str
    probability: float
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """A span of a text, from the character `begin` to before `end`, with its label and the probability of all its words' tags."""

    text: str
    label: str
    begin: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class Loss:
    """How surprising a text is to a language model, over the tokens that count; None where none does."""

    tokens: int
    nats_per_token: float | None
    perplexity: float | None
    bits_per_byte: float | None

    @classmethod
    def of(cls, row: Sequence[float]) -> Loss:
        """From a row of `prove.losses`."""
        nats, tokens, size = (float(value) for value in row)
        mean = nats / tokens if tokens else None
        return cls(int(tokens), mean, None if mean is None else float(np.exp(mean)), nats / size / float(np.log(2)) if size else None)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer: labels with their confidence, or a number; where the input could not be read, `error` says why and nothing
    is predicted.

    Of a quantity there is no label, but its `value` in the user's own unit and the ends `low` and `high` of the interval that
    holds nine of ten new values. Of a question there are the `answers` in its context, the one that is given first, "no answer" among them. Of a
    language model there is the `loss` of the text; of a text whose words are labelled the `spans` in it, and `confidence` is that of the least sure.
    """

    id: str
    labels: tuple[str, ...]
    confidence: float | None
    probabilities: Mapping[str, float]
    error: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    answers: tuple[Found, ...] = ()
    loss: Loss | None = None
    spans: tuple[Labelled, ...] | None = None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers in the order of the inputs; `kind` is the kind of labels that are predicted."""

    rows: tuple[Prediction, ...]
    classes: tuple[str, ...]
    kind: str = "single"

    @property
    def are_numbers(self) -> bool:
        """Whether a quantity is predicted."""
        return self.kind == "quantity"

    def to_csv(self, path: str | Path) -> None:
        """Write id, predicted, confidence, error and one probability per class; for numbers id, value, low, high and error; for
        questions id, answer, confidence, begin, end and error; for a language model id, tokens, nats_per_token, perplexity, bits_per_byte and
        error; for labelled words id, label, text, begin, end, confidence and error, a line for each span.
        """
        others = {"quantity": (NUMBERS, _number_line), "span": (ANSWERS, _answer_line), "language": (LOSSES, _loss_line), "tags": (SPANS, _loss_line)}
        header, line = others.get(self.kind, (LABELS, self._label_line))
        with replacing(Path(path)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*header, *(f"p:{name}" for name in self.classes)])
            writer.writerows(one for row in self.rows for one in (_span_lines(row) if self.kind == "tags" else [line(row)]))

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


ANSWERS = ("id", "answer", "confidence", "begin", "end", "error")


LOSSES = ("id", "tokens", "nats_per_token", "perplexity", "bits_per_byte", "error")


SPANS = ("id", "label", "text", "begin", "end", "confidence", "error")


def _span_lines(row: Prediction) -> list[list[str]]:
    """A line for each span; one without any for a text that has none, or could not be read."""
    lines = [[row.id, one.label, one.text, str(one.begin), str(one.end), f"{one.probability:.6g}", ""] for one in row.spans or ()]
    return lines or [[row.id, "", "", "", "", "", row.error or ""]]


def _loss_line(row: Prediction) -> list[str]:
    figures = astuple(row.loss) if row.loss else (None,) * 4
    return [row.id, *("" if figure is None else f"{figure:.9g}" for figure in figures), row.error or ""]


def _answer_line(row: Prediction) -> list[str]:
    if not row.answers:
        return [row.id, "", "", "", "", row.error or ""]
    given = row.answers[0]
    return [row.id, given.text, f"{given.probability:.6g}", str(given.begin), str(given.end), ""]


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


def found_in(context: str, said: Sequence[float]) -> list[Found]:
    """The answers in a context, the one that is given first, then by probability; of those that read alike the most probable.

    `said` is the threshold for "no answer" and a row of `prove.spans`.
    """
    row = np.asarray(said, dtype=np.float64)[None]
    words = edges(context)

    def found(first: int, last: int, log: float) -> Found:
        begin, end = (int(words[0, first - 1]), int(words[1, last - 1])) if first else (0, 0)
        return Found(context[begin:end], float(min(1.0, np.exp(log))), begin, end)

    spans = [(score, int(first), int(last)) for score, first, last in row[0, 2:].reshape(-1, 3) if score > NOTHING / 2]
    every = [found(first, last, score) for score, first, last in [*spans, (row[0, 1], 0, 0)]]
    first, last = (int(place) for place in chosen(row[:, 1:], row[:, 0])[0])
    given = next((one for one, (_, a, b) in zip(every, [*spans, (0.0, 0, 0)], strict=True) if (a, b) == (first, last)))
    distinct: dict[str, Found] = {given.text: given}
    for one in sorted(every, key=lambda one: -one.probability):
        distinct.setdefault(one.text, one)
    return list(distinct.values())


def answer(
    name: str, said: Sequence[float], labels: tuple[str, ...], classes: Sequence[str], kind: str, example: Any = None
) -> Prediction:
    """One answer of a task of this kind, from what it says of one (decoded) example."""
    if kind == "span":
        found = tuple(found_in(example if isinstance(example, str) else example[1], said))
        return Prediction(name, (found[0].text,) if found[0].text else (), found[0].probability, {}, answers=found)
    if kind == "language":
        return Prediction(name, (), None, {}, loss=Loss.of(said))
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
