"""A forecast of the verdict before anything is trained, from the cheap evidence alone (pure). Never certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from headstart.errors import DataError
from headstart.solvers import Array

VERDICTS = ("helped", "same", "hurt", "unclear")
MOST_SURE = 0.95
"""No forecast claims more."""
PER_CLASS = (20.0, 100.0)
"""Examples per class of the past cases: beyond them nothing was seen, and nothing is extrapolated."""
STRENGTH = 30.0
"""How weakly the slopes are held back, as scikit-learn's C."""
RIDGE = 0.1
ENOUGH = 10
"""Past cases without which nothing is foretold."""


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known cheaply: left-out accuracy of a ridge probe on the source's features and on the classical floor's
    features, the accuracy of guessing, and how many examples of how many classes there are.
    """

    probe: float
    floor: float
    chance: float
    examples: int
    classes: int

    def vector(self) -> Array:
        """A one; how far the probe is ahead of the floor and the floor of guessing, in units of what guessing leaves; and log10
        of examples per class.

        What the floor solves is learned from scratch as well. From scratch a network needs examples: with few, transfer is
        ahead even where its probe is not.
        """
        left = max(1e-3, 1 - self.chance)
        per_class = np.clip(self.examples / self.classes, *PER_CLASS)
        return np.array([1.0, (self.probe - self.floor) / left, (self.floor - self.chance) / left, np.log10(per_class)])


@dataclass(frozen=True, slots=True)
class Forecaster:
    """What past data sets taught. `helped_F`: weights of the log odds that transfer helps; `rest`: how often each other word came
    up where it did not; `weight_F`, `covariance_FF` and `noise`: a regression of the difference in accuracy.
    """

    helped_F: Array
    rest: Mapping[str, float]
    weight_F: Array
    covariance_FF: Array
    noise: float
    cases: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The verdict expected of `fit`: the likeliest word, the chance of each, and the expected difference (95 % interval)."""

    word: str
    chances: Mapping[str, float]
    difference: float
    low: float
    high: float

    def in_words(self) -> str:
        """One careful sentence."""
        span = (
            f"expected difference {100 * self.difference:+.0f} points, {100 * self.low:+.0f} to {100 * self.high:+.0f}"
        )
        helped = self.chances["helped"]
        if self.word == "helped":
            return f"transfer beats training from scratch with a chance of about {helped:.0%} ({span})"
        return f"transfer beats training from scratch with a chance of about {helped:.0%} only ({span})"


def forecast(forecaster: Forecaster, clues: Clues) -> Forecast:
    """The chances of each verdict. What does not help may hurt, but cheap evidence cannot tell which: the other words get the
    shares that they had in the past, so that `hurt` is never told as likely.
    """
    vector_F = clues.vector()
    helped = float(np.clip(expit(vector_F @ forecaster.helped_F), 1 - MOST_SURE, MOST_SURE))
    chances = {"helped": helped, **{name: (1 - helped) * share for name, share in forecaster.rest.items()}}
    expected = float(vector_F @ forecaster.weight_F)
    error = float(np.sqrt(forecaster.noise**2 + vector_F @ forecaster.covariance_FF @ vector_F))
    word = "helped" if helped >= 0.5 else max(forecaster.rest, key=lambda name: forecaster.rest[name])
    return Forecast(word, chances, expected, max(-1.0, expected - 1.96 * error), min(1.0, expected + 1.96 * error))


def learn(
    clues: Sequence[Clues], differences: Array, verdicts: Sequence[str], sets: Sequence[str], is_real: Sequence[bool]
) -> Forecaster:
    """Fit the forecaster to past cases on the data sets named in `sets`.

    `is_real` tells sources from random weights, whose verdicts do not count for the rest. The noise is that of differences on
    a data set that the regression has not seen. Raises DataError below ENOUGH cases, or where transfer helped in all or none of them.
    """
    from sklearn.linear_model import LogisticRegression

    helped = np.array([word == "helped" for word in verdicts])
    if (
        not len(clues) == len(differences) == len(helped) == len(is_real)
        or len(clues) < ENOUGH
        or helped.all()
        or not helped.any()
    ):
        raise DataError(
            f"forecast: {len(clues)} past cases, {helped.sum()} of them helped. Both kinds are needed, {ENOUGH} or more in all."
        )
    rows_CF = np.array([one.vector() for one in clues])
    model = LogisticRegression(C=STRENGTH).fit(rows_CF[:, 1:], helped)
    others = [word for word, real in zip(verdicts, is_real, strict=True) if real and word != "helped"]
    # Half a case more for each word, so that none is impossible.
    counts = {name: others.count(name) + 0.5 for name in VERDICTS if name != "helped"}
    rest = {name: count / sum(counts.values()) for name, count in counts.items()}
    weight_F, inverse_FF = _line(rows_CF, differences)
    noise = _noise_elsewhere(rows_CF, differences, np.array(sets))
    helped_F = np.concatenate([model.intercept_, model.coef_[0]])
    return Forecaster(helped_F, rest, weight_F, noise**2 * inverse_FF, noise, len(clues))


def _line(rows_CF: Array, target_C: Array) -> tuple[Array, Array]:
    inverse_FF = np.linalg.inv(rows_CF.T @ rows_CF + np.diag([0.0, *[RIDGE] * (rows_CF.shape[1] - 1)]))
    return np.asarray(inverse_FF @ rows_CF.T @ target_C), np.asarray(inverse_FF)


def _noise_elsewhere(rows_CF: Array, target_C: Array, sets_C: Array) -> float:
    """Root mean squared error on each data set by the line through all others."""
    squares = []
    for name in np.unique(sets_C):
        own = sets_C == name
        if own.all():
            return float(np.std(target_C))
        weight_F, _ = _line(rows_CF[~own], target_C[~own])
        squares.append((target_C[own] - rows_CF[own] @ weight_F) ** 2)
    return float(np.sqrt(np.concatenate(squares).mean()))
