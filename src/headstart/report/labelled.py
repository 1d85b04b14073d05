"""The panels of labelled words: how each type fared, and test texts with what is true and what was said, side by side in colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.prove.tag_errors import BOTH, INVENTED, LIMITS, MISSED, RIGHT, TYPE
from headstart.report import chart, words
from headstart.report.story import Story
from headstart.run.tags import Mark, TagRow

View = Mapping[str, Any]
WRONG_SHOWN, RIGHT_SHOWN, EACH = 12, 3, 3
"""Texts with a mistake and without one that are shown, and examples of each kind of mistake."""
LIST_LENGTH, CONFUSIONS = 30, 8
COLOURS = 8
"""Colours there are; further types share them."""
ROOM = 420
"""Characters that are shown of a text."""
TOLD = {
    MISSED: "a true span, and nothing was said there",
    INVENTED: "said where there is nothing",
    TYPE: "the right words, the wrong type",
    LIMITS: "the right type, other words too, or not all of them",
    BOTH: "neither the words nor the type",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text: plain, or with a type, its colour, and whether it is wrong."""

    text: str
    kind: str = ""
    colour: int = 0
    wrong: bool = False


def types(story: Story) -> View | None:
    """Each type with its precision, recall and F1, those with most true spans first."""
    found = story.result.spans
    if not found:
        return None
    ordered = sorted(found["types"], key=lambda one: (-one["true"], one["name"]))
    scale = chart.axis([{"value": 0.0}, {"value": 1.0}])
    rows = [
        {**one, "told": words.share(one["f1"]), "strip": chart.strip(scale, one["f1"], label=one["name"], note="", text=words.share(one["f1"]), strong=True)}
        for one in ordered
    ]
    return {"scale": scale, "first": rows[:LIST_LENGTH], "rest": rows[LIST_LENGTH:], "confused": _confused(found["confusion"])}


def _confused(found: Mapping[str, Any]) -> list[View]:
    """Which type was most often taken for which other."""
    names, counts = found["classes"][:-1], found["counts"]
    pairs = [(counts[i][j], names[i], names[j]) for i in range(len(names)) for j in range(len(names)) if i != j and counts[i][j]]
    return [{"times": times, "true": true, "said": said} for times, true, said in sorted(pairs, key=lambda one: (-one[0], one[1:]))[:CONFUSIONS]]


def labelled(story: Story) -> View | None:
    """Kinds of mistakes with examples, and texts with both their labels."""
    found, rows = story.result.spans, story.tagged
    if not found or not rows:
        return None
    colour = {one["name"]: number % COLOURS for number, one in enumerate(found["types"])}
    wrong = sorted((row for row in rows if not row.right), key=lambda row: -_surest(row))
    right = [row for row in rows if row.right and row.marks]
    return {
        "errors": [
            {"kind": kind, "times": times, "told": TOLD[kind], "examples": _examples(rows, kind)} for kind, times in found["errors"].items() if times
        ],
        "wrong": [_shown(row, colour) for row in wrong[:WRONG_SHOWN]],
        "right": [_shown(row, colour) for row in right[:RIGHT_SHOWN]],
        "count": len(wrong),
        "of": len(rows),
        "legend": [Piece(name, name, number) for name, number in colour.items()] if len(colour) <= COLOURS else [],
    }


def _surest(row: TagRow) -> float:
    return max(mark.confidence or 0.0 for mark in row.marks if mark.kind != RIGHT)


def _examples(rows: Any, kind: str) -> list[str]:
    """A few mistakes of one kind in words."""
    found = ((row, mark) for row in rows for mark in row.marks if mark.kind == kind)
    return [_told(row, mark) for _, (row, mark) in zip(range(EACH), found, strict=False)]


def _told(row: TagRow, mark: Mark) -> str:
    sides = [f"{words.clean(row.text[one[0] : one[1]])} ({one[2]})" for one in (mark.true, mark.said) if one is not None]
    return " → ".join(sides)


def _shown(row: TagRow, colour: Mapping[str, int]) -> View:
    wrong = [one for mark in row.marks if mark.kind != RIGHT for one in (mark.true, mark.said) if one]
    first = min((one[0] for one in wrong), default=0)
    low = 0 if len(row.text) <= ROOM else max(0, first - ROOM // 3)
    return {"id": row.id, "true": pieces(row, "true", colour, low), "said": pieces(row, "said", colour, low)}


def pieces(row: TagRow, side: str, colour: Mapping[str, int], low: int = 0) -> list[Piece]:
    """A text from the character `low` on, ROOM of them or a little more, its true spans or those that were said marked."""
    found = [Piece("… ")] if low else []
    high, at = low + ROOM, low
    marks = sorted((one, mark.kind != RIGHT) for mark in row.marks if (one := mark.true if side == "true" else mark.said))
    for (begin, end, kind), wrong in marks:
        if begin < at or begin >= high:
            continue
        found += [Piece(row.text[at:begin])] if begin > at else []
        found.append(Piece(row.text[begin:end], kind, colour.get(kind, 0), wrong))
        at = end
    if at < min(high, len(row.text)):
        found.append(Piece(row.text[at:high]))
    return [*found, *([Piece(" …")] if high < len(row.text) else [])]
