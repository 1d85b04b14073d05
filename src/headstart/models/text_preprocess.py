"""From a text or a pair of texts to token ids, by the checkpoint's own tokenizer; a long text in overlapping windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.errors import ModelError
from headstart.files import sha256_text

LONGEST = 512
"""Tokens of a window at most, whatever the network could take: attention grows with the square."""
MOST_WINDOWS = 8
"""Windows that are read of a text at most: what it may cost more than one that fits."""
OVERLAP = 1 / 8
"""Share of a window that its neighbour reads as well, so that what a cut parts is seen whole once."""
WINDOW_OF = "window_of"
"""The key in a batch under which the number of the example stands that each row is a window of; absent where each has one."""


@dataclass(frozen=True, slots=True)
class Window:
    """As many tokens as the network takes: ids (int32) and segment numbers (uint8), both (T,)."""

    ids: np.ndarray
    segments: np.ndarray

    def __len__(self) -> int:
        """The number of tokens T, special ones included."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenised text: its windows, nearly always one, and whether some of it is in none of them."""

    windows: tuple[Window, ...]
    truncated: bool

    @property
    def ids(self) -> np.ndarray:
        """The ids of the first window (T,)."""
        return self.windows[0].ids

    def only(self, number: int) -> Tokens:
        """One of its windows, `number` counted round and round."""
        return self if len(self.windows) == 1 else Tokens((self.windows[number % len(self.windows)],), self.truncated)


