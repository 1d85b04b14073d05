"""Where dots, intervals and ticks stand: geometry for the inline SVG, no drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10, sqrt

from headstart.run.result import Figure

STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
MOST_STEPS = 5
MARGIN = 3.0
"""Per cent of the width kept free at both ends, so that a dot on the edge is whole."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from `low` to `high` with `ticks` at values, for shares (told in per cent) or for plain numbers."""

    low: float
    high: float
    ticks: tuple[float, ...]
    percent: bool = True

    def told(self, tick: float) -> str:
        """A tick in words, without the sign for per cent."""
        return f"{tick * 100:g}" if self.percent else f"{tick:,.10g}"

    def place(self, value: float) -> float:
        """Where a value stands, in per cent of the width."""
        return round(MARGIN + (100 - 2 * MARGIN) * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of a dot-and-interval chart; positions in per cent of the width, None where there is no figure."""

    label: str
    note: str
    text: str
    dot: float | None
    low: float | None
    high: float | None
    strong: bool = False


def axis(figures: Sequence[Figure]) -> Axis:
    """A scale from 0 to 1 at most that holds all values and intervals, with round ticks, few enough for a phone."""
    known = [figure[end] for figure in figures for end in ("value", "low", "high") if figure.get(end) is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low, high = max(0.0, min(low, 1.0)), min(1.0, max(high, 0.0))
    for step in STEPS:
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        last = max(last, first + 1)
        if last - first <= MOST_STEPS:
            break
    first, last = (first - 1, last) if last * step > 1 + 1e-9 else (first, last)
    ticks = tuple(round(number * step, 4) for number in range(first, last + 1) if number * step <= 1 + 1e-9)
    return Axis(ticks[0], ticks[-1], ticks)


def number_axis(figures: Sequence[Figure], *, from_zero: bool = True) -> Axis:
    """A scale that holds all values and intervals of plain numbers, with round ticks; with `from_zero` it begins there."""
    known = [figure[end] for figure in figures for end in ("value", "low", "high") if figure.get(end) is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low = min(low, 0.0) if from_zero else low
    ticks = round_ticks(low, high)
    return Axis(ticks[0], ticks[-1], ticks, percent=False)


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """At most `MOST_STEPS` + 1 round numbers, evenly apart, the first not above `low` and the last not below `high`."""
    size = max(high - low, 1e-9 * max(abs(low), abs(high)), 1e-300)
    unit = 10.0 ** floor(log10(size / MOST_STEPS))
    for factor in (1, 2, 2.5, 5, 10, 20, 25):
        step = factor * unit
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        if last - first <= MOST_STEPS:
            break
    return tuple(round_to(number * step, step) for number in range(first, max(last, first + 1) + 1))


def round_to(value: float, step: float) -> float:
    """A multiple of `step` without what rounding adds to it."""
    return round(value, max(0, 2 - floor(log10(step))))


def strip(scale: Axis, figure: Figure, *, label: str, note: str, text: str, strong: bool = False) -> Strip:
    """A figure's row on a scale."""

    def at(end: str) -> float | None:
        value = figure.get(end)
        return None if value is None else scale.place(value)

    return Strip(label, note, text, at("value"), at("low"), at("high"), strong)


@dataclass(frozen=True, slots=True)
class Spot:
    """One bin of the calibration curve in pixels; `low` and `high` are the ends of its interval."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    text: str


@dataclass(frozen=True, slots=True)
class Square:
    """The calibration chart: a square of `side` pixels at (`left`, `top`), both axes from `low` to 1."""

    left: float = 48
    top: float = 12
    side: float = 280
    low: float = 0.0

    def x(self, value: float) -> float:
        """The column of a value."""
        return round(self.left + self.side * (value - self.low) / (1 - self.low), 1)

    def y(self, value: float) -> float:
        """The line of a value, upwards."""
        return round(self.top + self.side * (1 - max(value, self.low)) / (1 - self.low), 1)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round values on both axes."""
        step = 0.2 if self.low < 0.6 else 0.1
        return tuple(round(self.low + number * step, 2) for number in range(round((1 - self.low) / step) + 1))


def square(bins: Sequence[Figure]) -> Square:
    """The part of the unit square in which the bins lie, from a multiple of a fifth up to 1."""
    filled = [item for item in bins if item["count"]]
    least = min((min(item["confidence"], item["accuracy"]) for item in filled), default=0.0)
    return Square(low=round(min(0.8, floor(least * 5 + 1e-9) / 5), 1))


def spots(frame: Square, bins: Sequence[Figure]) -> list[Spot]:
    """The bins that hold answers; a dot's area grows with their number."""
    filled = [item for item in bins if item["count"]]
    most = max((item["count"] for item in filled), default=1)
    return [
        Spot(
            x=frame.x(item["confidence"]),
            y=frame.y(item["accuracy"]),
            low=frame.y(item["accuracy_low"]),
            high=frame.y(item["accuracy_high"]),
            radius=round(2.5 + 4.5 * sqrt(item["count"] / most), 1),
            text=f"{item['confidence']:.0%} sure on average, {item['accuracy']:.0%} right, {item['count']} answers",
        )
        for item in filled
    ]
