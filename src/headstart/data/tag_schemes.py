"""Tags as they are written (IOB1, IOB2, BIOES, BILOU, or plain labels), read as IOB2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headstart.prove.tags import OUTSIDE

PREFIXED = re.compile(r"[BIESLUM]-.")
NOTHING = (OUTSIDE, "o", "_", "-")
"""What stands for "outside" where other tags have a prefix."""
_BEGINS, _ENDS = "BSU", "ESLU"
SCHEMES = {
    "IOB1": "tags as IOB1 has them (B- only between neighbours of one type), read as IOB2",
    "IOB2": "tags as IOB2 has them",
    "BIOES": "tags as BIOES or BILOU has them, read as IOB2",
    "runs": "tags without B- and I-: a run of equal ones is a span",
    "words": "tags without B- and I-, and no O among them: every word is a span of its own",
}


@dataclass(frozen=True, slots=True)
class Tags:
    """Sequences of tags in IOB2, the name of the scheme that they were written in, and what is odd about each sequence."""

    tags: tuple[tuple[str, ...], ...]
    scheme: str
    odd: tuple[tuple[str, ...], ...]


def read_tags(sequences: Sequence[Sequence[str]]) -> Tags:
    """Tags of many texts in one scheme, which all of them together tell."""
    sequences = [[_whole(tag) for tag in tags] for tags in sequences]
    scheme = scheme_of({tag for tags in sequences for tag in tags}, sequences)
    if scheme == "words":
        return Tags(tuple(map(tuple, sequences)), scheme, ((),) * len(sequences))
    if scheme == "runs":
        return Tags(tuple(_from_runs(tags) for tags in sequences), scheme, ((),) * len(sequences))
    read = [_from_prefixes(tags, scheme) for tags in sequences]
    return Tags(tuple(tags for tags, _ in read), scheme, tuple(odd for _, odd in read))


def scheme_of(seen: Iterable[str], sequences: Sequence[Sequence[str]]) -> str:
    """The name of the scheme, a key of SCHEMES."""
    prefixes = {tag[0] for tag in seen if PREFIXED.match(tag)}
    if not prefixes:
        return "runs" if OUTSIDE in seen else "words"
    if prefixes & set("ESLU"):
        return "BIOES"
    begins = {"B": 0, "I": 0}
    for tags in sequences:
        for before, tag in zip(("", *tags), tags, strict=False):
            if PREFIXED.match(tag) and before[1:] != tag[1:]:
                begins[tag[0] if tag[0] == "B" else "I"] += 1
    return "IOB1" if begins["I"] and not begins["B"] else "IOB2"


def _whole(tag: str) -> str:
    """A tag with its type: B and I alone are those of the only type there is."""
    tag = tag.strip()
    return f"{tag}-SPAN" if tag in ("B", "I") else tag


def _from_runs(tags: Sequence[str]) -> tuple[str, ...]:
    found = []
    for before, tag in zip((OUTSIDE, *tags), tags, strict=False):
        found.append(OUTSIDE if tag == OUTSIDE else f"{'I' if tag == before else 'B'}-{tag}")
    return tuple(found)


def _from_prefixes(tags: Sequence[str], scheme: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags in IOB2, and in words what of them was not well formed."""
    found: list[str] = []
    odd: dict[str, None] = {}
    before, before_kind = OUTSIDE, ""
    for tag in (*tags, OUTSIDE):
        is_tag = PREFIXED.match(tag) is not None
        prefix, kind = (tag[0], tag[2:]) if is_tag else (OUTSIDE, "")
        goes_on = kind == before_kind and before not in (OUTSIDE, *_ENDS)
        if not is_tag and tag not in NOTHING:
            odd[f"tag '{tag}' has neither B- nor I-, and is read as O"] = None
        if is_tag and prefix not in _BEGINS and not goes_on and scheme != "IOB1":
            odd[f"tag '{tag}' continues nothing, and is read as the beginning of a span"] = None
        if scheme == "BIOES" and before in "BIM" and not (goes_on and prefix not in (*_BEGINS, OUTSIDE)):
            odd[f"a span of {before_kind} has no end (E- or L-), and is read to end before the next tag"] = None
        found.append(OUTSIDE if not is_tag else f"I-{kind}" if goes_on and prefix not in _BEGINS else f"B-{kind}")
        before, before_kind = prefix, kind
    return tuple(found[:-1]), tuple(odd)
