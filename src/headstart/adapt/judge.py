"""How logits for validation examples compare: by the metric, and whether a difference is more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.prove.metrics import METRICS, score
from headstart.tasks import Task


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges logits (n × K) for one set of n examples with known `targets`."""

    task: Task
    metric: str
    targets: np.ndarray

    def values(self, logits_NK: np.ndarray) -> dict[str, float]:
        """The metric that validation selects on, and what the task judges beside it (accuracy and log loss, say).

        Raises FloatingPointError where training has diverged, and DataError where the examples do not define the
        metric.
        """
        if not np.isfinite(logits_NK).all():
            raise FloatingPointError("training diverged: its outputs are not finite")
        answers = self.task.answers(self.targets, self.task.said(logits_NK, self.targets))
        found = {name: score(METRICS[name], answers) for name in dict.fromkeys((self.metric, *self.task.judged))}
        if found[self.metric] is None:
            raise DataError(
                f"--metric {self.metric}: the {len(self.targets)} validation examples do not define it. Use {self.task.default_metric}, or add data."
            )
        return {name: value for name, value in found.items() if value is not None}

    def value(self, logits_NK: np.ndarray) -> tuple[float, float]:
        """(metric, the first of what the task judges beside it), each with the sign that makes higher better."""
        values = self.values(logits_NK)
        first, second = (
            values[name] if METRICS[name].higher_is_better else -values[name]
            for name in (self.metric, self.task.judged[0])
        )
        return first, second

    def best(self, logits: Sequence[np.ndarray]) -> int:
        """The number of the logits with the best value; among equals the latest."""
        return max(range(len(logits)), key=lambda number: (self.value(logits[number]), number))

    def prefers(self, one_NK: np.ndarray, other_NK: np.ndarray, *, tried: int = 1) -> bool:
        """Whether one is better than the other by more than chance, `one` being the best of `tried`.

        Its metric may not be worse, and one of the task's merits must be better by more than a standard error of the
        paired difference: examples right, or the log loss at its own best temperature, which sees more than right and
        wrong on a few dozen examples; the absolute error of a quantity. The largest of n standard normal draws lies
        near √(2 ln n): so much it must win by if it is the best of many.
        """
        if self.value(one_NK)[0] < self.value(other_NK)[0]:
            return False
        errors = max(1.0, math.sqrt(2 * math.log(tried)))
        merits = zip(
            self.task.merits(one_NK, self.targets), self.task.merits(other_NK, self.targets), strict=True
        )
        gains = (one - other for one, other in merits)
        return any(gain.mean() > errors * _standard_error(gain) for gain in gains)


def _standard_error(values_N: np.ndarray) -> float:
    return float(values_N.std(ddof=1) / math.sqrt(len(values_N))) if len(values_N) > 1 else math.inf
