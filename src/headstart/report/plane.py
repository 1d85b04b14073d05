"""Where things stand on a plane of pixels: geometry for inline SVG, no drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10, sqrt
from typing import Any

WIDTH, HEIGHT, EDGE = 560.0, 320.0, 44.0
LINE = 13.0
"""Height of a line of small text."""


@dataclass(frozen=True, slots=True)
class Point:
    """A named dot in pixels; `label_y` is where its name stands, moved so that names do not cover each other."""

    name: str
    x: float
    y: float
    radius: float
    label_y: float
    anchor: str
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis, in pixels, with its text."""

    at: float
    text: str


def sources_map(places: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The target among the sources; distances keep their proportions."""
    xs, ys = [one["x"] for one in places], [one["y"] for one in places]
    span = max(max(xs) - min(xs), (max(ys) - min(ys)) * WIDTH / HEIGHT, 1e-9)
    scale = (WIDTH - 4 * EDGE) / span
    left, top = 2 * EDGE + (WIDTH - 4 * EDGE - scale * (max(xs) - min(xs))) / 2, HEIGHT / 2
    middle = (max(ys) + min(ys)) / 2
    drafts = [
        (one["name"], left + scale * (one["x"] - min(xs)), top + scale * (one["y"] - middle), number == 0)
        for number, one in enumerate(places)
    ]
    return _labelled([(name, x, y, 9.0 if strong else 6.0, name, strong) for name, x, y, strong in drafts])


def pareto(entries: Sequence[Mapping[str, Any]], strategy: str) -> tuple[list[Point], list[Tick], list[Tick]]:
    """Left-out accuracy against the seconds of a trial of `strategy`, on a logarithmic scale; the dot's area is the size."""
    known = [(entry, _cost(entry, strategy)) for entry in entries]
    seconds = [max(0.1, cost) for _, cost in known]
    low, high = log10(min(seconds)) - 0.15, log10(max(seconds)) + 0.15
    least, most = min(entry["score"] for entry in entries), max(entry["score"] for entry in entries)
    pad = max(0.01, 0.15 * (most - least))
    least, most = max(0.0, least - pad), min(1.0, most + pad)
    biggest = max((entry["parameters"] or 0 for entry in entries), default=0) or 1

    def x(value: float) -> float:
        return float(EDGE + (WIDTH - 2 * EDGE) * (log10(max(0.1, value)) - low) / max(high - low, 1e-9))

    def y(value: float) -> float:
        return float(EDGE / 2 + (HEIGHT - 1.5 * EDGE) * (most - value) / max(most - least, 1e-9))

    drafts = [
        (
            entry["backbone"],
            x(cost),
            y(entry["score"]),
            4 + 8 * sqrt((entry["parameters"] or 0) / biggest),
            f"{entry['backbone']}: {entry['score']:.1%}, {cost:.0f} s",
            number == 0,
        )
        for number, (entry, cost) in enumerate(known)
    ]
    marks = [value for power in range(-1, 7) for value in (10.0**power, 3 * 10.0**power) if low <= log10(value) <= high]
    steps = [least + (most - least) * part / 4 for part in range(5)]
    return (
        _labelled(drafts),
        [Tick(x(value), _seconds(value)) for value in marks],
        [Tick(y(value), f"{100 * value:.0f} %") for value in steps],
    )


def curve(values: Sequence[float], width: float = 150.0, height: float = 44.0) -> list[tuple[float, float]]:
    """A line through values from left to right, the least at the bottom."""
    low, high = min(0.0, *values), max(*values, 1e-9)
    step = width / max(1, len(values) - 1)
    return [
        (round(3 + (width - 6) / width * step * number, 1), round(4 + (height - 8) * (high - value) / (high - low), 1))
        for number, value in enumerate(values)
    ]


def front(entries: Sequence[Mapping[str, Any]], strategy: str) -> set[str]:
    """Who is beaten by nobody in accuracy, cost and size together."""
    rows = [(entry["backbone"], entry["score"], _cost(entry, strategy), entry["parameters"] or 0) for entry in entries]
    return {
        name
        for name, score, cost, size in rows
        if not any(
            (other_score >= score and other_cost <= cost and other_size <= size)
            and (other_score > score or other_cost < cost or other_size < size)
            for _, other_score, other_cost, other_size in rows
        )
    }


def _cost(entry: Mapping[str, Any], strategy: str) -> float:
    return next(float(cost["seconds"]) for cost in entry["outlook"]["costs"] if cost["strategy"] == strategy)


def _seconds(value: float) -> str:
    return f"{value:g} s" if value < 60 else f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.0f} h"


def _labelled(drafts: Sequence[tuple[str, float, float, float, str, bool]]) -> list[Point]:
    """Dots with their names beside them, names pushed apart where two would stand on one line."""
    points: list[Point] = []
    taken: list[tuple[bool, float, float]] = []
    for name, x, y, radius, text, strong in sorted(drafts, key=lambda draft: draft[2]):
        left_side = x > WIDTH * 0.62
        label_y = y + 4
        for side, other_x, other_y in taken:
            if side == left_side and abs(other_x - x) < 190 and label_y < other_y + LINE:
                label_y = other_y + LINE
        taken.append((left_side, x, label_y))
        points.append(
            Point(
                name,
                round(x, 1),
                round(y, 1),
                round(radius, 1),
                round(label_y, 1),
                "end" if left_side else "start",
                text,
                strong,
            )
        )
    return points
