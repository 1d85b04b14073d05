"""Candidate backbones ordered for a target: evidence on a growing sample, the prior, and both in one order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from headstart.choose.evidence import Evidence, Sample, weigh
from headstart.choose.knowledge import Knowledge
from headstart.choose.prior import Strength
from headstart.choose.standing import Standing, standings, widening
from headstart.data.split import inner_folds
from headstart.errors import DataError, HeadstartError, ModelError
from headstart.events import Listener, Said, Scored, silent
from headstart.models.card import SourceCard
from headstart.protocols import Clock
from headstart.prove.estimate import Estimate, bootstrap, proportion
from headstart.runtime import generator
from headstart.solvers import Array

LARGEST_SAMPLE = 1000
"""Examples beyond this many do not change the order of candidates, only the time it takes to find it."""
FIRST_LOOK = 256
"""Examples on which all candidates are compared before the poor ones are left out."""
HOPELESS = 0.02
"""Who comes first in fewer of the draws after the first look is not looked at again."""
FOLDS = 5
NO_TIME = "no time was left to look at it. Give a larger --budget."
LEFT_OUT = "gets {share:.1%} of {count} training examples right"
SCORES = ("ridge", "knn", "lda", "logme")
"""The evidence that is gathered; benchmarks/ranking compares other choices."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A backbone to rank: its card, whose name is its own, its stages (name, width), and how to get features (n × ΣD) of
    training examples.
    """

    card: SourceCard
    stages: tuple[tuple[str, int], ...]
    features: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate with what speaks for it, by the examples at `rows`. `score` is the left-out accuracy of a ridge probe, for
    numbers the share of their variance that it explains.
    """

    card: SourceCard
    standing: Standing
    evidence: Evidence
    prior: Strength
    score: Estimate
    rows: Array
    seconds: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """A candidate that could not be ranked, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first, scored on the training examples at `rows`; those left out early on fewer.

    `share` is the weight of the evidence beside the prior, `prior_sha256` the hash of what the prior was learned from;
    `left_out` says what a score means (`Task.left_out`).
    """

    candidates: tuple[Ranked, ...]
    rows: Array
    share: float
    prior_sha256: str
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = field(default=())
    left_out: str = LEFT_OUT
    unscored: str = ""
    """Why candidates were not looked at, where they were not."""

    def why(self) -> str:
        """One sentence on why the first is first."""
        if self.unscored:
            return self.unscored
        best = self.candidates[0]
        does = self.left_out.format(share=best.score.value, count=len(best.rows))
        told = f"a ridge probe on its features {does}, each left out once"
        if len(self.candidates) == 1:
            return f"the only candidate; {told}"
        second = self.candidates[1]
        if best.standing.tied:
            others = [one.card.name for one in self.candidates[1:] if one.standing.place == best.standing.place]
            tail = f"; level with {_listed(others)}" if others else ""
            return f"{told}, against {second.score.value:.1%} with {second.card.name}{tail}"
        often = "nearly all" if best.standing.chance_of_first > 0.99 else f"{best.standing.chance_of_first:.0%} of"
        return (
            f"{told}, against {second.score.value:.1%} with {second.card.name}; with the prior and the sizes counted in, it comes first in "
            f"{often} resamples"
        )


