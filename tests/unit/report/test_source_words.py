"""What became of the source, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headstart.report.source_words import continued_line, continued_sentence, forgotten_lines, forgotten_sentence
from tests.unit.report.runs import BITS, CONTINUED, FORGETTING, sample


def told(**changes):
    return replace(sample("intents").result, **changes)


def test_what_validation_said_of_going_on():
    assert continued_line(told()) == (
        "9,412 texts in 70 s: left out, accuracy on validation 70.1 %, plain 72.4 % (−2.3 points, −4.8 to +0.2)"
    )
    assert "so probe on" not in continued_sentence(told())
    assert "minilm was shipped" in continued_sentence(told())
    assert "is what was shipped" in continued_sentence(told(continued={**CONTINUED, "kept": True}))
    assert continued_line(told(continued=None)) == continued_sentence(told(continued=None)) == ""
    gone = {"backbone": None, "kept": False, "missing": "it diverged"}
    assert continued_line(told(continued=gone)) == "nothing came of it: it diverged"
    losses = {**CONTINUED, "metric": "bits_per_byte", "difference": {**BITS, "value": -0.07, "low": -0.09, "high": -0.05}}
    assert "(−0.0700, −0.0900 to −0.0500)" in continued_line(told(continued=losses))


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (1.28, 1.21, 1.36, "Adapting forgot some of the source"),
        (-0.2, -0.3, -0.1, "forgot nothing of the source, and helped on it"),
        (0.1, -0.1, 0.3, "is not sure"),
        (0.0, None, None, "Nothing of the source was forgotten"),
    ],
)
def test_what_was_forgotten(value, low, high, words):
    found = {**FORGETTING, "difference": {**BITS, "value": value, "low": low, "high": high}}
    assert words in forgotten_sentence(told(forgetting=found))


def test_strategies_are_told_apart_where_there_are_several():
    first, second = forgotten_lines(told())
    assert first == "0.640 to 1.92 bits per byte of hidden tokens on held-out texts of stories (+1.28, 1.21 to 1.36)"
    assert second == "by strategy: lora 0.710, full 1.92"
    assert len(forgotten_lines(told(forgetting={**FORGETTING, "strategies": FORGETTING["strategies"][:1]}))) == 1
    assert forgotten_lines(told(forgetting=None)) == []
