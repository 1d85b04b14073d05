"""The panel of answers that stand in a text: right and wrong ones, each marked in its context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from headstart.report import words
from headstart.report.story import Story
from headstart.run.answers import AnswerRow

View = Mapping[str, Any]
RIGHT, WRONG = 3, 6
AROUND = 160
"""Characters of the context that are shown to either side."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a context and how it is marked: `said`, `truth`, `both`, or not at all."""

    text: str
    mark: str = ""


def answers(story: Story) -> View | None:
    """The surest wrong answers and the surest right ones; how often none was given."""
    rows = story.answers
    if not rows:
        return None
    surest = sorted(rows, key=lambda row: -row.confidence)
    none = [row for row in rows if not row.true]
    return {
        "right": [_shown(row) for row in surest if row.exact and row.true][:RIGHT],
        "wrong": [_shown(row) for row in surest if not row.exact][:WRONG],
        "exact": sum(row.exact for row in rows),
        "of": len(rows),
        "none": len(none),
        "none_right": sum(not row.predicted for row in none),
        "none_said": sum(not row.predicted for row in rows),
        "threshold": _threshold(story.result.calibration),
    }


def _threshold(found: Mapping[str, Any] | None) -> str:
    """The threshold in words; empty where an answer is always given."""
    if not found or found["threshold"] >= found["always"]:
        return ""
    return words.number(found["threshold"])


def _shown(row: AnswerRow) -> View:
    return {
        "id": row.id,
        "question": row.question,
        "said": row.predicted or "no answer",
        "truth": " / ".join(row.true) or "no answer",
        "sure": words.percent(row.confidence, 0),
        "f1": words.percent(row.f1, 0),
        "pieces": pieces(row),
    }


def pieces(row: AnswerRow) -> list[Piece]:
    """The part of the context around what was said and the nearest right answer, in pieces."""
    said = (row.begin, row.end) if row.predicted else None
    truth = nearest(row)
    ends = [one for one in (said, truth) if one is not None] or [(0, 0)]
    low = max(0, min(begin for begin, _ in ends) - AROUND)
    high = min(len(row.context), max(end for _, end in ends) + AROUND)
    cuts = sorted({low, high, *(place for one in ends for place in one)})
    found = [Piece("… ")] if low else []
    for begin, end in pairwise(cuts):
        marks = [name for name, one in (("said", said), ("truth", truth)) if one and one[0] <= begin and end <= one[1]]
        found.append(Piece(row.context[begin:end], "both" if len(marks) == 2 else "".join(marks)))
    return [*found, *([Piece(" …")] if high < len(row.context) else [])]


def nearest(row: AnswerRow) -> tuple[int, int] | None:
    """Where the right answer stands that lies nearest to what was said; None without one."""
    places = []
    for text in row.true:
        place = row.context.find(text)
        while place >= 0:
            places.append((place, place + len(text)))
            place = row.context.find(text, place + 1)
    return min(places, key=lambda one: abs(one[0] - row.begin), default=None)
