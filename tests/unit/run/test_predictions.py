"""predictions.csv: what is read is what was written, whatever people call their files and classes."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.report.runs import sample

from headstart.errors import RunError
from headstart.run.predictions import (
    PredictionRow,
    join_names,
    plain_cell,
    read_predictions,
    safe_cell,
    split_names,
    write_predictions,
)

CLASSES = ("ant", "bee; or wasp", "=1+1", "back\\slash", "p:x", "")
NAMES = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)


def row(name="a.jpg", true=("ant",), predicted=("ant",), confidence=0.75, fold=2):
    return PredictionRow(name, true, predicted, confidence, fold, (0.75, 0.125, 0.0, 1e-9, 0.0625, 1.0))


@pytest.mark.parametrize(
    "given_row",
    [
        row(),
        row(true=("ant", "bee; or wasp"), predicted=("=1+1", "back\\slash")),
        row(true=(), predicted=()),
        row(name="=cmd|' /C calc'!A0"),
        row(name="'=quoted already"),
        row(name="-1.jpg", true=("=1+1",)),
        row(name='a "quoted", name\nover two lines'),
        row(name="Ænne/夏.jpg"),
    ],
)
def test_round_trip(tmp_path, given_row):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [given_row], CLASSES)
    classes, rows = read_predictions(path)
    assert classes == CLASSES
    assert rows == [given_row]


def test_columns_and_order(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [row("b"), row("a")], CLASSES)
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["id", "true", "predicted", "confidence", "fold", *(f"p:{name}" for name in CLASSES)]
    assert [line[0] for line in lines[1:]] == ["b", "a"]


def test_no_cell_runs_as_a_formula(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [row(name=f"{mark}x", true=(f"{mark}y",)) for mark in "=+-@\t\r"], CLASSES)
    with path.open(newline="") as file:
        cells = [cell for line in list(csv.reader(file))[1:] for cell in line[:3]]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]


@given(st.text(max_size=20))
def test_a_safe_cell_can_be_undone(text):
    assert plain_cell(safe_cell(text)) == text


@given(st.lists(NAMES.filter(bool), max_size=4))
def test_names_in_one_cell_can_be_told_apart(names):
    assert split_names(join_names(names)) == tuple(names)


def test_a_name_that_is_no_unicode_is_written_with_escapes(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [row(name="bad\udce9.jpg")], CLASSES)
    assert read_predictions(path)[1][0].id == "bad\\udce9.jpg"


@pytest.mark.parametrize("name", ["digits", "tags"])
def test_a_whole_run(tmp_path, name):
    run = sample(name)
    classes = run.result.task["classes"]
    write_predictions(tmp_path / "predictions.csv", run.rows, classes)
    found, rows = read_predictions(tmp_path / "predictions.csv")
    assert list(found) == classes
    assert [(one.id, one.true, one.predicted, one.fold) for one in rows] == [
        (one.id, one.true, one.predicted, one.fold) for one in run.rows
    ]
    for one, other in zip(rows, run.rows, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, rel=1e-5)


def test_right_means_exactly_the_true_labels():
    assert row(true=("a", "b"), predicted=("b", "a")).right
    assert not row(true=("a", "b"), predicted=("a",)).right
    assert row(true=(), predicted=()).right


@pytest.mark.parametrize("content", [None, "", "name,label\na,b\n"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "predictions.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=r"predictions\.csv"):
        read_predictions(path)
