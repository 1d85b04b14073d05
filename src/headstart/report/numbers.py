"""The panels of a quantity: what was said against what is true, how far off, and whether intervals hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.report import chart, words
from headstart.report.story import Story
from headstart.run.predictions import NumberRow

View = Mapping[str, Any]
POINTS = 1500
"""Beyond, every so many-th example is drawn, so that the page stays small."""
SHOWN = 12
ROOM = 200_000
BARS = 21


@dataclass(frozen=True, slots=True)
class Frame:
    """A square of `side` pixels at (`left`, `top`) with the same scale of numbers on both axes."""

    axis: chart.Axis
    left: float = 64
    top: float = 12
    side: float = 280

    def x(self, value: float) -> float:
        """The column of a value."""
        return round(self.left + self.side * self._share(value), 1)

    def y(self, value: float) -> float:
        """The line of a value, upwards."""
        return round(self.top + self.side * (1 - self._share(value)), 1)

    def _share(self, value: float) -> float:
        return (value - self.axis.low) / (self.axis.high - self.axis.low)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram in pixels, with what it holds in words."""

    x: float
    y: float
    width: float
    height: float
    text: str


def scatter(story: Story) -> View | None:
    """Predicted against true, and how the differences are spread."""
    rows = story.numbers
    if not rows:
        return None
    ends = [{"value": row.true} for row in rows] + [{"value": row.predicted} for row in rows]
    frame = Frame(chart.number_axis(ends, from_zero=False))
    shown = rows[:: max(1, -(-len(rows) // POINTS))]
    bars, off = residuals(rows)
    return {
        "frame": frame,
        "spots": [
            (frame.x(row.true), frame.y(row.predicted), f"{row.id}: said {words.number(row.predicted)}, is {words.number(row.true)}")
            for row in shown
        ],
        "drawn": len(shown),
        "of": len(rows),
        "bars": bars,
        "off": off,
        "bias": words.number(sum(row.off for row in rows) / len(rows)),
    }


def residuals(
    rows: Sequence[NumberRow], *, width: float = 280, height: float = 180, left: float = 20, top: float = 12
) -> tuple[list[Bar], list[tuple[float, str]]]:
    """How many predictions are too large or too small, and by how much: bars, and marks of the axis below them."""
    off = [row.off for row in rows]
    reach = max(max(map(abs, off)), 1e-12 * max(1.0, *(abs(row.true) for row in rows)))
    counts = [0] * BARS
    for value in off:
        counts[min(BARS - 1, int((value + reach) / (2 * reach) * BARS))] += 1
    step, most = width / BARS, max(counts)
    bars = []
    for place, count in enumerate(counts):
        low, high = (-reach + 2 * reach * edge / BARS for edge in (place, place + 1))
        tall = round(height * count / most, 1)
        text = f"{count} off by {words.number(low)} to {words.number(high)}"
        bars.append(Bar(round(left + place * step, 1), round(top + height - tall, 1), round(step - 1, 1), tall, text))
    marks = [(left + width * share, words.number((2 * share - 1) * reach)) for share in (0.0, 0.5, 1.0)]
    return bars, marks


def far_off(story: Story) -> View | None:
    """The examples whose prediction is farthest from the truth."""
    if not story.numbers:
        return None
    gallery = story.gallery(ROOM)
    worst = sorted(story.numbers, key=lambda row: -abs(row.off))[:SHOWN]
    return {"examples": [gallery.show_number(row) for row in worst], "of": len(story.numbers)}


def intervals(story: Story) -> View | None:
    """How wide prediction intervals are, and how many test values they hold."""
    found = story.result.calibration
    if not found or "coverage" not in found:
        return None
    return {
        "level": words.percent(found["level"], 0),
        "coverage": words.share(found["coverage"]),
        "reach": words.number(found["reach"]),
        "width": words.number(found["width"]),
        "holds": found["coverage"]["high"] is None or found["coverage"]["high"] >= found["level"],
    }
