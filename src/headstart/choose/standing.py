"""From evidence and prior to places: who is ahead, how sure that is, and which places are ties (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.choose.evidence import Evidence
from headstart.choose.fusion import fuse
from headstart.choose.potential import SPREAD, log_error, potential
from headstart.choose.prior import Strength
from headstart.solvers import Array

DRAWS = 500
"""Bootstrap draws."""
SURE = 0.95
"""A candidate whose chance of being behind the one above is lower shares its place."""
ENOUGH_PER_CLASS = 5
"""Below so many examples of a class every interval is widened."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a candidate stands. `value`: prior and evidence in one number, comparable within the ranking only.

    `place` counts from 1 and is shared where `tied`; `best_place` and `worst_place` are the ends of its 95 % bootstrap
    interval; `chance_of_first` is how often it comes first in the draws.
    """

    value: float
    place: int
    tied: bool
    best_place: int
    worst_place: int
    chance_of_first: float


def widening(fewest_per_class: int) -> float:
    """The factor by which intervals are widened where a class has few examples: its own spread is then hardly known."""
    return float(np.sqrt(max(1.0, ENOUGH_PER_CLASS / max(1, fewest_per_class))))


def standings(
    evidence: Sequence[Evidence],
    priors: Sequence[Strength],
    parameters: Sequence[int | None],
    groups_N: Array,
    *,
    share: float,
    widen: float,
    rng: np.random.Generator,
) -> list[Standing]:
    """The standing of each of M candidates, all of them scored on the same N examples; `parameters` are their sizes.

    Each draw resamples groups of examples, counts anew what left-out classifiers get wrong, shifts what adapting gains by
    its spread and the priors by their standard errors, and fuses both with `share` of the evidence.
    """
    prior_M = np.array([strength.value for strength in priors])
    error_M = np.array([strength.error for strength in priors])
    values_M = fuse(prior_M, potential(np.array([one.log_error for one in evidence]), parameters), share)
    draws_BM = np.array(
        [
            fuse(
                prior_M + widen * error_M * rng.standard_normal(len(prior_M)),
                potential(drawn_M + SPREAD * rng.standard_normal(len(prior_M)), parameters),
                share,
            )
            for drawn_M in _resampled(evidence, groups_N, widen, rng)
        ]
    )
    order = np.argsort(-values_M, kind="stable")
    places_BM = (-draws_BM).argsort(1, kind="stable").argsort(1, kind="stable") + 1
    low_M, high_M = np.quantile(places_BM, [0.025, 0.975], axis=0, method="nearest")
    place = _places(order, draws_BM)
    return [
        Standing(
            float(values_M[m]),
            place[m],
            place.count(place[m]) > 1,
            int(low_M[m]),
            int(high_M[m]),
            float((places_BM[:, m] == 1).mean()),
        )
        for m in range(len(evidence))
    ]


def _resampled(
    evidence: Sequence[Evidence], groups_N: Array, widen: float, rng: np.random.Generator
) -> Iterator[Array]:
    """The mean log errors (M) of the candidates' left-out classifiers on resampled groups, one draw at a time."""
    _, own_N, sizes_G = np.unique(groups_N, return_inverse=True, return_counts=True)
    counts_BG = rng.multinomial(len(sizes_G), np.full(len(sizes_G), 1 / len(sizes_G)), size=DRAWS)
    weights_BN = counts_BG[:, own_N].astype(float)
    weights_BN /= weights_BN.sum(1, keepdims=True)
    answers_MAN = np.array([one.answers_AN for one in evidence])
    right_MA = answers_MAN.mean(2)
    for weights_N in weights_BN:
        drawn_MA = right_MA + widen * (answers_MAN @ weights_N - right_MA)
        yield log_error(np.clip(drawn_MA, 0, 1), len(own_N)).mean(1)


def _places(order: Array, draws_BM: Array) -> list[int]:
    """Places by position in `order`; who is not surely behind the leader of a place shares it."""
    place = [0] * len(order)
    leader, current = order[0], 1
    for position, m in enumerate(order):
        ahead = float((draws_BM[:, leader] > draws_BM[:, m]).mean())
        if position and ahead >= SURE:
            leader, current = m, position + 1
        place[m] = current
    return place
