"""How logits for validation examples compare: by the metric, and whether a difference is more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.prove.calibrate import fit_temperature
from headstart.prove.metrics import METRICS, losses_N, score
from headstart.tasks import Task


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges logits (n × K) for one set of n examples with known `targets`."""

    task: Task
    metric: str
    targets: np.ndarray

    def values(self, logits_NK: np.ndarray) -> dict[str, float]:
        """The metric that validation selects on, accuracy and log loss.

        Raises FloatingPointError where training has diverged, and DataError where the examples do not define the
        metric.
        """
        if not np.isfinite(logits_NK).all():
            raise FloatingPointError("training diverged: its outputs are not finite")
        answers = self.task.answers(self.targets, self.task.probabilities(logits_NK))
        names = dict.fromkeys(
            (self.metric, "accuracy" if self.task.kind == "single" else "subset_accuracy", "log_loss")
        )
        found = {name: score(METRICS[name], answers) for name in names}
        if found[self.metric] is None:
            raise DataError(
                f"--metric {self.metric}: the {len(self.targets)} validation examples do not define it. Use accuracy, or add data."
            )
        return {name: value for name, value in found.items() if value is not None}

    def value(self, logits_NK: np.ndarray) -> tuple[float, float]:
        """(metric, −log loss), higher is better in both."""
        values = self.values(logits_NK)
        sign = 1 if METRICS[self.metric].higher_is_better else -1
        return sign * values[self.metric], -values["log_loss"]

    def best(self, logits: Sequence[np.ndarray]) -> int:
        """The number of the logits with the best value; among equals the latest."""
        return max(range(len(logits)), key=lambda number: (self.value(logits[number]), number))

    def prefers(self, one_NK: np.ndarray, other_NK: np.ndarray, *, tried: int = 1) -> bool:
        """Whether one is better than the other by more than chance, `one` being the best of `tried`.

        Its metric may not be worse, and it must have more examples right, or a smaller log loss at its own best
        temperature, by more than a standard error of the paired difference. The log loss sees more than right and
        wrong on a few dozen examples. The largest of n standard normal draws lies near √(2 ln n): so much it must
        win by if it is the best of many.
        """
        if self.value(one_NK)[0] < self.value(other_NK)[0]:
            return False
        errors = max(1.0, math.sqrt(2 * math.log(tried)))
        right, loss = self._right(one_NK) - self._right(other_NK), self._losses(other_NK) - self._losses(one_NK)
        return any(gain.mean() > errors * _standard_error(gain) for gain in (right, loss))

    def _right(self, logits_NK: np.ndarray) -> np.ndarray:
        return self.task.correct(self.task.probabilities(logits_NK), self.targets).astype(float)

    def _losses(self, logits_NK: np.ndarray) -> np.ndarray:
        """Log loss of each example at the temperature that suits all: how sure a network is says nothing of its order."""
        temperature = fit_temperature(logits_NK, self.targets)
        return losses_N(self.task.answers(self.targets, self.task.probabilities(logits_NK, temperature)))


def _standard_error(values_N: np.ndarray) -> float:
    return float(values_N.std(ddof=1) / math.sqrt(len(values_N))) if len(values_N) > 1 else math.inf
