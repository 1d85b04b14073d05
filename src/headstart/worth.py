"""From learning curves to `head_start` in `result.json`: what the head start is worth, in labels and seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from headstart.adapt.curves import SIDES, Curves
from headstart.adapt.proving import Proved
from headstart.adapt.trial import Role
from headstart.prove.estimate import Estimate
from headstart.prove.head_start import Curve, figure, head_start
from headstart.runtime import generator
from headstart.tasks import Task

UNKNOWN: Mapping[str, Any] = {
    **dict.fromkeys(("labels", "seconds", "level", "limit", "needed", "seen")),
    "points": [],
    "folds": [],
}


def worth(
    curves: Curves,
    proved: Sequence[Proved],
    targets_of: np.ndarray,
    measurable: np.ndarray,
    task: Task,
    groups: np.ndarray | None,
    seed: int,
) -> dict[str, Any]:
    """What the head start is worth, JSON-ready; nothing but why it is `missing` where no curve could be measured.

    `targets_of`, `measurable` and `groups` are of all examples of the run. A test example counts by what its answer is
    worth: whether the whole of it is right, or by how much it is off, as in the verdict.
    """
    if not curves.points:
        return {**UNKNOWN, "missing": curves.missing}
    tests = {split.number: split.test for split in proved if split.number in curves.folds}
    transfer, scratch = (curve_of(curves, role, tests, targets_of, measurable, task) for role in SIDES)
    rows = np.concatenate(list(tests.values()))
    kept = rows[measurable[rows]]
    told = told_of(
        transfer,
        scratch,
        right=task.is_right_or_wrong,
        everything=curves.everything,
        groups=None if groups is None else groups[kept],
        seed=seed,
    )
    return {**told, "folds": curves.folds, "missing": curves.missing or None}


def curve_of(
    curves: Curves,
    role: Role,
    tests: Mapping[int, np.ndarray],
    targets_of: np.ndarray,
    measurable: np.ndarray,
    task: Task,
) -> Curve:
    """One side's curve over the test rows of all outer splits together; sizes and seconds are means over splits."""

    def values(fold: int, logits_NK: np.ndarray) -> np.ndarray:
        kept = measurable[tests[fold]]
        told = task.correct if task.is_right_or_wrong else task.worth
        return told(task.probabilities(logits_NK[kept]), targets_of[tests[fold][kept]])

    by_size = [
        {point.fold: point for point in curves.points if point.role == role and point.part == part}
        for part in curves.parts(role)
    ]
    return Curve(
        sizes_J=np.array([np.mean([points[fold].labels for fold in tests]) for points in by_size]),
        seconds_J=np.array([np.mean([points[fold].seconds for fold in tests]) for points in by_size]),
        values_NJ=np.stack(
            [np.concatenate([values(fold, points[fold].logits) for fold in tests]) for points in by_size], axis=1
        ).astype(np.float64),
    )


def told_of(
    transfer: Curve, scratch: Curve, *, right: bool, everything: float, groups: np.ndarray | None, seed: int
) -> dict[str, Any]:
    """Two curves and what lies between them, as `result.json` holds it.

    `right` as `head_start` has it: levels are shares right, or else mean losses, lower is better. `everything` is how many
    training examples there are.
    """
    found = head_start(transfer, scratch, right=right, rng=generator(seed, "head start"), groups=groups)

    def side(name: str, curve: Curve, level_J: np.ndarray, size: float) -> dict[str, Any]:
        places = np.flatnonzero(curve.sizes_J == size)
        if not len(places):
            return dict.fromkeys((name, f"{name}_curve", f"{name}_seconds"))
        place = int(places[0])
        level = figure(curve.values_NJ[:, place], right=right, rng=generator(seed, "curve", name, place), groups=groups)
        return {
            name: asdict(level if right else _loss(level)),
            f"{name}_curve": float(level_J[place] if right else -level_J[place]),
            f"{name}_seconds": round(float(curve.seconds_J[place]), 3),
        }

    return {
        "labels": asdict(found.labels),
        "seconds": asdict(found.seconds),
        "level": {
            "transfer_labels": found.transfer_labels,
            "transfer_seconds": found.transfer_seconds,
            "scratch_labels": found.scratch_labels,
            "scratch_seconds": found.scratch_seconds,
        },
        "limit": {"transfer": found.transfer_limit, "scratch": found.scratch_limit},
        "needed": {"scratch": asdict(found.needed_by_scratch), "transfer": asdict(found.needed_by_transfer)},
        "seen": {
            "transfer": round(float(transfer.sizes_J[-1])),
            "scratch": round(float(scratch.sizes_J[-1])),
            "all": round(everything),
        },
        "points": [
            {
                "labels": round(float(size)),
                **side("transfer", transfer, found.transfer_J, size),
                **side("scratch", scratch, found.scratch_K, size),
            }
            for size in np.union1d(transfer.sizes_J, scratch.sizes_J)
        ],
    }


def _loss(level: Estimate) -> Estimate:
    """A mean of minus losses as a mean loss."""
    value, low, high = (None if end is None else -end + 0.0 for end in (level.value, level.high, level.low))
    return Estimate(value, low, high, level.n, level.method)
