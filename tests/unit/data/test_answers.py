"""Questions with answers in a context, read from every usual form; what is wrong with them is set aside and listed."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from tests.questions import squad, write_squad

from headstart.data.audit import audit
from headstart.data.check import check
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.spans import answer_of, label, read_answers
from headstart.data.split import split
from headstart.errors import DataError, OptionError

CONTEXT = "The lamp was lit in 1815. The lamp went out in 1900."
ROW = {"question": "When?", "context": CONTEXT, "answers": {"text": ["1815"], "answer_start": [20]}}


def one(**changes):
    """A row of a table with some of its cells changed."""
    return ROW | changes


def read_rows(tmp_path, *rows):
    path = tmp_path / "asked.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return read(path)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({}, ("1815 @20",)),
        ({"answers": "1815"}, ("1815 @20",)),
        ({"answers": ["1815", "in 1815"]}, ("1815 @20", "in 1815 @17")),
        ({"answers": json.dumps({"text": ["1900"], "answer_start": [47]})}, ("1900 @47",)),
        ({"answers": [{"text": "1815", "answer_start": 20}, {"text": "1815", "answer_start": 20}]}, ("1815 @20",)),
        ({"answers": {"text": [], "answer_start": []}}, ()),
        ({"answers": []}, ()),
        ({"answers": None}, ()),
        ({"is_impossible": True}, ()),
        ({"answers": "lamp", "answer_start": 30}, ("lamp @30",)),
        ({"answers": "lamp", "answer_start": 28}, ("lamp @30",)),
    ],
)
def test_answers_come_in_many_forms(cells, found, tmp_path):
    data = read_rows(tmp_path, one(**cells), one())
    assert data.kind == "span"
    assert data.items[0] == ("When?", CONTEXT)
    assert data.labels[0] == found
    assert all(CONTEXT.startswith(text, start) for text, start in map(answer_of, data.labels[0]))


def test_a_label_is_read_as_it_was_written():
    assert answer_of(label("at @ 5 @noon", 12)) == ("at @ 5 @noon", 12)


def test_what_is_wrong_is_set_aside_and_said(tmp_path):
    data = read_rows(
        tmp_path,
        one(),
        one(answers="1816"),
        one(question=" "),
        one(context=""),
        one(context="x" * 200_000),
        one(answers={"texts": ["1815"]}),
        one(answers={"text": ["1816", "1815"], "answer_start": [20, 20]}),
    )
    reasons = dict(data.aside)
    assert data.labels == [("1815 @20",), ("1815 @20",)]
    assert reasons["asked.jsonl row 2"] == "its answer '1816' does not occur in its context"
    assert "'question' is empty" in reasons["asked.jsonl row 3"]
    assert "'context' is empty" in reasons["asked.jsonl row 4"]
    assert "over the limit" in reasons["asked.jsonl row 5"]
    assert "not known" in reasons["asked.jsonl row 6"]
    assert len(reasons) == 5
    assert any("questions: 2, 2 with an answer" in line for line in data.guesses)


def test_answers_that_moved_are_counted():
    found = read_answers([CONTEXT] * 2, ["lamp", "lamp"], [28, 4], [None, None])
    assert found.values == [("lamp @30",), ("lamp @4",)]
    assert any("do not begin where their answer_start says: 1" in line for line in found.said)


@pytest.mark.parametrize("version", [False, True])
def test_files_of_squad_are_told_by_their_layout(tmp_path, version):
    data = read(write_squad(tmp_path / "any name.json", 5, unanswerable=version))
    assert (data.kind, len(data)) == ("span", 15)
    assert sum(not names for names in data.labels) == (5 if version else 0)
    assert data.ids[0] == "any name.json question 0-0"
    assert len(set(data.groups)) == 5


def test_broken_questions_of_squad_are_set_aside(tmp_path):
    value = squad(3)
    value["data"][0]["paragraphs"][0]["qas"][0] = {"id": "broken"}
    del value["data"][1]["paragraphs"][0]["context"]
    (tmp_path / "s.json").write_text(json.dumps(value))
    data = read(tmp_path / "s.json")
    assert len(data) == 5
    assert dict(data.aside)["s.json question broken"] == "no question"
    assert sum(why == "its paragraph has no context" for _, why in data.aside) == 3
    (tmp_path / "empty.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": []}]}))
    with pytest.raises(DataError, match="without a question"):
        read(tmp_path / "empty.json")


def test_a_folder_with_both_parts_keeps_articles_apart(tmp_path):
    write_squad(tmp_path / "train-v1.1.json", 6)
    shared = squad(2)
    shared["data"][1]["title"] = "another"
    shared["data"][1]["paragraphs"][0]["context"] += ". a story old"
    (tmp_path / "test-v1.1.json").write_text(json.dumps(shared))
    data = read(tmp_path)
    parts = split(data, audit(data), seed=0)
    assert parts.scheme == "given test"
    seen = {data.groups[row] for row in parts.train}
    assert not seen.intersection(data.groups[row] for row in parts.test)
    assert parts.left_out or len(parts.train) < 18


def test_without_parts_whole_articles_are_held_out_and_look_alikes_are_no_finding(tmp_path):
    data = read(write_squad(tmp_path / "s.json", 30, unanswerable=True))
    found = audit(data)
    assert found.alike == ()
    assert found.answered == 60
    parts = split(data, found, seed=0)
    assert len(parts.outer) == 5
    for train, test in parts.outer:
        assert not {data.groups[row] for row in train} & {data.groups[row] for row in test}
    assert any("articles are kept on one side" in line for line in check(tmp_path / "s.json").lines())


def test_columns_can_be_named_and_a_table_without_titles_is_grouped_by_context(tmp_path):
    table = pd.DataFrame({"asked": ["When?", "What?"], "passage": [CONTEXT] * 2, "reply": ["1815", "lamp"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    data = read(tmp_path / "t.csv", columns=Columns(text=("asked", "passage"), label="reply", task="qa"))
    assert data.labels == [("1815 @20",), ("lamp @4",)]
    assert len(set(data.groups)) == 1
    with pytest.raises(DataError, match="question, context and answers are needed"):
        read(tmp_path / "t.csv", columns=Columns(task="qa"))
    with pytest.raises(OptionError, match="answers are read from a table"):
        read((["a text"], ["x"]), columns=Columns(task="qa"))


def test_nothing_to_learn_from_ends_in_one_line(tmp_path):
    data = read_rows(tmp_path, one(answers=[]), one(question="Who?", answers=[]))
    with pytest.raises(DataError, match="no training question with an answer"):
        audit(data)
    with pytest.raises(DataError, match=r"has no label in any row .*does not occur in its context"):
        read_rows(tmp_path, one(answers="1816"))


def test_another_encoding_is_read_and_zero_bytes_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("question,context,answer\nWo?,Im Café am Fluß,Café\n".encode("cp1252"))
    assert read(path).labels == [("Café @3",)]
    path.write_bytes(b"question,context,answer\nWo?,\0\xff,x\n")
    with pytest.raises(DataError, match="zero bytes"):
        read(path)


def test_a_table_to_predict_needs_no_answers(tmp_path):
    from headstart.data.read import read_inputs

    (tmp_path / "asked.jsonl").write_text(json.dumps({"question": "When?", "context": CONTEXT}))
    assert read_inputs([tmp_path / "asked.jsonl"], modality="text").items == [("When?", CONTEXT)]
