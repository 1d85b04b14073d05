"""Learning curves: the winners' recipes on ever smaller parts of the training rows, judged on the same test rows.

What the head start is worth is read off them (`prove/head_start.py`). Test labels are not looked at here: a point is the
logits that a network trained on so many rows gives to the test inputs. A side that had time for a part of the rows only has its
last point there, and its smaller ones below it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from headstart.adapt.conduct import seed_of
from headstart.adapt.finetune import predict_logits
from headstart.adapt.ledger import Entries
from headstart.adapt.memory import in_plain_words
from headstart.adapt.probe import INNER_FOLDS
from headstart.adapt.proving import Outer, Proved
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Role, Spec, Trial
from headstart.adapt.workbench import Workbench
from headstart.data.nested import nested_parts
from headstart.data.split import inner_folds
from headstart.errors import ModelError, OutOfMemory
from headstart.events import Progress, Said
from headstart.files import replacing, sha256_text
from headstart.protocols import Clock
from headstart.runtime import child_seed, generator

PARTS = (8, 4, 2)
"""An eighth, a quarter and half of the training rows, beside all of them."""
APART = math.sqrt(2)
"""Two sizes next to each other differ at least by this, or the two trainings would tell the same."""
SIDES: tuple[Role, ...] = ("transfer", "scratch")
SLACK = 1.15
"""A smaller training takes more than its share of a larger one: some of it is the same for both."""
TIMED = 16
"""Examples over which a forward pass is timed."""
STOPPED = "the run was stopped"
FEW = "there are too few training examples to take a part of them"
NAMES = {"transfer": "transfer", "scratch": "training from scratch"}


@dataclass(frozen=True, slots=True)
class Point:
    """One side trained on `labels` rows, about one in `part` of its outer split, or for `part` 1 on as many as it had time
    for: what it took and its test logits.
    """

    fold: int
    part: int
    role: Role
    labels: int
    seconds: float
    logits: np.ndarray


@dataclass(frozen=True, slots=True)
class Curves:
    """The points of both sides, at the same sizes in every outer split.

    `missing` says in words what is not there and why; empty where nothing is missing. `everything` is how many training rows
    there are, of several splits their mean.
    """

    points: Sequence[Point]
    missing: str = ""
    everything: float = 0.0

    @property
    def folds(self) -> list[int]:
        """The outer splits that were taken."""
        return sorted({point.fold for point in self.points})

    def parts(self, role: Role) -> list[int]:
        """The sizes of one side as parts of everything, the smallest first; 1 is the most that it was trained on."""
        return sorted({point.part for point in self.points if point.role == role}, reverse=True)


def parts_of(shares: Mapping[Role, float]) -> dict[Role, tuple[int, ...]]:
    """What sizes to train each side on below its last, the smallest first: one in so many rows of everything.

    `shares` (above 0, up to 1) is how much of everything each side had time for. Both are trained on three sizes that halve
    below the smaller of the two shares, and a side that had time for more also on half, a quarter and an eighth of
    everything as far as these lie between.
    """
    largest = {role: 2 ** math.ceil(math.log2(APART / share) - 1e-9) for role, share in shares.items()}
    shared = max(largest.values())
    return {
        role: (4 * shared, 2 * shared, shared, *(part for part in PARTS if largest[role] <= part < shared)) for role in shares
    }


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

    Each split must have a winner on both sides. What a side had time for is never exceeded: one that was fitted on a part of
    the rows ends there (`parts_of`).

    The smallest part first, both sides before the next: where time ends, a side is left with fewer sizes. A further outer
    split is begun only if all sizes of the first fit in. Settings are those of the winners, epochs included, so that half
    of the examples are half of the steps: fewer labels are trained for less time, which makes a head start look rather
    smaller than it is. A training that fails leaves its size out.
    """
    found: list[Point] = []
    asked = [(role, part) for role, parts in parts_of(_shares(outers, proved)).items() for part in parts]
    problems: list[str] = []
    for number, (outer, split) in enumerate(zip(outers, proved, strict=True)):
        jobs, whole = _jobs(bench, outer, split, points, asked), list(_whole(bench, outer, split))
        last = [(point.role, point.labels) for point in whole]
        if not _comparable([*((job.trial.spec.role, len(job.rows)) for job in jobs), *last]):
            jobs = []
        if number and (not jobs or not _affordable(jobs, split, points, clock)):
            problems.append(f"measured on {number} of {len(proved)} folds")
            break
        done, problem = _climb(bench, split, jobs, points, clock)
        measured = [(point.role, point.part) for point in done]
        comparable = _comparable([*((point.role, point.labels) for point in done), *last])
        if number and (set(measured) != set(asked) or not comparable):
            problems.append(f"measured on {number} of {len(proved)} folds, because {problem or FEW}")
            break
        if not comparable:
            return Curves([], _told([problem or FEW, *_short(outers[:1], whole)]))
        if not number:
            asked, problems = measured, [problem] if problem else []
        found += [*done, *whole]
    taken = outers[: len({point.fold for point in found})]
    return Curves(found, _told([*problems, *_short(taken, found)]), float(np.mean([len(outer.rows) for outer in taken])))


def _shares(outers: Sequence[Outer], proved: Sequence[Proved]) -> dict[Role, float]:
    """How much of the training rows each side had time for; of several splits the least, so that all have the same sizes."""
    return {
        role: min(_seen(split, role, outer) / len(outer.rows) for outer, split in zip(outers, proved, strict=True))
        for role in SIDES
    }


def _seen(split: Proved, role: Role, outer: Outer) -> int:
    """How many training rows a side's winner was fitted on."""
    return min(int(split.winners[role].spec.settings.get("examples", len(outer.rows))), len(outer.rows))


