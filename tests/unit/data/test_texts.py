"""Decoding, looking at and describing texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.data import texts
from headstart.data.languages import language
from headstart.data.text_near import near, overlap
from headstart.errors import DataError


def test_texts_and_pairs_are_left_as_they_are() -> None:
    assert texts.decode("  Two  spaces ") == "  Two  spaces "
    assert texts.decode(["one", "two"]) == ("one", "two")


def test_files_are_utf8_or_windows_1252(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffgrün".encode())
    (tmp_path / "b.txt").write_bytes("grün".encode("cp1252"))
    assert texts.decode(tmp_path / "a.txt") == "grün"
    assert texts.decode(tmp_path / "b.txt") == "grün"
    assert texts.audit_one(tmp_path / "a.txt").notes == ()
    assert texts.audit_one(tmp_path / "b.txt").notes == ("not UTF-8, read as Windows-1252",)


@pytest.mark.parametrize("item", ["", " \n", ("a", ""), ("a", "b", "c"), 3, None])
def test_what_is_no_text_is_an_error(item: object) -> None:
    with pytest.raises(DataError):
        texts.decode(item)


@pytest.mark.parametrize("content", [b"", b"\0\1\2binary", b"x" * (texts.FILE_BYTES_LIMIT + 1), b" \n"])
def test_files_that_hold_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.txt"):
        texts.decode(path)


def test_white_space_and_composition_do_not_make_another_text() -> None:
    assert texts.audit_one("café  au lait").key == texts.audit_one("cafe\u0301 au\nlait ").key
    assert texts.same("café  au lait", "cafe\u0301 au\nlait ")
    assert texts.audit_one("a b").key != texts.audit_one(("a", "b")).key
    assert texts.audit_one("A b").key != texts.audit_one("a b").key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the capital of the country that is north of it ?", "English"),
        ("Der Hund ist nicht auf dem Tisch und die Katze auch nicht", "German"),
        ("Je ne suis pas sur la table avec les chats", "French"),
        ("Это очень хорошо", "Cyrillic"),
        ("これは本です", "Japanese"),
        ("xyz", "unsure"),
        ("123 !!", "unsure"),
    ],
)
def test_language_is_told_or_unsure(text: str, expected: str) -> None:
    assert language(text) == expected


def test_near_texts_are_found_and_different_ones_are_not() -> None:
    long = "the quick brown fox jumps over the lazy dog while the slow grey cat looks on from the warm garden wall"
    samples = [
        long,
        "something else entirely, about ships and the sea",
        long.upper() + " !",
        long.replace("slow", "slaw"),
    ]
    sketches = np.stack([sketch for text in samples if (sketch := texts.audit_one(text).sketch) is not None])
    pairs = set(near(sketches, samples.__getitem__))
    assert {pair[1] for pair in pairs} == {2, 3}
    assert overlap(samples[0], samples[2]) == 1.0
    assert overlap(samples[0], samples[1]) < 0.2


def test_short_texts_are_told_apart_by_equality_only() -> None:
    assert texts.audit_one("ok").sketch is None


def test_describe_and_excerpt() -> None:
    told = texts.describe(np.array([[5, 1], [50, 9]]), {"English": 2})
    assert told["words"] == {"min": 1, "median": 9, "max": 9} or told["words"]["median"] == 1
    assert told["languages"] == {"English": 2}
    assert texts.thumbnail("word " * 200, 96).endswith("…")
    assert texts.thumbnail(("a", "b"), 96) == "a ⁄ b"
    assert texts.floor_features([("a", "b"), "c"]) == ["a\nb", "c"]


def test_a_text_over_the_limit_is_refused_wherever_it_comes_from(tmp_path: Path) -> None:
    long = "x" * (texts.CHARACTERS_LIMIT + 1)
    (tmp_path / "long.txt").write_text(long)
    for item in (long, ("short", long), tmp_path / "long.txt"):
        for reader in (texts.decode, texts.audit_one):
            with pytest.raises(DataError, match="over the limit of 131,072"):
                reader(item)
    assert texts.decode(long[1:]) == long[1:]


@pytest.mark.parametrize(
    ("text", "misread"),
    [("café".encode().decode("cp1252"), True), ("café", False), ("plain", False), ("日本語", False), ("Ã© und é", False)],
)
def test_text_that_was_read_in_the_wrong_encoding_is_noted(text: str, misread: bool) -> None:
    assert texts.is_misread(text) is misread
    assert any("looks like UTF-8" in note for note in texts.audit_one(f"{text}").notes) is misread
