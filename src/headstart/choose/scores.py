"""Scores of features: how well a linear model, neighbours or the source's own head would answer a target (pure).

Every score here is one number, higher is better, and is left out, held out or a marginal likelihood, so that features do not
win by width: none is measured on the very examples that it was fitted to. Labels are N whole numbers, N × K zeros and
ones (several labels), or, where the docstring says so, N × K floats (regression). What a score gives for labels that mean
nothing is not zero for all of them; `choose.evidence` reports each above what permuted labels give.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from headstart.errors import DataError
from headstart.solvers.arrays import Array, one_hot
from headstart.solvers.left_out import ridge_left_out
from headstart.solvers.spectrum import Spectrum, spectrum

Folds = Sequence[tuple[Array, Array]]
PCA_ENERGY, CLUSTERS_PER_CLASS = 0.8, 5
"""As in the published NLEEP."""
UNSEEN = -30.0
"""The logit of a class that a fold's training side lacks."""
GRID = 121
"""Points of log t on which the evidence is looked for."""


def logme(features_ND: Array, targets: Array) -> float:
    """Logarithm of maximum evidence of `features_ND` as they are, per example in nats, mean over targets.

    The model is y = Fw + noise with w ~ N(0, 1/α) and noise ~ N(0, 1/β); α and β maximise the evidence. Targets: labels
    (one against the rest), N × K zeros and ones, or floats. Source: You et al. 2021, section 4; the model is theirs, the
    published code is not followed: for N < D it counts D prior dimensions where only N have a say.
    """
    columns_NK = as_columns(targets)
    if len(columns_NK) != len(features_ND):
        raise DataError(f"targets: {len(columns_NK)} rows for {len(features_ND)} rows of features.")
    rows_ND = features_ND.astype(np.float64)
    left_Nr, spread_r, _ = np.linalg.svd(rows_ND, full_matrices=False)
    keep = spread_r > max(rows_ND.shape) * np.finfo(np.float64).eps * spread_r[0]
    return float(log_evidence(left_Nr[:, keep], spread_r[keep] ** 2, columns_NK).mean())


def log_evidence(left_Nr: Array, sigma_r: Array, columns_NM: Array) -> Array:
    """The maximised log evidence per example of each column of targets (M), given the features' left singular vectors.

    With t = α/β the best β has a closed form, N / (Σ x² t/(σ+t) + r₀) where x = Uᵀy and r₀ = ‖y‖² − ‖x‖², so one
    dimension is left: L(t) = −½ (ln 2π + 1 − ln β + Σ ln(1 + σ/t) / N). It is searched on a grid of log t, because a
    fixed-point iteration may crawl for ever on noise, and a parabola through the best three points gives the rest.
    """
    n = len(columns_NM)
    if not len(sigma_r):
        return _null_evidence(columns_NM)
    inner_rM = left_Nr.T @ columns_NM
    energy_rM = inner_rM**2
    outer_M = np.maximum((columns_NM**2).sum(0) - energy_rM.sum(0), 0.0)
    log_t_G = np.linspace(np.log(sigma_r[-1]) - 12, np.log(sigma_r[0]) + 12, GRID)
    ratio_rG = sigma_r[:, None] / np.exp(log_t_G)
    value_MG = _profile(energy_rM.T @ (1 / (1 + ratio_rG)) + outer_M[:, None], np.log1p(ratio_rG).sum(0), n)
    at_M, every_M = np.clip(value_MG.argmax(1), 1, GRID - 2), np.arange(value_MG.shape[0])
    low_M, mid_M, high_M = (value_MG[every_M, at_M + move] for move in (-1, 0, 1))
    bend_M = np.minimum(low_M - 2 * mid_M + high_M, -np.finfo(np.float64).tiny)
    moved_M = np.clip(0.5 * (low_M - high_M) / bend_M, -1, 1)
    ratio_rM = sigma_r[:, None] / np.exp(log_t_G[at_M] + moved_M * (log_t_G[1] - log_t_G[0]))
    refined_M = _profile((energy_rM / (1 + ratio_rM)).sum(0) + outer_M, np.log1p(ratio_rM).sum(0), n)
    return np.asarray(np.max([refined_M, value_MG.max(1), _null_evidence(columns_NM)], axis=0))


