"""Charts as geometry: what is drawn lies inside, in order, and on round ticks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.report.chart import MOST_STEPS, axis, spots, square, strip

SHARES = st.floats(0, 1)


def figure(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def filled(confidence, accuracy, count=10):
    low, high = max(0.0, accuracy - 0.1), min(1.0, accuracy + 0.1)
    ends = {"accuracy_low": low, "accuracy_high": high}
    return {"low": 0.0, "high": 1.0, "confidence": confidence, "accuracy": accuracy, "count": count, **ends}


EMPTY = {
    "low": 0.0,
    "high": 0.1,
    "confidence": None,
    "accuracy": None,
    "accuracy_low": None,
    "accuracy_high": None,
    "count": 0,
}


@given(st.lists(st.tuples(SHARES, SHARES, SHARES).map(sorted), min_size=1, max_size=6))
def test_an_axis_holds_every_value_and_interval(found):
    figures = [figure(value, low, high) for low, value, high in found]
    scale = axis(figures)
    assert 0 <= scale.low < scale.high <= 1
    assert 2 <= len(scale.ticks) <= MOST_STEPS + 2
    for row in (strip(scale, one, label="", note="", text="") for one in figures):
        assert 0 <= row.low <= row.dot <= row.high <= 100


@pytest.mark.parametrize(
    ("figures", "ticks"),
    [
        ([figure(0.95, 0.92, 0.98), figure(0.10, 0.08, 0.13)], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([figure(0.954, 0.92, 0.98), figure(0.81, 0.76, 0.86)], (0.75, 0.8, 0.85, 0.9, 0.95, 1.0)),
        ([figure(1.0)], (0.995, 1.0)),
        ([figure(0.0)], (0.0, 0.005)),
        ([figure(None)], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_ticks_are_round_and_few(figures, ticks):
    assert axis(figures).ticks == ticks


def test_a_strip_without_a_figure_has_no_dot_and_without_an_interval_no_line():
    scale = axis([figure(0.5)])
    assert strip(scale, figure(None), label="a", note="", text="–").dot is None
    bare = strip(scale, figure(0.5), label="a", note="", text="50 %")
    assert bare.dot is not None
    assert (bare.low, bare.high) == (None, None)


def test_places_grow_with_the_value():
    scale = axis([figure(0.2, 0.1, 0.4)])
    assert scale.place(scale.low) < scale.place(0.2) < scale.place(scale.high)
    assert scale.place(scale.low) > 0
    assert scale.place(scale.high) < 100


def test_calibration_spots_leave_out_empty_bins_and_lie_in_the_square():
    bins = [EMPTY, filled(0.7, 0.6, 3), filled(0.95, 0.97, 30)]
    frame = square(bins)
    found = spots(frame, bins)
    assert frame.low == 0.6
    assert len(found) == 2
    for spot in found:
        assert frame.left <= spot.x <= frame.left + frame.side
        assert frame.top <= spot.high <= spot.y <= spot.low <= frame.top + frame.side
    assert found[0].radius < found[1].radius
    assert found[0].text == "70% sure on average, 60% right, 3 answers"


def test_the_diagonal_of_the_calibration_square_is_where_confidence_is_right():
    frame = square([filled(0.5, 0.5)])
    for value in frame.ticks:
        assert frame.x(value) - frame.left == pytest.approx(frame.top + frame.side - frame.y(value), abs=0.11)
    assert frame.ticks[-1] == 1.0


def test_a_calibration_curve_without_answers_is_an_empty_square():
    assert square([EMPTY]).low == 0.0
    assert spots(square([]), []) == []
