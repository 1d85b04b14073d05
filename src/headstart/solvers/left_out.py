"""Ridge regression with whole groups left out exactly, for any number of target columns at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.solvers.arrays import Array
from headstart.solvers.ridge import RELATIVE_LAMBDAS
from headstart.solvers.spectrum import Spectrum


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Predictions for each example by the ridge fit without its group, at the penalty with the least error.

    `predicted_NK`: those predictions; `error`: their squared error per example, summed over the K columns; `penalty`:
    the chosen λ.
    """

    predicted_NK: Array
    error: float
    penalty: float


def ridge_left_out(found: Spectrum, columns_NK: Array, groups_N: Array | None = None) -> LeftOut:
    """Leave every group out in turn: exact, from one decomposition. Without `groups_N` each example is its own group.

    Source: e₋ᵤ = (I − Hᵤᵤ)⁻¹ eᵤ for a group u, the block form of the leave-one-out lemma (Cook and Weisberg 1982,
    section 3.6), with the unpenalised intercept in H.
    """
    return ridge_draws_left_out(found, columns_NK[None], groups_N)[0]


def ridge_draws_left_out(found: Spectrum, columns_PNK: Array, groups_N: Array | None = None) -> list[LeftOut]:
    """`ridge_left_out` for P alternative targets that share features, such as permuted labels; each gets its own λ."""
    draws, n, k = columns_PNK.shape
    columns_NM = columns_PNK.transpose(1, 0, 2).reshape(n, draws * k)
    mean_M = columns_NM.mean(0)
    centred_NM = columns_NM - mean_M
    inner_rM = found.left_Nr.T @ centred_NM
    outer_NM = centred_NM - found.left_Nr @ inner_rM
    many = _several(groups_N)
    scale = found.sigma_r.mean() if len(found.sigma_r) else 1.0
    lambdas_L = RELATIVE_LAMBDAS * scale
    leverage_Nr = found.left_Nr**2
    outer_N = np.maximum(1 - 1 / n - leverage_Nr.sum(1), 0)
    full_rank = len(found.sigma_r) == n - 1

    def residuals(lam: float) -> Array:
        shrink_r = lam / (found.sigma_r + lam)
        plain_NM = found.left_Nr @ (shrink_r[:, None] * inner_rM) + (0.0 if full_rank else outer_NM)
        keep_N = leverage_Nr @ shrink_r + (0.0 if full_rank else outer_N)
        out_NM = plain_NM / np.maximum(keep_N, np.finfo(np.float64).eps)[:, None]
        for rows in many:
            own_ur = found.left_Nr[rows]
            hat_uu = 1 / n + (own_ur * (1 - shrink_r)) @ own_ur.T
            out_NM[rows] = np.linalg.solve(np.eye(len(rows)) - hat_uu, plain_NM[rows])
        return np.asarray(out_NM)

    errors_LP = np.array([(residuals(lam) ** 2).reshape(n, draws, k).sum((0, 2)) / n for lam in lambdas_L])
    # Of equal errors the larger penalty.
    best_P = len(lambdas_L) - 1 - errors_LP[::-1].argmin(0)
    out: list[LeftOut | None] = [None] * draws
    for index in np.unique(best_P):
        left_NM = residuals(lambdas_L[index])
        for number in np.flatnonzero(best_P == index):
            part = slice(number * k, (number + 1) * k)
            predicted_NK = columns_NM[:, part] - left_NM[:, part]
            out[number] = LeftOut(predicted_NK, float(errors_LP[index, number]), float(lambdas_L[index]))
    return [one for one in out if one is not None]


def _several(groups_N: Array | None) -> list[Array]:
    """The rows of each group that has more than one."""
    if groups_N is None:
        return []
    _, own_N, counts_G = np.unique(groups_N, return_inverse=True, return_counts=True)
    order_N = np.argsort(own_N, kind="stable")
    ends_G = np.cumsum(counts_G)
    return [order_N[end - count : end] for end, count in zip(ends_G, counts_G, strict=True) if count > 1]
