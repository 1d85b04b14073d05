"""How a backbone's tokenizer reads the texts: how many in windows, how many not whole, and how many it hardly knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.models.backbone import Backbone
from headstart.models.text_backbone import TextBackbone
from headstart.models.text_preprocess import TextPreprocess

MOST = 20_000
"""Texts that are tokenised to be counted; of more, so many evenly drawn."""
UNKNOWN_SHARE = 0.1
"""From this share of unknown tokens on, a text is said to be unknown to a tokenizer."""
PIECES_PER_WORD = 4.0
"""From so many pieces per word on, a tokenizer spells rather than reads. A character of Chinese or Japanese counts as a word."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Counts over `of` texts: `windowed` are longer than `max_length` tokens and read in windows, `truncated` not read whole,
    `unknown` have many tokens that stand for what the vocabulary lacks, `spelled` fall into many pieces per word.
    """

    backbone: str
    of: int
    max_length: int
    windows: int
    windowed: int
    truncated: int
    unknown: int
    spelled: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What is worth saying, one fact a line; nothing where every text is read as it is."""
        of, told = f"of {self.of:,} texts", []
        if self.windowed:
            told.append(
                f"{self.windowed:,} {of} are longer than the {self.max_length} tokens of {self.backbone}: read in overlapping windows, whose "
                "features are averaged"
            )
        if self.truncated:
            why = f"they have more than {self.windows} windows" if self.windows > 1 else f"its limit is {self.max_length} tokens"
            told.append(f"{self.truncated:,} {of} are not read whole by {self.backbone}: {why}")
        if self.unknown:
            told.append(f"{self.unknown:,} {of} have {UNKNOWN_SHARE:.0%} or more tokens that {self.backbone} does not know; another language or script?")
        if self.spelled:
            told.append(f"{self.spelled:,} {of} fall into {PIECES_PER_WORD:g} or more pieces per word with {self.backbone}; another language?")
        return told


def reading(backbone: Backbone, items: Sequence[Any], decode: Callable[[Any], Any]) -> Reading | None:
    """Tokenise the texts and count; None for a backbone that is no text encoder, and where a task reads texts in a way of its own."""
    if not isinstance(backbone, TextBackbone) or not isinstance(backbone.preprocess, TextPreprocess):
        return None
    preprocess = backbone.preprocess
    unknown_id = preprocess.tokenizer.unk_token_id
    special = set(preprocess.tokenizer.all_special_ids) - {unknown_id}
    counts = dict.fromkeys(("windowed", "truncated", "unknown", "spelled"), 0)
    rows = np.linspace(0, len(items) - 1, min(len(items), MOST)).astype(int)
    for row in rows:
        try:
            text = decode(items[row])
        except DataError:
            continue
        tokens = preprocess.prepare(text)
        counts["windowed"] += len(tokens.windows) > 1
        counts["truncated"] += tokens.truncated
        ids = [number for number in tokens.ids.tolist() if number not in special]
        words = _words(text) if len(tokens.windows) == 1 and not tokens.truncated else None
        lacking = ids.count(unknown_id) if unknown_id is not None else 0
        counts["unknown"] += lacking >= UNKNOWN_SHARE * max(1, len(ids)) and lacking > 0
        counts["spelled"] += words is not None and len(ids) >= PIECES_PER_WORD * max(1, words) and len(ids) > PIECES_PER_WORD
    return Reading(backbone.card.name, len(rows), preprocess.max_length, preprocess.windows, **counts)


def _words(text: Any) -> int:
    """Words between white space; a character of a script without spaces is one."""
    whole = text if isinstance(text, str) else " ".join(text)
    return len(whole.split()) + sum("\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7af" for letter in whole)
