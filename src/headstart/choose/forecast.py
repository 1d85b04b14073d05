"""A forecast of the verdict before anything is trained, from the cheap evidence alone (pure). Never certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.solvers import Array

VERDICTS = ("helped", "same", "hurt", "unclear")
MARGIN = 0.01
"""What counts as the same: ±1 point."""
MOST_SURE = 0.95
"""No forecast claims more, and `hurt` never more than MOST_SURE_HURT: a lesson from few examples."""
MOST_SURE_HURT = 0.8


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known cheaply: left-out accuracy of a ridge probe on the source's features and on the classical floor's
    features, the accuracy of guessing, examples and classes, and what of the signal lies before the last stage.
    """

    probe: float
    floor: float
    chance: float
    examples: int
    classes: int

    def vector(self) -> Array:
        """The clues as the regression takes them."""
        left = max(1e-3, 1 - self.chance)
        return np.array(
            [
                1.0,
                (self.probe - self.chance) / left,
                (self.floor - self.chance) / left,
                np.log10(self.examples / self.classes),
            ]
        )


@dataclass(frozen=True, slots=True)
class Forecaster:
    """A linear regression of the difference between the best transfer and the best from scratch, in accuracy."""

    weight_F: Array
    covariance_FF: Array
    noise: float
    cases: int

    def difference(self, clues: Clues) -> tuple[float, float]:
        """The expected difference (1 is 100 points) and its standard error for a new data set."""
        vector_F = clues.vector()
        return float(vector_F @ self.weight_F), float(np.sqrt(self.noise**2 + vector_F @ self.covariance_FF @ vector_F))


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
        told = f"transfer will probably beat training from scratch by {100 * self.difference:.0f} points"
        if self.difference < 0:
            told = f"training from scratch may come out ahead by {-100 * self.difference:.0f} points"
        if self.word in ("same", "unclear"):
            told = "whether transfer beats training from scratch cannot be told beforehand"
        span = f"{100 * self.low:+.0f} to {100 * self.high:+.0f}"
        return f"{told} ({span}; '{self.word}' with a chance of {self.chances[self.word]:.0%})"


def learn(clues: list[Clues], differences: Array) -> Forecaster:
    """Fit the forecaster to past data sets; raises DataError below ten of them. Ridge, so that few cases do not overfit."""
    if len(clues) < 10 or len(clues) != len(differences):
        raise DataError(
            f"forecast: {len(clues)} past cases, {len(differences)} differences. Ten or more of both are needed."
        )
    rows_CF = np.array([one.vector() for one in clues])
    penalty_FF = np.diag([0.0] + [RIDGE] * (rows_CF.shape[1] - 1))
    inverse_FF = np.linalg.inv(rows_CF.T @ rows_CF + penalty_FF)
    weight_F = inverse_FF @ rows_CF.T @ differences
    free = max(1, len(clues) - rows_CF.shape[1])
    noise = float(np.sqrt(((differences - rows_CF @ weight_F) ** 2).sum() / free))
    return Forecaster(weight_F, noise**2 * inverse_FF, noise, len(clues))


RIDGE = 0.1


def forecast(forecaster: Forecaster, clues: Clues, *, tested: int) -> Forecast:
    """The chances of each verdict when `tested` examples will judge.

    The true difference is taken as normal around the regression; what the test then says of it adds the noise of a
    paired comparison in which about DISCORDANT of the examples are answered differently. Chances are cut at MOST_SURE.
    """
    expected, error = forecaster.difference(clues)
    judge = np.sqrt(DISCORDANT / max(1, tested))
    points = expected + error * QUANTILES
    weights = np.full(len(points), 1 / len(points))
    helped = _normal((points - 1.96 * judge) / judge)
    hurt = _normal((-points - 1.96 * judge) / judge)
    room = max(0.0, MARGIN - 1.96 * judge)
    same = np.maximum(0.0, _normal((room - points) / judge) - _normal((-room - points) / judge)) if room else 0 * points
    chances = {"helped": float(helped @ weights), "same": float(same @ weights), "hurt": float(hurt @ weights)}
    chances["hurt"] = min(chances["hurt"], MOST_SURE_HURT)
    chances = {name: min(chance, MOST_SURE) for name, chance in chances.items()}
    chances["unclear"] = max(0.0, 1 - sum(chances.values()))
    word = max(VERDICTS, key=lambda name: chances[name])
    return Forecast(word, chances, expected, expected - 1.96 * error, expected + 1.96 * error)


DISCORDANT = 0.12
"""Share of the test examples that one of two arms answers right and the other wrong; benchmarks/ranking measures it."""
QUANTILES = np.array([-1.96, -1.28, -0.84, -0.52, -0.25, 0.0, 0.25, 0.52, 0.84, 1.28, 1.96])


def _normal(z: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))
