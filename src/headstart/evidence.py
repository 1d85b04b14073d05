"""From proved splits to the evidence in `result.json`: metrics, verdict, calibration, confusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.adapt.proving import Proved
from headstart.evidence_errors import gap_by_errors, intervals, verdict_by_errors
from headstart.evidence_language import verdict_by_loss
from headstart.evidence_spans import gap_by_f1, thresholds, verdict_by_f1
from headstart.evidence_tags import spans_told, verdict_by_span_f1
from headstart.prove.answers import Answers
from headstart.prove.calibrate import calibration
from headstart.prove.compare import Verdict, compare
from headstart.prove.estimate import Estimate, proportion
from headstart.prove.evidence import confusion_counts
from headstart.prove.generalise import gap
from headstart.prove.metrics import evaluate
from headstart.registry import pick
from headstart.runtime import generator
from headstart.tasks import Task

Training = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Tested:
    """The test rows of all outer splits together: true targets, probabilities by role and floor, the split of each row."""

    rows: np.ndarray
    targets: np.ndarray
    probabilities: Mapping[str, np.ndarray]
    uncalibrated: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None


def gather(
    proved: Sequence[Proved], targets_of: np.ndarray, measurable: np.ndarray, task: Task, groups: np.ndarray | None
) -> Tested:
    """Put the outer splits' predictions together; roles that some split lacks and rows not `measurable` are left out."""
    everything = np.concatenate([split.test for split in proved])
    kept = measurable[everything]
    shared = set.intersection(*(set(split.logits) for split in proved))
    names = [name for name in proved[0].logits if name in shared]

    def joined(parts: Iterable[np.ndarray]) -> np.ndarray:
        return np.asarray(np.concatenate(list(parts))[kept])

    rows = everything[kept]
    return Tested(
        rows=rows,
        targets=targets_of[rows],
        probabilities={name: joined(_said(split, name, task) for split in proved) for name in names},
        uncalibrated=joined(task.probabilities(split.logits["transfer"]) for split in proved),
        folds=joined(np.full(len(split.test), split.number) for split in proved),
        groups=None if groups is None else groups[rows],
    )


def _said(split: Proved, name: str, task: Task) -> np.ndarray:
    """What a role or floor says of a split's test rows; floors are not calibrated."""
    if name not in split.temperatures:
        return task.probabilities(split.logits[name])
    return task.probabilities(split.logits[name], split.temperatures[name])


def evidence(
    tested: Tested, task: Task, *, classes: Sequence[str], training: Training, train_count: int, seed: int
) -> dict[str, Any]:
    """The parts of a `Result` that the test labels decide, JSON-ready; `training` holds rows and what their answers are worth,
    for each split.
    """
    answers = {name: task.answers(tested.targets, chances) for name, chances in tested.probabilities.items()}
    metrics = {
        name: evaluate(given, rng=generator(seed, "intervals", name), groups=tested.groups)
        for name, given in answers.items()
    }
    return {
        "test": {name: {key: asdict(value) for key, value in found.items()} for name, found in metrics.items()},
        "confusion": confusion(tested, task, classes),
        **pick(PROOFS, task.kind, what="kind of labels")(answers, tested, task, training, train_count, seed),
    }


def confusion(tested: Tested, task: Task, classes: Sequence[str]) -> dict[str, Any] | None:
    """Which classes were taken for which; None where an example has not exactly one."""
    true_N, said_N = task.places(tested.targets), task.places(task.decide(tested.probabilities["transfer"]))
    if true_N is None or said_N is None:
        return None
    return {"classes": list(classes), "counts": confusion_counts(true_N, said_N, len(classes))}


def _by_right_and_wrong(
    answers: Mapping[str, Any], tested: Tested, task: Task, training: Training, train_count: int, seed: int
) -> dict[str, Any]:
    right = float(np.mean([worth_N.mean() for _, worth_N in training]))
    return {
        "verdict": verdict(answers, tested.groups, seed),
        "calibration": calibrated(tested, task, seed),
        "gap": fit_gap(answers["transfer"], right, train_count),
    }


def _by_rank(
    answers: Mapping[str, Any], tested: Tested, task: Task, training: Training, train_count: int, seed: int
) -> dict[str, Any]:
    return {
        "verdict": verdict_by_errors(answers, tested.groups, seed, unit=" classes"),
        "calibration": calibrated(tested, task, seed),
        "gap": gap_by_errors(answers["transfer"], training, tested.groups, seed),
    }


