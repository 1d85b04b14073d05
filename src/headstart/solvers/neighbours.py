"""The nearest rows of one set for each row of another, and what they say: k-NN that can be asked about anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.solvers.arrays import Array, in_memory

BLOCK_NUMBERS = 1 << 23  # similarities held at a time: 32 MiB
TIED = 1e-6  # cosines this near are the same: equal rows differ by rounding


def directions(features: Array, mean_D: Array) -> Array:
    """Rows N × D (float32) of length one from features around `mean_D`; a row at the mean itself stays zero."""
    moved_ND = (in_memory(features) - mean_D).astype(np.float32)
    length_N = np.linalg.norm(moved_ND, axis=1, keepdims=True)
    return np.asarray(moved_ND / np.where(length_N > 0, length_N, 1))


@dataclass(frozen=True, slots=True)
class Nearest:
    """The T nearest rows for each of Q others, nearest first: their numbers `rows_QT` and cosines `cosine_QT`.

    A cosine of −∞ is no neighbour: it was excluded, and fewer than T were left.
    """

    rows_QT: Array
    cosine_QT: Array

    def weights(self, *, k: int, temperature: float) -> Array:
        """What each of them counts (Q × T, rows sum to 1), the k nearest only.

        A neighbour at cosine c counts exp(c / temperature); those as near as the k-th share its place, so the order of rows
        does not matter. A row of zeros where no neighbour is left. Source: Wu et al. 2018, section 3.4.
        """
        kth_Q1 = self.cosine_QT[:, min(k, self.cosine_QT.shape[1]) - 1, None]
        nearer_QT = self.cosine_QT > kth_Q1 + TIED
        tied_QT = ~nearer_QT & (self.cosine_QT >= kth_Q1 - TIED) & np.isfinite(self.cosine_QT)
        place_Q = np.minimum((k - nearer_QT.sum(1)) / np.maximum(tied_QT.sum(1), 1), 1)
        peak_Q1 = np.where(np.isfinite(self.cosine_QT[:, :1]), self.cosine_QT[:, :1], 0)
        weight_QT = np.exp((self.cosine_QT - peak_Q1).astype(np.float64) / temperature)
        weight_QT *= nearer_QT + tied_QT * place_Q[:, None]
        total_Q1 = weight_QT.sum(1, keepdims=True)
        return np.asarray(np.divide(weight_QT, total_Q1, out=np.zeros_like(weight_QT), where=total_Q1 > 0))

    def shares(self, targets: Array, classes: int, *, k: int, temperature: float) -> Array:
        """The share of the votes for each of K `classes` (Q × K), NaN where no neighbour is left.

        `targets` of the rows that can be found: N integers below K, or N × K zeros and ones.
        """
        weight_QT = self.weights(k=k, temperature=temperature)
        share_QK: Array
        queries, most = weight_QT.shape
        if targets.ndim == 1:
            place_QT = np.arange(queries)[:, None] * classes + targets[self.rows_QT]
            counted = np.bincount(place_QT.ravel(), weight_QT.ravel(), minlength=queries * classes)
            share_QK = counted.reshape(queries, classes)
        else:
            share_QK = np.zeros((queries, classes))
            for t in range(most):
                share_QK += weight_QT[:, t, None] * targets[self.rows_QT[:, t]]
        return np.where(np.isfinite(self.cosine_QT[:, :1]), share_QK, np.nan)


def nearest(
    asked_QD: Array, known_ND: Array, most: int, *, asked_Q: Array | None = None, known_N: Array | None = None
) -> Nearest:
    """For each of `asked_QD` the `most` rows of `known_ND` with the largest cosine; both are rows of `directions`.

    `asked_Q` and `known_N` name the group of each row: nothing is a neighbour of its own group, an example least of all of
    itself. Memory holds one block of similarities. Raises DataError where there is nothing to be near to.
    """
    if most < 1 or not len(known_ND):
        raise DataError(f"neighbours: {len(known_ND)} rows to choose {most} of. Pass one or more of each.")
    most, step = min(most, len(known_ND)), max(1, BLOCK_NUMBERS // len(known_ND))
    rows_QT = np.empty((len(asked_QD), most), np.int64)
    cosine_QT = np.empty((len(asked_QD), most), np.float32)
    for start in range(0, len(asked_QD), step):
        block = slice(start, start + step)
        cosine_qN = asked_QD[block] @ known_ND.T
        if asked_Q is not None and known_N is not None:
            cosine_qN[asked_Q[block, None] == known_N] = -np.inf
        found_qT = np.argpartition(-cosine_qN, most - 1, axis=1)[:, :most]
        near_qT = np.take_along_axis(cosine_qN, found_qT, axis=1)
        order_qT = np.argsort(-near_qT, axis=1, kind="stable")
        rows_QT[block] = np.take_along_axis(found_qT, order_qT, axis=1)
        cosine_QT[block] = np.take_along_axis(near_qT, order_qT, axis=1)
    return Nearest(rows_QT, cosine_QT)