def _profile(residual: Array, spread: Array, n: int) -> Array:
    tiny = np.finfo(np.float64).tiny
    return np.asarray(-0.5 * (np.log(2 * np.pi) + 1 + np.log(np.maximum(residual, tiny) / n) + spread / n))


def _null_evidence(columns_NM: Array) -> Array:
    """The limit t → ∞, where the weights are zero and everything is noise."""
    energy_M = np.maximum((columns_NM**2).mean(0), np.finfo(np.float64).tiny)
    return np.asarray(-0.5 * (np.log(2 * np.pi) + 1 + np.log(energy_M)))


def h_score(features_ND: Array, labels: Array) -> float:
    """Shrunk H-score: how much of the features' whitened spread lies between class means; unitless, from 0 up.

    Covariance shrunk towards a multiple of the identity (Ledoit and Wolf 2004). Several labels: the mean over labels of
    each alone. This is the published score, measured on the examples it was fitted to; `h_score_held_out` is what the
    ranking uses. Source: Ibrahim et al. 2021, section 3, after Bao et al. 2019.
    """
    found = spectrum(features_ND)
    whiten_r = _whitener(found)
    columns_NK, classes = _class_columns(labels)
    counts_K = columns_NK.sum(0)
    means_Kr = (columns_NK.T @ found.rows_Nr)[counts_K > 0] / counts_K[counts_K > 0, None]
    return float((counts_K[counts_K > 0] @ (means_Kr**2 @ whiten_r)) / len(found) / (columns_NK.shape[1] / classes))


def h_score_held_out(features: Array | Spectrum, labels: Array, folds: Folds) -> float:
    """The shrunk H-score with covariance and class means from the other folds; about 0 for labels that mean nothing.

    The shrunk H-score is the mean over examples of zᵀAm(y), with the whitener A and class means m; here A and m are fitted
    on the training side of a fold and z are the examples that it held out.
    """
    found = features if isinstance(features, Spectrum) else spectrum(features)
    rows_Nr, (columns_NK, classes) = found.rows_Nr, _class_columns(labels)
    total, count = 0.0, 0
    for train, held_out in folds:
        mean_r = rows_Nr[train].mean(0)
        seen_nr, unseen_mr = rows_Nr[train] - mean_r, rows_Nr[held_out] - mean_r
        shrunk_rr, share = _shrunk_covariance(seen_nr, found.width)
        counts_K = columns_NK[train].sum(0)
        means_Kr = columns_NK[train].T @ seen_nr / np.maximum(counts_K, 1)[:, None]
        answers_mK = unseen_mr @ ((1 - share) * np.linalg.solve(shrunk_rr, means_Kr.T))
        total += float((answers_mK * columns_NK[held_out]).sum())
        count += len(held_out)
    return total / count * classes / int(columns_NK.shape[1])


def _whitener(found: Spectrum) -> Array:
    """Diagonal of (1 − a)·[(1 − a)S + aμI]⁻¹ along the main axes, with Ledoit and Wolf's share a."""
    n, width = len(found), found.width
    variance_r = found.sigma_r / n
    fourth = float(((found.rows_Nr**2).sum(1) ** 2).mean())
    share, mean = _shrinkage(float((variance_r**2).sum()), fourth, float(variance_r.sum()), n, width)
    return np.asarray((1 - share) / np.maximum((1 - share) * variance_r + share * mean, np.finfo(np.float64).tiny))


def _shrunk_covariance(centred_nr: Array, width: int) -> tuple[Array, float]:
    """Covariance (r × r) of centred rows, shrunk towards a multiple of the identity, and the share that was."""
    covariance_rr = centred_nr.T @ centred_nr / len(centred_nr)
    fourth = float(((centred_nr**2).sum(1) ** 2).mean())
    square, trace = float((covariance_rr**2).sum()), float(np.trace(covariance_rr))
    share, mean = _shrinkage(square, fourth, trace, len(centred_nr), width)
    covariance_rr *= 1 - share
    # Where nothing is shrunk a direction may have no variance at all.
    covariance_rr[np.diag_indices_from(covariance_rr)] += max(share * mean, 1e-9 * trace / len(covariance_rr), 1e-300)
    return covariance_rr, share


