"""Geometry of two learning curves: labels on a logarithmic axis, shares right or mean errors, bands, and the gap between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from headstart.report import chart, words
from headstart.run.result import Figure

SIDES = ("transfer", "scratch")
LETTER, GAP = 8.0, 4.0
"""Pixels that a digit below the chart takes, and that two numbers keep apart."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A box of `width` × `height` pixels at (`left`, `top`): labels from `fewest` to `most`, values on `scale`."""

    fewest: float
    most: float
    scale: chart.Axis
    left: float = 48
    top: float = 20
    width: float = 520
    height: float = 280

    def x(self, labels: float) -> float:
        """The column of a number of labels."""
        return round(self.left + self.width * log(labels / self.fewest) / log(self.most / self.fewest), 1)

    def y(self, value: float) -> float:
        """The line of a value, upwards."""
        return round(self.top + self.height * (self.scale.high - value) / (self.scale.high - self.scale.low), 1)


@dataclass(frozen=True, slots=True)
class Side:
    """One curve: a `line` and a `band` as SVG points, and the measured `dots` (x, y, what they say)."""

    name: str
    line: str
    band: str
    dots: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """The distance between the curves, from `left` to `right` on line `y`."""

    left: float
    right: float
    y: float


def frame(points: Sequence[Mapping[str, Any]], *, is_off: bool = False) -> Frame:
    """A box that holds all points and their intervals; `is_off` says that they are mean errors, lower is better."""
    figures = [point[side] for point in points for side in SIDES if point[side] is not None]
    scale = chart.number_axis(figures, from_zero=False) if is_off else chart.axis(figures)
    return Frame(points[0]["labels"], points[-1]["labels"], scale)


def marks(box: Frame, points: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """The sizes below the chart: where each stands, and its number where that does not run into a neighbour's."""
    places = [(box.x(point["labels"]), f"{point['labels']:,}") for point in points]
    told = [places[0], places[-1]]
    for x, text in places[1:-1]:
        if all(abs(x - other) >= LETTER * (len(text) + len(word)) / 2 + GAP for other, word in told):
            told.append((x, text))
    return [(x, text if (x, text) in told else "") for x, text in places]


def side(box: Frame, points: Sequence[Mapping[str, Any]], name: str) -> Side:
    """The curve of one side, which need not have all of the points."""
    points = [point for point in points if point[name] is not None]
    columns = [box.x(point["labels"]) for point in points]
    ends = [(_end(point[name], "low"), _end(point[name], "high")) for point in points]
    edge = [(x, high) for x, (_, high) in zip(columns, ends, strict=True)]
    edge += [(x, low) for x, (low, _) in reversed(list(zip(columns, ends, strict=True)))]
    return Side(
        name,
        line=_path([(x, box.y(point[f"{name}_curve"])) for x, point in zip(columns, points, strict=True)]),
        band=_path([(x, box.y(value)) for x, value in edge]),
        dots=tuple(
            (x, box.y(point[name]["value"]), f"{_level(box, point[name]['value'])} with {point['labels']:,} labels")
            for x, point in zip(columns, points, strict=True)
        ),
    )


def gap(box: Frame, level: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> Gap:
    """Where the two are level: at the best level that both reach."""
    ends = [[point[f"{name}_curve"] for point in points if point[name] is not None][-1] for name in SIDES]
    value = min(ends) if box.scale.percent else max(ends)
    # Sizes are told as whole labels, but of several folds they are means.
    left, right = sorted(min(max(level[f"{name}_labels"], box.fewest), box.most) for name in SIDES)
    return Gap(box.x(left), box.x(right), box.y(value))


def _level(box: Frame, value: float) -> str:
    return f"{value:.1%} right" if box.scale.percent else f"off by {words.number(value)}"


def _end(figure: Figure, name: str) -> float:
    """The end of an interval; the value itself where there is none."""
    value = figure[name] if figure[name] is not None else figure["value"]
    return float(value)


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)
