"""A number per example: one output in the user's own unit, ridge regression, intervals by split conformal prediction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.numbers import number_in, written
from headstart.prove.quantities import Quantities, conformal_reach
from headstart.tasks.base import Units
from headstart.tasks.solver import Ridge, Solver
from headstart.tasks.whole import Whole

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.tasks.base import Objective


class Quantity(Whole):
    """Regression of one number.

    Weights are trained on standardised targets, because a step of the optimizer is as large for kilometres as for
    millimetres; mean and spread are those of the rows trained on. The loss is Huber's with its corner at one
    standard deviation (smooth L1): squared where most examples lie, so that it has a gradient that falls with the error, and
    linear beyond, so that a few wrong or extreme numbers do not decide a training of some hundred steps. The metric, mean
    absolute error, is linear too.
    """

    name = "regression"
    kind = "quantity"
    reads = "regression"
    default_metric = "mae"
    judged: tuple[str, ...] = ("mae", "rmse")
    solver: Solver = Ridge()
    calibrated_by = "reach"
    guess_name = "always the median"
    left_out = "explains {share:.1%} of the variance among {count} training examples"
    is_right_or_wrong = False
    panels: tuple[str, ...] = ("scatter", "far_off", "intervals")

    def outputs(self, classes: Sequence[str]) -> int:
        """One."""
        return 1

    def encode(
        self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()
    ) -> np.ndarray:
        """The numbers (N,), in double precision."""
        return np.array([float(names[0]) for names in labels], dtype=np.float64)

    def knows(self, labels: tuple[str, ...], classes: Sequence[str]) -> bool:
        """Whether there is a number."""
        return len(labels) == 1 and number_in(labels[0]) is not None

    def objective(self, targets: np.ndarray) -> Objective:
        """Huber's loss in standard deviations of `targets`."""
        scale = self.units(targets).scale

        def loss(outputs_B1: Tensor, targets_B: Tensor) -> Tensor:
            from torch.nn.functional import smooth_l1_loss

            return smooth_l1_loss(outputs_B1.float()[:, 0] / scale, targets_B.float() / scale)

        return loss

    def units(self, targets: np.ndarray) -> Units:
        """Mean and standard deviation; a scale of one where nothing varies."""
        return Units(float(np.mean(targets)), float(np.std(targets)) or 1.0)

    def guess(self, targets: np.ndarray, outputs: int, count: int) -> np.ndarray:
        """The median: no other constant has a smaller mean absolute error."""
        return np.full((count, 1), float(np.median(targets)))

    def calibrate(self, logits_NK: np.ndarray, targets: np.ndarray) -> float:
        """How far an interval reaches to either side to hold nine of ten new values.

        The errors are those of fits that had not seen the example; what is shipped is fitted on all of them, so that the promise
        of split conformal prediction holds nearly, not exactly (cross-conformal prediction, Vovk 2015).
        """
        return conformal_reach(np.abs(logits_NK[:, 0] - targets))

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 0.0) -> np.ndarray:
        """Number, low and high end (N, 3); `temperature` is the reach."""
        said_N = np.asarray(logits_NK, dtype=np.float64)[:, 0]
        return np.stack([said_N, said_N - temperature, said_N + temperature], axis=1)

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """The numbers (N,)."""
        return probabilities_NK[:, 0]

    def correct(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether each number is the very one; see `is_right_or_wrong`."""
        return np.asarray(probabilities_NK[:, 0] == targets)

    def worth(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Minus the absolute error."""
        return np.asarray(-np.abs(probabilities_NK[:, 0] - targets))

    def merits(self, logits_NK: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """Minus the absolute error."""
        return [self.worth(self.probabilities(logits_NK), targets)]

    def places(self, targets: np.ndarray) -> None:
        """There are no classes."""

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """The numbers in words."""
        return [(written(float(value)),) for value in decided]

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Quantities:
        """True numbers beside those said and their intervals, as the metrics want them."""
        return Quantities.of(targets, *probabilities_NK.T)