def _comparable(found: Sequence[tuple[Role, int]]) -> bool:
    """Whether the numbers of labels of the two sides overlap, and one side at least has two: else there is nothing to read."""
    sizes = [[labels for role, labels in found if role == side] for side in SIDES]
    return max(map(len, sizes)) > 1 and max(map(min, sizes)) <= min(map(max, sizes))


def _short(outers: Sequence[Outer], points: Sequence[Point]) -> list[str]:
    """Who had time for a part of the training rows only, and what to do."""
    everything = np.mean([len(outer.rows) for outer in outers])
    seen = {role: np.mean([point.labels for point in points if point.role == role and point.part == 1]) for role in SIDES}
    told = [f"{NAMES[role]} had time for {seen[role]:,.0f} of {everything:,.0f} training examples" for role in SIDES if seen[role] < everything]  # fmt: skip
    return [*told, "a longer --budget would do"] if told else []


def _told(problems: Sequence[str]) -> str:
    return "; ".join(problems)


@dataclass(frozen=True, slots=True)
class _Job:
    """One training to do: the winner `trial` on `rows`, about one in `part`; `refits` is what it takes in refits."""

    part: int
    trial: Trial
    rows: np.ndarray
    refits: float
    key: str

    def seconds(self, split: Proved) -> float:
        """What it will take, the prediction of the test rows included."""
        role = self.trial.spec.role
        return SLACK * split.refit_s[role] * self.refits + split.predict_s[role]


def _jobs(
    bench: Workbench, outer: Outer, split: Proved, points: Points, asked: Sequence[tuple[Role, int]]
) -> list[_Job]:
    """The trainings of the sizes that are asked for, the smallest first."""
    strata, groups = bench.strata(outer.rows), bench.groups[outer.rows]
    sizes = {part: round(len(outer.rows) / part) for part in sorted({part for _, part in asked}, reverse=True)}
    nested = nested_parts(strata, groups, list(sizes.values()), rng=generator(bench.seed, "curve", outer.number))
    wanted = points.wanted(outer.number)
    jobs = []
    for part, role in ((part, role) for part in sizes for role in SIDES if (role, part) in asked):
        seen = _seen(split, role, outer)
        left_out = wanted is not None and (part, role) not in wanted
        # Groups stay whole, so that a part may come out larger than what there was time for.
        if left_out or sizes[part] not in nested or len(nested[sizes[part]]) >= seen:
            continue
        trial, rows = split.winners[role], outer.rows[nested[sizes[part]]]
        known = trial.validated.found if trial.validated else {}
        key = sha256_text(trial.spec.key(outer.number), repr(sorted(known.items())), str(rows.tolist()))[:16]
        jobs.append(_Job(part, trial, rows, len(rows) / seen, key))
    return jobs


def _affordable(jobs: Sequence[_Job], split: Proved, points: Points, clock: Clock) -> bool:
    """Whether the clock has room for those of the jobs that are not finished."""
    if points.replays:
        return not clock.interrupted
    return clock.seconds_left() >= sum(job.seconds(split) for job in jobs if points.finished(job.key) is None)


def _climb(
    bench: Workbench, split: Proved, jobs: Sequence[_Job], points: Points, clock: Clock
) -> tuple[list[Point], str]:
    """The points of one split, one after the other, and why some are missing."""
    done: list[Point] = []
    late: list[_Job] = []
    what = f"learning curves, fold {split.number}" if split.number else "learning curves"
    if not jobs:
        return [], FEW
    for number, job in enumerate(jobs):
        if clock.interrupted:
            return done, STOPPED
        if not _affordable([job], split, points, clock):
            late.append(job)
            continue
        try:
            with clock.breakable(), in_plain_words(f"{job.trial.spec.strategy} on {job.trial.spec.backbone}"):
                done.append(_point(bench, split, job, points))
        except KeyboardInterrupt:
            if clock.interrupted:
                raise
            clock.interrupt()
            bench.listener(Said("Stopping: the learning curves end here. Press Ctrl-C again to leave at once.", warning=True))
            return done, STOPPED
        except (FloatingPointError, ModelError, OutOfMemory) as problem:
            bench.listener(Said(f"Learning curves: {job.trial.spec.role} on {len(job.rows)} examples failed: {problem}", warning=True))  # fmt: skip
        else:
            bench.listener(Progress(what, number + 1, len(jobs)))
    failed = ["a training failed"] if len(done) + len(late) < len(jobs) else []
    return done, _told([*_too_late(jobs, late), *failed])


def _too_late(jobs: Sequence[_Job], late: Sequence[_Job]) -> list[str]:
    """What the time left was enough for, side by side where it is not the same."""
    if not late:
        return []
    counts = []
    for role in SIDES:
        own, left = (sum(job.trial.spec.role == role for job in part) for part in (jobs, late))
        counts.append((own - left, own))
    if counts[0] == counts[1]:
        return ["the time left was enough for {} of {} smaller sizes".format(*counts[0])]
    (done, own), (scratch_done, scratch_own) = counts
    return [
        f"the time left was enough for {done} of {own} smaller sizes of {NAMES['transfer']} and {scratch_done} of "
        f"{scratch_own} of {NAMES['scratch']}"
    ]


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
    """The points at all labels, or at as many as there was time for: the winners as they were refitted."""
    for role in SIDES:
        seen = _seen(split, role, outer)
        seconds = split.refit_s[role] + stored_seconds(bench, split.winners[role].spec, seen)
        yield Point(split.number, 1, role, seen, seconds, split.logits[role])


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
