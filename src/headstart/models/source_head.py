"""The classifier that a backbone was pre-trained with: what the source itself would call an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SourceHead:
    """A linear layer on the backbone's features: weight (Z × D), bias (Z), and the names of its Z classes if they are known.

    With `stages` it reads those of the stages with these numbers, side by side, in place of the backbone's own.
    """

    weight_ZD: np.ndarray
    bias_Z: np.ndarray
    labels: tuple[str, ...] = ()
    stages: tuple[int, ...] | None = None

    def logits(self, features_ND: np.ndarray) -> np.ndarray:
        """Logits (N × Z)."""
        return np.asarray(features_ND @ self.weight_ZD.T + self.bias_Z)

    def probabilities(self, features_ND: np.ndarray) -> np.ndarray:
        """Softmax probabilities (N × Z)."""
        logits_NZ = self.logits(features_ND).astype(np.float64)
        odds_NZ = np.exp(logits_NZ - logits_NZ.max(1, keepdims=True))
        return np.asarray(odds_NZ / odds_NZ.sum(1, keepdims=True))


def find_head(
    tensors: Mapping[str, Tensor], names: Sequence[str], width: int, labels: Sequence[str] = ()
) -> SourceHead | None:
    """The layer under one of `names` that is linear in `width` features; None where the checkpoint has no such layer.

    A head with a hidden layer of its own, or one on other features, is none: its answers could not be read off features.
    """
    for name in names:
        weight = tensors.get(f"{name}.weight")
        if weight is None or weight.ndim not in (2, 4) or weight.flatten(1).shape[1] != width:
            continue
        weight_ZD = weight.flatten(1).float().numpy().copy()
        bias = tensors.get(f"{name}.bias")
        bias_Z = np.zeros(len(weight_ZD), np.float32) if bias is None else bias.float().numpy().copy()
        told = tuple(labels) if len(labels) == len(weight_ZD) else ()
        return SourceHead(weight_ZD, bias_Z, told)
    return None
