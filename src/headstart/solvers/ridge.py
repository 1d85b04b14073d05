"""Ridge regression with exact leave-one-out predictions for a whole path of penalties from one decomposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.solvers.arrays import Array, Chunks, blocks, in_memory, moments, positive_eigen

RELATIVE_LAMBDAS = np.logspace(-5, 3, 17)
"""The default path, in units of the mean non-zero eigenvalue of the centred scatter: scaling features changes
nothing.
"""


@dataclass(frozen=True, slots=True)
class RidgePath:
    """A path of ridge fits, each with an unpenalised intercept.

    `lambdas_L`: the penalties λ in Σ‖y − Wx − b‖² + λ‖W‖², as absolute numbers; `errors_L`: mean leave-one-out
    squared error per example, summed over the K targets; `best`: index of the smallest (of the larger λ among
    equals); `loo_NK`: at `best`, the prediction for each example by the fit without it; `weight_KD`, `bias_K`: the
    fit on everything at `best`.
    """

    lambdas_L: Array
    errors_L: Array
    best: int
    loo_NK: Array
    weight_KD: Array
    bias_K: Array


def ridge_loo(features: Array | Chunks, targets_NK: Array, lambdas: Sequence[float] | None = None) -> RidgePath:
    """Ridge path with exact leave-one-out predictions; `features` N × D as an array or in chunks, double precision
    inside.

    An array with N ≤ D is solved from its N × N Gram matrix, everything else from the D × D scatter in three passes
    of bounded memory: (D² + N·K) numbers beside one block. `lambdas` defaults to `RELATIVE_LAMBDAS` times the mean
    eigenvalue. Raises DataError below two examples, on NaN, and on a penalty that is not above zero.

    Source: the leave-one-out lemma e_i / (1 − h_ii) (Allen 1974, PRESS; Golub, Heath and Wahba 1979), which holds for
    the penalised fit with its intercept: h_ii = 1/N + x̃_iᵀ(X̃ᵀX̃ + λI)⁻¹x̃_i with centred x̃.
    """
    if targets_NK.ndim != 2 or not np.isfinite(targets_NK).all():
        raise DataError("targets: expected N × K finite numbers. Turn labels into `one_hot` rows first.")
    if len(targets_NK) < 2:
        raise DataError("targets: leaving one out needs at least two examples.")
    if lambdas is not None and (len(lambdas) == 0 or not min(lambdas) > 0):
        raise DataError("lambdas: every penalty must be above zero.")
    if not callable(features):
        features = in_memory(features)
        if len(features) <= features.shape[1]:
            _match(len(features), targets_NK)
            return _dual(features, targets_NK.astype(np.float64), lambdas)
    return _primal(features, targets_NK, lambdas)


def loo_accuracy(path: RidgePath, labels_N: Array) -> float:
    """Share of examples whose largest leave-one-out prediction is their own label (0 … K−1), between 0 and 1."""
    return float(np.mean(path.loo_NK.argmax(1) == labels_N))


def _match(n: int, targets_NK: Array) -> None:
    if n != len(targets_NK):
        raise DataError(f"targets: {len(targets_NK)} rows for {n} rows of features. Pass one target row per example.")


def _path(lambdas: Sequence[float] | None, sigma_r: Array) -> Array:
    if lambdas is not None:
        return np.asarray(lambdas, np.float64)
    return RELATIVE_LAMBDAS * (sigma_r.mean() if len(sigma_r) else 1.0)  # constant features: any penalty will do


def _best(lambdas_L: Array, errors_L: Array) -> int:
    return int(max(np.flatnonzero(errors_L == errors_L.min()), key=lambda i: lambdas_L[i]))


def _dual(features_ND: Array, targets_NK: Array, lambdas: Sequence[float] | None) -> RidgePath:
    """N ≤ D. Residuals and 1 − h_ii are summed as shrunk components, never as differences, so a tiny λ stays exact."""
    n = len(features_ND)
    mean_D = features_ND.mean(0, dtype=np.float64)
    centred_ND = features_ND - mean_D
    sigma_r, left_Nr = positive_eigen(centred_ND @ centred_ND.T, size=max(features_ND.shape))
    sigma_r, left_Nr = sigma_r[: n - 1], left_Nr[:, : n - 1]  # centring leaves rank N − 1 at most
    y_mean_K = targets_NK.mean(0)
    inner_rK = left_Nr.T @ (targets_NK - y_mean_K)
    full_rank = len(sigma_r) == n - 1
    outer_NK = 0.0 if full_rank else targets_NK - y_mean_K - left_Nr @ inner_rK
    outer_N = 0.0 if full_rank else np.maximum(1 - 1 / n - (left_Nr**2).sum(1), 0)
    lambdas_L = _path(lambdas, sigma_r)

    def loo_residuals(lam: float) -> Array:
        shrink_r = lam / (sigma_r + lam)
        residual_NK = left_Nr @ (shrink_r[:, None] * inner_rK) + outer_NK
        return np.asarray(residual_NK / ((left_Nr**2) @ shrink_r + outer_N)[:, None])

    errors_L = np.array([(loo_residuals(lam) ** 2).sum() / n for lam in lambdas_L])
    best = _best(lambdas_L, errors_L)
    weight_KD = (inner_rK / (sigma_r + lambdas_L[best])[:, None]).T @ (left_Nr.T @ centred_ND)
    loo_NK = targets_NK - loo_residuals(lambdas_L[best])
    return RidgePath(lambdas_L, errors_L, best, loo_NK, weight_KD, y_mean_K - weight_KD @ mean_D)


def _primal(features: Array | Chunks, targets_NK: Array, lambdas: Sequence[float] | None) -> RidgePath:
    seen = moments(features)
    _match(seen.n, targets_NK)
    sigma_r, basis_Dr = positive_eigen(seen.scatter_DD, size=max(seen.n, len(seen.mean_D)))
    y_mean_K = targets_NK.mean(0, dtype=np.float64)
    cross_DK = np.zeros((len(seen.mean_D), targets_NK.shape[1]))
    for at, block in blocks(features):
        cross_DK += (block - seen.mean_D).T @ (targets_NK[at] - y_mean_K)
    inner_rK = basis_Dr.T @ cross_DK
    lambdas_L = _path(lambdas, sigma_r)

    def residuals(block: Array, targets_nK: Array, lams: Array) -> list[Array]:
        z_nr = (block - seen.mean_D) @ basis_Dr
        keep_nL = 1 - 1 / seen.n - (z_nr**2) @ (1 / (sigma_r[:, None] + lams))
        keep_nL = np.maximum(
            keep_nL, np.finfo(np.float64).eps
        )  # rounding only: exactly, it is above λ/(σ₁ + λ)·(1 − 1/N)
        moved_nK = targets_nK - y_mean_K
        fits = [z_nr @ (inner_rK / (sigma_r + lam)[:, None]) for lam in lams]
        return [(moved_nK - fit) / keep_nL[:, i, None] for i, fit in enumerate(fits)]

    errors_L = np.zeros(len(lambdas_L))
    for at, block in blocks(features):
        errors_L += [(r**2).sum() / seen.n for r in residuals(block, targets_NK[at], lambdas_L)]
    best = _best(lambdas_L, errors_L)
    loo_NK = np.empty(targets_NK.shape, np.float32 if callable(features) else np.float64)
    for at, block in blocks(features):
        loo_NK[at] = targets_NK[at] - residuals(block, targets_NK[at], lambdas_L[best : best + 1])[0]
    weight_KD = (basis_Dr @ (inner_rK / (sigma_r + lambdas_L[best])[:, None])).T
    return RidgePath(lambdas_L, errors_L, best, loo_NK, weight_KD, y_mean_K - weight_KD @ seen.mean_D)
