"""One label per example: softmax and cross-entropy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.prove.answers import Answers
from headstart.tasks.classes import Classes

if TYPE_CHECKING:
    from torch import Tensor


class SingleLabel(Classes):
    """Classification with exactly one label per example."""

    name = "classification"
    kind = "single"
    default_metric = "accuracy"

    def encode(
        self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()
    ) -> np.ndarray:
        """Class indices (N,)."""
        index = {name: number for number, name in enumerate(classes)}
        return np.array([index[names[0]] for names in labels], dtype=np.int64)

    def loss(self, logits_BK: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy, in nats."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits_BK.float(), targets)

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Softmax of the logits over `temperature`."""
        from scipy.special import softmax

        return np.asarray(softmax(np.asarray(logits_NK, dtype=np.float64) / temperature, axis=1))

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """The most probable class (N,)."""
        return np.asarray(probabilities_NK.argmax(axis=1))

    def places(self, targets: np.ndarray) -> np.ndarray:
        """The class numbers themselves."""
        return targets

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """Class names, one per example."""
        return [(classes[number],) for number in decided]

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Answers:
        """True targets beside probabilities, as the metrics want them."""
        return Answers.single(targets, probabilities_NK)
