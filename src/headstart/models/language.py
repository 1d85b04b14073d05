"""From a text or a conversation to tokens of which each tells the next, and which of them count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.errors import ModelError
from headstart.models.backbone import WINDOWS
from headstart.models.chat import asked, by_template, follows_template, plainly, question
from headstart.models.text_preprocess import TextPreprocess, Tokens, Window
from headstart.prove.passages import Conversation

LONGEST, PASSAGE = 1024, 256
"""Tokens of context at most, whatever the network could take: in a conversation, and in a stretch of a document, where attention over more costs
more than it tells.
"""
TELLING_WINDOW, TELLING_TOKEN, NEXT, BYTES = "telling_window", "telling_token", "next_token", "bytes"
"""Keys of a batch, a row for each example: of each token that counts the window and the place in it of the token before, which tells it, and its
id (each B × C, −1 where there is none), and the bytes of UTF-8 that they stand for (B).
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A text in windows of ids. Of its C tokens that count: the window and the place of the token that tells each, and its id; the bytes
    they stand for.
    """

    ids: tuple[np.ndarray, ...]
    windows: np.ndarray
    places: np.ndarray
    next: np.ndarray
    bytes: int
    plain: bool = False
    """Whether it is a conversation that no template wrote."""


class LanguagePreprocess:
    """A checkpoint's tokenizer for texts that are learned token by token.

    A text begins with the tokenizer's mark for a beginning (or, lacking one, that for an end, as GPT-2 has it), which counts for nothing but
    tells the first token; the end of a document is a token to be told. Of a conversation the answers count, with the sign that ends each. What
    is longer than the context goes in windows, each of which begins with the last token of the one before: every token counts once.
    `prepare` is thread-safe.
    """

    kind = "language"
    tells_tokens = True
    example: Any = "one short text"

    def __init__(self, whole: TextPreprocess, *, longest: int, packs: bool = False) -> None:
        """Windows of `longest` tokens; `packs`: whether the network keeps documents apart that are packed into one row."""
        self.whole, self.longest, self.packs = whole, longest, packs
        tokenizer = whole.tokenizer
        self._fast = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        self._fast.no_padding()
        self._fast.no_truncation()
        self.start = next((one for one in (tokenizer.bos_token_id, tokenizer.eos_token_id) if one is not None), None)
        self.end: int | None = tokenizer.eos_token_id
        self._start_sign = "" if self.start is None else str(tokenizer.convert_ids_to_tokens(self.start))
        self._end_sign = str(tokenizer.eos_token or "")
        self.has_template = follows_template(tokenizer)

    @classmethod
    def over(cls, whole: TextPreprocess, positions: int) -> LanguagePreprocess:
        """Windows as long as a network with so many `positions` allows, LONGEST at most."""
        return cls(whole, longest=min(LONGEST, positions))

    def __deepcopy__(self, memo: Mapping[int, Any]) -> LanguagePreprocess:
        """Itself: nothing of it ever changes."""
        return self

    def prepare(self, raw: Any) -> Told:
        """A document's stretch, or a conversation; of a pair of texts the second is the answer."""
        turns = raw.turns if isinstance(raw, Conversation) else () if isinstance(raw, str) else (("user", raw[0]), ("assistant", raw[1]))
        if turns:
            ids, counts, size, plain = self._conversation(turns)
            return replace(self._windows(ids, counts, size, self.longest), plain=plain)
        encoding = self._fast.encode(raw, add_special_tokens=False)
        ids = [*encoding.ids, *([self.end] if getattr(raw, "ends", False) and self.end is not None else [])]
        return self._windows(ids, np.ones(len(ids), dtype=bool), len(raw.encode(errors="surrogatepass")), min(self.longest, PASSAGE))

    def collate(self, prepared: Sequence[Told]) -> dict[str, Tensor]:
        """Examples as one batch: windows of ids (V, T), padded, and for each example what counts of it."""
        flat = [Tokens((Window(ids, np.zeros(len(ids), dtype=np.int64)),), False) for one in prepared for ids in one.ids]
        return {
            **self.whole.collate(flat),
            WINDOWS: torch.tensor([len(one.ids) for one in prepared]),
            TELLING_WINDOW: _padded([one.windows for one in prepared]),
            TELLING_TOKEN: _padded([one.places for one in prepared]),
            NEXT: _padded([one.next for one in prepared]),
            BYTES: torch.tensor([one.bytes for one in prepared]),
        }

    def cost(self, prepared: Told) -> int:
        """The number of tokens in all windows."""
        return sum(map(len, prepared.ids))

    def told(self, prepared: Sequence[Told]) -> list[str]:
        """What was done to examples that are too long or refused by a chat template, in sentences."""
        several = sum(len(one.ids) > 1 for one in prepared)
        plain = sum(one.plain for one in prepared)
        lacks = "its chat template does not tell where answers begin, or refuses them" if self.has_template else "its tokenizer has no chat template of which answers can be told apart"
        said = [f"{several} of {len(prepared)} texts are longer than the context and read in windows."] if several else []
        return [*said, *([f"{plain} conversations are written plainly, as User: and Assistant:, for {lacks}."] if plain else [])]

    def question(self, turns: Sequence[tuple[str, str]]) -> str:
        """Turns written down up to where an answer begins."""
        return asked(self.whole.tokenizer, turns) if self.has_template else question(turns)

    def begun(self, text: str, *, written: bool = False) -> list[int]:
        """The ids of a text to go on with, its beginning marked; `written`: as a chat template writes it, whose own marks stand in it."""
        ids: list[int] = list(self._fast.encode(text, add_special_tokens=False).ids)
        marked = written and self.has_template and ids[:1] == [self.start]
        return ids if marked or self.start is None else [self.start, *ids]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; the tokenizer itself stands in it by its hash."""
        return {**self.whole.to_dict(), "reads": self.kind, "longest": self.longest, "packs": self.packs}

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into `folder`."""
        self.whole.save(folder)

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any]) -> LanguagePreprocess:
        """The inverse of `save` and `to_dict`."""
        return cls(TextPreprocess.load(folder, values), longest=values["longest"], packs=values["packs"])

    def _conversation(self, turns: Sequence[tuple[str, str]]) -> tuple[list[int], np.ndarray, int, bool]:
        """Ids, which of them count, the bytes of the answers, and whether they are written plainly. Turns that a template refuses are written plainly."""
        written = by_template(self.whole.tokenizer, turns) if self.has_template else None
        text, spans = written or plainly(turns, self._end_sign)
        if written and self._start_sign and text.startswith(self._start_sign):
            # The template writes the mark for the beginning itself.
            text, spans = text[len(self._start_sign) :], [(a - len(self._start_sign), b - len(self._start_sign)) for a, b in spans]
        encoding = self._fast.encode(text, add_special_tokens=False)
        begins = np.array([begin for begin, _ in encoding.offsets], dtype=np.int64)
        ends = np.array([end for _, end in encoding.offsets], dtype=np.int64)
        counts = np.zeros(len(begins), dtype=bool)
        for begin, end in spans:
            # A space before a word is often part of its token: one that reaches into an answer belongs to it.
            counts |= (ends > begin) & (begins < end)
        size = sum(len(said.encode(errors="surrogatepass")) for role, said in turns if role == "assistant")
        return list(encoding.ids), counts, size, written is None

    def _windows(self, ids: Sequence[int], counts: np.ndarray, size: int, longest: int) -> Told:
        if self.start is not None:
            ids, counts = [self.start, *ids], np.concatenate([[False], counts])
        if not ids:
            raise ModelError("a text of which the tokenizer leaves nothing. Use another model.")
        step = longest - 1
        whole = np.array(ids, dtype=np.int64)
        windows = tuple(whole[begin : begin + longest] for begin in range(0, max(1, len(whole) - 1), step))
        at = np.flatnonzero(counts[1:])  # the tokens that tell the ones that count
        return Told(windows, at // step, at % step, whole[at + 1], size)


def _padded(rows: Sequence[np.ndarray]) -> Tensor:
    """Arrays of unequal length as one tensor (B, the longest, 1 at least), filled with −1."""
    most = max(1, *(len(row) for row in rows)) if len(rows) > 1 else max(1, len(rows[0]))
    return torch.from_numpy(np.stack([np.pad(row, (0, most - len(row)), constant_values=-1) for row in rows]).astype(np.int64))