def _shrinkage(square: float, fourth: float, trace: float, n: int, width: int) -> tuple[float, float]:
    """Ledoit and Wolf's share of the identity, and the mean variance μ it is scaled by.

    `square` is ‖S‖², `fourth` the mean fourth power of an example's length: that is the sum over all pairs of features of
    their mean product of squares.
    """
    mean = trace / width
    error = (fourth - square) / (n * width)
    distance = (square - width * mean**2) / width
    return (min(error, distance) / distance if distance > 0 else 1.0), mean


def ridge_score(features: Array | Spectrum, targets: Array, groups_N: Array | None = None) -> float:
    """Share of the targets' variance that ridge regression explains with each group left out; 1 at best, may be below 0.

    Targets: labels (as columns of zeros and ones), several labels, or floats. The penalty is chosen by the left-out
    error itself. Source: see `headstart.solvers.left_out`.
    """
    found = features if isinstance(features, Spectrum) else spectrum(features)
    columns_NK = as_columns(targets)
    left = ridge_left_out(found, columns_NK, groups_N)
    return float(1 - left.error / np.maximum(((columns_NK - columns_NK.mean(0)) ** 2).sum(1).mean(), 1e-300))


def leep(source_NZ: Array, labels: Array) -> float:
    """LEEP: mean log likelihood in nats of labels read off the source head's probabilities (N × Z); 0 at best.

    As published, measured on the examples it was fitted to. Several labels: the mean over labels of each alone. Source:
    Nguyen et al. 2020, section 3, with its logarithm.
    """
    return _over_columns(source_NZ, labels, np.zeros(len(source_NZ), dtype=np.int64), left_out=False)


def leep_left_out(source_NZ: Array, labels: Array, groups_N: Array | None = None) -> float:
    """LEEP with each example's own group taken out of the counts that answer it.

    A pseudo-count of one example, spread like the labels, keeps the logarithm finite where a class is seen once.
    """
    own_N = np.arange(len(source_NZ)) if groups_N is None else np.unique(groups_N, return_inverse=True)[1]
    return _over_columns(source_NZ, labels, own_N, left_out=True)


def _over_columns(source_NZ: Array, labels: Array, own_N: Array, *, left_out: bool) -> float:
    values = np.asarray(labels)
    if len(values) != len(source_NZ):
        raise DataError(f"labels: {len(values)} rows for {len(source_NZ)} rows of source probabilities.")
    if values.ndim == 2:
        return float(np.mean([_leep(source_NZ, column_N, own_N, left_out=left_out) for column_N in values.T]))
    return _leep(source_NZ, values, own_N, left_out=left_out)


def _leep(source_NZ: Array, labels_N: Array, own_N: Array, *, left_out: bool) -> float:
    hot_NK = one_hot(labels_N.astype(np.int64), int(labels_N.max()) + 1).astype(np.float64)
    source_NZ = source_NZ.astype(np.float64)
    joint_KZ, share_K = hot_NK.T @ source_NZ, hot_NK.mean(0)
    if not left_out:
        given_KZ = joint_KZ / np.maximum(source_NZ.sum(0), np.finfo(np.float64).tiny)
        return float(np.log((source_NZ * given_KZ[labels_N]).sum(1)).mean())
    sums_GZ = np.zeros((own_N.max() + 1, source_NZ.shape[1]))
    np.add.at(sums_GZ, own_N, source_NZ)
    pairs, pair_N = np.unique(own_N * len(share_K) + labels_N, return_inverse=True)
    own_class_PZ = np.zeros((len(pairs), source_NZ.shape[1]))
    np.add.at(own_class_PZ, pair_N, source_NZ)
    prior = source_NZ.shape[1] / len(source_NZ) * source_NZ.mean(0)  # one example's mass, as the source spreads it
    others_NZ = source_NZ.sum(0) - sums_GZ[own_N] + prior
    same_NZ = joint_KZ[labels_N] - own_class_PZ[pair_N] + share_K[labels_N, None] * prior
    return float(np.log((source_NZ * np.maximum(same_NZ, 0) / others_NZ).sum(1)).mean())