def rank(
    contestants: Sequence[Contestant],
    targets: Array,
    groups_N: Array,
    *,
    knowledge: Knowledge,
    fingerprint: str,
    clock: Clock | None = None,
    seed: int = 0,
    listener: Listener = silent,
    left_out: str = LEFT_OUT,
) -> Ranking:
    """Order backbones for the training examples whose labels are `targets` (N, N × K zeros and ones, or N floats).

    `contestant.features(rows)` is asked for growing sets of rows. All are compared on FIRST_LOOK examples; with more than
    two, those with no hope are left out before the rest is looked at. One that cannot be loaded, does not fit into memory or
    gives NaN is dropped with its reason; raises ModelError with all reasons where none is left.
    """
    rng = generator(seed, "rank")
    rows = sample(targets, rng)
    looks = [rows[np.sort(rng.permutation(len(rows))[:FIRST_LOOK])], rows]
    if len(contestants) <= 2 or len(rows) < 2 * FIRST_LOOK:
        looks = looks[1:]
    alive, dropped, behind = list(contestants), [], []
    ranked: list[Ranked] = []
    for number, look in enumerate(looks):
        earlier = {one.card.name: one for one in ranked}
        ranked, lost = _look(alive, look, targets, groups_N, knowledge, fingerprint, clock, seed, listener)
        # Who had a first look and no time for the second is behind, not unknown.
        behind += [earlier[one.name] for one in lost if one.name in earlier and one.reason == NO_TIME]
        dropped += [one for one in lost if one.name not in earlier or one.reason != NO_TIME]
        if number < len(looks) - 1 and len(ranked) > 2:
            hopeful = _hopeful(ranked)
            behind += [one for one in ranked if one.card.name not in hopeful]
            place = {one.card.name: position for position, one in enumerate(ranked)}
            alive = sorted((one for one in alive if one.card.name in hopeful), key=lambda one: place[one.card.name])
            if len(behind):
                listener(Said(f"After {len(look)} examples {len(behind)} of {len(ranked)} candidates are left out."))
        if clock is not None and clock.seconds_left() <= 0:
            break
    ranked = [one for one in ranked if one.card.name not in {late.card.name for late in behind}]
    if not ranked:
        raise ModelError(
            "none of the candidates can be used. "
            + " ".join(f"{one.name}: {one.reason.rstrip('.')}." for one in dropped)
        )
    notes = _few(targets[rows])
    share = knowledge.share([one.card for one in ranked], without=fingerprint)
    return Ranking(
        tuple(_below(ranked, behind)), ranked[0].rows, share, knowledge.sha256, tuple(dropped), notes, left_out
    )


def sample(targets: Array, rng: np.random.Generator) -> Array:
    """At most LARGEST_SAMPLE of the rows of `targets`, ascending; of each class two at least where it has them."""
    rows = np.arange(len(targets))
    if len(rows) <= LARGEST_SAMPLE:
        return rows
    shuffled = rng.permutation(rows)
    if targets.ndim == 2 or _are_numbers(targets):
        return np.sort(shuffled[:LARGEST_SAMPLE])
    turn = np.zeros(len(rows), dtype=np.int64)  # 0 for the first of its class in shuffled order, 1 for the second …
    for label in np.unique(targets):
        own = shuffled[targets[shuffled] == label]
        turn[own] = np.arange(len(own))
    first = np.where(turn[shuffled] < 2, 0, 1)
    return np.sort(shuffled[np.argsort(first, kind="stable")[:LARGEST_SAMPLE]])


