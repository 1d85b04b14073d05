"""How near a target lies to a source, without the source's data (pure). Priors and explanations, none of them a proof of benefit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from headstart.errors import DataError
from headstart.solvers import Array

KID_DEGREE = 3
"""Degree of the polynomial kernel, as published."""
INSIDE = 0.95
"""The share of a source's own spread that its Gaussian's edge is put around."""
MARGIN = 1.25
"""Features have heavier tails than a Gaussian: so far out are nine of ten examples of data like the source's."""


def gaussian_kl(mean_D: Array, variance_D: Array, source_mean_D: Array, source_variance_D: Array) -> Array:
    """Kullback-Leibler divergence in nats of each channel's Gaussian (target from source), D values, 0 where they agree.

    ½ (σ²ₜ/σ²ₛ + (μₜ − μₛ)²/σ²ₛ − 1 − ln σ²ₜ/σ²ₛ). Channels that the source never moves are NaN.
    """
    known_D = source_variance_D > 1e-12
    source_D = np.where(known_D, source_variance_D, 1.0)
    ratio_D = np.maximum(variance_D, 1e-12) / source_D
    kl_D = 0.5 * (ratio_D + (mean_D - source_mean_D) ** 2 / source_D - 1 - np.log(ratio_D))
    return np.where(known_D, kl_D, np.nan)


def energy(logits_NZ: Array) -> Array:
    """The source head's energy of each example (N), −log Σ exp logits: low for what the source knows, in nats.

    Source: Liu et al. 2020, section 3.1, at temperature 1.
    """
    peak_N = logits_NZ.max(1)
    return np.asarray(-(peak_N + np.log(np.exp(logits_NZ - peak_N[:, None]).sum(1))))


def frechet(mean_D: Array, covariance_DD: Array, other_D: Array, other_DD: Array) -> float:
    """Fréchet distance, squared, between two Gaussians: ‖μ − μ′‖² + tr(Σ + Σ′ − 2(ΣΣ′)^½); 0 where they agree.

    Source: Dowson and Landau 1982; as in Heusel et al. 2017. Both covariances must be positive semi-definite.
    """
    values_D, vectors_DD = np.linalg.eigh(covariance_DD)
    half_DD = vectors_DD * np.sqrt(np.maximum(values_D, 0)) @ vectors_DD.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(half_DD @ other_DD @ half_DD), 0)).sum()
    value = ((mean_D - other_D) ** 2).sum() + np.trace(covariance_DD) + np.trace(other_DD) - 2 * cross
    return float(max(value, 0.0))


def kid(features_ND: Array, source_MD: Array) -> float:
    """Kernel distance, squared: the unbiased maximum mean discrepancy with the kernel (xᵀy/D + 1)³; about 0 for equals.

    Source: Bińkowski et al. 2018, section 4. Raises DataError below two examples on either side.
    """
    if min(len(features_ND), len(source_MD)) < 2:
        raise DataError("kernel distance: two or more examples are needed on both sides.")
    width = features_ND.shape[1]

    def kernel(one: Array, other: Array) -> Array:
        return np.asarray((one @ other.T / width + 1) ** KID_DEGREE)

    n, m = len(features_ND), len(source_MD)
    own, theirs = kernel(features_ND, features_ND), kernel(source_MD, source_MD)
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (theirs.sum() - np.trace(theirs)) / (m * (m - 1))
    return float(within - 2 * kernel(features_ND, source_MD).mean())


@dataclass(frozen=True, slots=True)
class Source:
    """A source's features as moments: mean (D), leading directions (D × R, orthonormal) with variances (R), and the
    variance of each other direction.
    """

    mean_D: Array
    directions_DR: Array
    variance_R: Array
    rest: float

    def distance(self, features_ND: Array) -> Array:
        """How far out each example (N) lies: 1 is where a Gaussian of these moments has all but 5 % of its own.

        The larger of two: the Mahalanobis distance in the leading directions, and the length in all others.
        """
        moved_ND = features_ND - self.mean_D
        inner_NR = moved_ND @ self.directions_DR
        width, rank = self.directions_DR.shape
        leading_N = (inner_NR**2 / np.maximum(self.variance_R, 1e-12)).sum(1) / special.chdtri(rank, 1 - INSIDE)
        if width == rank or self.rest <= 0:
            return np.asarray(np.sqrt(leading_N))
        left_N = np.maximum((moved_ND**2).sum(1) - (inner_NR**2).sum(1), 0) / self.rest
        return np.asarray(np.sqrt(np.maximum(leading_N, left_N / special.chdtri(width - rank, 1 - INSIDE))))

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """`count` examples of the Gaussian with these moments."""
        width, rank = self.directions_DR.shape
        noise_ND = rng.standard_normal((count, width)) * np.sqrt(max(self.rest, 0.0))
        noise_ND -= noise_ND @ self.directions_DR @ self.directions_DR.T
        inner_NR = rng.standard_normal((count, rank)) * np.sqrt(self.variance_R)
        return np.asarray(self.mean_D + inner_NR @ self.directions_DR.T + noise_ND)


def source_of(mean_D: Array, factor_DR: Array, trace: float) -> Source:
    """The Source with covariance factor_DR · factor_DRᵀ in its leading directions and `trace` in all of them."""
    length_R = np.linalg.norm(factor_DR, axis=0)
    width, rank = factor_DR.shape
    rest = max(0.0, trace - float((length_R**2).sum())) / max(1, width - rank)
    return Source(mean_D, factor_DR / np.maximum(length_R, 1e-12), length_R**2, rest)


def coverage(features_ND: Array, source: Source) -> float:
    """Share of the target's examples that lie inside the source: at most MARGIN out.

    Not symmetric, and meant so: a narrow target inside a broad source is what transfer wants.
    """
    return float((source.distance(features_ND) <= MARGIN).mean())


def flat_map(distance_MM: Array) -> Array:
    """Places (M × 2) of M things on a plane, their distances kept as well as a plane allows: classical scaling.

    The first is put at the origin. Source: Torgerson 1952.
    """
    count = len(distance_MM)
    centre = np.eye(count) - 1 / count
    values_M, vectors_MM = np.linalg.eigh(-0.5 * centre @ distance_MM**2 @ centre)
    top = np.argsort(values_M)[::-1][:2]
    places_M2 = np.zeros((count, 2))
    places_M2[:, : len(top)] = vectors_MM[:, top] * np.sqrt(np.maximum(values_M[top], 0))
    return np.asarray(places_M2 - places_M2[0])
