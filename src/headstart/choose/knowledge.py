"""What was learned before: published tables that ship with the package, and the runs finished on this machine."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from headstart.choose.forecast import Forecaster
from headstart.choose.fusion import Case, earned_share
from headstart.choose.potential import potential
from headstart.choose.prior import TRAITS, Candidate, Result, Strength, strengths
from headstart.files import sha256_text
from headstart.models.card import SourceCard
from headstart.models.catalogue import hub_models

TABLES = Path(__file__).parent / "tables"
ENOUGH_CASES, ENOUGH_MODELS = 4, 3
"""Past data sets with evidence on so many of the candidates before they decide the weight of evidence by themselves."""
ERROR = "log error"
"""Under this name a past data set's scores hold the mean log error of a candidate's left-out classifiers."""
SHARE_ONE_KIND, SHARE_SEVERAL = 0.05, 0.7
"""The weight of evidence where candidates come from one source, and where they do not; benchmarks/ranking prints why."""


@dataclass(frozen=True, slots=True)
class Past:
    """A data set of the past: its names and fingerprints, and for each model its scores and what it was worth."""

    zoo: str
    data: str
    fingerprint: str | None
    scores: Mapping[str, Mapping[str, float]]
    worth: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Past results, and the hash of all of them."""

    pasts: tuple[Past, ...]
    traits: Mapping[str, Mapping[str, float]]
    sha256: str

    def strengths(self, cards: Sequence[SourceCard], *, without: str) -> list[Strength]:
        """The prior of each backbone, without what is known of the data set with the fingerprint `without`."""
        results = [
            Result(past.zoo, past.data, model, value)
            for past in self._others(without)
            for model, value in past.worth.items()
        ]
        candidates = [Candidate(names_of(card), traits_of(card)) for card in cards]
        return strengths(candidates, results, traits=self.traits)

    def share(self, cards: Sequence[SourceCard], *, without: str) -> float:
        """The weight that evidence has earned on past data sets for these candidates, or for such as these."""
        default = SHARE_ONE_KIND if one_kind(cards) else SHARE_SEVERAL
        cases = self._cases(cards, without)
        return earned_share(cases, default=default) if len(cases) >= ENOUGH_CASES else default

    def _others(self, without: str) -> list[Past]:
        return [past for past in self.pasts if past.fingerprint != without]

    def _cases(self, cards: Sequence[SourceCard], without: str) -> list[Case]:
        cases = []
        pasts = self._others(without)
        for past in pasts:
            found = [(card, [name for name in names_of(card) if ERROR in past.scores.get(name, {})]) for card in cards]
            known = [(card, names[0]) for card, names in found if names]
            if len(known) < ENOUGH_MODELS:
                continue
            rest = [other for other in pasts if other.data != past.data and not _same(other, past)]
            results = [Result(one.zoo, one.data, model, value) for one in rest for model, value in one.worth.items()]
            prior = strengths(
                [Candidate(names_of(card), traits_of(card)) for card, _ in known], results, traits=self.traits
            )
            cases.append(
                Case(
                    np.array([strength.value for strength in prior]),
                    potential(
                        np.array([past.scores[name][ERROR] for _, name in known]),
                        [card.parameters for card, _ in known],
                    ),
                    np.array([past.worth[name] for _, name in known]),
                )
            )
        return cases


def _same(one: Past, other: Past) -> bool:
    return one.fingerprint is not None and one.fingerprint == other.fingerprint


def names_of(card: SourceCard) -> tuple[str, ...]:
    """The names under which tables may know a backbone: the hash of its weights first."""
    known = (card.weights_sha256, card.spec, card.name)
    return tuple(dict.fromkeys(name for name in known if name))


def traits_of(card: SourceCard) -> dict[str, float]:
    """What is known of a backbone in numbers; what is not known is left out."""
    found = {}
    if card.parameters:
        found["log10 parameters"] = float(np.log10(card.parameters))
    if card.year:
        found["year"] = float(card.year)
    for name in TRAITS:
        figure = card.figures.get(name)
        value = figure.get("value") if isinstance(figure, Mapping) else figure
        if isinstance(value, int | float):
            found[name] = float(value)
    return found


def one_kind(cards: Sequence[SourceCard]) -> bool:
    """Whether all candidates were pre-trained on the same data, as far as is known."""
    sources = {card.data or (card.domain or card.name,) for card in cards}
    return len(sources) == 1


def knowledge(history: Sequence[Mapping[str, Any]] = ()) -> Knowledge:
    """The shipped tables together with `history`, the entries of runs finished on this machine."""
    pasts = (*_published(), *_measured(), *_finished(history))
    told = json.dumps([_told(past) for past in pasts], sort_keys=True)
    return Knowledge(pasts, _traits(), sha256_text(told))


def _told(past: Past) -> list[Any]:
    scores = {model: dict(values) for model, values in past.scores.items()}
    return [past.zoo, past.data, past.fingerprint, scores, dict(past.worth)]


@cache
def _published() -> tuple[Past, ...]:
    tables: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    with (TABLES / "published.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tables[row["zoo"], row["data_set"]][row["model"]] = float(row["accuracy"])
    return tuple(Past(zoo, data, None, {}, worth) for (zoo, data), worth in tables.items())


@cache
def _measured() -> tuple[Past, ...]:
    path = TABLES / "measured.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return tuple(Past(one["zoo"], one["data_set"], one["fingerprint"], one["scores"], one["worth"]) for one in entries)


def _finished(history: Sequence[Mapping[str, Any]]) -> tuple[Past, ...]:
    latest = {one["fingerprint"]: one for one in history}  # of several runs on the same data the last one counts
    return tuple(
        Past("runs on this machine", one["fingerprint"], one["fingerprint"], one["scores"], one["worth"])
        for one in latest.values()
    )


@cache
def _traits() -> Mapping[str, Mapping[str, float]]:
    return {card.spec: traits_of(card) for card in hub_models()}


def forecaster(modality: str) -> Forecaster | None:
    """What past data sets taught of the verdict, for this modality; None where nothing was measured."""
    path = TABLES / "forecast.json"
    entry = json.loads(path.read_text(encoding="utf-8")).get(modality) if path.is_file() else None
    if entry is None:
        return None
    arrays = {name: np.array(entry[name]) for name in ("helped_F", "weight_F", "covariance_FF")}
    total = sum(entry["rest"].values())  # written with four digits
    rest = {name: share / total for name, share in entry["rest"].items()}
    return Forecaster(**arrays, rest=rest, noise=entry["noise"], cases=entry["cases"])
