"""What a task is to the rest of the house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.prove.answers import Answers

if TYPE_CHECKING:
    from torch import Tensor


class Task(Protocol):
    """A kind of target: its encoding, its loss, its decoding."""

    name: str
    kind: str
    default_metric: str

    def encode(self, labels: Sequence[tuple[str, ...]], classes: Sequence[str]) -> np.ndarray:
        """Targets as an array: (N,) class indices, or (N, K) zeros and ones."""
        ...

    def loss(self, logits_BK: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch."""
        ...

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Calibrated probabilities (N, K)."""
        ...

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """Predicted targets, encoded as `encode` does."""
        ...

    def correct(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether each example's whole answer is right, (N,) booleans."""
        ...

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """Encoded targets as class names."""
        ...

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Answers:
        """True targets beside probabilities, as the metrics want them."""
        ...
