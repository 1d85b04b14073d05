"""Texts: one or a pair, given as such or in a file; nothing is normalised."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.data.items import item_name, raw_bytes
from headstart.data.languages import language
from headstart.data.look import Look
from headstart.data.text_near import minhash
from headstart.errors import DataError

Text = str | tuple[str, str]

CHARACTERS_LIMIT = 131_072
"""Of one text, as of a field of a table (`data.options.Limits`): what is longer is a whole file in the wrong place."""
FILE_BYTES_LIMIT = 4 * CHARACTERS_LIMIT
"""A file longer than this cannot hold a text within the limit, whatever its encoding."""


def decode(item: Any) -> Text:
    """A text or a pair of texts as given; a file is read as UTF-8, else as Windows-1252.

    Raises DataError for what is missing, binary, or nothing but white space.
    """
    if isinstance(item, tuple | list):
        if len(item) != 2 or not all(isinstance(part, str) for part in item):
            raise DataError(f"an example of {len(item)} parts: not a text. Give a text or a pair of texts.")
        if not all(part.strip() for part in item):
            raise DataError("a pair with an empty text: nothing to read. Fill it in or remove it.")
        _check_length(item[0], "a text of a pair")
        _check_length(item[1], "a text of a pair")
        return (item[0], item[1])
    text = item if isinstance(item, str) else _read(item)[0]
    if not text.strip():
        where = "an empty text" if isinstance(item, str) else item_name(item)
        raise DataError(f"{where}: nothing but white space. Fill it in or remove it.")
    _check_length(text, "a text" if isinstance(item, str) else item_name(item))
    return text


def _check_length(text: str, name: str) -> None:
    if len(text) > CHARACTERS_LIMIT:
        raise DataError(f"{name}: {len(text):,} characters, over the limit of {CHARACTERS_LIMIT:,} for one text. Cut it up.")


def audit_one(item: Any) -> Look:
    """Look at a text: its length, its language where its words give it away, and what it resembles."""
    notes: tuple[str, ...] = ()
    if not isinstance(item, str | tuple | list):
        notes = () if _read(item)[1] else ("not UTF-8, read as Windows-1252",)
    notes += getattr(item, "odd", ())  # what the reader of labelled words noticed
    whole = joined(decode(item))
    if "\ufffd" in whole:
        notes += ("holds characters that were lost in an earlier conversion (�)",)
    if is_misread(whole):
        notes += ("looks like UTF-8 that was read as Windows-1252 (Ã© for é)",)
    key = hashlib.blake2b(plain(decode(item)).encode(errors="surrogatepass"), digest_size=16)
    shape = (len(whole), len(whole.split()))
    return Look(hashlib.sha256(content(item)).digest(), key.digest(), shape, language(whole), notes, minhash(whole))


def is_misread(text: str) -> bool:
    """Whether a text becomes UTF-8 when it is written as Windows-1252: by chance that hardly ever happens beyond ASCII."""
    if text.isascii():
        return False
    try:
        return text.encode("cp1252").decode("utf-8") != text
    except UnicodeError:
        return False


def content(item: Any) -> bytes:
    """The text in UTF-8, whatever it was stored in; raises DataError as `decode` does."""
    return joined(decode(item)).encode(errors="surrogatepass")


def joined(text: Text) -> str:
    """A text as one string; the two of a pair are set off by a separator that no text has."""
    return text if isinstance(text, str) else "\x1f".join(text)


def plain(text: Text) -> str:
    """A text in composed Unicode with its white space evened out: what makes two texts exact duplicates."""
    parts = (text,) if isinstance(text, str) else text
    return "\x1f".join(" ".join(unicodedata.normalize("NFC", part).split()) for part in parts)


def same(one: Any, other: Any) -> bool:
    """Whether two items are the same text but for white space."""
    return plain(decode(one)) == plain(decode(other))


def augment(batch: Any, rng: np.random.Generator) -> Any:
    """Texts are left as they are."""
    return batch


def floor_features(items: Sequence[Any]) -> list[str]:
    """The texts themselves; TF-IDF is fitted inside the floor, on training texts alone."""
    return [joined(decode(item)).replace("\x1f", "\n") for item in items]


def thumbnail(item: Any, px: int) -> str:
    """The beginning of a text, to show to people: about as much as `px` pixels of width hold in three lines."""
    whole = joined(decode(item)).replace("\x1f", " ⁄ ")
    short = " ".join(whole.split())
    limit = max(40, px)
    return short if len(short) <= limit else short[: limit - 1].rstrip() + "…"


def describe(shapes_N2: np.ndarray, kinds: Mapping[str, int]) -> dict[str, Any]:
    """Lengths (characters, words) and languages of many texts, with a line for people."""
    low, mid, high = (np.quantile(shapes_N2, q, axis=0, method="nearest").astype(int).tolist() for q in (0, 0.5, 1))
    most = Counter(kinds).most_common()
    shown = ", ".join(f"{count} {name}" for name, count in most[:4])
    return {
        "line": f"{low[1]} to {high[1]} words, typically {mid[1]}; {shown}",
        "characters": {"min": low[0], "median": mid[0], "max": high[0]},
        "words": {"min": low[1], "median": mid[1], "max": high[1]},
        "languages": dict(most),
    }


def _read(item: Any) -> tuple[str, bool]:
    """The text in a file, and whether it was UTF-8."""
    if isinstance(item, int | float | bool) or item is None:
        raise DataError(f"{item!r}: not a text. Give a text or a pair of texts.")
    content = raw_bytes(item)
    if len(content) > FILE_BYTES_LIMIT:
        raise DataError(f"{item_name(item)}: {len(content):,} bytes, over the limit for one text. Cut it up.")
    if b"\0" in content:
        raise DataError(f"{item_name(item)}: not a text file (it holds zero bytes). Replace or remove it.")
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), False
