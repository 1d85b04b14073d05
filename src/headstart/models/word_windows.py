"""From a text to windows of token ids, and where in them each of its words stands that is to be labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.errors import DataError
from headstart.models.backbone import WINDOWS, Backbone
from headstart.models.text_preprocess import TextPreprocess, Tokens, Window
from headstart.models.windows import WORD_WINDOW, best_places, lowered, padded, places_in
from headstart.prove.tags import WORDS
from headstart.prove.word_texts import words_at

LONGEST, OVERLAP = 256, 64
"""Tokens in a window, and tokens that neighbouring windows share."""
WORD_AT = "word_at"
"""The key in a batch under which stands, a row for each example, the token that speaks for each word (B, W) in its window; 0 for a word that is none to
the tokenizer, whose window is −1, and −1 where there is no word."""


@dataclass(frozen=True, slots=True)
class WordWindows:
    """A text: ids of each window, and of each word its window and the token that speaks for it (2 × W)."""

    ids: tuple[np.ndarray, ...]
    places: np.ndarray


class WordPreprocess:
    """A checkpoint's tokenizer for texts whose words are labelled.

    A text that does not fit is read in windows that overlap; a word in several windows is read where it has most context on its poorer side. For a
    word its first token speaks, or in a network that sees nothing of what follows its last one. `prepare` is thread-safe.
    """

    kind = "words"
    example = "one short text"
    """Something to pass through a network to see how it is made."""

    def __init__(self, whole: TextPreprocess, *, longest: int, overlap: int, by_last: bool) -> None:
        """Windows of `longest` tokens, sharing `overlap`; `by_last` says that a word's last token speaks for it."""
        self.whole, self.longest, self.overlap, self.by_last = whole, longest, overlap, by_last
        backend = whole.tokenizer.backend_tokenizer
        self._windows = type(backend).from_str(backend.to_str())
        self._windows.no_padding()
        self._windows.enable_truncation(longest, stride=overlap)
        # A tokenizer without marks around texts may make nothing of one; a network needs at least one token.
        self._empty = whole.prepare("").ids[:1]

    @classmethod
    def over(cls, whole: TextPreprocess, positions: int, *, by_last: bool) -> WordPreprocess:
        """Windows as long as a network with so many `positions` allows, LONGEST at most."""
        longest = min(LONGEST, positions)
        return cls(whole, longest=longest, overlap=min(OVERLAP, longest // 4), by_last=by_last)

    def __deepcopy__(self, memo: Mapping[int, Any]) -> WordPreprocess:
        """Itself: nothing of it ever changes."""
        return self

    def prepare(self, raw: Any) -> WordWindows:
        """A text as windows; raises DataError for a pair, and for more than WORDS words."""
        if not isinstance(raw, str):
            raise DataError("a pair of texts: words are labelled in one text. Give one text for each example.")
        words = words_at(raw)
        if words.shape[1] > WORDS:
            raise DataError(f"a text of {words.shape[1]:,} words, over the limit of {WORDS} for one example. Cut it up.")
        encoding = self._windows.encode(lowered(raw) if self.whole.lower else str(raw))
        windows = [encoding, *encoding.overflowing]
        window, first, last = best_places([places_in(part, words, 0) for part in windows])
        ids = tuple(np.array(part.ids, dtype=np.int64) if part.ids else self._empty.astype(np.int64) for part in windows)
        return WordWindows(ids, np.stack([window, np.maximum(0, last if self.by_last else first)]))

    def collate(self, prepared: Sequence[WordWindows]) -> dict[str, Tensor]:
        """Examples as one batch: windows of ids (V, T), and for each example the places of its words."""
        flat = [Tokens((Window(ids, np.zeros(len(ids), dtype=np.uint8)),), False) for one in prepared for ids in one.ids]
        words = padded([one.places for one in prepared])
        return {
            **self.whole.collate(flat),
            WINDOWS: torch.tensor([len(one.ids) for one in prepared]),
            WORD_WINDOW: words[:, 0],
            WORD_AT: words[:, 1],
        }

    def cost(self, prepared: WordWindows) -> int:
        """The number of tokens in all windows."""
        return sum(map(len, prepared.ids))

    def told(self, prepared: Sequence[WordWindows]) -> list[str]:
        """What was done to texts that are too long, and to words that cannot be read, in sentences."""
        several = sum(len(one.ids) > 1 for one in prepared)
        lost = sum(int((one.places[0] < 0).sum()) for one in prepared)
        said = [f"{several} of {len(prepared)} texts are longer than {self.longest} tokens and read in windows."] if several else []
        return [*said, *([f"{lost} words are none to the network's tokenizer: it cannot label them."] if lost else [])]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; the tokenizer itself stands in it by its hash."""
        return {**self.whole.to_dict(), "reads": self.kind, "longest": self.longest, "overlap": self.overlap, "by_last": self.by_last}

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into `folder`."""
        self.whole.save(folder)

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any]) -> WordPreprocess:
        """The inverse of `save` and `to_dict`."""
        sizes = {name: values[name] for name in ("longest", "overlap", "by_last")}
        return cls(TextPreprocess.load(folder, values), **sizes)


def sees_nothing_ahead(backbone: Backbone) -> bool:
    """Whether a text network's states do not depend on later tokens, found out by changing the last one."""
    ids_2T = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]])
    training = backbone.training
    with torch.no_grad():
        first_TD, second_TD = backbone.eval().padded_states({"input_ids": ids_2T, "attention_mask": torch.ones_like(ids_2T)}).hidden_VTD[:, :-1]
    backbone.train(training)
    return bool(torch.allclose(first_TD, second_TD, rtol=0, atol=1e-6 * float(first_TD.abs().max())))
