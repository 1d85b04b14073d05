"""What texts cost a language model: nats, and over how many tokens and bytes (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from headstart.errors import DataError
from headstart.prove.estimate import Array

ROW = 3
"""Numbers in a row: nats, tokens that were told, and the bytes of UTF-8 that they stand for."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Of N texts the nats in all, the tokens that count and their bytes. Make them with `losses`, which checks."""

    nats_N: Array
    tokens_N: Array
    bytes_N: Array

    @property
    def kind(self) -> Literal["language"]:
        """The kind of answers, as the metrics ask for it."""
        return "language"

    @property
    def off_N(self) -> Array:
        """Bits of each text per byte of a text of mean length: their mean is the bits per byte of all texts together, so that a long text
        counts by its length.
        """
        return np.asarray(self.nats_N / (np.log(2) * max(1e-9, float(self.bytes_N.mean()))))

    def __len__(self) -> int:
        """The number of texts N."""
        return len(self.nats_N)

    def take(self, rows: Array) -> Losses:
        """Those at `rows` (indices or a mask)."""
        return Losses(self.nats_N[rows], self.tokens_N[rows], self.bytes_N[rows])


def losses(rows_N3: Array) -> Losses:
    """From rows of nats, tokens and bytes; raises DataError where they are not finite or below zero."""
    rows_N3 = np.asarray(rows_N3, dtype=np.float64)
    if rows_N3.ndim != 2 or rows_N3.shape[1] != ROW:
        raise DataError(f"losses: the shape {rows_N3.shape} is not N × {ROW} (nats, tokens, bytes).")
    if not np.isfinite(rows_N3).all() or (rows_N3 < 0).any():
        raise DataError("losses: NaN, infinite or negative values. Look at the training that made them.")
    return Losses(*rows_N3.T)


def nats_per_token(answers: Losses, counts_bN: Array) -> Array:
    """Nats over all tokens that count."""
    return _over(counts_bN @ answers.nats_N, counts_bN @ answers.tokens_N)


def perplexity(answers: Losses, counts_bN: Array) -> Array:
    """The exponential of the nats per token: among how many equally likely tokens one would be as unsure."""
    return np.asarray(np.exp(nats_per_token(answers, counts_bN)))


def bits_per_byte(answers: Losses, counts_bN: Array) -> Array:
    """Bits over the bytes of UTF-8 that the tokens stand for: the same measure whatever the tokenizer."""
    return np.asarray(_over(counts_bN @ answers.nats_N, counts_bN @ answers.bytes_N) / np.log(2))


def _over(nats_b: Array, count_b: Array) -> Array:
    """Nats per one of so many; NaN where there are none."""
    return np.asarray(np.where(count_b > 0, nats_b / np.where(count_b > 0, count_b, 1), np.nan))
