"""Texts and conversations to learn from: told by their format, cut into blocks, the bad ones named."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.data import read_corpus
from headstart.data.audit import audit
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.read_corpus import BLOCK, blocks
from headstart.errors import DataError, OptionError
from headstart.prove.passages import Conversation, Passage


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(alphabet="ab \nü", min_size=1, max_size=900), max_size=8))
def test_blocks_joined_are_the_text_and_none_is_too_long(pieces):
    text = "".join(pieces)
    cut = blocks(text)
    assert "".join(cut) == text
    assert all(len(block) <= BLOCK for block in cut)


def test_a_folder_of_loose_texts_is_to_be_learned_and_files_named_after_parts_are_these(tmp_path):
    (tmp_path / "train.txt").write_text("one line of it\n" * 400)
    (tmp_path / "test.md").write_text("another line\n" * 200)
    (tmp_path / "ABOUT.md").write_text("where it is from")
    data = read(tmp_path)
    assert data.kind == "language"
    assert set(data.parts) == {"train", "test"}
    assert "".join(item for item, part in zip(data.items, data.parts, strict=True) if part == "train") == "one line of it\n" * 400
    assert any("ABOUT.md" in said for said in data.guesses)
    assert [item.ends for item in data.items].count(True) == 2
    assert len(set(data.groups)) > 2  # two documents: sections stay together, not files


def test_with_many_documents_each_stays_on_one_side(tmp_path):
    for number in range(25):
        (tmp_path / f"{number}.txt").write_text(f"document {number} " * 120)
    data = read(tmp_path)
    assert len(set(data.groups)) == 25 < len(data)


def test_class_folders_are_still_classes_unless_the_user_says_otherwise(tmp_path):
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"a {name} text")
    assert read(tmp_path).kind == "single"
    assert read(tmp_path, columns=Columns(task="lm")).kind == "language"


def test_texts_that_cannot_be_read_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(read_corpus, "MOST_BYTES", 5000)
    (tmp_path / "good.txt").write_text("a text")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "white.txt").write_text(" \n ")
    (tmp_path / "binary.txt").write_bytes(b"\0\1\2\3")
    (tmp_path / "huge.txt").write_text("x" * 6000)
    (tmp_path / "western.txt").write_bytes("süß".encode("cp1252"))
    data = read(tmp_path)
    assert list(data.items) == ["a text", "süß"]
    assert dict(data.aside).keys() == {"empty.txt", "white.txt", "binary.txt", "huge.txt"}
    assert any("Windows-1252" in said for said in data.guesses)
    assert len(audit(data).aside) == 4
    with pytest.raises(DataError, match="zero bytes"):
        read(tmp_path / "binary.txt")


def conversations(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def turns(*said):
    return [{"role": role, "content": text} for role, text in said]


GOOD = {"messages": turns(("system", "be kind"), ("user", "hello"), ("assistant", "good day"))}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": [{"content": "who am I"}]}, "message 1 has no role"),
        ({"messages": [{"role": "user"}]}, "message 1 has no text"),
        ({"messages": turns(("user", "hello"))}, "no turn of the role assistant"),
        ({"messages": turns(("user", "hello"), ("assistant", " "))}, "message 2 is empty"),
        ({"messages": turns(("user", "x" * 200_000), ("assistant", "long"))}, "over the limit"),
        ({"messages": "hello"}, "no list of messages"),
        ("{broken", "not JSON"),
    ],
)
def test_a_conversation_of_which_nothing_can_be_learned_is_set_aside(tmp_path, row, why):
    data = read(conversations(tmp_path / "talk.jsonl", GOOD, row))
    assert [item.turns for item in data.items] == [(("system", "be kind"), ("user", "hello"), ("assistant", "good day"))]
    assert why in data.aside[0][1]
    if not isinstance(row, str):
        with pytest.raises(DataError, match=why.split(" has")[0]):
            read(conversations(tmp_path / "bad.jsonl", row))


def test_prompts_with_completions_and_other_names_of_roles_are_conversations(tmp_path):
    pair = read(conversations(tmp_path / "pairs.jsonl", {"prompt": "two and two", "completion": "four"}))
    assert pair.items[0].turns == (("user", "two and two"), ("assistant", "four"))
    shared = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
    said = read(conversations(tmp_path / "shared.jsonl", shared), columns=Columns(task="lm"))
    assert said.items[0].turns == (("user", "a"), ("assistant", "b"))


def test_a_table_of_texts_is_documents_where_the_user_says_so(tmp_path):
    path = conversations(tmp_path / "texts.jsonl", {"text": "one", "n": 1}, {"text": " ", "n": 2}, {"text": "two", "n": 3})
    data = read(path, columns=Columns(task="lm"))
    assert list(data.items) == ["one", "two"]
    assert data.aside[0][1] == "empty text"
    with pytest.raises(DataError, match="no column of texts"):
        read(conversations(tmp_path / "none.jsonl", {"n": 1}), columns=Columns(task="lm"))
    with pytest.raises(OptionError, match="--task lm"):
        read((["a", "b"], ["c", "d"]), columns=Columns(task="lm"))


def test_what_is_known_of_a_text_survives_the_way_to_another_process():
    passage, talk = pickle.loads(pickle.dumps((Passage.of("x", ends=True), Conversation.of([("user", "a"), ("assistant", "b")]))))
    assert passage.ends
    assert talk.turns[1] == ("assistant", "b")