def nleep(
    features: Array | Spectrum, labels: Array, groups_N: Array | None = None, *, rng: np.random.Generator
) -> float:
    """NLEEP: `leep_left_out` on clusters of the features in place of a source head; in nats, 0 at best.

    Source: Li et al. 2021, section 3.2; their mixture has full covariances, see `clusters`.
    """
    values = np.asarray(labels)
    classes = values.shape[1] if values.ndim == 2 else int(values.max()) + 1
    return leep_left_out(clusters(features, CLUSTERS_PER_CLASS * classes, rng=rng), values, groups_N)


def clusters(features: Array | Spectrum, parts: int, *, rng: np.random.Generator) -> Array:
    """Probabilities (N × Z) of belonging to each part of a mixture of Gaussians, which sees no labels.

    On the main axes with PCA_ENERGY of the variance; at most N / 4 parts, with diagonal covariances, which a hundred
    examples can bear.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    found = features if isinstance(features, Spectrum) else spectrum(features)
    kept = 1 + int(np.searchsorted(np.cumsum(found.sigma_r) / max(found.sigma_r.sum(), 1e-300), PCA_ENERGY))
    rows_Nr = found.rows_Nr[:, :kept]
    rows_Nr = rows_Nr / max(rows_Nr.std(), np.finfo(np.float64).tiny)
    mixture = GaussianMixture(
        max(2, min(parts, len(found) // 4)),
        covariance_type="diag",
        reg_covar=1e-3,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that is still moving clusters as well
        return np.asarray(mixture.fit(rows_Nr).predict_proba(rows_Nr))


def lda_held_out(features: Array | Spectrum, labels_N: Array, folds: Folds) -> Array:
    """Log probabilities N × K by linear discriminant analysis fitted on the other folds; NaN for rows no fold held out.

    The within-class covariance is shrunk as in Ledoit and Wolf 2004, on the training side of each fold alone; a class that
    it lacks gets UNSEEN. Source: Hastie et al. 2009, section 4.3.
    """
    found = features if isinstance(features, Spectrum) else spectrum(features)
    rows_Nr, classes = found.rows_Nr, int(labels_N.max()) + 1
    out_NK = np.full((len(found), classes), np.nan)
    for train, held_out in folds:
        hot_nK = one_hot(labels_N[train], classes).astype(np.float64)
        counts_K = hot_nK.sum(0)
        means_Kr = hot_nK.T @ rows_Nr[train] / np.maximum(counts_K, 1)[:, None]
        within_nr = rows_Nr[train] - means_Kr[labels_N[train]]
        shrunk_rr, _ = _shrunk_covariance(within_nr, found.width)
        direction_rK = np.linalg.solve(shrunk_rr, means_Kr.T)
        bias_K = np.log(np.maximum(counts_K, 1) / len(train)) - 0.5 * (means_Kr.T * direction_rK).sum(0)
        logits_mK = rows_Nr[held_out] @ direction_rK + bias_K
        logits_mK[:, counts_K == 0] = UNSEEN
        peak_m1 = logits_mK.max(1, keepdims=True)
        out_NK[held_out] = logits_mK - peak_m1 - np.log(np.exp(logits_mK - peak_m1).sum(1, keepdims=True))
    return out_NK


def as_columns(targets: Array) -> Array:
    """Targets as columns of floats (N × K): labels as zeros and ones, all else as it is."""
    values = np.asarray(targets)
    if values.ndim == 2:
        return values.astype(np.float64)
    if values.ndim != 1:
        raise DataError(f"targets: expected N or N × K, got the shape {values.shape}.")
    if not np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float64)[:, None]
    return one_hot(values, int(values.max()) + 1).astype(np.float64)


def _class_columns(labels: Array) -> tuple[Array, int]:
    """Membership columns, and how many of them share one example: two per label (has it, has it not), else all."""
    values = np.asarray(labels)
    if values.ndim == 1:
        columns_NK = as_columns(values)
        return columns_NK, columns_NK.shape[1]
    columns_NK = values.astype(np.float64)
    return np.concatenate([columns_NK, 1 - columns_NK], axis=1), 2
