"""Nearest neighbours with the example itself left out."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.solvers.arrays import Array, Chunks, blocks, check_labels, gather, one_hot

BLOCK_NUMBERS = 1 << 22  # similarities held at a time: 32 MiB, and a few times as much on the way to weights
MOST_REFERENCES = 8192
"""Of more examples, so many drawn at random are looked at as neighbours: comparing all with all grows with the square."""


def knn_loo(
    features: Array | Chunks,
    labels: Array,
    groups_N: Array | None = None,
    *,
    k: int = 10,
    temperature: float = 0.07,
    classes: int | None = None,
    most: int = MOST_REFERENCES,
    rng: np.random.Generator | None = None,
) -> Array:
    """Class shares N × K (rows sum to 1; for several labels each column lies in 0 … 1) by the k nearest other
    examples.

    Examples of one's own group in `groups_N` (near-duplicates) are no neighbours either; where no other group is left,
    the row is NaN. `features` N × D are centred and compared by cosine; a neighbour at cosine c counts exp(c / temperature).
    Neighbours as near as the k-th share its place, so the answer does not depend on the order of rows. Of more than `most` examples
    only so many, drawn by `rng` (seed 0), can be neighbours. `labels`: N integers or N × K zeros and ones. Raises DataError below two examples, on NaN, and on k < 1. Source: Wu et al.
    2018 (weighting), as in Caron et al. 2021.
    """
    checked = check_labels(labels, classes)
    columns_NK = checked.values if checked.several else one_hot(checked.values, checked.classes)
    return knn_left_out(features, columns_NK, groups_N, k=k, temperature=temperature, most=most, rng=rng)


def knn_left_out(
    features: Array | Chunks,
    columns_NM: Array,
    groups_N: Array | None = None,
    *,
    k: int = 10,
    temperature: float = 0.07,
    most: int = MOST_REFERENCES,
    rng: np.random.Generator | None = None,
) -> Array:
    """Weighted means N × M of any columns over the k nearest examples of other groups; see `knn_loo`.

    Three passes over the features; memory holds the references and one block of similarities.
    """
    sums = [(len(block), block.sum(0, dtype=np.float64)) for _, block in blocks(features)]
    n = sum(count for count, _ in sums)
    if n != len(columns_NM) or n < 2 or k < 1:
        raise DataError(
            f"neighbours: {n} rows of features, {len(columns_NM)} labels, k = {k}. Pass two or more of each and k ≥ 1."
        )
    mean_D = np.sum([total_D for _, total_D in sums], axis=0) / n
    rows_R = np.arange(n) if n <= most else np.sort((rng or np.random.default_rng(0)).choice(n, most, replace=False))
    unit_RD = _unit(gather(features, rows_R), mean_D)
    columns_RM = columns_NM[rows_R].astype(np.float64)
    groups_R = None if groups_N is None else groups_N[rows_R]
    k, step = min(k, len(rows_R) - 1), max(1, BLOCK_NUMBERS // len(rows_R))
    means_NM = np.empty(columns_NM.shape, dtype=np.float64)
    for at, block in blocks(features):
        for start in range(at.start, at.stop, step):
            rows_n = np.arange(start, min(at.stop, start + step))
            cosine_nR = _unit(block[rows_n - at.start], mean_D) @ unit_RD.T
            itself_n = np.minimum(np.searchsorted(rows_R, rows_n), len(rows_R) - 1)
            own_n = np.flatnonzero(rows_R[itself_n] == rows_n)
            cosine_nR[own_n, itself_n[own_n]] = -np.inf
            if groups_N is not None and groups_R is not None:
                cosine_nR[groups_N[rows_n, None] == groups_R] = -np.inf
            means_NM[rows_n] = _weights(cosine_nR, k, temperature) @ columns_RM
    return means_NM


def _unit(features_nD: Array, mean_D: Array) -> Array:
    """Centred rows at length 1 in double precision; the mean itself stays zero."""
    moved_nD = features_nD.astype(np.float64) - mean_D
    length_n = np.linalg.norm(moved_nD, axis=1)
    return np.asarray(moved_nD / np.where(length_n > 0, length_n, 1)[:, None])


def _weights(cosine_nR: Array, k: int, temperature: float) -> Array:
    kth_n = np.partition(cosine_nR, -k, axis=1)[:, -k, None]
    slack = 1e-12  # equal rows give equal cosines up to rounding
    nearer_nR = cosine_nR > kth_n + slack
    # Where fewer than k others are left, the k-th is one that is excluded: it and its like have no weight.
    tied_nR = ~nearer_nR & (cosine_nR >= kth_n - slack) & np.isfinite(cosine_nR)
    place_n = (k - nearer_nR.sum(1)) / np.maximum(tied_nR.sum(1), 1)
    peak_n = cosine_nR.max(1, keepdims=True)
    weight_nR = np.exp((cosine_nR - np.where(np.isfinite(peak_n), peak_n, 0)) / temperature) * (
        nearer_nR + tied_nR * place_n[:, None]
    )
    sum_n = weight_nR.sum(1, keepdims=True)
    return np.asarray(np.divide(weight_nR, sum_n, out=np.full_like(weight_nR, np.nan), where=sum_n > 0))
