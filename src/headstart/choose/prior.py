"""What is known of a backbone before it is tried: how it ranked on other data sets, and what its traits suggest (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.errors import DataError
from headstart.solvers import Array

TRAITS = ("log10 parameters", "year", "ImageNet-1k top-1", "MTEB average, English, 56 tasks", "MNLI accuracy")
"""Numbers about a model that may say how well it transfers."""
PENALTY = 1.0
"""Ridge penalty on the traits' weights, in models."""
OWN = 1.0
"""How many data sets the guess from traits counts for beside a model's own results."""
LEAST_ERROR = 0.05
"""Standard error of a guess from traits, at least."""
UNKNOWN_ERROR = 0.29
"""Standard error of a rank nothing is known of: that of an even spread from −½ to ½."""


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one data set, as one table (`zoo`) reports it; values are compared within zoo and data set only."""

    zoo: str
    data: str
    model: str
    value: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to judge: the names under which tables may know it, and its traits (unknown ones left out)."""

    names: tuple[str, ...]
    traits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Strength:
    """Expected rank among models, about −½ (worst) to ½ (best), its standard error, and on how many data sets it is known."""

    value: float
    error: float
    sets: int


def strengths(
    candidates: Sequence[Candidate],
    results: Sequence[Result],
    *,
    traits: Mapping[str, Mapping[str, float]] | None = None,
    without: frozenset[str] = frozenset(),
) -> list[Strength]:
    """The expected rank of each candidate, from its ranks on other data sets and from the traits of models like it.

    `results` on data sets named in `without` are not looked at: what is known of a target must not come from the target.
    A model with results gets its mean rank, drawn a little (as by OWN data sets) towards what a ridge regression of ranks
    on traits expects; one without gets that expectation. Ranks are among the models of one zoo, so each zoo is lifted to
    the level that the traits of its models suggest. `traits` are those of the models in `results`.
    """
    placed = ranks([result for result in results if result.data not in without])
    regression = _regress(placed, traits or {})
    level = {zoo: regression.level(members, traits or {}) for zoo, members in _by_zoo(placed).items()}
    spread = _noise(placed)
    found = []
    for candidate in candidates:
        own = [rank + level[zoo] for name in candidate.names for zoo, rank in placed.get(name, ())]
        guess, error = regression.expect(candidate.traits)
        if not own:
            found.append(Strength(guess, error, 0))
            continue
        # Rounded, so that equal mean ranks are equal whatever the order they were summed in.
        value = round((float(np.sum(own)) + OWN * guess) / (len(own) + OWN), 9)
        found.append(Strength(value, float(spread / np.sqrt(len(own))), len(own)))
    return found


def ranks(results: Sequence[Result]) -> dict[str, list[tuple[str, float]]]:
    """For each model (zoo, rank), −½ to ½ and ties shared, one per zoo and data set that compares two models or more."""
    tables: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for result in results:
        if not np.isfinite(result.value):
            raise DataError(f"results: {result.model} on {result.data} is {result.value}. Remove that line.")
        tables[result.zoo, result.data][result.model] = result.value
    placed: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for (zoo, _), table in tables.items():
        if len(table) < 2:
            continue
        for model, rank in zip(table, centred_ranks(np.array(list(table.values()))), strict=True):
            placed[model].append((zoo, float(rank)))
    return dict(placed)


def centred_ranks(values_M: Array) -> Array:
    """Ranks of M values from −½ (least) to ½ (most), the mean for ties; about evenly spread and 0 on average."""
    below_M = (values_M[:, None] > values_M).sum(1) + ((values_M[:, None] == values_M).sum(1) - 1) / 2
    return np.asarray((below_M + 0.5) / len(values_M) - 0.5)


Placed = Mapping[str, Sequence[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class _Regression:
    """Rank as a line in standardised traits; a trait that a model lacks says nothing."""

    mean: Mapping[str, float]
    scale: Mapping[str, float]
    weight: Mapping[str, float]
    error: float

    def expect(self, traits: Mapping[str, float]) -> tuple[float, float]:
        known = [name for name in self.weight if name in traits]
        if not known:
            return 0.0, UNKNOWN_ERROR
        value = sum(self.weight[name] * (traits[name] - self.mean[name]) / self.scale[name] for name in known)
        return float(np.clip(value, -0.5, 0.5)), self.error

    def level(self, members: Sequence[str], traits: Mapping[str, Mapping[str, float]]) -> float:
        expected = [self.expect(traits[model])[0] for model in members if traits.get(model)]
        return float(np.mean(expected)) if expected else 0.0


def _by_zoo(placed: Placed) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for model, own in placed.items():
        for zoo in {zoo for zoo, _ in own}:
            members[zoo].append(model)
    return members


def _regress(placed: Placed, traits: Mapping[str, Mapping[str, float]]) -> _Regression:
    """Fitted within zoos: traits and mean ranks as differences from their zoo's mean."""
    rows = [
        (zoo, traits[model], float(np.mean([rank for own, rank in placed[model] if own == zoo])))
        for zoo, members in sorted(_by_zoo(placed).items())
        for model in members
        if traits.get(model)
    ]
    used = [name for name in TRAITS if sum(name in own for _, own, _ in rows) >= 3]
    if len(rows) < 4 or not used:
        return _Regression({}, {}, {}, UNKNOWN_ERROR)
    columns = np.array([[own.get(name, np.nan) for name in used] for _, own, _ in rows], dtype=float)
    target = np.array([rank for _, _, rank in rows])
    mean, scale = np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    standard = np.nan_to_num((columns - mean) / scale)
    for zoo in {zoo for zoo, _, _ in rows}:
        own = np.array([name == zoo for name, _, _ in rows])
        standard[own] -= standard[own].mean(0)
        target[own] -= target[own].mean()
    weight = np.linalg.solve(standard.T @ standard + PENALTY * np.eye(len(used)), standard.T @ target)
    error = float(np.std(target - standard @ weight))
    named = [dict(zip(used, map(float, part), strict=True)) for part in (mean, scale, weight)]
    return _Regression(named[0], named[1], named[2], max(error, LEAST_ERROR))


def _noise(placed: Placed) -> float:
    """Standard deviation of a model's rank from data set to data set, pooled over models."""
    spreads = [float(np.var([rank for _, rank in own], ddof=1)) for own in placed.values() if len(own) > 1]
    return float(np.sqrt(np.mean(spreads))) if spreads else UNKNOWN_ERROR
