"""Candidate backbones ordered for a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.events import Listener, Scored, silent
from headstart.models.card import SourceCard
from headstart.prove.estimate import proportion
from headstart.solvers import ridge_loo

LARGEST_SAMPLE = 2000
"""Examples beyond this many do not change the order of candidates, only the time it takes to find it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One backbone with its score: the leave-one-out accuracy of a ridge probe with its 95 % interval."""

    card: SourceCard
    score: float
    low: float
    high: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first, scored on `examples` training examples."""

    candidates: tuple[Candidate, ...]
    examples: int

    def why(self) -> str:
        """One sentence on why the first is first."""
        best = self.candidates[0]
        told = f"a ridge probe on its features gets {best.score:.1%} of {self.examples} training examples right, each left out once"
        if len(self.candidates) == 1:
            return f"the only candidate; {told}"
        second = self.candidates[1]
        clear = best.low > second.high
        margin = "clearly more than" if clear else "against"
        return f"{told}, {margin} {second.score:.1%} with {second.card.name}" + ("" if clear else " (a close call)")


def rank(
    cards: Sequence[SourceCard],
    features: Callable[[str], tuple[np.ndarray, float]],
    targets: np.ndarray,
    *,
    listener: Listener = silent,
) -> Ranking:
    """Order backbones by exact leave-one-out ridge accuracy on the target's training examples.

    `features(name)` gives the features (N × D) of those examples and the seconds that took; `targets` are class
    indices (N,) or zeros and ones (N, K), where accuracy is that of single labels.
    """
    onehot_NK = np.eye(int(targets.max()) + 1)[targets] if targets.ndim == 1 else targets.astype(float)
    found = []
    for card in cards:
        features_ND, seconds = features(card.name)
        predicted_NK = ridge_loo(features_ND, onehot_NK).loo_NK
        right = predicted_NK.argmax(1) == targets if targets.ndim == 1 else (predicted_NK >= 0.5) == targets
        share = proportion(int(right.sum()), right.size)
        found.append(Candidate(card, float(right.mean()), share.low or 0.0, share.high or 1.0, seconds))
        listener(Scored(card.name, found[-1].score))
    order = sorted(found, key=lambda candidate: -candidate.score)
    return Ranking(tuple(order), len(targets))


def sample(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most LARGEST_SAMPLE of `rows`, in ascending order."""
    if len(rows) <= LARGEST_SAMPLE:
        return rows
    return np.sort(rng.choice(rows, LARGEST_SAMPLE, replace=False))
