"""A probe for quantities: ridge regression on frozen features whose penalty is chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.solvers.arrays import Array, Chunks, blocks, in_memory, moments, positive_eigen
from headstart.solvers.ridge import RELATIVE_LAMBDAS

Folds = Sequence[tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """Ridge fitted on everything, and what cross-validation says of it.

    `penalty`: the chosen λ in units of the mean non-zero eigenvalue of the centred scatter; `penalties`, `errors`: the
    path with the mean squared error on held-out rows; `held_out_N`: the prediction for each row by the fit of the fold that
    held it out, at `penalty`, NaN for rows that no fold held out; `weight_D`, `bias`: the fit on everything.
    """

    penalty: float
    penalties: tuple[float, ...]
    errors: tuple[float, ...]
    held_out_N: Array
    weight_D: Array
    bias: float


def cross_validated_ridge(
    features: Array | Chunks, targets_N: Array, *, folds: Folds, penalties: Sequence[float] | None = None
) -> RidgeFit:
    """Choose the penalty by the squared error on the folds' held-out rows, then fit on all rows.

    `features` N × D as an array or in chunks; `folds`: pairs of row indices (train, held out), no row held out twice. Each fit
    gives its whole path from one eigendecomposition, of the smaller of the two Gram matrices in memory, of the D × D
    scatter where features are streamed. Of equal errors the larger penalty wins. Raises DataError on NaN and on rows or
    folds that do not fit.
    """
    targets_N = np.asarray(targets_N, np.float64)
    if targets_N.ndim != 1 or len(targets_N) < 2 or not np.isfinite(targets_N).all():
        raise DataError("targets: expected two or more finite numbers, one per example.")
    path_L = np.sort(np.asarray(RELATIVE_LAMBDAS if penalties is None else penalties, np.float64))
    if len(path_L) == 0 or path_L[0] <= 0:
        raise DataError("penalties: every penalty must be above zero.")
    if not callable(features):
        features = in_memory(features)
    held_NL = _held_out(features, targets_N, folds, path_L)
    seen_N = np.isfinite(held_NL[:, 0])
    errors_L = ((held_NL[seen_N] - targets_N[seen_N, None]) ** 2).mean(0)
    best = int(np.flatnonzero(errors_L == errors_L.min())[-1])
    weight_DL, bias_L = ridge_path(features, targets_N, path_L[best : best + 1])
    return RidgeFit(
        float(path_L[best]),
        tuple(map(float, path_L)),
        tuple(map(float, errors_L)),
        held_NL[:, best],
        weight_DL[:, 0],
        float(bias_L[0]),
    )


def ridge_path(features: Array | Chunks, targets_N: Array, path_L: Array) -> tuple[Array, Array]:
    """Weights (D × L) and intercepts (L) of ridge for every relative penalty of a path, from one decomposition."""
    n, y_mean = len(targets_N), float(targets_N.mean())
    if not callable(features) and n <= features.shape[1]:
        mean_D = features.mean(0, dtype=np.float64)
        centred_ND = features - mean_D
        sigma_r, left_Nr = positive_eigen(centred_ND @ centred_ND.T, size=features.shape[1])
        inner_r = left_Nr.T @ (targets_N - y_mean)
        weight_DL = centred_ND.T @ (left_Nr @ (inner_r[:, None] / (sigma_r[:, None] + _absolute(path_L, sigma_r))))
        return weight_DL, y_mean - mean_D @ weight_DL
    seen = moments(features)
    if seen.n != n:
        raise DataError(f"targets: {n} numbers for {seen.n} rows of features. Pass one per example.")
    sigma_r, basis_Dr = positive_eigen(seen.scatter_DD, size=max(n, len(seen.mean_D)))
    cross_D = np.zeros(len(seen.mean_D))
    for at, block in blocks(features):
        cross_D += (block - seen.mean_D).T @ (targets_N[at] - y_mean)
    inner_r = basis_Dr.T @ cross_D
    weight_DL = basis_Dr @ (inner_r[:, None] / (sigma_r[:, None] + _absolute(path_L, sigma_r)))
    return weight_DL, y_mean - seen.mean_D @ weight_DL


def _absolute(path_L: Array, sigma_r: Array) -> Array:
    return path_L * (sigma_r.mean() if len(sigma_r) else 1.0)


def _held_out(features: Array | Chunks, targets_N: Array, folds: Folds, path_L: Array) -> Array:
    """Predictions (N × L) of each row by the fit of the fold that held it out; NaN where none did."""
    if not folds:
        raise DataError("folds: none given. Pass at least one pair of (train, held out) row indices.")
    held_NL = np.full((len(targets_N), len(path_L)), np.nan)
    taken_N = np.zeros(len(targets_N), dtype=bool)
    for number, (train, out) in enumerate(folds, 1):
        if len(train) < 2 or len(out) == 0 or max(train.max(), out.max()) >= len(targets_N):
            raise DataError(f"folds: fold {number} is empty or points outside the {len(targets_N)} rows.")
        if taken_N[out].any() or np.intersect1d(train, out).size:
            raise DataError(f"folds: fold {number} holds out a row that it trains on, or that another one holds out.")
        taken_N[out] = True
        rows = np.sort(train)
        weight_DL, bias_L = ridge_path(_part(features, rows), targets_N[rows], path_L)
        for at, block in blocks(features):
            here = np.flatnonzero(_mask(out, len(targets_N))[at])
            held_NL[at.start + here] = block[here] @ weight_DL + bias_L
    return held_NL


def _mask(rows: Array, n: int) -> Array:
    mask_N = np.zeros(n, dtype=bool)
    mask_N[rows] = True
    return mask_N


def _part(features: Array | Chunks, rows: Array) -> Array | Chunks:
    """Some rows (ascending) of features, in memory or in passes."""
    if not callable(features):
        return features[rows]
    mask_N = _mask(rows, int(rows[-1]) + 1)

    def chunks() -> Iterable[Array]:
        for at, block in blocks(features):
            kept = mask_N[at.start : at.stop]
            if kept.any():
                yield block[: len(kept)][kept]

    return chunks
