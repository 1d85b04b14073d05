"""Learning curves: the winners' recipes on ever smaller parts of the training rows, judged on the same test rows.

What the head start is worth is read off them (`prove/head_start.py`). Test labels are not looked at here: a point is the
logits that a network trained on so many rows gives to the test inputs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from headstart.adapt.conduct import seed_of
from headstart.adapt.finetune import predict_logits
from headstart.adapt.ledger import Entries
from headstart.adapt.probe import INNER_FOLDS
from headstart.adapt.proving import Outer, Proved
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Role, Spec, Trial
from headstart.adapt.workbench import Workbench
from headstart.data.nested import nested_parts
from headstart.data.split import inner_folds
from headstart.errors import ModelError
from headstart.events import Progress, Said
from headstart.files import replacing, sha256_text
from headstart.protocols import Clock
from headstart.runtime import child_seed, generator

PARTS = (8, 4, 2)
"""An eighth, a quarter and half of the training rows, beside all of them."""
SIDES: tuple[Role, ...] = ("transfer", "scratch")
SLACK = 1.15
"""A smaller training takes more than its share of a larger one: some of it is the same for both."""
TIMED = 16
"""Examples over which a forward pass is timed."""
STOPPED = "the run was stopped"
SHORT = "the budget let one side train only"


@dataclass(frozen=True, slots=True)
class Point:
    """One side trained on `labels` rows, about one in `part` of its outer split: what it took and its test logits."""

    fold: int
    part: int
    role: Role
    labels: int
    seconds: float
    logits: np.ndarray


@dataclass(frozen=True, slots=True)
class Curves:
    """All points of those outer splits that have both sides at every size.

    `missing` says in words what is not there and why; empty where nothing is missing.
    """

    points: Sequence[Point]
    missing: str = ""

    @property
    def folds(self) -> list[int]:
        """The outer splits that were taken."""
        return sorted({point.fold for point in self.points})

    @property
    def parts(self) -> list[int]:
        """The sizes as parts of everything, the smallest first; 1 is everything."""
        return sorted({point.part for point in self.points}, reverse=True)


def curve_seconds(refit_s: float, predict_s: float = 0.0, *, parts: Sequence[int] = PARTS) -> float:
    """What the curve of one side will take, whose refit on everything takes `refit_s` and its test rows `predict_s`."""
    return sum(SLACK * refit_s / part + predict_s for part in parts)


class Points:
    """Finished points in the journal, with their logits beside it; what was finished is not done again.

    `replay` holds the entries of another run, whose points are then done, and no others.
    """

    def __init__(self, journal: Entries, folder: Path, *, replay: Entries | None = None) -> None:
        """Keep logits in `folder`."""
        self._journal, self._folder, self._replay = journal, folder, replay

    def wanted(self, fold: int) -> set[tuple[int, str]] | None:
        """The (part, role) that the replayed run has for a split; None where no run is replayed, or it has no curves."""
        if self._replay is None or not self._replay.of("point"):
            return None
        return {(entry["part"], entry["role"]) for entry in self._replay.of("point", fold=fold)}

    @property
    def replays(self) -> bool:
        """Whether another run is followed: then no clock counts."""
        return self._replay is not None

    def finished(self, key: str) -> tuple[float, np.ndarray] | None:
        """Seconds and logits of a finished point, if its logits are still there."""
        found = self._journal.of("point", key=key)
        if not found:
            return None
        try:
            return found[-1]["seconds"], load_file(self._path(key))["logits"]
        except (FileNotFoundError, SafetensorError):
            return None

    def record(self, key: str, point: Point) -> None:
        """Write the logits, then the entry that makes the point finished."""
        with replacing(self._path(key)) as temporary:
            save_file({"logits": np.ascontiguousarray(point.logits)}, temporary)
        if not self._journal.of("point", key=key):  # else it is there, and only its logits were deleted
            told = {"fold": point.fold, "part": point.part, "role": point.role, "labels": point.labels}
            self._journal.append("point", key=key, **told, seconds=round(point.seconds, 3))

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"


def learning_curves(
    bench: Workbench, outers: Sequence[Outer], proved: Sequence[Proved], *, points: Points, clock: Clock
) -> Curves:
    """Train both winners on nested parts of each outer split's rows, as far as the clock allows, and predict its test rows.

    Each split must have a winner on both sides.

    The smallest part first, both sides before the next: where time ends, fewer sizes are left rather than half a pair.
    A further outer split is begun only if all sizes of the first fit in. Settings are those of the winners, epochs
    included, so that half of the examples are half of the steps: fewer labels are trained for less time, which makes
    a head start look rather smaller than it is. A training that fails leaves its size out.
    """
    found: list[Point] = []
    parts: list[int] = []
    missing = ""
    for number, (outer, split) in enumerate(zip(outers, proved, strict=True)):
        seen = min(split.winners[role].spec.settings.get("examples", math.inf) for role in SIDES)
        if seen < len(outer.rows):  # what it gets with all of them is what it gets with fewer
            return Curves(found, f"{SHORT} with {seen:,} of {len(outer.rows):,} training examples; a longer --budget would do")
        jobs = _jobs(bench, outer, split, points, parts if number else PARTS)
        if number and (not jobs or not _affordable([job for pair in jobs for job in pair], split, points, clock)):
            return Curves(found, f"{missing}; " * bool(missing) + f"measured on {number} of {len(proved)} folds")
        done, problem = _climb(bench, split, jobs, points, clock)
        if number and {point.part for point in done} != set(parts):
            return Curves(found, f"measured on {number} of {len(proved)} folds, because {problem}")
        if not number:
            parts, missing = sorted({point.part for point in done}, reverse=True), problem
            if not parts:
                return Curves([], missing)
        found += [*done, *_whole(bench, outer, split)]
    return Curves(found, missing)


@dataclass(frozen=True, slots=True)
class _Job:
    """One training to do: the winner `trial` on `rows`, about one in `part`."""

    part: int
    trial: Trial
    rows: np.ndarray
    key: str


def _jobs(
    bench: Workbench, outer: Outer, split: Proved, points: Points, parts: Sequence[int]
) -> list[tuple[_Job, ...]]:
    """For each size, the smallest first, the trainings of both sides."""
    strata, groups = bench.strata(outer.rows), bench.groups[outer.rows]
    sizes = {part: round(len(outer.rows) / part) for part in PARTS}
    nested = nested_parts(strata, groups, list(sizes.values()), rng=generator(bench.seed, "curve", outer.number))
    wanted = points.wanted(outer.number)
    pairs = []
    for part in parts:
        left_out = wanted is not None and not wanted.issuperset((part, role) for role in SIDES)
        if sizes[part] not in nested or left_out:
            continue
        positions = nested[sizes[part]]
        pair = []
        for role in SIDES:
            trial, rows = split.winners[role], outer.rows[positions]
            known = trial.validated.found if trial.validated else {}
            key = sha256_text(trial.spec.key(outer.number), repr(sorted(known.items())), str(rows.tolist()))[:16]
            pair.append(_Job(part, trial, rows, key))
        pairs.append(tuple(pair))
    return pairs


def _affordable(jobs: Sequence[_Job], split: Proved, points: Points, clock: Clock) -> bool:
    """Whether the clock has room for those of the jobs that are not finished."""
    if points.replays:
        return not clock.interrupted
    return clock.seconds_left() >= sum(
        curve_seconds(split.refit_s[role], split.predict_s[role], parts=[job.part])
        for job in jobs
        for role in [job.trial.spec.role]
        if points.finished(job.key) is None
    )


def _climb(
    bench: Workbench, split: Proved, jobs: Sequence[tuple[_Job, ...]], points: Points, clock: Clock
) -> tuple[list[Point], str]:
    """The points of one split, pair by pair, and why some are missing."""
    done: list[Point] = []
    trained, total = 0, sum(len(pair) for pair in jobs)
    what = f"learning curves, fold {split.number}" if split.number else "learning curves"
    if not jobs:
        return [], "there are too few training examples to take a part of them"
    for pair in jobs:
        if clock.interrupted:
            return done, STOPPED
        if not _affordable(pair, split, points, clock):
            return done, f"the time left was enough for {len(done) // 2} of {len(jobs)} smaller sizes"
        both = []
        for job in pair:
            try:
                with clock.breakable():
                    both.append(_point(bench, split, job, points))
            except KeyboardInterrupt:
                if clock.interrupted:
                    raise
                clock.interrupt()
                bench.listener(Said("Stopping: the learning curves end here. Press Ctrl-C again to leave at once.", warning=True))  # fmt: skip
                return done, STOPPED
            except (FloatingPointError, ModelError) as problem:
                bench.listener(Said(f"Learning curves: {job.trial.spec.role} on {len(job.rows)} examples failed: {problem}", warning=True))  # fmt: skip
                break
            trained += 1
            bench.listener(Progress(what, trained, total))
        if len(both) == len(pair):
            done += both
    failed = "" if len(done) == total else "a training failed"
    return done, failed


def _point(bench: Workbench, split: Proved, job: _Job, points: Points) -> Point:
    """Train and predict, or look it up. Raises FloatingPointError where the training diverges."""
    spec, known = job.trial.spec, points.finished(job.key)
    if known is not None:
        return Point(split.number, job.part, spec.role, len(job.rows), *known)
    assert job.trial.validated is not None
    strategy = strategy_named(spec.strategy)
    folds = inner_folds(bench.strata(job.rows), bench.groups[job.rows], k=INNER_FOLDS, seed=bench.seed)
    if not folds:
        raise ModelError("no class has two independent examples there")
    seed = child_seed(seed_of(bench, spec, split.number), "curve", job.part)
    began = time.monotonic()
    network = strategy.refit(spec, job.trial.validated.found, bench, job.rows, folds, seed=seed)
    seconds = time.monotonic() - began + stored_seconds(bench, spec, len(job.rows))
    logits = strategy.logits(network, spec, bench, split.test)
    if not np.isfinite(logits).all():
        raise FloatingPointError("training diverged: its outputs are not finite")
    point = Point(split.number, job.part, spec.role, len(job.rows), seconds, logits)
    points.record(job.key, point)
    return point


def _whole(bench: Workbench, outer: Outer, split: Proved) -> Iterator[Point]:
    """The points at all labels: the winners as they were refitted."""
    for role in SIDES:
        seconds = split.refit_s[role] + stored_seconds(bench, split.winners[role].spec, len(outer.rows))
        yield Point(split.number, 1, role, len(outer.rows), seconds, split.logits[role])


def stored_seconds(bench: Workbench, spec: Spec, examples: int) -> float:
    """What `examples` cost that a training finds already computed: features, and activations of every stored view.

    A forward pass through the whole network is counted for each of them, so rather too much than too little.
    Training from scratch finds nothing: pictures are decoded for both sides alike, and that is not counted.
    """
    if spec.role == "scratch":
        return 0.0
    views = spec.settings.get("views")
    passes = 1 if views is None else 2 + int(views)
    return passes * examples * _forward_seconds(bench, spec.backbone)


def _forward_seconds(bench: Workbench, backbone: str) -> float:
    """Measured seconds of a forward pass for one example; remembered on the workbench."""
    key = ("forward", backbone, 0, 0)
    if key not in bench.step_seconds:
        rows = np.unique(np.linspace(0, len(bench.items) - 1, TIMED).round().astype(np.int64))
        network = bench.network_on(bench.backbone(backbone)).to(bench.placement.torch_device)
        predict_logits(network, bench.prepared(backbone), rows, bench.placement)  # the first pass pays for more
        began = time.perf_counter()
        predict_logits(network, bench.prepared(backbone), rows, bench.placement)
        bench.step_seconds[key] = (time.perf_counter() - began) / len(rows)
    return bench.step_seconds[key]
