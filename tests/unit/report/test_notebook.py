"""What a notebook shows: the answer and a table, escaped, and one that needs nothing from outside."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from headstart.report.notebook import ROWS_SHOWN, html_predictions, html_summary
from tests.unit.report.runs import HOSTILE, RUNS, sample
from tests.unit.report.test_page import Seen


@dataclass(frozen=True)
class Row:
    id: str
    labels: tuple[str, ...]
    confidence: float | None
    error: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    loss: None = None
    spans: None = None


@dataclass(frozen=True)
class Rows:
    rows: tuple[Row, ...]


@pytest.mark.parametrize("name", RUNS)
def test_the_summary_is_whole_html(name):
    seen = Seen(html_summary(sample(name).result))
    assert (seen.open, seen.wrong) == ([], [])
    assert "script" not in {tag for tag, _ in seen.tags}
    assert seen.values("src") == []


def test_the_summary_begins_with_the_answer():
    words = Seen(html_summary(sample("digits").result)).words
    assert words.strip().startswith("Transfer helped: 92.5 % of test pictures right (90–94)")
    assert "Watch out for: 1 trial failed" in words


def test_predictions_are_a_table_with_errors_in_their_place():
    rows = (Row("a.jpg", ("ant", "bee"), 0.97), Row(HOSTILE, (), None), Row("c.jpg", (), None, "c.jpg: cut short."))
    page = html_predictions(Rows(rows))
    words = Seen(page).words
    assert "a.jpg" in words
    assert "ant, bee" in words
    assert "97 %" in words
    assert "none" in words
    assert "c.jpg: cut short." in words
    assert "<script" not in page


def test_numbers_stand_with_their_intervals():
    rows = (Row("a.jpg", (), None, value=3.2, low=-1.5, high=7.9), Row("b.jpg", (), None, "b.jpg: cut short."))
    words = Seen(html_predictions(Rows(rows))).words
    assert "3.20" in words
    assert "−1.50 to 7.90" in words
    assert "interval" in words
    assert "b.jpg: cut short." in words


def test_many_predictions_are_cut_short_and_counted():
    words = Seen(html_predictions(Rows((Row("a", ("b",), 1.0),) * (ROWS_SHOWN + 1234)))).words
    assert "and 1,234 more" in words