def _by_number(
    answers: Mapping[str, Any], tested: Tested, task: Task, training: Training, train_count: int, seed: int
) -> dict[str, Any]:
    return {
        "verdict": verdict_by_errors(answers, tested.groups, seed),
        "calibration": intervals(answers["transfer"], tested.groups, seed),
        "gap": gap_by_errors(answers["transfer"], training, tested.groups, seed),
    }


def _by_f1(
    answers: Mapping[str, Any], tested: Tested, task: Task, training: Training, train_count: int, seed: int
) -> dict[str, Any]:
    return {
        "verdict": verdict_by_f1(answers, tested.groups, seed),
        "calibration": thresholds(answers["transfer"]),
        "gap": gap_by_f1(answers["transfer"], training, tested.groups, seed),
    }


def _by_loss(
    answers: Mapping[str, Any], tested: Tested, task: Task, training: Training, train_count: int, seed: int
) -> dict[str, Any]:
    return {
        "verdict": verdict_by_loss(answers, tested.groups, seed),
        "calibration": {},
        "gap": gap_by_errors(answers["transfer"], training, tested.groups, seed),
    }


def _by_span_f1(
    answers: Mapping[str, Any], tested: Tested, task: Task, training: Training, train_count: int, seed: int
) -> dict[str, Any]:
    right = float(np.mean([worth_N.mean() for _, worth_N in training]))
    return {
        "verdict": verdict_by_span_f1(answers, tested.groups, seed),
        "calibration": {},
        "gap": fit_gap(answers["transfer"], right, train_count),
        "spans": spans_told(answers["transfer"], tested.targets.tolist(), tested.probabilities["transfer"], tested.groups, seed),
    }


PROOFS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "single": _by_right_and_wrong,
    "multi": _by_right_and_wrong,
    "ordinal": _by_rank,
    "quantity": _by_number,
    "span": _by_f1,
    "language": _by_loss,
    "tags": _by_span_f1,
}
"""Verdict, calibration and gap by kind of labels."""


def verdict(answers: Mapping[str, Answers], groups: np.ndarray | None, seed: int) -> dict[str, Any] | None:
    """The best transfer against the best scratch on the same test examples; None without scratch."""
    if "scratch" not in answers:
        return None
    found = compare(
        answers["transfer"].correct_N, answers["scratch"].correct_N, rng=generator(seed, "verdict"), groups=groups
    )
    return {
        "word": found.word,
        "difference": asdict(found.difference),
        "p_value": found.p_value,
        "better": found.better,
        "worse": found.worse,
        "n": found.n,
        "against": "scratch",
        "sentence": sentence(found),
    }


def sentence(found: Verdict) -> str:
    """The verdict in plain words."""
    points = abs(found.difference.value or 0.0) * 100
    low, high = (f"{(end or 0.0) * 100:+.1f}" for end in (found.difference.low, found.difference.high))
    words = {
        "helped": f"Transfer helped: {points:.1f} points more right than the same network trained from scratch",
        "hurt": f"Transfer hurt: {points:.1f} points fewer right than the same network trained from scratch",
        "same": "Transfer made no difference: within one point of the same network trained from scratch",
        "unclear": "Unclear whether transfer helped against the same network trained from scratch",
    }
    p_text = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.3f}"
    return f"{words[found.word]} (95 % interval {low} to {high} points, {p_text}, {found.n} test examples)."


def calibrated(tested: Tested, task: Task, seed: int) -> dict[str, Any]:
    """Calibration of the transfer model before and after its temperature."""
    before = calibration(
        task.answers(tested.targets, tested.uncalibrated), rng=generator(seed, "ece"), groups=tested.groups
    )
    after = calibration(
        task.answers(tested.targets, tested.probabilities["transfer"]), rng=generator(seed, "ece"), groups=tested.groups
    )
    return {
        "ece_before": asdict(before.ece),
        "ece_after": asdict(after.ece),
        "brier_before": asdict(before.brier),
        "brier_after": asdict(after.brier),
        "scheme": after.scheme,
        "bins_before": [asdict(item) for item in before.bins],
        "bins": [asdict(item) for item in after.bins],
    }


def fit_gap(answers: Answers, train_right: float, train_count: int) -> dict[str, Any]:
    """Share of right answers on the training examples and on the test examples."""
    train = proportion(round(train_right * train_count), train_count)
    test = proportion(int(answers.correct_N.sum()), len(answers))
    difference: Estimate = gap(train, test)
    return {"train": asdict(train), "test": asdict(test), "difference": asdict(difference)}
