"""One decomposition of centred features that every score of them shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.solvers.arrays import Array, in_memory, positive_eigen


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Centred features N × D as `left_Nr` · √`sigma_r` · (orthonormal rows), in double precision.

    `sigma_r` are the eigenvalues of the scatter Σ (x − mean)(x − mean)ᵀ above rounding error, largest first; `width`
    is D. What lies in no row's direction (the other D − r) no example can tell anything about.
    """

    left_Nr: Array
    sigma_r: Array
    width: int

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.left_Nr)

    @property
    def rows_Nr(self) -> Array:
        """The centred examples along their main axes (N × r): all distances and products are those of the features."""
        return np.asarray(self.left_Nr * np.sqrt(self.sigma_r))


def spectrum(features_ND: Array) -> Spectrum:
    """The Spectrum of `features_ND` (N examples × D), from the smaller of its two Gram matrices.

    Raises DataError below two examples and on NaN.
    """
    checked_ND = in_memory(features_ND)
    n, width = checked_ND.shape
    if n < 2:
        raise DataError("features: scores need at least two examples.")
    centred_ND = checked_ND - checked_ND.mean(0, dtype=np.float64)
    if n <= width:
        sigma_r, left_Nr = positive_eigen(centred_ND @ centred_ND.T, size=width)
        keep = min(len(sigma_r), n - 1)  # centring leaves rank N − 1 at most
        return Spectrum(left_Nr[:, :keep], sigma_r[:keep], width)
    sigma_r, basis_Dr = positive_eigen(centred_ND.T @ centred_ND, size=n)
    return Spectrum(centred_ND @ (basis_Dr / np.sqrt(sigma_r)), sigma_r, width)
