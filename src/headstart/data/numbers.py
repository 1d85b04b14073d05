"""Numbers in cells: what is one, what a column of them is, and how they are put into bins of equal filling."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

MANY = 20
"""So many different numbers at least make a quantity of a column, unless half of its cells differ."""
MOSTLY = 0.8
"""The share of a column's cells that have to be numbers before it is taken for a quantity unasked."""
MOST_BINS, PER_BIN = 10, 10
LEADING = re.compile(r"[-+]?\d+(\.\d+)?")


def number_in(cell: Any) -> float | None:
    """The finite number in a cell; None for everything else, truth values among it."""
    if isinstance(cell, bool | np.bool_):
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def written(value: float) -> str:
    """A number in the fewest letters that give it back exactly."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))


def is_quantity(cells: Sequence[Any]) -> bool:
    """Whether a column (of cells that are not empty) is clearly a quantity and not class names that are numbers.

    Most of them are numbers (MOSTLY); more than half are different, or there are fractions and more than MANY different
    numbers. Few whole numbers may be either, and stay classes until the user says otherwise.
    """
    values = [value for cell in cells if (value := number_in(cell)) is not None]
    different = set(values)
    if len(values) < MOSTLY * len(cells) or len(different) < 3:
        return False
    if any(not value.is_integer() for value in different):
        return len(different) > min(MANY, len(values) // 2)
    return len(different) > max(MANY, len(values) // 2)


def place_of(name: str) -> float:
    """The number that a class name of an order begins with; raises ValueError where it begins with none."""
    found = LEADING.match(name.strip())
    if found is None:
        raise ValueError(name)
    return float(found.group())


def quantile_bins(values_N: np.ndarray) -> np.ndarray:
    """The bin of each value (N whole numbers): bins of equal filling, PER_BIN values or more in each, MOST_BINS at most.

    Equal values share a bin.
    """
    bins = int(np.clip(len(values_N) // PER_BIN, 1, MOST_BINS))
    edges = np.unique(np.quantile(values_N, np.arange(1, bins) / bins)) if len(values_N) else np.array([])
    return np.asarray(np.searchsorted(edges, values_N, side="right"))


def spread_of(values_N: np.ndarray) -> float:
    """From the 5th to the 95th percentile: how far values lie apart, whatever a few wrong ones say."""
    low, high = np.quantile(values_N, [0.05, 0.95])
    return float(high - low)
