"""The coordinates in which logistic regression is solved: features centred, scaled, and turned onto their main axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headstart.solvers.arrays import BLOCK, Array, Chunks, blocks, in_memory, moments, positive_eigen

SINGLE_FROM = 1_000_000  # numbers from which on single precision carries the products


@dataclass(frozen=True, slots=True)
class Space:
    """Features as (x − `mean_D`) / `scale`, along the columns of `basis_Dr`, where their scatter is diagonal
    (`sigma_r`).

    `scale` is one number, the root mean squared length of a centred row, so that C means the same for features of any
    size and the relative size of the columns, which pre-training has set, stays. In memory the rows are turned once;
    streamed rows stay as they are and the weights are turned instead. Either is the same problem: the L2 penalty
    knows no direction.
    """

    source: Array | Chunks
    n: int
    mean_D: Array
    scale: float
    basis_Dr: Array
    sigma_r: Array
    precision: type[np.float32] | type[np.float64]

    @property
    def streamed(self) -> bool:
        """Whether rows come in chunks and are not turned."""
        return callable(self.source)

    def rows(self) -> Iterator[tuple[slice, Array]]:
        """One pass over the working rows: n × r turned, or n × D where streamed."""
        if not callable(self.source):
            for start in range(0, self.n, BLOCK):
                yield slice(start, min(start + BLOCK, self.n)), self.source[start : start + BLOCK]
            return
        for at, block in blocks(self.source):
            yield at, ((block - self.mean_D.astype(np.float32)) / np.float32(self.scale)).astype(np.float32)

    def to_rows(self, weight_rM: Array) -> Array:
        """Weights along the axes as weights for what `rows` yields."""
        return np.asarray(self.basis_Dr @ weight_rM if self.streamed else weight_rM).astype(self.precision)

    def from_rows(self, gradient_M: Array) -> Array:
        """A gradient for what `rows` yields as a gradient along the axes; the transpose of `to_rows`."""
        return np.asarray(self.basis_Dr.T @ gradient_M if self.streamed else gradient_M)

    def to_features(self, weight_Kr: Array, bias_K: Array) -> tuple[Array, Array]:
        """Weights K × r along the axes and bias as weights K × D and bias for raw features."""
        weight_KD = weight_Kr @ self.basis_Dr.T / self.scale
        return weight_KD, bias_K - weight_KD @ self.mean_D

    def from_features(self, weight_KD: Array, bias_K: Array) -> tuple[Array, Array]:
        """The inverse of `to_features`, for a warm start."""
        return weight_KD @ self.basis_Dr * self.scale, bias_K + weight_KD @ self.mean_D


def space_of(features: Array | Chunks) -> Space:
    """The Space of features; with N < D from the N × N Gram matrix. Raises DataError on NaN."""
    if callable(features):
        seen = moments(features)
        scale = _scale(float(np.trace(seen.scatter_DD)), seen.n)
        sigma_r, basis_Dr = positive_eigen(seen.scatter_DD / scale**2, size=max(seen.n, len(seen.mean_D)))
        return Space(features, seen.n, seen.mean_D, scale, basis_Dr, sigma_r, np.float32)
    features_ND = in_memory(features)
    n, d = features_ND.shape
    mean_D = features_ND.mean(0, dtype=np.float64)
    centred_ND = features_ND - mean_D
    scale = _scale(float((centred_ND**2).sum()), n)
    centred_ND /= scale
    if n <= d:
        sigma_r, left_Nr = positive_eigen(centred_ND @ centred_ND.T, size=d)
        basis_Dr = centred_ND.T @ (left_Nr / np.sqrt(sigma_r))
        turned_Nr = left_Nr * np.sqrt(sigma_r)
    else:
        sigma_r, basis_Dr = positive_eigen(centred_ND.T @ centred_ND, size=n)
        turned_Nr = centred_ND @ basis_Dr
    precision = np.float64 if turned_Nr.size < SINGLE_FROM else np.float32
    return Space(np.ascontiguousarray(turned_Nr, precision), n, mean_D, scale, basis_Dr, sigma_r, precision)


def _scale(squares: float, n: int) -> float:
    return float(np.sqrt(squares / n)) or 1.0  # constant features: there is nothing to scale
