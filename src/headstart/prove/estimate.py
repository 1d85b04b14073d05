"""A figure with its interval, and the ways to get one: exact, bootstrap, and for figures at the edge of their range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special  # scipy.stats has the same under kinder names, and takes a second to import

from headstart.errors import DataError

Array = npt.NDArray[Any]
LEVEL = 0.95
RESAMPLES = 2000
BLOCK_NUMBERS = 1 << 21  # counts held at a time: 8 MiB


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure on `n` examples with the interval `low` … `high`, at 95 % unless `method` says otherwise.

    `value` is None where the figure is not defined on these data, the ends are None where no interval can be given;
    then `method` says why.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str


def undefined(n: int, reason: str) -> Estimate:
    """The Estimate of a figure that these data do not define."""
    return Estimate(None, None, None, n, f"undefined: {reason}")


def proportion(successes: int, n: int, *, level: float = LEVEL) -> Estimate:
    """`successes` of `n` as a share with its exact interval (Clopper and Pearson 1934); undefined for n = 0."""
    if not 0 <= successes <= n:
        raise DataError(f"proportion: {successes} of {n} is no share. Count successes among n.")
    if n == 0:
        return undefined(0, "no examples")
    tail = (1 - level) / 2
    low = float(special.betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Estimate(successes / n, low, high, n, "exact binomial")


def resample_weights(
    n: int,
    *,
    rng: np.random.Generator,
    strata: Array | None = None,
    groups: Array | None = None,
    resamples: int = RESAMPLES,
) -> Iterator[Array]:
    """Bootstrap samples as counts: blocks b × n of float32, `resamples` rows in all; w[s, i] = how often example i is
    in sample s.

    With `groups` (n labels) whole groups are drawn, as many as there are; else with `strata` (n labels) each stratum
    keeps its size; else examples are drawn freely. Memory stays bounded whatever n.
    """
    units_n = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(units_n.max()) + 1
    pools = [np.arange(n_units)]
    if strata is not None and groups is None:
        pools = [np.flatnonzero(strata == s) for s in np.unique(strata)]
    step = max(1, BLOCK_NUMBERS // n)
    for start in range(0, resamples, step):
        b = min(step, resamples - start)
        counts_bu = np.empty((b, n_units), np.float32)
        for pool in pools:
            drawn = rng.integers(len(pool), size=(b, len(pool))) + np.arange(b)[:, None] * len(pool)
            counts_bu[:, pool] = np.bincount(drawn.ravel(), minlength=b * len(pool)).reshape(b, -1)
        yield counts_bu if groups is None else counts_bu[:, units_n]


def bootstrap(
    statistic: Callable[[Array], Array],
    n: int,
    *,
    rng: np.random.Generator,
    strata: Array | None = None,
    groups: Array | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    basic: bool = False,
) -> Estimate:
    """Estimate of `statistic`, a function of counts b × n that returns b values (NaN where undefined), by bootstrap.

    The interval holds the percentiles of the resamples (Efron 1979) or, with `basic`, their mirror image around the
    value, for figures that resampling itself pushes up. Resamples that do not define the figure are left out; where
    they are more than one in twenty, or where fewer than two units can be drawn or resamples do not differ, no
    interval is given.
    """
    if n == 0:
        return undefined(0, "no examples")
    value = float(statistic(np.ones((1, n), np.float32))[0])
    if not np.isfinite(value):
        return undefined(n, "these examples do not define it")
    units = n if groups is None else len(np.unique(groups))
    if units < 2:
        return Estimate(value, None, None, n, "no interval: one example or group")
    values_B = np.concatenate(
        [statistic(w) for w in resample_weights(n, rng=rng, strata=strata, groups=groups, resamples=resamples)]
    )
    values_B = values_B[np.isfinite(values_B)]
    if len(values_B) < 0.95 * resamples:
        return Estimate(value, None, None, n, "no interval: too few resamples define it")
    tail = (1 - level) / 2
    low, high = (float(q) for q in np.quantile(values_B, [tail, 1 - tail]))
    if high - low <= 1e-9 * max(1.0, abs(value)):  # equal but for rounding
        return Estimate(value, None, None, n, "no interval: resamples do not differ")
    if basic:
        low, high = 2 * value - high, 2 * value - low
    unit = "examples" if groups is None else "groups"
    kind = "basic" if basic else "percentile"
    held = ", classes held" if strata is not None and groups is None else ""
    return Estimate(
        value, min(low, value), max(high, value), n, f"{kind} bootstrap of {unit}{held}, {resamples} resamples"
    )


def flawless_low(counts_K: Sequence[int] | Array, *, level: float = LEVEL) -> float:
    """The lower end for a mean of K rates when all of `counts_K` trials succeeded, where a bootstrap would see no
    spread at all.

    It is the smallest mean of rates p under which such a sample still has the probability (1 − level) / 2, that is Π
    p_k ^ n_k; for K = 1 it is the end that Clopper and Pearson give. The minimum has p_k = min(1, c·n_k).
    """
    counts = np.sort(np.asarray(counts_K, np.float64))
    counts = counts[counts > 0]
    if len(counts) == 0:
        return 0.0
    budget = np.log((1 - level) / 2)
    for below in range(len(counts), 0, -1):  # the smallest classes carry the doubt, the largest may be certain
        small = counts[:below]
        log_c = (budget - float(small @ np.log(small))) / small.sum()
        if np.exp(log_c) * small[-1] <= 1:
            break
    return float((np.exp(log_c) * small).sum() + len(counts) - below) / len(counts)
