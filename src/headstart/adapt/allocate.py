"""Where the next trial has the most to win: expected gain per second (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headstart.adapt.strategy import Expected
from headstart.prove.metrics import METRICS

SETTINGS_SPREAD = 0.2
"""How far, in nats of log error, results of one strategy on one backbone lie apart when only settings change, before any are known."""
NOT_WORTH = 0.005
"""A trial that is expected to take less than this many nats off the log error is not run: half a percent of the errors."""


def log_error(metric: str, value: float, count: int) -> float:
    """The log of what is wrong by `metric`, from `value` on `count` examples.

    For metrics with 1 as the best that is the rest to 1, half an example of it always wrong, so that no error among few is
    no certainty; losses are their own.
    """
    if not METRICS[metric].higher_is_better:
        return math.log(max(value, 1e-9))
    return math.log((max(0.0, 1 - value) * count + 0.5) / (count + 1))


def expected_gain(best: float, mean: float, spread: float) -> float:
    """By how much (nats) a draw from a normal distribution is expected to fall below `best`; never negative.

    Source: expected improvement, Jones, Schonlau and Welch 1998, section 3.
    """
    from scipy.special import ndtr

    z = (best - mean) / spread
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return max(0.0, float(spread * (z * ndtr(z) + density)))


def outlook(errors: Sequence[float], *, probe: float, expected: Expected) -> tuple[float, float]:
    """Mean and spread of the log error that the next trial of an arm (a strategy on a backbone) may have.

    From the log errors of the arm's own trials; before the first from the backbone's `probe` and what is expected. Settings
    that were tried first were the most promising: what others reach lies around their mean.
    """
    if not errors:
        return probe - expected.gain, expected.spread
    known = len(errors) - 1
    own = float(np.var(errors, ddof=1)) if known else 0.0
    # A few trials say little about how far others lie apart: their variance counts beside two of what is usual.
    return float(np.mean(errors)), math.sqrt((known * own + 2 * SETTINGS_SPREAD**2) / (known + 2))
