"""Lists of tokens and marked texts, as data sets and annotation tools write them."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.data.check import check
from headstart.data.options import Columns
from headstart.data.read import read, read_inputs
from headstart.data.read_tokens import CUT, NO_WORD, OVERLAP, token_lists
from headstart.errors import DataError, OptionError
from headstart.prove.word_texts import words_of

TEXT = "Maria Lind moved to Oslo."
SPANS = [[0, 10, "PER"], [20, 24, "LOC"]]
TAGS = ("B-PER", "I-PER", "O", "O", "B-LOC", "O")


def lines(folder, rows, name="data.jsonl"):
    path = folder / name
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "entities": SPANS},
        {"text": TEXT, "label": SPANS},
        {"id": 7, "text": TEXT, "entities": [{"id": 1, "label": kind, "start_offset": a, "end_offset": b} for a, b, kind in SPANS], "relations": []},
        {"text": TEXT, "spans": [{"start": a, "end": b, "label": kind, "token_start": 0} for a, b, kind in SPANS], "tokens": [{"text": "Maria", "id": 0}], "answer": "accept"},
        {"tokens": words_of(TEXT), "ner_tags": list(TAGS)},
        {"words": words_of(TEXT), "labels": list(TAGS)},
        {"tokens": words_of(TEXT), "pos_tags": ["x"] * 6, "tags": ["I-PER", "I-PER", "O", "O", "I-LOC", "O"]},
    ],
)
def test_every_usual_form_is_told_and_read_alike(tmp_path, row):
    data = read(lines(tmp_path, [row]))
    assert (data.kind, data.labels) == ("tags", [TAGS])
    assert words_of(data.items[0]) == words_of(TEXT)


def test_numbers_are_named_by_the_data_set_and_refused_without_names(tmp_path):
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    table = pa.table({"tokens": [words_of(TEXT)], "ner_tags": [[1, 2, 0, 0, 3, 0]]})
    feature = {"info": {"features": {"ner_tags": {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}}}}
    path = tmp_path / "train.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(feature)}), path)
    assert read(path).labels == [TAGS]
    with pytest.raises(DataError, match="tags are numbers"):
        read(lines(tmp_path, [{"tokens": ["a", "b"], "ner_tags": [0, 1]}]))


def test_columns_can_be_named_and_parts_and_groups_are_kept(tmp_path):
    rows = [{"body": TEXT, "marks": SPANS, "split": "test" if n else "train", "source": "a"} for n in range(2)]
    data = read(lines(tmp_path, rows), columns=Columns(task="tokens", text=("body",), label="marks", group="source"))
    assert data.parts == ["train", "test"]
    assert data.groups == ["=a", "=a"]
    frame = pd.DataFrame({"tokens": [words_of(TEXT)], "tags": [list(TAGS)]})
    assert read(frame).labels == [TAGS]
    many = read(lines(tmp_path, [{"text": "a film", "labels": ["red", "round"]}, {"text": "b film", "labels": ["red"]}]))
    assert many.kind == "multi"


def test_spans_that_do_not_fit_their_words_are_listed(tmp_path):
    rows = [
        {"text": TEXT, "entities": [[0, 4, "PER"]]},
        {"text": "Maria Lind slept.", "entities": [[0, 5, "PER"], [0, 10, "PER"]]},
        {"text": "Kim  went to Rome.", "entities": [[3, 5, "PER"], [12, 17, "LOC"]]},
    ]
    data = read(lines(tmp_path, rows))
    assert [tags[:2] for tags in data.labels[:2]] == [("B-PER", "O"), ("B-PER", "I-PER")]
    assert data.labels[2] == ("O", "O", "O", "B-LOC", "O")
    assert [item.odd for item in data.items] == [(CUT,), (OVERLAP,), (NO_WORD,)]
    assert dict(check(data).notes) == {f"data.jsonl row {n}": note for n, note in ((1, CUT), (2, OVERLAP), (3, NO_WORD))}


def test_rows_that_cannot_be_used_are_set_aside_and_the_rest_goes_on(tmp_path):
    rows = [
        {"text": TEXT, "entities": SPANS},
        {"text": TEXT, "entities": [[20, 99, "LOC"]]},
        {"text": TEXT, "entities": [["here", 3, "LOC"]]},
        {"text": "", "entities": []},
        {"text": TEXT, "entities": "none"},
        {"text": "x" * 200_000, "entities": []},
    ]
    data = read(lines(tmp_path, rows))
    assert len(data) == 1
    assert [why.split(":")[0][:32] for _, why in data.aside] == [
        "a span from 20 to 99 does not li", "a span without start, end and la", "no text", "spans of a form that is not know", "a text of 200,000 characters, ov",
    ]  # fmt: skip
    listed = [
        {"tokens": ["a", "b"], "tags": ["O", "B-X"]},
        {"tokens": ["a", "b"], "tags": ["O"]},
        {"tokens": [], "tags": []},
        {"tokens": ["a", " "], "tags": ["O", "O"]},
        {"tokens": ["a"], "tags": None},
    ]
    assert [why for _, why in read(lines(tmp_path, listed)).aside] == ["1 tags for 2 tokens", "no tokens", "token 2 is empty or no text", "no tags for 1 tokens"]


def test_what_a_tool_rejected_is_left_out(tmp_path):
    rows = [{"text": TEXT, "spans": SPANS, "answer": answer} for answer in ("accept", "reject")]
    assert [why for _, why in read(lines(tmp_path, rows)).aside] == ["its answer is 'reject': who labelled it did not accept it"]


def test_what_holds_no_labelled_words_ends_in_one_line(tmp_path):
    with pytest.raises(DataError, match="no labelled words in its columns text, stars") as found:
        read(lines(tmp_path, [{"text": "a", "stars": 3}]), columns=Columns(task="tokens"))
    assert "\n" not in str(found.value)
    with pytest.raises(DataError, match="nothing to read"):
        read(lines(tmp_path, ["{"]), columns=Columns(task="tokens"))
    with pytest.raises(OptionError, match="--task tokens"):
        read((["a text", "b"], ["x", "y"]), columns=Columns(task="tokens"))


def test_inputs_without_labels_are_lists_of_tokens_or_plain_texts(tmp_path):
    data = read_inputs(lines(tmp_path, [{"tokens": ["Maria", "Lind"]}]), modality="text")
    assert words_of(data.items[0]) == ["Maria", "Lind"]
    assert read_inputs(lines(tmp_path, [{"text": TEXT, "entities": SPANS}]), modality="text").items == [TEXT]
    assert [words_of(one) for one in token_lists([["New York", "is"], ["big"]])] == [["New York", "is"], ["big"]]
    assert token_lists(["a text"]) == ["a text"]
    with pytest.raises(DataError, match="without words"):
        token_lists([["a"], []])
