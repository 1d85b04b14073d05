"""What all tasks with classes share: logistic regression, temperature scaling, right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.prove.answers import Answers
from headstart.prove.calibrate import fit_temperature
from headstart.prove.metrics import losses_N
from headstart.tasks.solver import Logistic, Solver
from headstart.tasks.whole import Whole

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.tasks.base import Objective, Units


class Classes(Whole):
    """A base for tasks whose answer is one or several of K classes; the rest of `Task` is their own."""

    reads = "classification"
    judged: tuple[str, ...] = ("log_loss", "accuracy")
    solver: Solver = Logistic()
    calibrated_by = "temperature"
    guess_name = "always the most frequent class"
    left_out = "gets {share:.1%} of {count} training examples right"
    is_right_or_wrong = True
    panels: tuple[str, ...] = ("confusion", "classes", "mistakes", "calibration")

    def outputs(self, classes: Sequence[str]) -> int:
        """One per class."""
        return len(classes)

    def knows(self, labels: tuple[str, ...], classes: Sequence[str]) -> bool:
        """Whether all are classes of the training data."""
        return set(classes).issuperset(labels)

    def objective(self, targets: np.ndarray) -> Objective:
        """The same loss whatever the targets."""
        return self.loss

    def units(self, targets: np.ndarray) -> Units | None:
        """Logits are what they are."""
        return None

    def guess(self, targets: np.ndarray, outputs: int, count: int) -> np.ndarray:
        """The log of the training frequencies (`count` × K), the same for every example."""
        if targets.ndim == 1:
            share_K = (np.bincount(targets, minlength=outputs) + 0.5) / (len(targets) + 0.5 * outputs)
            return np.tile(np.log(share_K), (count, 1))
        share_K = (targets.sum(0) + 0.5) / (len(targets) + 1.0)
        return np.tile(np.log(share_K / (1 - share_K)), (count, 1))

    def calibrate(self, logits_NK: np.ndarray, targets: np.ndarray) -> float:
        """The temperature at which the log loss of held-out logits is least."""
        return fit_temperature(logits_NK, targets)

    def worth(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether each answer is right."""
        return self.correct(probabilities_NK, targets)

    def merits(self, logits_NK: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """Right or wrong, and minus the log loss at the temperature that suits all: how sure a network is says nothing of its
        order.
        """
        worth_N = self.worth(self.probabilities(logits_NK), targets).astype(float)
        chances_NK = self.probabilities(logits_NK, self.calibrate(logits_NK, targets))
        return [worth_N, -losses_N(self.answers(targets, chances_NK))]

    def correct(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether each example's whole answer is right, (N,) booleans."""
        same = self.decide(probabilities_NK) == targets
        return np.asarray(same if same.ndim == 1 else same.all(axis=1))

    def loss(self, logits_BK: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch."""
        raise NotImplementedError

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Calibrated probabilities (N, K)."""
        raise NotImplementedError

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """Predicted targets, encoded."""
        raise NotImplementedError

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Answers:
        """True targets beside probabilities, as the metrics want them."""
        raise NotImplementedError
