"""Small pure pieces of evidence that are no metric of their own."""

from __future__ import annotations

import numpy as np


def confusion_counts(truth_N: np.ndarray, decided_N: np.ndarray, classes: int) -> list[list[int]] | None:
    """Counts (K × K), rows true and columns predicted; None for several labels per example."""
    if truth_N.ndim != 1:
        return None
    counts_KK = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts_KK, (truth_N, decided_N), 1)
    table: list[list[int]] = counts_KK.tolist()
    return table
