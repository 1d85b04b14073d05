"""The confusion matrix's cells, the examples behind them, and the table of classes, against plain counting."""

from __future__ import annotations

import pytest

from headstart.report.confusion import cells, fared
from headstart.report.gallery import Gallery
from headstart.run.predictions import PredictionRow
from tests.unit.report.runs import sample

CLASSES = ("ant", "bee", "fly")
COUNTS = [[5, 2, 0], [0, 4, 0], [1, 0, 0]]


def rows_of(counts, classes=CLASSES):
    return [
        PredictionRow(f"{i}{j}{n}", (classes[i],), (classes[j],), 0.5 + n / 100, 0, (0.0,) * len(classes))
        for i, line in enumerate(counts)
        for j, number in enumerate(line)
        for n in range(number)
    ]


def gallery(room=1_000_000, thumbnails=str):
    return Gallery(thumbnails, room)


def test_only_squares_that_hold_something_are_cells_and_mistakes_come_first():
    found = cells({"classes": CLASSES, "counts": COUNTS}, rows_of(COUNTS), gallery())
    assert [(cell.row, cell.column, cell.count) for cell in found] == [(0, 1, 2), (2, 0, 1), (0, 0, 5), (1, 1, 4)]
    assert [cell.right for cell in found] == [False, False, True, True]
    assert found[0].part == pytest.approx(2 / 7)
    assert found[0].of == 7


def test_behind_a_mistake_the_surest_come_first_behind_a_right_answer_the_least_sure():
    found = cells({"classes": CLASSES, "counts": COUNTS}, rows_of(COUNTS), gallery())
    assert [example.id for example in found[0].examples] == ["011", "010"]
    assert [example.id for example in found[2].examples] == ["000", "001", "002", "003", "004"]


def test_a_full_gallery_leaves_cells_without_examples():
    found = cells({"classes": CLASSES, "counts": COUNTS}, rows_of(COUNTS), gallery(room=1000))
    assert len(found[0].examples) == 2
    assert found[-1].examples == ()
    assert found[-1].count == 4


def test_rows_of_unknown_classes_are_counted_nowhere():
    stray = PredictionRow("x", ("wasp",), ("ant",), 0.9, 0, (0.0, 0.0, 0.0))
    found = cells({"classes": CLASSES, "counts": COUNTS}, [*rows_of(COUNTS), stray], gallery())
    assert all(example.id != "x" for cell in found for example in cell.examples)


def test_recall_and_precision_are_those_of_the_matrix():
    found = {one.name: one for one in fared(CLASSES, rows_of(COUNTS))}
    assert found["ant"].recall["value"] == pytest.approx(5 / 7)
    assert found["ant"].precision["value"] == pytest.approx(5 / 6)
    assert (found["ant"].recall_counts, found["ant"].precision_counts) == ("5 of 7", "5 of 6")
    assert found["bee"].recall["value"] == 1
    assert found["fly"].recall["value"] == 0
    assert found["fly"].precision_text == "never predicted"


def test_classes_are_sorted_from_the_least_found_and_those_without_examples_last():
    found = fared((*CLASSES, "moth"), rows_of(COUNTS))
    assert [one.name for one in found] == ["fly", "ant", "bee", "moth"]
    assert found[-1].recall_text == "no example"


def test_with_several_labels_each_label_counts_by_itself():
    rows = [
        PredictionRow("1", ("ant", "bee"), ("ant",), 0.9, 0, (0.0,) * 3),
        PredictionRow("2", (), ("bee",), 0.9, 0, (0.0,) * 3),
    ]
    found = {one.name: one for one in fared(CLASSES, rows)}
    assert found["ant"].recall["value"] == 1
    assert found["bee"].recall["value"] == 0
    assert found["bee"].precision["value"] == 0


def test_a_run_shows_each_example_in_the_cell_it_belongs_to():
    run = sample("digits")
    by_id = {row.id: row for row in run.rows}
    classes = run.result.confusion["classes"]
    for cell in cells(run.result.confusion, run.rows, Gallery(run.thumbnails, 10_000_000)):
        assert cell.examples
        for example in cell.examples:
            row = by_id[example.id]
            assert (row.true, row.predicted) == ((classes[cell.row],), (classes[cell.column],))
            assert example.picture.startswith("data:image/png;base64,")
