"""What every solver shares: features as an array or in chunks, checks at the door, and their first two moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError

Array = npt.NDArray[Any]
Chunks = Callable[[], Iterable[Array]]
"""Starts a fresh pass over the features: blocks of rows, always the same rows in the same order."""

BLOCK = 2048  # rows: large enough for fast matrix products, small in double precision beside everything else


def blocks(features: Array | Chunks) -> Iterator[tuple[slice, Array]]:
    """One pass over features: `(rows, block)` in order; raises DataError where a block is not n × D and finite."""
    width, start = -1, 0
    for block in (part for chunk in (features() if callable(features) else [features]) for part in _cut(chunk)):
        if block.ndim != 2 or block.shape[1] == 0:
            raise DataError(
                f"features: expected rows × columns, got the shape {block.shape}. Pass a two-dimensional array."
            )
        if width not in (-1, block.shape[1]):
            raise DataError(
                f"features: rows from {start} on are {block.shape[1]} wide, earlier ones {width}. Extract them alike."
            )
        if not np.isfinite(block).all():
            row = start + int(np.flatnonzero(~np.isfinite(block).all(1))[0])
            raise DataError(f"features: row {row} holds NaN or infinite values. Set that example aside.")
        width = block.shape[1]
        yield slice(start, start + len(block)), block
        start += len(block)


def _cut(features_ND: Array) -> Iterator[Array]:
    if features_ND.ndim != 2:
        raise DataError(
            f"features: expected rows × columns, got the shape {features_ND.shape}. Pass a two-dimensional array."
        )
    for start in range(0, len(features_ND), BLOCK):
        yield features_ND[start : start + BLOCK]


def in_memory(features: Array | Chunks) -> Array:
    """All features as one array N × D of floats (half precision becomes single), checked."""
    parts = [block for _, block in blocks(features)]
    if not parts:
        raise DataError("features: no rows. Pass at least two examples.")
    whole = features if not callable(features) else np.concatenate(parts)
    return whole if whole.dtype in (np.float32, np.float64) else whole.astype(np.float32)


def gather(features: Array | Chunks, rows_M: Array) -> Array:
    """The rows at `rows_M` (ascending) as an array M × D, in one pass."""
    if not callable(features):
        return features[rows_M]
    return np.concatenate(
        [block[rows_M[(rows_M >= at.start) & (rows_M < at.stop)] - at.start] for at, block in blocks(features)]
    )


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and centred scatter of features in double precision: `scatter_DD` is Σ (x − mean)(x − mean)ᵀ over `n`
    rows.
    """

    n: int
    mean_D: Array
    scatter_DD: Array


def moments(features: Array | Chunks) -> Moments:
    """Mean and scatter in one pass, summed around the first block's mean so that large offsets do not cancel."""
    n, shift_D, sum_D, scatter_DD = 0, np.zeros(0), np.zeros(0), np.zeros((0, 0))
    for at, block in blocks(features):
        if at.start == 0:
            shift_D = block.mean(0, dtype=np.float64)
            sum_D, scatter_DD = np.zeros_like(shift_D), np.zeros((len(shift_D), len(shift_D)))
        moved = block - shift_D
        sum_D += moved.sum(0)
        scatter_DD += moved.T @ moved
        n = at.stop
    if n == 0:
        raise DataError("features: no rows. Pass at least two examples.")
    return Moments(n, shift_D + sum_D / n, scatter_DD - np.outer(sum_D, sum_D / n))


def positive_eigen(symmetric: Array, *, size: int) -> tuple[Array, Array]:
    """Eigenvalues above rounding error, largest first, and their vectors as columns; `size` is the larger side of the
    data.
    """
    values, vectors = np.linalg.eigh(symmetric)
    keep = values > size * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return values[keep][::-1], vectors[:, keep][:, ::-1]


def one_hot(labels_N: Array, classes: int) -> Array:
    """Labels 0 … K−1 as rows of zeros with a one: float32, N × K."""
    hot_NK = np.zeros((len(labels_N), classes), np.float32)
    hot_NK[np.arange(len(labels_N)), labels_N] = 1
    return hot_NK


@dataclass(frozen=True, slots=True)
class Labels:
    """Checked labels: `values` is N integers below `classes`, or N × K zeros and ones where `several` is true."""

    values: Array
    classes: int
    several: bool

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.values)

    def take(self, rows: Array | Sequence[int]) -> Labels:
        """The labels at `rows`."""
        return Labels(self.values[rows], self.classes, self.several)


def check_labels(labels: Array, classes: int | None) -> Labels:
    """Labels as `Labels`; raises DataError where they are not integers from 0 on (N) or zeros and ones (N × K)."""
    values = np.asarray(labels)
    if values.ndim not in (1, 2) or len(values) == 0:
        raise DataError(f"labels: expected N or N × K, got the shape {values.shape}. Pass one row per example.")
    if values.ndim == 2:
        if not np.isin(values, (0, 1)).all():
            raise DataError("labels: several labels per example must be zeros and ones, one column per class.")
        if classes not in (None, values.shape[1]):
            raise DataError(f"labels: {values.shape[1]} columns for {classes} classes. Pass one column per class.")
        return Labels(values.astype(np.uint8), values.shape[1], True)
    if not np.issubdtype(values.dtype, np.integer) or values.min() < 0:
        raise DataError("labels: expected whole numbers from 0 on. Number the classes first.")
    count = int(values.max()) + 1 if classes is None else classes
    if values.max() >= count:
        raise DataError(f"labels: the label {values.max()} lies beyond {count} classes. Number the classes from 0.")
    return Labels(values.astype(np.int64), count, False)
