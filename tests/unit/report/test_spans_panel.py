"""Answers marked in their contexts."""

from __future__ import annotations

import pytest

from headstart.report.spans import nearest, pieces
from headstart.run.answers import ANSWER_COLUMNS, AnswerRow, write_answers

CONTEXT = "The lamp was lit in 1815. The lamp went out in 1900."


def row(predicted, true, *, context=CONTEXT, name="q"):
    begin = context.rfind(predicted) if predicted else 0
    return AnswerRow(name, "When?", context, true, predicted, 0.5, 0.0, False, begin, begin + len(predicted), 0)


@pytest.mark.parametrize(
    ("predicted", "true", "marks"),
    [
        ("1900", ("1815",), [("1815", "truth"), ("1900", "said")]),
        ("1900", ("1900",), [("1900", "both")]),
        ("in 1900", ("1900",), [("in ", "said"), ("1900", "both")]),
        ("", ("1815",), [("1815", "truth")]),
        ("1900", (), [("1900", "said")]),
        ("", (), []),
    ],
)
def test_what_was_said_and_what_is_right_are_marked_and_nothing_is_lost(predicted, true, marks):
    found = pieces(row(predicted, true))
    assert [(one.text, one.mark) for one in found if one.mark] == marks
    assert "".join(one.text for one in found) == CONTEXT


def test_a_long_context_is_shown_around_the_answers():
    context = "x " * 400 + "1815" + " y" * 400
    found = pieces(row("1815", ("1815",), context=context))
    assert [one.mark for one in found] == ["", "", "both", "", ""]
    assert found[0].text == "… "
    assert sum(len(one.text) for one in found) < 400


def test_of_several_right_answers_the_nearest_is_marked():
    assert nearest(row("1900", ("The lamp", "1815"))) == (26, 34)
    assert nearest(row("1900", ("gone",))) is None


def test_a_formula_in_an_answer_stays_a_text(tmp_path):
    write_answers(tmp_path / "p.csv", [row("=1+1", ("a;b",), context="=1+1", name="@q")])
    header, line = (tmp_path / "p.csv").read_text().splitlines()
    assert header == ",".join(ANSWER_COLUMNS)
    assert line == "'@q,When?,a\\;b,'=1+1,0.5,0,0,0,4,0"
