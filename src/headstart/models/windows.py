"""From a question and its context to windows of token ids, and where in them each word of the context stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.errors import DataError
from headstart.models.backbone import WINDOWS
from headstart.models.text_preprocess import TextPreprocess, Tokens, Window
from headstart.prove.words import edges

LONGEST, OVERLAP, QUESTION = 384, 128, 64
"""Tokens in a window, tokens that neighbouring windows share, and tokens that are read of a question at most."""
WORD_WINDOW, WORD_FIRST, WORD_LAST, NONE_AT = "word_window", "word_first", "word_last", "none_at"
"""Keys of a batch, a row for each example: of each word of the context (B, W) the window that it is read in and its first and last token there,
and of each window (B, most windows) the token that speaks for "no answer"; −1 where there is nothing.
"""


@dataclass(frozen=True, slots=True)
class Windowed:
    """A question and its context: ids and segment numbers of each window, the places of NONE_AT, the words' places (3 × W) as the
    keys of a batch have them, and whether the question's end was cut off.
    """

    ids: tuple[np.ndarray, ...]
    segments: tuple[np.ndarray, ...]
    none_at: tuple[int, ...]
    places: np.ndarray
    truncated: bool


class WindowPreprocess:
    """A checkpoint's tokenizer for pairs of a question and a context of any length.

    A context that does not fit is read in windows that overlap, each with the question before it; nothing of it is cut off. A word in
    several windows is read where it has most context on its poorer side. `prepare` is thread-safe.
    """

    kind = "windows"
    example = ("one", "short text")
    """Something to pass through a network to see how it is made."""

    def __init__(self, whole: TextPreprocess, *, longest: int, overlap: int, question: int) -> None:
        """Windows of `longest` tokens, sharing `overlap`, with at most `question` tokens of the question."""
        self.whole, self.longest, self.overlap, self.question = whole, longest, overlap, question
        tokenizer = whole.tokenizer
        self._windows = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        self._windows.no_padding()
        self._windows.enable_truncation(longest, stride=overlap, strategy="only_second")
        self._plain = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        self._plain.no_padding()
        self._plain.no_truncation()
        self._none = tokenizer.cls_token_id

    @classmethod
    def over(cls, whole: TextPreprocess, positions: int) -> WindowPreprocess:
        """Windows as long as a network with so many `positions` allows, LONGEST at most."""
        longest = min(LONGEST, positions)
        return cls(whole, longest=longest, overlap=min(OVERLAP, longest // 4), question=min(QUESTION, longest // 3))

    def __deepcopy__(self, memo: Mapping[int, Any]) -> WindowPreprocess:
        """Itself: nothing of it ever changes."""
        return self

    def prepare(self, raw: Any) -> Windowed:
        """A pair of a question and a context as windows; raises DataError for a single text."""
        if isinstance(raw, str):
            raise DataError(f"'{raw[:40]}': a text by itself. Give pairs of a question and its context, or a table with both.")
        question, context = raw
        words = edges(context)
        if self.whole.lower:
            question, context = lowered(question), lowered(context)
        question, truncated = self._shortened(question)
        encoding = self._windows.encode(question, context)
        parts = [encoding, *encoding.overflowing]
        return Windowed(
            tuple(np.array(part.ids, dtype=np.int64) for part in parts),
            tuple(np.array(part.type_ids, dtype=np.int64) for part in parts),
            tuple(part.ids.index(self._none) if self._none in part.ids else len(part.ids) - 1 for part in parts),
            best_places([places_in(part, words, 1) for part in parts]),
            truncated,
        )

    def collate(self, prepared: Sequence[Windowed]) -> dict[str, Tensor]:
        """Examples as one batch: windows of ids (V, T), and for each example the places of its words."""
        flat = [
            Tokens((Window(ids, segments),), False)
            for one in prepared
            for ids, segments in zip(one.ids, one.segments, strict=True)
        ]
        words = padded([one.places for one in prepared])
        return {
            **self.whole.collate(flat),
            WINDOWS: torch.tensor([len(one.ids) for one in prepared]),
            WORD_WINDOW: words[:, 0],
            WORD_FIRST: words[:, 1],
            WORD_LAST: words[:, 2],
            NONE_AT: padded([np.array([one.none_at]) for one in prepared])[:, 0],
        }

    def cost(self, prepared: Windowed) -> int:
        """The number of tokens in all windows."""
        return sum(map(len, prepared.ids))

    def told(self, prepared: Sequence[Windowed]) -> list[str]:
        """What was done to examples that are too long, in sentences."""
        several = sum(len(one.ids) > 1 for one in prepared)
        cut = sum(one.truncated for one in prepared)
        said = [f"{several} of {len(prepared)} contexts are longer than {self.longest} tokens and read in windows."] if several else []
        return [*said, *([f"{cut} questions are longer than {self.question} tokens: their ends are not read."] if cut else [])]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; the tokenizer itself stands in it by its hash."""
        sizes = {"longest": self.longest, "overlap": self.overlap, "question": self.question}
        return {**self.whole.to_dict(), "reads": self.kind, **sizes}

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into `folder`."""
        self.whole.save(folder)

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any]) -> WindowPreprocess:
        """The inverse of `save` and `to_dict`."""
        sizes = {name: values[name] for name in ("longest", "overlap", "question")}
        return cls(TextPreprocess.load(folder, values), **sizes)

    def _shortened(self, question: str) -> tuple[str, bool]:
        encoding = self._plain.encode(question, add_special_tokens=False)
        if len(encoding.ids) <= self.question:
            return question, False
        return question[: encoding.offsets[self.question - 1][1]], True


def lowered(text: str) -> str:
    """Lower case, sign by sign, so that each stays where it was; a sign that would become two is left."""
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def places_in(part: Any, words: np.ndarray, text: int) -> np.ndarray:
    """Of each word of the first or second `text` (0 or 1) that stands in a window (4 × W): 1, its first and last token, and how much context it has on its poorer side; −1 of
    the others.
    """
    found = np.full((4, words.shape[1]), -1, dtype=np.int64)
    own = np.array([place for place, sequence in enumerate(part.sequence_ids) if sequence == text], dtype=np.int64)
    spans = np.array([part.offsets[place] for place in own], dtype=np.int64).reshape(-1, 2)
    real = spans[:, 1] > spans[:, 0]
    own, spans = own[real], spans[real]
    if not len(own):
        return found
    low = np.searchsorted(words[1], spans[:, 0], side="right")
    high = np.searchsorted(words[0], spans[:, 1], side="left") - 1
    for token, first, last in zip(own.tolist(), low.tolist(), high.tolist(), strict=True):
        for word in range(first, last + 1):  # one word, nearly always
            if found[1, word] < 0:
                found[1, word] = token
            found[2, word] = token
    there = found[1] >= 0
    # A word that the window cuts in two is whole in a neighbour.
    there &= (words[0] >= spans[0, 0]) & (words[1] <= spans[-1, 1])
    found[0] = np.where(there, 1, -1)
    found[3] = np.where(there, np.minimum(found[1] - own[0], own[-1] - found[2]), -1)
    return found


def best_places(by_window: Sequence[np.ndarray]) -> np.ndarray:
    """Window, first and last token (3 × W) of each word, where it has most context; −1 for a word that no token stands for."""
    stacked = np.stack(by_window)
    best = stacked[:, 3].argmax(0)
    columns = np.arange(stacked.shape[2])
    chosen = stacked[best, :, columns].T
    there = chosen[3] >= 0
    return np.where(there, np.stack([best, chosen[1], chosen[2]]), -1).astype(np.int32)


def padded(rows: Sequence[np.ndarray]) -> Tensor:
    """Arrays (r × w each) as one tensor (B, r, most w), filled with −1."""
    most = max(row.shape[1] for row in rows)
    return torch.from_numpy(
        np.stack([np.pad(row, ((0, 0), (0, most - row.shape[1])), constant_values=-1) for row in rows]).astype(np.int64)
    )
