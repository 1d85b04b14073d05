"""Rows of different lengths in two arrays: a list for each row would cost far more, and all the more the more rows there are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np


@dataclass(frozen=True, slots=True)
class Ragged:
    """R rows of integers, one after the other in `values`; row r begins at `starts[r]` (R + 1, the last being the end)."""

    values: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Collection[int]]) -> Ragged:
        """From collections of integers."""
        values = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
        return cls(values, starts_of(np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))))

    @classmethod
    def singles(cls, values: np.ndarray) -> Ragged:
        """Rows of one."""
        return cls(values.astype(np.int64), np.arange(len(values) + 1))

    @classmethod
    def members(cls, row_of: np.ndarray) -> Ragged:
        """Row r holds, ascending, the positions at which `row_of` is r; each of 0 … R - 1 is there."""
        return cls(np.argsort(row_of, kind="stable"), starts_of(np.bincount(row_of)))

    def __len__(self) -> int:
        """The number of rows R."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """How long each row is (R,)."""
        return np.diff(self.starts)

    def take(self, rows: np.ndarray) -> Ragged:
        """Some of the rows, in this order."""
        lengths = self.lengths[rows]
        starts = starts_of(lengths)
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], lengths)
        return Ragged(self.values[places], starts)

    def joined(self, counts: np.ndarray) -> Ragged:
        """Rows that follow one another made one, so many each time."""
        return Ragged(self.values, self.starts[starts_of(counts)])


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where rows of these lengths begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
