"""From a text or a pair of texts to token ids, by the checkpoint's own tokenizer."""

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
"""Tokens that are read of a text at most, whatever the network could take: attention grows with the square."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenised text: ids and segment numbers (T,), and whether its end was cut off to fit."""

    ids: np.ndarray
    segments: np.ndarray
    truncated: bool


class TextPreprocess:
    """A checkpoint's tokenizer with its special tokens, cutting at `max_length` tokens, padding to the right.

    Pairs go through the tokenizer's own encoding of pairs, the longer one cut first. `prepare` is thread-safe: it
    works on a copy of the fast tokenizer whose settings never change. Ask a prepared example's `truncated` to
    count what was cut.
    """

    kind = "text"
    example: Any = "one short text"
    """Something to pass through a network to see how it is made."""

    def __init__(self, tokenizer: Any, *, max_length: int, lower: bool = False) -> None:
        """Wrap a transformers tokenizer; raises ModelError for one without a fast implementation."""
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                f"{type(tokenizer).__name__}: has no fast tokenizer (tokenizer.json). Convert it with transformers first."
            )
        self.tokenizer, self.max_length, self.lower = tokenizer, max_length, lower
        self._fast = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        self._fast.no_padding()
        self._fast.enable_truncation(max_length, strategy="longest_first")
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
        first, second = (raw, None) if isinstance(raw, str) else raw
        if self.lower:
            first, second = first.lower(), second.lower() if second is not None else None
        encoding = self._fast.encode(first, second)
        if not encoding.ids:
            return Tokens(np.array([self._empty], dtype=np.int64), np.zeros(1, dtype=np.int64), False)
        return Tokens(
            np.array(encoding.ids, dtype=np.int64),
            np.array(encoding.type_ids, dtype=np.int64),
            bool(encoding.overflowing),
        )

    def collate(self, prepared: Sequence[Any]) -> dict[str, Tensor]:
        """Texts as one batch (B, T), padded to the longest of them."""
        width = max(len(tokens.ids) for tokens in prepared)
        ids_BT = np.full((len(prepared), width), self._pad, dtype=np.int64)
        mask_BT = np.zeros((len(prepared), width), dtype=np.int64)
        segments_BT = np.zeros((len(prepared), width), dtype=np.int64)
        for row, tokens in enumerate(prepared):
            length = len(tokens.ids)
            ids_BT[row, :length] = tokens.ids
            mask_BT[row, :length] = 1
            segments_BT[row, :length] = tokens.segments
        batch = {"input_ids": torch.from_numpy(ids_BT), "attention_mask": torch.from_numpy(mask_BT)}
        if self._segmented:
            batch["token_type_ids"] = torch.from_numpy(segments_BT)
        return batch

    def cost(self, prepared: Any) -> int:
        """The number of tokens."""
        return len(prepared.ids)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; the tokenizer itself stands in it by its hash."""
        return {"tokenizer_sha256": self._hash, "max_length": self.max_length, "lower": self.lower}

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into `folder`."""
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any]) -> TextPreprocess:
        """The inverse of `save` and `to_dict`."""
        return cls(read_tokenizer(folder), max_length=values["max_length"], lower=values["lower"])


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
