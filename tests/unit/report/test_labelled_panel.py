"""Labelled texts, true and said: nothing is lost, and every mistake is told once."""

from __future__ import annotations

import csv

import pytest

from headstart.prove.tag_errors import BOTH, INVENTED, KINDS, LIMITS, MISSED, RIGHT, TYPE, paired
from headstart.report.labelled import ROOM, pieces
from headstart.run.tags import TAG_COLUMNS, Mark, TagRow, write_tags

TEXT = "Maria Lind left Oslo for =Rome ."
COLOURS = {"PER": 0, "LOC": 1}
ROW = TagRow("a", TEXT, (Mark((0, 10, "PER"), (0, 5, "PER"), LIMITS, 0.5), Mark((16, 20, "LOC"), (16, 20, "LOC"), RIGHT, 0.9), Mark((25, 30, "LOC"), None, MISSED, None)), 0)


@pytest.mark.parametrize(
    ("true", "said", "kinds"),
    [
        ([(0, 2, "P")], [(0, 2, "P")], [RIGHT]),
        ([(0, 2, "P")], [(0, 2, "L")], [TYPE]),
        ([(0, 2, "P")], [(1, 3, "P")], [LIMITS]),
        ([(0, 2, "P")], [(1, 3, "L")], [BOTH]),
        ([(0, 2, "P")], [(2, 3, "P")], [MISSED, INVENTED]),
        ([(0, 4, "P")], [(0, 1, "P"), (1, 4, "P")], [INVENTED, LIMITS]),
        ([(0, 1, "P"), (1, 2, "L")], [(0, 2, "L")], [MISSED, LIMITS]),
    ],
)
def test_every_span_is_in_one_pair(true, said, kinds):
    found = paired(true, said)
    assert sorted(pair.kind for pair in found) == sorted(kinds)
    assert sorted(pair.true for pair in found if pair.true) == true
    assert sorted(pair.said for pair in found if pair.said) == said
    assert set(kinds) <= {RIGHT, *KINDS}


@pytest.mark.parametrize(("side", "marked"), [("true", [("Maria Lind", True), ("Oslo", False), ("=Rome", True)]), ("said", [("Maria", True), ("Oslo", False)])])
def test_both_sides_are_marked_and_nothing_is_lost(side, marked):
    found = pieces(ROW, side, COLOURS)
    assert "".join(one.text for one in found) == TEXT
    assert [(one.text, one.wrong) for one in found if one.kind] == marked
    assert {one.colour for one in found if one.kind == "LOC"} == {1}


def test_a_long_text_is_shown_around_its_mistake():
    text = "x " * 600 + "Oslo" + " y" * 600
    row = TagRow("a", text, (Mark((1200, 1204, "LOC"), None, MISSED, None),), 0)
    found = pieces(row, "true", COLOURS, 1200 - ROOM // 3)
    assert (found[0].text, found[-1].text) == ("… ", " …")
    assert [one.text for one in found if one.kind] == ["Oslo"]
    assert sum(len(one.text) for one in found) <= ROOM + 4


def test_the_file_holds_a_line_for_each_pair_and_runs_no_formula(tmp_path):
    write_tags(tmp_path / "p.csv", [ROW])
    with (tmp_path / "p.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == TAG_COLUMNS
    assert [(line["text"], line["true"], line["predicted"], line["error"], line["said_end"]) for line in lines] == [
        ("Maria Lind", "PER", "PER", LIMITS, "5"), ("Oslo", "LOC", "LOC", "", "20"), ("'=Rome", "LOC", "", MISSED, ""),
    ]  # fmt: skip
