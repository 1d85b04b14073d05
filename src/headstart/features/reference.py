"""Reference statistics of a source: what a backbone's features look like on the pictures it was trained on.

A source card carries them in place of the data: per stage the mean and a low-rank covariance, from which a target's
distance to the source can be told without the source.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headstart.errors import DataError, ModelError
from headstart.files import read_tensors, write_tensors

RANK = 32
REFERENCE_FILE = "reference.safetensors"
REFERENCE_BYTES = 450_000
"""What the statistics of all stages may take on disk; wide networks get a lower rank."""


@dataclass(frozen=True, slots=True)
class LowRankMoments:
    """Mean and covariance of features: `factor_DR @ factor_DR.T` is the covariance in its R leading directions.

    `trace` is that of the whole covariance, so `trace` less the squared norm of the factor is the variance of all the
    other directions together.
    """

    mean_D: np.ndarray
    factor_DR: np.ndarray
    trace: float

    @property
    def rest(self) -> float:
        """The variance outside the leading directions, summed; never below zero."""
        return max(0.0, self.trace - float((self.factor_DR.astype(np.float64) ** 2).sum()))

    def covariance(self) -> np.ndarray:
        """The D × D covariance, what lies outside the leading directions spread evenly over all of them."""
        factor_DR = self.factor_DR.astype(np.float64)
        width, rank = factor_DR.shape
        leading_DD = factor_DR @ factor_DR.T
        if width == rank:
            return np.asarray(leading_DD)
        unit_DR = factor_DR / np.maximum(np.linalg.norm(factor_DR, axis=0), np.finfo(np.float64).tiny)
        return np.asarray(leading_DD + self.rest / (width - rank) * (np.eye(width) - unit_DR @ unit_DR.T))


def low_rank_moments(features_ND: np.ndarray, *, rank: int = RANK) -> LowRankMoments:
    """The moments of `features_ND` (N examples × D), with the unbiased covariance cut to at most `rank` directions.

    Each direction's largest entry is positive, so that equal features give equal numbers. Raises DataError below two
    rows and where a number is not finite.
    """
    if features_ND.ndim != 2 or len(features_ND) < 2:
        raise DataError(f"reference statistics: features of shape {features_ND.shape}. Give two or more rows.")
    rows_ND = features_ND.astype(np.float64)
    if not np.isfinite(rows_ND).all():
        raise DataError("reference statistics: a feature is not finite. The weights are broken; train again.")
    mean_D = rows_ND.mean(0)
    centred_ND = (rows_ND - mean_D) / np.sqrt(len(rows_ND) - 1)
    _, spread_K, directions_KD = np.linalg.svd(centred_ND, full_matrices=False)
    leading_DR = directions_KD[:rank].T
    signs_R = np.sign(leading_DR[np.abs(leading_DR).argmax(0), np.arange(leading_DR.shape[1])])
    return LowRankMoments(mean_D, leading_DR * signs_R * spread_K[:rank], float((spread_K**2).sum()))


def rank_within(widths: Sequence[int], *, rank: int = RANK, limit_bytes: int = REFERENCE_BYTES) -> int:
    """The largest rank up to `rank` at which stages of these widths take `limit_bytes` in float16; at least 1."""
    return max(1, min(rank, limit_bytes // (2 * sum(widths)) - 1))


def write_reference(path: Path, stages: Sequence[tuple[str, LowRankMoments]]) -> None:
    """Write the stages' moments, in their order, as safetensors in float16, each with the scale its numbers are in."""
    tensors: dict[str, Tensor] = {}
    for number, (_, moments) in enumerate(stages):
        # Activations may be far from 1; in units of the largest number float16 neither overflows nor rounds to zero.
        scale = max(float(np.abs(moments.mean_D).max()), float(np.abs(moments.factor_DR).max())) or 1.0
        tensors[f"{number:02d}.mean"] = torch.from_numpy((moments.mean_D / scale).astype(np.float16))
        tensors[f"{number:02d}.factor"] = torch.from_numpy((moments.factor_DR / scale).astype(np.float16))
        tensors[f"{number:02d}.scale_and_trace"] = torch.tensor([scale, moments.trace], dtype=torch.float32)
    # One entry only: safetensors writes several in an order that changes from run to run.
    write_tensors(path, tensors, {"stages": json.dumps([name for name, _ in stages])})


def read_reference(folder: Path) -> list[LowRankMoments] | None:
    """The moments of every stage of the backbone in `folder`, first to last; None where it comes without.

    Raises UnsafeWeights for a broken file and ModelError for one that holds something else.
    """
    path = folder / REFERENCE_FILE
    if not path.is_file():
        return None
    tensors = read_tensors(path)
    numbers = sorted({name.partition(".")[0] for name in tensors})
    try:
        return [_moments(tensors, number) for number in numbers]
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: not reference statistics ({error}). Pre-train again, or remove the file.") from error


def _moments(tensors: dict[str, Tensor], number: str) -> LowRankMoments:
    scale, trace = tensors[f"{number}.scale_and_trace"].tolist()
    mean_D, factor_DR = (tensors[f"{number}.{part}"].float().numpy() * scale for part in ("mean", "factor"))
    return LowRankMoments(mean_D, factor_DR, trace)
