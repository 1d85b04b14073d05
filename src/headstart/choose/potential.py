"""What a backbone may reach once its weights move, from what its frozen features get wrong (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.solvers import Array

GAIN = 0.30
"""By how much, in nats of log error, moving weights gains more in a network of ten times the parameters. Measured over 13
backbones on nine sets of pictures; benchmarks/ranking/ranking.py learns it anew without each of them."""

SPREAD = 0.18
"""How far, in nats, what a backbone gains lies from that: the median over the data sets of the standard deviation."""


def log_error(right: Array | float, count: int) -> Array:
    """The log of the share of `count` examples that are answered wrong, where the share `right` is not.

    Half an example more is wrong, so that no error among few is no certainty. Logs, because what adapting saves is a share of the
    errors that there are: from 10 % to 5 % is as far as from 2 % to 1 %.
    """
    return np.asarray(np.log(((1 - np.asarray(right)) * count + 0.5) / (count + 1)))


def potential(errors_M: Array, parameters_M: Sequence[int | None], *, gain: float = GAIN) -> Array:
    """Minus the log error to expect of M backbones after adapting, up to a constant: `errors_M` are their mean log errors of
    left-out classifiers on frozen features.

    Large networks gain more when their weights move than small ones, which frozen features do not show. A size that is not
    known counts as the mean of the others.
    """
    known = [np.log10(count) for count in parameters_M if count]
    middle = float(np.mean(known)) if known else 0.0
    sizes_M = np.array([np.log10(count) if count else middle for count in parameters_M])
    return np.asarray(gain * sizes_M - errors_M)
