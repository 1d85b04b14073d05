"""One of an order of classes per example: one sigmoid for each "is it above this class?"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.prove.answers import Answers, median_rank
from headstart.tasks.classes import Classes

if TYPE_CHECKING:
    from torch import Tensor


class Ordinal(Classes):
    """Classification into classes that have an order: K − 1 questions "above class k?" (Frank and Hall 2001; with shared
    features and one loss as in CORAL, Cao et al. 2020, section 3).

    CORAL gives all questions one weight vector, which keeps their answers in order but cannot follow features whose
    direction changes along the scale; here each has its own, and chances that are out of order are sorted, after which they
    are together no farther from the true ones (Chernozhukov et al. 2009, proposition 1).
    """

    name = "ordinal classification"
    kind = "ordinal"
    reads = "ordinal"
    default_metric = "rank_mae"
    guess_name = "always the middle class"
    left_out = "gets {share:.1%} of the steps of the order right on {count} training examples"
    is_right_or_wrong = False

    def outputs(self, classes: Sequence[str]) -> int:
        """One per step between two classes."""
        return len(classes) - 1

    def encode(
        self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()
    ) -> np.ndarray:
        """Zeros and ones (N, K − 1): whether the label lies above each class but the last."""
        index = {name: number for number, name in enumerate(classes)}
        ranks_N = np.array([index[names[0]] for names in labels], dtype=np.int64)
        return (ranks_N[:, None] > np.arange(len(classes) - 1)).astype(np.int64)

    def loss(self, logits_BK: Tensor, targets: Tensor) -> Tensor:
        """Mean binary cross-entropy over the questions, in nats."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits_BK.float(), targets.float())

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Class probabilities (N, K) from the K − 1 chances of lying above, put in falling order."""
        from scipy.special import expit

        above_NK = -np.sort(-expit(np.asarray(logits_NK, dtype=np.float64) / temperature), axis=1)
        ends = ((0, 0), (1, 1))
        return -np.diff(np.pad(above_NK, ends, constant_values=((0, 0), (1.0, 0.0))), axis=1)

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """The median class, encoded (N, K − 1): off by the fewest classes to be expected."""
        steps = np.arange(probabilities_NK.shape[1] - 1)
        return (median_rank(probabilities_NK)[:, None] > steps).astype(np.int64)

    def worth(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Minus the number of classes by which each answer is off."""
        return np.asarray(-np.abs(median_rank(probabilities_NK) - self.places(targets)), dtype=float)

    def places(self, targets: np.ndarray) -> np.ndarray:
        """The number of each example's class (N)."""
        return np.asarray(targets.sum(axis=1))

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """Class names, one per example."""
        return [(classes[number],) for number in self.places(decided)]

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Answers:
        """True classes beside probabilities, as the metrics want them."""
        return Answers.ordinal(self.places(targets), probabilities_NK)
