"""The panels on what answers rest on, and the same on the terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.report.cautions import cautions
from headstart.report.concept_lines import explained_text, findings_text
from headstart.report.concepts import reading_lines, shaded
from headstart.report.page import render
from headstart.report.story import Story
from tests.unit.report.runs import HOSTILE, sample

FIGURE = {"value": 0.845, "low": 0.79, "high": 0.89, "n": 200, "method": "exact binomial"}
FINDING = {
    "name": "ladder",
    "title": "When texts are corrupted",
    "sentence": f"It bears {HOSTILE} best.",
    "on": "200 test texts",
    "rows": [
        {"name": "as they are", "figure": FIGURE, "note": "", "strong": True},
        {"name": "20 % of letters mistyped", "figure": {**FIGURE, "value": 0.7}, "note": HOSTILE, "strong": False},
    ],
    "examples": [f"typos: {HOSTILE}"],
    "warning": "The first word alone gets 80 % right.",
}
EXAMPLE = {
    "id": HOSTILE, "true": ["a"], "predicted": ["b"], "right": False, "for": "b", "target": 1, "changed": 2.0, "missing": 0.004,
    "truncated": True, "words": [[HOSTILE, 2.0], ["weak", -0.2], ["against", -1.5]],
}  # fmt: skip
CONCEPTS = {"findings": [FINDING], "words": {"missing": "", "examples": [EXAMPLE]}, "left_out": ["shortcuts: no time"]}
READING = {"backbone": "minilm", "of": 50, "max_length": 256, "windows": 8, "windowed": 7, "truncated": 2, "unknown": 0, "spelled": 0}


def page(concepts, reading=()):
    made = sample("intents")
    result = replace(made.result, concepts=concepts, chosen={**made.result.chosen, "backbone": "minilm"})
    return render(Story(Path("run"), result, made.rows, {**made.audit, "reading": list(reading)}, made.thumbnails))


def test_findings_and_words_are_on_the_page_and_markup_in_them_is_text():
    found = page(CONCEPTS, [READING])
    assert 'id="concepts"' in found
    assert 'id="words"' in found
    assert "When texts are corrupted" in found
    assert HOSTILE not in found
    assert 'class="word for shade4" title="+2.00"' in found
    assert 'class="word against shade3" title="−1.50"' in found
    assert "Not looked at: shortcuts: no time" in found
    assert "Labels can be told by a shortcut" in found
    assert "2 of 50 texts are not read whole" in found
    assert "7 of 50 texts are longer than the 256 tokens of minilm" in found


@pytest.mark.parametrize("concepts", [None, {"findings": [], "words": None, "left_out": []}])
def test_without_checks_there_are_no_panels(concepts):
    found = page(concepts)
    assert 'id="concepts"' not in found
    assert 'id="words"' not in found


def test_where_captum_is_missing_the_page_says_so():
    assert "Run: pip install" in page({**CONCEPTS, "words": {"missing": "no captum. Run: pip install it", "examples": []}})


def test_the_strongest_word_has_the_strongest_colour():
    assert [colour for _, colour, _ in shaded([["a", 4.0], ["b", -2.0], ["c", 0.1], ["d", -4.0]])] == [
        "for shade4", "against shade2", "", "against shade4",
    ]  # fmt: skip
    assert shaded([["a", 0.0]]) == [("a", "", "+0.00")]
    assert shaded([]) == []


def test_a_shortcut_is_warned_of_and_nothing_without_one():
    result = replace(sample("intents").result, concepts={**CONCEPTS, "findings": [{**FINDING, "warning": ""}]})
    assert "Labels can be told by a shortcut" not in [one.title for one in cautions(result, {})]


def test_audits_of_earlier_releases_have_no_reading():
    assert reading_lines({}) == []


def test_the_terminal_shows_sentences_figures_and_what_was_left_out():
    told = findings_text(CONCEPTS, width=80).plain
    assert all(len(line) <= 80 for line in told.splitlines())
    assert "84.5 % (79–89)" in told
    assert "Not looked at: shortcuts: no time" in told


def test_the_terminal_shows_words_and_the_strongest_of_them():
    told = explained_text("a", "b", 0.93, EXAMPLE)
    assert told.plain.startswith("b, 93 % sure")
    assert "against −1.50" in told.plain
    assert "not the whole text" in told.plain
    assert any("blue" in str(span.style) for span in told.spans)
