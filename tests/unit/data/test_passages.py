"""Running text from any source: what is read, how it is cut, and what is set aside with its reason."""

from __future__ import annotations

import zipfile

import pytest
from tests.pictures import picture, save

from headstart.data.passages import Document, SetAside, cut_up, documents, holds_texts
from headstart.errors import DataError


def _texts(source, **options):
    return [entry.text for entry in documents(source, **options) if isinstance(entry, Document)]


def _aside(source):
    return {entry.name: entry.reason for entry in documents(source) if isinstance(entry, SetAside)}


def test_plain_files_and_tables_of_a_folder_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("One day.\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.md").write_text("# Two days")
    (tmp_path / "c.csv").write_text("id,text\n1,third text here\n2,\n")
    (tmp_path / "d.jsonl").write_text('{"text": "fourth"}\n{"text": "fifth"}\nno json\n')
    (tmp_path / "cover.png").write_bytes(b"ignored")
    assert _texts(tmp_path) == ["One day.\n", "# Two days", "third text here", "fourth", "fifth"]
    aside = _aside(tmp_path)
    assert aside["c.csv row 2"] == "an empty field"
    assert aside["d.jsonl row 3"].startswith("not JSON")


def test_a_zip_and_a_single_file_are_sources_too(tmp_path):
    (tmp_path / "one.txt").write_text("Alone.")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("in/one.txt", "Packed.")
    assert _texts(tmp_path / "one.txt") == ["Alone."]
    assert _texts(tmp_path / "all.zip") == ["Packed."]


def test_what_is_no_text_is_set_aside_with_its_reason(tmp_path):
    (tmp_path / "good.txt").write_text("fine words")
    (tmp_path / "zeros.txt").write_bytes(b"\x00\x01\x02" * 20)
    (tmp_path / "controls.txt").write_bytes(b"\x03\x04\x05\x07ab" * 20)
    (tmp_path / "blank.txt").write_text(" \n\t")
    (tmp_path / "nothing.txt").write_bytes(b"")
    (tmp_path / "numbers.jsonl").write_text('{"x": 1, "y": 2}\n')
    aside = _aside(tmp_path)
    assert "zero bytes" in aside["zeros.txt"]
    assert "control characters" in aside["controls.txt"]
    assert "white space" in aside["blank.txt"]
    assert aside["nothing.txt"].startswith("empty")
    assert "no column of pictures or texts" in aside["numbers.jsonl"]
    assert _texts(tmp_path) == ["fine words"]


def test_other_encodings_are_read_and_told(tmp_path):
    (tmp_path / "latin.txt").write_bytes("Café für alle".encode("cp1252"))
    (tmp_path / "wide.txt").write_bytes("Ünder".encode("utf-16"))
    found = {entry.name: entry for entry in documents(tmp_path)}
    assert (found["latin.txt"].text, found["latin.txt"].note) == ("Café für alle", "not UTF-8, read as Windows-1252")
    assert (found["wide.txt"].text, found["wide.txt"].note) == ("Ünder", None)


def test_a_named_column_is_taken_and_has_to_be_there(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,body\na long text that would be guessed,short\n")
    assert _texts(table, column="body") == ["short"]
    with pytest.raises(DataError, match="no column 'boody'"):
        list(documents(table, column="boody"))


def test_a_source_without_any_text_is_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds no texts, only \.bin"):
        list(documents(tmp_path))
    with pytest.raises(DataError, match="no such file"):
        list(documents(tmp_path / "gone"))


def test_texts_are_told_from_pictures(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.md").write_text("words")
    (tmp_path / "t.csv").write_text("text\nsome words\n")
    save(tmp_path / "photos" / "a.png", picture(1))
    save(tmp_path / "photos" / "b.png", picture(2))
    (tmp_path / "photos" / "readme.txt").write_text("two photos")
    assert holds_texts(tmp_path / "words")
    assert holds_texts(tmp_path / "t.csv")
    assert not holds_texts(tmp_path / "photos")
    assert not holds_texts("builtin:glyphs")


def test_paragraphs_are_kept_apart_or_joined_up_to_the_limit():
    text = "one one\n\ntwo two\r\n\r\nthree three\n"
    assert list(cut_up(text, 100, joined=False)) == ["one one", "two two", "three three"]
    assert list(cut_up(text, 16, joined=True)) == ["one one\n\ntwo two", "three three"]


def test_what_is_too_long_is_cut_between_words_and_nothing_is_lost():
    words = [f"word{number}" for number in range(200)]
    pieces = list(cut_up(" ".join(words), 90, joined=False))
    assert max(map(len, pieces)) <= 90
    assert " ".join(pieces).split() == words
    assert list(cut_up("x" * 25, 10, joined=False)) == ["x" * 10, "x" * 10, "x" * 5]


def test_a_long_file_of_one_paragraph_takes_no_longer_than_its_length():
    # Two million characters: with a copy for each piece it would be a hundred thousand times that.
    pieces = list(cut_up("word " * 400_000, 100, joined=False))
    assert len(pieces) == 20_000
