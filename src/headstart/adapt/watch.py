"""An eye on a running trial: when its time is over, and whether it can still win."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.adapt.judge import Judge
from headstart.adapt.trial import Validated


class OutOfTime(Exception):
    """The budget ended while a trial was running; it does not count."""


@dataclass(frozen=True, slots=True)
class Watch:
    """`ends` is a time of the monotonic clock; `rival` what the best trial so far saw, `tried` how many there were; `curves` those of
    the same strategy and backbone, each with its number of epochs.
    """

    ends: float = math.inf
    rival: Validated | None = None
    tried: int = 1
    curves: Sequence[tuple[int, Sequence[float]]] = ()

    def step(self, number: int) -> None:
        """Called after every training step; raises OutOfTime."""
        if time.monotonic() > self.ends:
            raise OutOfTime

    def is_hopeless(
        self, rows: Sequence[np.ndarray], logits: Sequence[np.ndarray], judge: Callable[[np.ndarray], Judge]
    ) -> bool:
        """Whether, on the folds validated so far, the rival is better by more than chance (a race over folds).

        Stopping there is successive halving over examples: settings that are clearly behind on the first of them see no more.
        Source: Maron and Moore 1994, section 3 (races), with the Judge's paired test in place of Hoeffding's bound.
        """
        if self.rival is None or not rows:
            return False
        seen, own_NK = np.concatenate(rows), np.concatenate(logits)
        place = {int(row): number for number, row in enumerate(self.rival.rows)}
        shared = [number for number, row in enumerate(seen) if int(row) in place]
        if not shared:
            return False
        rival_NK = self.rival.logits[[place[int(seen[number])] for number in shared]]
        return judge(seen[shared]).prefers(rival_NK, own_NK[shared], tried=1 + self.tried)