def _look(
    contestants: Sequence[Contestant],
    rows: Array,
    targets: Array,
    groups_N: Array,
    knowledge: Knowledge,
    fingerprint: str,
    clock: Clock | None,
    seed: int,
    listener: Listener,
) -> tuple[list[Ranked], list[Dropped]]:
    """All contestants on the same rows, ordered; and those that failed."""
    seen, groups_n = targets[rows], groups_N[rows]
    folds = inner_folds(seen, groups_n, k=FOLDS, seed=seed)
    if not folds:
        raise DataError("ranking: no class has two independent examples. Add examples.")
    weighed: list[tuple[SourceCard, Evidence, float]] = []
    dropped: list[Dropped] = []
    for contestant in contestants:
        if weighed and clock is not None and clock.seconds_left() <= 0:
            dropped.append(Dropped(contestant.card.name, NO_TIME))
            continue
        began = time.monotonic()
        try:
            staged_ND = contestant.features(rows)
            found = weigh(
                staged_ND,
                contestant.stages,
                Sample(seen, groups_n, folds),
                scores=SCORES,
                seed=seed,
            )
        except (HeadstartError, MemoryError, FloatingPointError, RuntimeError, np.linalg.LinAlgError) as error:
            # Torch says by RuntimeError that memory has run out, on a GPU by a child of it.
            dropped.append(Dropped(contestant.card.name, _reason(error)))
            listener(Said(f"{contestant.card.name} is left out: {_reason(error)}", warning=True))
            continue
        weighed.append((contestant.card, found, time.monotonic() - began))
        listener(Scored(contestant.card.name, float(found.right_N.mean())))
    if not weighed:
        return [], dropped
    cards = [card for card, _, _ in weighed]
    priors = knowledge.strengths(cards, without=fingerprint)
    placed = standings(
        [found for _, found, _ in weighed],
        priors,
        [card.parameters for card in cards],
        groups_n,
        share=knowledge.share(cards, without=fingerprint),
        widen=_widen(seen),
        rng=generator(seed, "standings"),
    )
    ranked = [
        Ranked(card, standing, found, prior, _score(found.right_N, seen, seed), rows, seconds)
        for (card, found, seconds), standing, prior in zip(weighed, placed, priors, strict=True)
    ]
    return sorted(ranked, key=lambda one: -one.standing.value), dropped


def _hopeful(ranked: Sequence[Ranked]) -> set[str]:
    """The better half, and whoever still has a chance."""
    kept = max(2, (len(ranked) + 1) // 2)
    return {
        one.card.name
        for position, one in enumerate(ranked)
        if position < kept or one.standing.chance_of_first >= HOPELESS
    }


def _below(ranked: Sequence[Ranked], behind: Sequence[Ranked]) -> list[Ranked]:
    """Those left out early come after all others, in the order of the first look."""
    shift, out = len(ranked), list(ranked)
    for position, one in enumerate(sorted(behind, key=lambda late: -late.standing.value)):
        place = shift + position + 1
        standing = replace(one.standing, place=place, tied=False, best_place=place, worst_place=shift + len(behind))
        out.append(replace(one, standing=standing))
    return out


def _are_numbers(targets: Array) -> bool:
    return bool(np.issubdtype(targets.dtype, np.floating))


def _score(right_N: Array, targets: Array, seed: int) -> Estimate:
    """What a left-out probe gets right, with its interval; of numbers the share of their variance, at least 0."""
    if not _are_numbers(targets):
        return _share(right_N, _widen(targets))

    def explained(counts_bN: Array) -> Array:
        return np.asarray(np.maximum(0.0, counts_bN @ right_N / counts_bN.sum(1)))

    return bootstrap(explained, len(right_N), rng=generator(seed, "score"))


def _share(right_N: Array, widen: float) -> Estimate:
    """The share of right answers with its exact interval, widened on both sides where classes are small."""
    exact = proportion(round(float(right_N.sum())), len(right_N))
    value, low, high = float(right_N.mean()), exact.low or 0.0, 1.0 if exact.high is None else exact.high
    return replace(
        exact, value=value, low=max(0.0, value - widen * (value - low)), high=min(1.0, value + widen * (high - value))
    )


def _fewest(targets: Array) -> int:
    counts = np.bincount(targets) if targets.ndim == 1 else targets.sum(0)
    return int(counts[counts > 0].min())


def _widen(targets: Array) -> float:
    return 1.0 if _are_numbers(targets) else widening(_fewest(targets))


def _few(targets: Array) -> tuple[str, ...]:
    if _are_numbers(targets):
        return ()
    fewest = _fewest(targets)
    if widening(fewest) == 1.0:
        return ()
    return (
        f"A class has {fewest} example{'s' if fewest > 1 else ''} only: intervals are widened by {_widen(targets):.1f}.",
    )


def _reason(error: BaseException) -> str:
    if (
        isinstance(error, MemoryError)
        or "out of memory" in str(error).lower()
        or "can't allocate" in str(error).lower()
    ):
        return "it does not fit into memory."
    return (str(error).splitlines() or [type(error).__name__])[0]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