class TextPreprocess:
    """A checkpoint's tokenizer with its special tokens; windows of `max_length` tokens, padding to the right.

    A text that is longer is read in overlapping windows, at most `windows` of them; of one that has more, as many are read as
    that, spread evenly from its beginning to its end. With `windows=1` its end is cut off. Pairs go through the tokenizer's own
    encoding of pairs: windows run over the longer text, the other one stands in each of them, cut to half of it where it is
    longer than that. `prepare` is thread-safe: it works on copies of the fast tokenizer whose settings never change. Ask a
    prepared example's `truncated` to count what was not read whole.
    """

    kind = "text"
    example: Any = "one short text"
    """Something to pass through a network to see how it is made."""

    def __init__(self, tokenizer: Any, *, max_length: int, lower: bool = False, windows: int = MOST_WINDOWS) -> None:
        """Wrap a transformers tokenizer; raises ModelError for one without a fast implementation."""
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                f"{type(tokenizer).__name__}: has no fast tokenizer (tokenizer.json). Convert it with transformers first."
            )
        self.tokenizer, self.max_length, self.lower, self.windows = tokenizer, max_length, lower, windows
        self._fast, self._whole = (type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str()) for _ in range(2))
        for copied in (self._fast, self._whole):
            copied.no_padding()
        self._fast.enable_truncation(max_length, strategy="longest_first")
        self._whole.no_truncation()
        self._pad = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
        # A tokenizer without marks around texts makes nothing of an empty one; a network needs at least one token.
        self._empty = next((i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id) if i is not None), self._pad)
        self._segmented = "token_type_ids" in tokenizer.model_input_names
        # Compared once, not per text: the settings above must not be part of what identifies the tokenizer.
        self._hash = sha256_text(tokenizer.backend_tokenizer.to_str())

    def __deepcopy__(self, memo: Mapping[int, Any]) -> TextPreprocess:
        """Itself: nothing of it ever changes, and a vocabulary takes longer to copy than a network."""
        return self

    def prepare(self, raw: Any) -> Tokens:
        """A text, or a pair of texts, as tokens."""
        encodings, truncated = self.encodings(raw)
        if not encodings[0].ids:
            return Tokens((Window(np.array([self._empty], dtype=np.int32), np.zeros(1, dtype=np.uint8)),), False)
        windows = (Window(np.array(one.ids, dtype=np.int32), np.array(one.type_ids, dtype=np.uint8)) for one in encodings)
        return Tokens(tuple(windows), truncated)

    def encodings(self, raw: Any) -> tuple[list[Any], bool]:
        """What the tokenizer makes of a text, or a pair, window by window, and whether some of it is in none of them."""
        first, second = self.read(raw)
        encoding = self._fast.encode(first, second)
        if not encoding.overflowing or self.windows == 1:
            return [encoding], bool(encoding.overflowing)
        return self._windows(first, second)

    def read(self, raw: Any) -> tuple[str, str | None]:
        """The one or two texts as the tokenizer is given them."""
        first, second = (raw, None) if isinstance(raw, str) else raw
        if self.lower:
            first, second = first.lower(), second.lower() if second is not None else None
        return first, second

    def _windows(self, first: str, second: str | None) -> tuple[list[Any], bool]:
        room = self.max_length - self._whole.num_special_tokens_to_add(is_pair=second is not None)
        texts = [self._whole.encode(text, add_special_tokens=False) for text in (first, second) if text is not None]
        longer = max(range(len(texts)), key=lambda place: len(texts[place]))
        cut = False
        for other in texts[:longer] + texts[longer + 1 :]:
            cut = len(other) > room // 2
            other.truncate(min(len(other), room // 2))
            room -= len(other)
        texts[longer].truncate(room, stride=int(OVERLAP * room))
        found = [texts[longer], *texts[longer].overflowing]
        kept = found
        if len(found) > self.windows:
            kept = [found[place] for place in np.linspace(0, len(found) - 1, self.windows).round().astype(int)]
        pairs = ([window if place == longer else other for place, other in enumerate(texts)] for window in kept)
        return [self._whole.post_process(*pair) for pair in pairs], cut or len(kept) < len(found)

    def collate(self, prepared: Sequence[Any]) -> dict[str, Tensor]:
        """Texts as one batch (R, T), padded to the longest window; R is their number, or that of their windows together, which
        then stand one after the other, each with the number of its text under WINDOW_OF (R,).
        """
        rows = [window for tokens in prepared for window in tokens.windows]
        width = max(map(len, rows))
        ids_RT = np.full((len(rows), width), self._pad, dtype=np.int64)
        mask_RT = np.zeros((len(rows), width), dtype=np.int64)
        segments_RT = np.zeros((len(rows), width), dtype=np.int64)
        for row, window in enumerate(rows):
            length = len(window)
            ids_RT[row, :length] = window.ids
            mask_RT[row, :length] = 1
            segments_RT[row, :length] = window.segments
        batch = {"input_ids": torch.from_numpy(ids_RT), "attention_mask": torch.from_numpy(mask_RT)}
        if self._segmented:
            batch["token_type_ids"] = torch.from_numpy(segments_RT)
        if len(rows) > len(prepared):
            counts = [len(tokens.windows) for tokens in prepared]
            batch[WINDOW_OF] = torch.from_numpy(np.repeat(np.arange(len(prepared)), counts))
        return batch

    def cost(self, prepared: Any) -> int:
        """The number of tokens, those of all windows."""
        return sum(map(len, prepared.windows))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; the tokenizer itself stands in it by its hash."""
        described = {"tokenizer_sha256": self._hash, "max_length": self.max_length, "lower": self.lower}
        # Without windows it is what it was before there were any, and so is the address of its features.
        return described if self.windows == 1 else {**described, "windows": self.windows, "overlap": OVERLAP}

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into `folder`."""
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any]) -> TextPreprocess:
        """The inverse of `save` and `to_dict`; one that was saved before there were windows cuts the end off, as it did."""
        return cls(
            read_tokenizer(folder), max_length=values["max_length"], lower=values["lower"], windows=values.get("windows", 1)
        )

    def in_one_window(self) -> TextPreprocess:
        """The same, but what is too long has its end cut off: for networks whose answer stands at a token."""
        return type(self)(self.tokenizer, max_length=self.max_length, lower=self.lower, windows=1)


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer in a model folder, running no code of it; raises ModelError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        raise ModelError(
            f"{folder}: no usable tokenizer ({_first_line(error)}). Add tokenizer.json and tokenizer_config.json."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
