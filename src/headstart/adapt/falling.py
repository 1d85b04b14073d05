"""The curve of a training on its first fold, and whether it lies behind those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.adapt.judge import Judge
from headstart.adapt.trial import Spec, Trial

QUARTERS = (1 / 4, 1 / 2, 3 / 4)
"""Shares of the epochs at which curves are compared."""
FEWEST = 3
"""Curves of others that a median is taken of."""


@dataclass(slots=True)
class Falling:
    """The least loss so far (of what breaks ties: log loss, or the error of a number) at each quarter of `epochs`.

    A training is behind where that lies above the median of `others` at the same quarter (the median stopping rule, Golovin et al.
    2017, section 3.2.2). Others are trainings with as many epochs on the same fold, so that the same part of the schedule is compared.
    """

    epochs: int
    judge: Judge
    others: Sequence[Sequence[float]] = ()
    curve: list[float] = field(default_factory=list)
    _least: float = float("inf")

    def is_behind(self, epoch: int, logits_NK: np.ndarray) -> bool:
        """Take note of `epoch` (counted from 1); whether to give up now."""
        self._least = min(self._least, -self.judge.value(logits_NK)[1])
        if len(self.curve) == len(QUARTERS) or epoch < QUARTERS[len(self.curve)] * self.epochs:
            return False
        self.curve.append(round(self._least, 6))
        place = len(self.curve) - 1
        known = [other[place] for other in self.others if len(other) > place]
        return len(known) >= FEWEST and self.curve[-1] > float(np.median(known))


def curves_like(spec: Spec, trials: Sequence[Trial]) -> list[tuple[int, Sequence[float]]]:
    """How trials of the same strategy on the same backbone went on their first fold, with their numbers of epochs."""
    alike = [
        trial for trial in trials if (trial.spec.strategy, trial.spec.backbone) == (spec.strategy, spec.backbone)
    ]
    return [
        (trial.spec.settings["epochs"], trial.validated.found["curve"])
        for trial in alike
        if trial.validated is not None and "curve" in trial.validated.found
    ]
