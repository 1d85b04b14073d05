"""Where things stand on a plane of pixels: geometry for inline SVG, no drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10, sqrt
from typing import Any

from headstart.report import chart

WIDTH, HEIGHT, EDGE = 560.0, 320.0, 52.0
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
    costs = [max(1.0, _cost(entry, strategy)) for entry in entries]
    low, high = log10(min(costs)) - 0.2, log10(max(costs)) + 0.2
    scale = chart.axis([{"value": entry["score"]} for entry in entries])
    biggest = max((entry["parameters"] or 0 for entry in entries), default=0) or 1

    def x(value: float) -> float:
        return float(EDGE + (WIDTH - 1.5 * EDGE) * (log10(value) - low) / (high - low))

    def y(value: float) -> float:
        return float(EDGE / 2 + (HEIGHT - 1.5 * EDGE) * (scale.high - value) / (scale.high - scale.low))

    drafts = [
        (
            entry["backbone"],
            x(cost),
            y(entry["score"]),
            4 + 7 * sqrt((entry["parameters"] or 0) / biggest),
            f"{entry['backbone']}: {entry['score']:.1%}, {cost:.0f} s",
            number == 0,
        )
        for number, (entry, cost) in enumerate(zip(entries, costs, strict=True))
    ]
    return (
        _labelled(drafts),
        [Tick(round(x(value), 1), text) for value, text in MARKS if low <= log10(value) <= high],
        [Tick(round(y(value), 1), f"{100 * value:g} %") for value in scale.ticks],
    )


MARKS = (
    (1, "1 s"), (3, "3 s"), (10, "10 s"), (30, "30 s"), (60, "1 min"), (180, "3 min"), (600, "10 min"), (1800, "30 min"),
    (3600, "1 h"), (10_800, "3 h"), (36_000, "10 h"), (86_400, "1 d"), (259_200, "3 d"),
)  # fmt: skip
"""Times that an axis may show, in seconds."""


def curve(values: Sequence[float], width: float = 150.0, height: float = 44.0) -> list[tuple[float, float]]:
    """A line through values from left to right, the least at the bottom."""
    low, high = min(0.0, *values), max(*values, 1e-9)
    step = width / max(1, len(values) - 1)
    return [
        (round(3 + (width - 6) / width * step * number, 1), round(4 + (height - 8) * (high - value) / (high - low), 1))
        for number, value in enumerate(values)
    ]


def front(entries: Sequence[Mapping[str, Any]], strategy: str) -> set[str]:
    """Who is beaten by nobody in accuracy, cost and size together; times within SAME_TIME of each other are the same."""
    rows = [(entry["backbone"], entry["score"], _cost(entry, strategy), entry["parameters"] or 0) for entry in entries]
    return {name for name, *own in rows if not any(_beats(other, own) for _, *other in rows)}


SAME_TIME = 1.25


def _beats(other: Sequence[float], own: Sequence[float]) -> bool:
    (better, less, smaller), (score, cost, size) = other, own
    as_good = better >= score and less <= SAME_TIME * cost and smaller <= size
    return as_good and (better > score or SAME_TIME * less < cost or smaller < size)


def _cost(entry: Mapping[str, Any], strategy: str) -> float:
    return next(float(cost["seconds"]) for cost in entry["outlook"]["costs"] if cost["strategy"] == strategy)


def _labelled(drafts: Sequence[tuple[str, float, float, float, str, bool]]) -> list[Point]:
    """Dots with their names beside them, each name where it covers neither a dot nor another name, if there is room."""
    taken = [(x - radius, y - radius, x + radius, y + radius) for _, x, y, radius, _, _ in drafts]
    points = []
    for name, x, y, radius, text, strong in drafts:
        length = LETTER * len(name)
        places = [
            (anchor, y + 4 + line * LINE, _box(x, y + line * LINE, radius, length, anchor))
            for line in (0, 1, -1, 2, -2, 3, -3)
            for anchor in ("start", "end")
        ]
        inside = [place for place in places if place[2][0] > 2 and place[2][2] < WIDTH - 2]
        free = [place for place in inside if not any(_overlap(place[2], other) for other in taken)]
        anchor, label_y, box = (free or inside or places)[0]
        taken.append(box)
        points.append(Point(name, round(x, 1), round(y, 1), round(radius, 1), round(label_y, 1), anchor, text, strong))
    return points


LETTER = 6.9
"""About how wide a letter of small text is."""


def _box(x: float, y: float, radius: float, length: float, anchor: str) -> tuple[float, float, float, float]:
    near, far = radius + 4, radius + 5 + length
    return (x + near, y - 7, x + far, y + 6) if anchor == "start" else (x - far, y - 7, x - near, y + 6)


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
