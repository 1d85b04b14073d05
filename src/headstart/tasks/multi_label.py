"""Any number of labels per example: one sigmoid and binary cross-entropy per label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.prove.answers import Answers
from headstart.tasks.classes import Classes

if TYPE_CHECKING:
    from torch import Tensor


class MultiLabel(Classes):
    """Classification with any number of labels per example, also none."""

    name = "multi-label classification"
    kind = "multi"
    default_metric = "macro_f1"
    judged: tuple[str, ...] = ("log_loss", "subset_accuracy")
    panels: tuple[str, ...] = ("classes", "mistakes", "calibration")

    def encode(
        self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()
    ) -> np.ndarray:
        """Zeros and ones (N, K)."""
        index = {name: number for number, name in enumerate(classes)}
        targets_NK = np.zeros((len(labels), len(classes)), dtype=np.int64)
        for row, names in enumerate(labels):
            targets_NK[row, [index[name] for name in names]] = 1
        return targets_NK

    def loss(self, logits_BK: Tensor, targets: Tensor) -> Tensor:
        """Mean binary cross-entropy, in nats."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits_BK.float(), targets.float())

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Sigmoid of the logits over `temperature`."""
        from scipy.special import expit

        return np.asarray(expit(np.asarray(logits_NK, dtype=np.float64) / temperature))

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """Labels at least as probable as not (N, K)."""
        return (probabilities_NK >= 0.5).astype(np.int64)

    def places(self, targets: np.ndarray) -> None:
        """An example has any number of classes."""

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """Class names of each example, in the order of `classes`."""
        return [tuple(classes[number] for number in np.flatnonzero(row).tolist()) for row in decided]

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Answers:
        """True targets beside probabilities, as the metrics want them."""
        return Answers.multi(targets, probabilities_NK)
