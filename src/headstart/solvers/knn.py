"""Nearest neighbours with the example itself left out."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.solvers.arrays import Array, check_labels, in_memory, one_hot

BLOCK_NUMBERS = 1 << 24  # similarities held at a time: 128 MiB


def knn_loo(
    features: Array,
    labels: Array,
    groups_N: Array | None = None,
    *,
    k: int = 10,
    temperature: float = 0.07,
    classes: int | None = None,
) -> Array:
    """Class shares N × K (rows sum to 1; for several labels each column lies in 0 … 1) by the k nearest other
    examples.

    Examples of one's own group in `groups_N` (near-duplicates) are no neighbours either; where no other group is left,
    the row is NaN. `features` N × D are centred and compared by cosine; a neighbour at cosine c counts exp(c / temperature).
    Neighbours as near as the k-th share its place, so the answer does not depend on the order of rows. `labels`: N
    integers or N × K zeros and ones. Raises DataError below two examples, on NaN, and on k < 1. Source: Wu et al.
    2018 (weighting), as in Caron et al. 2021.
    """
    checked = check_labels(labels, classes)
    columns_NK = checked.values if checked.several else one_hot(checked.values, checked.classes)
    return knn_left_out(features, columns_NK, groups_N, k=k, temperature=temperature)


def knn_left_out(
    features: Array, columns_NM: Array, groups_N: Array | None = None, *, k: int = 10, temperature: float = 0.07
) -> Array:
    """Weighted means N × M of any columns over the k nearest examples of other groups; see `knn_loo`."""
    features_ND = in_memory(features).astype(np.float64)
    columns_NM = columns_NM.astype(np.float64)
    n = len(features_ND)
    if n != len(columns_NM) or n < 2 or k < 1:
        raise DataError(
            f"neighbours: {n} rows of features, {len(columns_NM)} labels, k = {k}. Pass two or more of each and k ≥ 1."
        )
    unit_ND = features_ND - features_ND.mean(0)
    length_N = np.linalg.norm(unit_ND, axis=1)
    unit_ND /= np.where(length_N > 0, length_N, 1)[:, None]
    k, step = min(k, n - 1), max(1, BLOCK_NUMBERS // n)
    means_NM = np.empty_like(columns_NM)
    for start in range(0, n, step):
        cosine_nN = unit_ND[start : start + step] @ unit_ND.T
        rows_n = np.arange(len(cosine_nN))
        cosine_nN[rows_n, start + rows_n] = -np.inf
        if groups_N is not None:
            cosine_nN[groups_N[start : start + step, None] == groups_N] = -np.inf
        means_NM[start : start + step] = _weights(cosine_nN, k, temperature) @ columns_NM
    return means_NM


def _weights(cosine_nN: Array, k: int, temperature: float) -> Array:
    kth_n = np.partition(cosine_nN, -k, axis=1)[:, -k, None]
    slack = 1e-12  # equal rows give equal cosines up to rounding
    nearer_nN = cosine_nN > kth_n + slack
    # Where fewer than k others are left, the k-th is one that is excluded: it and its like have no weight.
    tied_nN = ~nearer_nN & (cosine_nN >= kth_n - slack) & np.isfinite(cosine_nN)
    place_n = (k - nearer_nN.sum(1)) / np.maximum(tied_nN.sum(1), 1)
    peak_n = cosine_nN.max(1, keepdims=True)
    weight_nN = np.exp((cosine_nN - np.where(np.isfinite(peak_n), peak_n, 0)) / temperature) * (
        nearer_nN + tied_nN * place_n[:, None]
    )
    sum_n = weight_nN.sum(1, keepdims=True)
    return np.asarray(np.divide(weight_nN, sum_n, out=np.full_like(weight_nN, np.nan), where=sum_n > 0))
