"""k-NN: nothing is trained and nothing solved, the training examples vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.adapt.drawn import MOST_NUMBERS, Drawn, draw
from headstart.adapt.head_kinds import LINKS, SPARE, NeighbourHead, usual, votes
from headstart.adapt.network import Network
from headstart.adapt.probe import folds_or_own
from headstart.adapt.space import Settings
from headstart.adapt.still import Still
from headstart.adapt.strategy import LITTLE, Effort, Expected, Proposal
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Folds, Workbench
from headstart.errors import ModelError
from headstart.events import Said
from headstart.features.store import AnyFeatures
from headstart.solvers import directions, nearest

NEIGHBOURS = (1, 3, 5, 10, 20, 50)
TEMPERATURES = (0.02, 0.05, 0.1, 0.3)
"""What is tried: how many vote, and over which difference of cosines a vote loses two thirds of its weight."""
MOST_REMEMBERED = 1 << 15
"""Comparing all examples with all grows with the square: of more, so many are drawn, which is what fits into memory at 1,024 features."""
NO_GROUP = -1
"""Of an example that is new: anyone may vote on it."""


@dataclass(frozen=True, slots=True)
class Neighbours(Still):
    """The k nearest training examples by cosine of their centred features vote, nearer ones more (Wu et al. 2018, section 3.4).

    How many and how much more, the log loss on held-out examples says. Where a class has few examples, or no line parts it from the
    others, that can be better than a probe; it says who is near rather than why, and the model holds every training example's features.
    """

    name: str = "knn"
    role: Role = "transfer"
    depth: int = 1
    summary: str = "backbone frozen, the nearest training examples vote"
    by_default: bool = False
    expected: Expected = LITTLE
    neighbours: Sequence[int] = NEIGHBOURS
    temperatures: Sequence[float] = TEMPERATURES

    def propose(
        self,
        chosen: Settings,
        bench: Workbench,
        backbone: str,
        rows: np.ndarray,
        *,
        seconds: float | None,
        effort: Effort,
    ) -> Proposal | None:
        """Nothing to choose: validation counts the votes in every way. None where labels are no votes."""
        return Proposal({}, 0.0) if bench.task.kind in LINKS else None

    def validate(
        self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int, watch: Watch
    ) -> Validated:
        """Logits of held-out examples, each by neighbours on the other side of its fold."""
        seen = self._draw(spec, bench, rows, folds)
        features_ND = bench.features(spec.backbone).take(seen.rows)
        ways = [(k, temperature) for k in self.neighbours for temperature in self.temperatures]
        logits: dict[tuple[int, float], list[np.ndarray]] = {way: [] for way in ways}
        for train, out in seen.folds:
            mean_D, known = features_ND[train].mean(0), seen.targets[train]
            found = nearest(
                directions(features_ND[out], mean_D),
                directions(features_ND[train], mean_D),
                SPARE * max(self.neighbours),
            )
            usual_K = usual(known, len(bench.classes))
            for k, temperature in ways:
                share_NK = found.shares(known, len(bench.classes), k=k, temperature=temperature)
                logits[k, temperature].append(LINKS[bench.task.kind](votes(share_NK, usual_K, k)))
        held_out = np.concatenate([out for _, out in seen.folds])
        judge = bench.judge(seen.rows[held_out])
        told = {way: np.concatenate(parts) for way, parts in logits.items()}
        k, temperature = min(ways, key=lambda way: judge.values(told[way])["log_loss"])
        return Validated(seen.rows[held_out], told[k, temperature], {"k": k, "votes_temperature": temperature})

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """All examples remembered."""
        seen = self._draw(spec, bench, rows, folds)
        features_ND = bench.features(spec.backbone).take(seen.rows)
        head = NeighbourHead(
            features_ND.shape[1],
            len(bench.classes),
            len(seen.rows),
            found["k"],
            found["votes_temperature"],
            bench.task.kind,
        )
        head.remember(features_ND, seen.targets)
        head.rows, head.groups = seen.rows, bench.groups[seen.rows]
        return Network(bench.backbone(spec.backbone), len(bench.classes), head=head).eval()

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """The votes on stored features; an example that is remembered has no vote on itself or its near-duplicates."""
        groups_N = np.where(np.isin(rows, network.head.rows), bench.groups[rows], NO_GROUP)
        logits_NK: np.ndarray = network.head.answer(bench.features(spec.backbone).take(rows), groups_N)
        return logits_NK

    def _draw(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds) -> Drawn:
        if bench.task.kind not in LINKS:
            raise ModelError(f"{self.name}: neighbours cannot vote on {bench.task.name}. Leave it out.")
        features: AnyFeatures = bench.features(spec.backbone)
        most = min(MOST_REMEMBERED, max(1, MOST_NUMBERS // features.width))
        seen = draw(rows, bench.targets, folds_or_own(bench, rows, folds), most)
        if len(seen.rows) < len(rows):
            bench.listener(
                Said(
                    f"{self.name} remembers {len(seen.rows):,} of {len(rows):,} examples: more take too much memory or time."
                )
            )
        return seen
