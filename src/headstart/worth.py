"""From learning curves to `head_start` in `result.json`: what the head start is worth, in labels and seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from headstart.adapt.curves import SIDES, Curves
from headstart.adapt.proving import Proved
from headstart.adapt.trial import Role
from headstart.prove.head_start import Curve, figure, head_start
from headstart.runtime import generator
from headstart.tasks import Task

UNKNOWN: Mapping[str, Any] = {
    **dict.fromkeys(("labels", "seconds", "level", "limit", "needed")),
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

    `targets_of`, `measurable` and `groups` are of all examples of the run. A test example counts by whether its whole
    answer is right, as in the verdict.
    """
    if not curves.points:
        return {**UNKNOWN, "missing": curves.missing}
    tests = {split.number: split.test for split in proved if split.number in curves.folds}
    transfer, scratch = (curve_of(curves, role, tests, targets_of, measurable, task) for role in SIDES)
    rows = np.concatenate(list(tests.values()))
    kept = rows[measurable[rows]]
    told = told_of(transfer, scratch, groups=None if groups is None else groups[kept], seed=seed)
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

    def right(fold: int, logits_NK: np.ndarray) -> np.ndarray:
        kept = measurable[tests[fold]]
        return task.correct(task.probabilities(logits_NK[kept]), targets_of[tests[fold][kept]])

    by_size = [
        {point.fold: point for point in curves.points if point.role == role and point.part == part}
        for part in curves.parts
    ]
    return Curve(
        sizes_J=np.array([np.mean([points[fold].labels for fold in tests]) for points in by_size]),
        seconds_J=np.array([np.mean([points[fold].seconds for fold in tests]) for points in by_size]),
        values_NJ=np.stack(
            [np.concatenate([right(fold, points[fold].logits) for fold in tests]) for points in by_size], axis=1
        ).astype(np.float64),
    )


def told_of(transfer: Curve, scratch: Curve, *, groups: np.ndarray | None, seed: int) -> dict[str, Any]:
    """Two curves and what lies between them, as `result.json` holds it."""
    found = head_start(transfer, scratch, rng=generator(seed, "head start"), groups=groups)

    def side(name: str, curve: Curve, level_J: np.ndarray, place: int) -> dict[str, Any]:
        rng = generator(seed, "curve", name, place)
        return {
            name: asdict(figure(curve.values_NJ[:, place], rng=rng, groups=groups)),
            f"{name}_curve": float(level_J[place]),
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
        "limit": found.limit,
        "needed": {"scratch": asdict(found.needed_by_scratch), "transfer": asdict(found.needed_by_transfer)},
        "points": [
            {
                "labels": round(float(labels)),
                **side("transfer", transfer, found.transfer_J, place),
                **side("scratch", scratch, found.scratch_J, place),
            }
            for place, labels in enumerate(transfer.sizes_J)
        ],
    }
