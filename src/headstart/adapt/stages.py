"""The probe that looks at more than the last stage: the best stage, or selected features of all of them (Head2Toe)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.adapt.drawn import MOST_NUMBERS, Drawn, draw
from headstart.adapt.frozen import Probe
from headstart.adapt.judge import Judge
from headstart.adapt.network import Network
from headstart.adapt.probe import folds_or_own
from headstart.adapt.space import Settings
from headstart.adapt.still import Still
from headstart.adapt.strategy import LITTLE, Effort, Expected, Proposal
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import ONE_PASS, Folds, Workbench
from headstart.errors import ModelError
from headstart.events import Said
from headstart.features.staged import Staged
from headstart.solvers import (
    DEFAULT_CS,
    Tried,
    cross_validated_columns,
    group_scales,
    logistic_path,
    most_relevant,
    relevance,
)

KINDS = ("single", "multi")
"""Kinds of labels that its solver knows."""
SHARES = (1.0, 0.5, 0.2)
"""Which shares of all features are tried, the most relevant ones."""


PROBE = Probe()
COARSE_CS = DEFAULT_CS[::2]
"""The path of regularisation: a factor of ten from one to the next tells readings apart."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a head reads: of the features of these `stages`, by name and one after the other, the most relevant `share`."""

    stages: tuple[str, ...]
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class SeveralStages(Still):
    """Pooled features of all kept stages, each stage of one size, and an exact linear solver on the best part of them.

    Candidates are each stage of the later half, that half together, and the most relevant shares of the features of all; which is
    best, and at which regularisation, cross-validation says. What is relevant is found anew on the training part of each fold.
    Where the best of them is better than the last stage by luck alone, the last stage it is.
    Source: Evci et al. 2022 (Head2Toe).
    """

    name: str = "stages"
    role: Role = "transfer"
    depth: int = 1
    summary: str = "backbone frozen, a linear head on the best stage or on selected features of all (Head2Toe)"
    by_default: bool = True
    expected: Expected = LITTLE
    shares: Sequence[float] = SHARES

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
        """Nothing to choose: solving it chooses.

        None where the pass that its features need takes too long, or labels are of a kind that is no classification.
        """
        if bench.task.kind not in KINDS:
            return None
        staged = bench.staged(backbone)
        missing = staged.missing(draw(rows, bench.targets, (), _most(staged)).rows)
        needed = missing * staged.pace.seconds if staged.pace is not None else 0.0
        return None if seconds is not None and needed > max(0.0, seconds) else Proposal({}, needed)

    def validate(
        self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int, watch: Watch
    ) -> Validated:
        """Out-of-fold logits at the best reading and regularisation; a probe's own where that is the last stage."""
        stages = ScaledStages(bench.staged(spec.backbone), self._draw(spec, bench, rows, folds), len(bench.classes))
        tried = {reading: stages.tried(reading) for reading in dict.fromkeys(self.readings(stages.names))}
        held_out = np.unique(np.concatenate([out for _, out in stages.seen.folds]))
        logits = {one: tried[one].held_out_logits_NK[held_out].astype(np.float32) for one in tried}
        last = Reading(stages.names[-1:])
        best = chosen(tried, logits, bench.judge(stages.seen.rows[held_out]), last)
        found = {"from_stage": best.stages[0], "to_stage": best.stages[-1], "share": best.share}
        if best == last:
            probe = PROBE.validate(spec, bench, rows, folds, seed=seed, watch=watch)
            return Validated(probe.rows, probe.logits, {**found, **probe.found})
        return Validated(stages.seen.rows[held_out], logits[best], {**found, "C": tried[best].C})

    def readings(self, names: tuple[str, ...]) -> Sequence[Reading]:
        """What is tried of the stages with these names."""
        later = names[len(names) // 2 :]
        return [
            *(Reading((name,)) for name in later),
            Reading(later),
            *(Reading(names, share) for share in self.shares),
        ]

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """The head on what validation chose, its columns found anew on all rows."""
        if found["from_stage"] == bench.staged(spec.backbone).stages[-1][0]:
            return PROBE.refit(spec, found, bench, rows, folds, seed=seed)
        stages = ScaledStages(bench.staged(spec.backbone), self._draw(spec, bench, rows, folds), len(bench.classes))
        first, last = stages.names.index(found["from_stage"]), stages.names.index(found["to_stage"])
        return stages.solved(Reading(stages.names[first : last + 1], found["share"]), found["C"])

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """Stored features times the head, a block of examples at a time."""
        if network.reads is None:
            return PROBE.logits(network, spec, bench, rows)
        staged = bench.staged(spec.backbone)
        read = np.isin(np.repeat(staged.kept, [width for _, width in staged.stages]), network.reads)
        blocks = [rows[start : start + ONE_PASS] for start in range(0, len(rows), ONE_PASS)]
        parts = [network.answer(np.ascontiguousarray(staged.take(block)[:, read])) for block in blocks]
        return np.concatenate(parts) if parts else np.empty((0, len(bench.classes)), np.float32)

    def _draw(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds) -> Drawn:
        if bench.task.kind not in KINDS:
            raise ModelError(f"{self.name}: solves classification, not {bench.task.name}. Leave it out.")
        seen = draw(rows, bench.targets, folds_or_own(bench, rows, folds), _most(bench.staged(spec.backbone)))
        if len(seen.rows) < len(rows):
            bench.listener(
                Said(f"{self.name} looks at {len(seen.rows):,} of {len(rows):,} examples: more do not fit into memory.")
            )
        return seen


def chosen(
    tried: Mapping[Reading, Tried], logits: Mapping[Reading, np.ndarray], judge: Judge, last: Reading
) -> Reading:
    """The reading with the least log loss, where it is better than the last stage alone by more than the best of so many would be
    by luck; else the last stage.
    """
    best = min(tried, key=lambda reading: tried[reading].loss)
    return best if judge.prefers(logits[best], logits[last], tried=len(tried)) else last


class ScaledStages:
    """The features of drawn examples, all kept stages side by side and of one size, and what is solved on them."""

    def __init__(self, staged: Staged, seen: Drawn, classes: int) -> None:
        """Computes what is missing of the features."""
        self.seen = seen
        self._staged, self._classes = staged, classes
        self._groups_D = np.repeat(np.arange(len(staged.kept)), [width for _, width in staged.stages])
        features_ND = staged.take(seen.rows)
        self._factor_D = group_scales(features_ND, self._groups_D).astype(np.float32)
        self._scaled_ND = features_ND * self._factor_D
        self._relevance: dict[int, np.ndarray] = {}
        self.names = tuple(name for name, _ in staged.stages)

    def tried(self, reading: Reading, *, Cs: Sequence[float] = COARSE_CS) -> Tried:
        """What cross-validation says of a reading; each fold picks its columns by its own training rows."""
        picked = [self._columns(reading, train, fold) for fold, (train, _) in enumerate(self.seen.folds)]
        return cross_validated_columns(
            self._scaled_ND, self.seen.targets, picked, folds=self.seen.folds, Cs=Cs, classes=self._classes
        )

    def solved(self, reading: Reading, C: float) -> Network:
        """A network whose head reads the stages that hold a picked column; scales are folded into its weights."""
        columns = self._columns(reading, np.arange(len(self.seen.rows)), ALL)
        path = logistic_path(self._scaled_ND[:, columns], self.seen.targets, Cs=[C], classes=self._classes)
        places = np.unique(self._groups_D[columns])
        weight_KD = np.zeros((self._classes, len(self._groups_D)))
        weight_KD[:, columns] = path.weight_CKD[0] * self._factor_D[columns]
        reads = tuple(self._staged.kept[place] for place in places.tolist())
        network = Network(
            self._staged.backbone, self._classes, reads=None if reads == self._staged.kept[-1:] else reads
        )
        network.set_head(weight_KD[:, np.isin(self._groups_D, places)], path.bias_CK[0])
        return network.eval()

    def _columns(self, reading: Reading, rows: np.ndarray, fold: int) -> np.ndarray:
        """The columns, ascending, that a reading is by these rows alone: those of the fold with this number, or of ALL."""
        read_D = np.isin(self._groups_D, [self.names.index(name) for name in reading.stages])
        if reading.share >= 1:
            return np.flatnonzero(read_D)
        if fold not in self._relevance:
            self._relevance[fold] = relevance(self._scaled_ND[rows], self.seen.targets[rows], classes=self._classes)
        return np.flatnonzero(read_D)[most_relevant(self._relevance[fold][read_D], reading.share)]


ALL = -1
"""In place of the number of a fold: all rows."""


def _most(staged: Staged) -> int:
    return max(1, MOST_NUMBERS // sum(width for _, width in staged.stages))
