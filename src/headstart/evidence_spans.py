"""Evidence of answers that stand in a text: verdict, threshold and gap in F1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from headstart.evidence_errors import mean_of, verdict_by
from headstart.prove.compare import Verdict
from headstart.prove.estimate import Estimate
from headstart.prove.generalise import gap
from headstart.prove.spans import ALWAYS, Spans
from headstart.report.words import p_text

MARGIN = 0.01
"""One point of F1 either way makes no difference."""


def verdict_by_f1(answers: Mapping[str, Spans], groups: np.ndarray | None, seed: int) -> dict[str, Any] | None:
    """The best transfer against the best scratch on the same test questions, by the paired F1; None without scratch."""
    return verdict_by(answers, groups, seed, MARGIN, "F1", sentence)


def sentence(found: Verdict, many: str = "questions") -> str:
    """The verdict in plain words; `many` is what the test examples are."""
    points = f"{abs(found.difference.value or 0.0) * 100:.1f} points"
    low, high = found.difference.low, found.difference.high
    ends = "no interval" if low is None or high is None else f"95 % interval {low * 100:+.1f} to {high * 100:+.1f} points"
    words = {
        "helped": f"Transfer helped: an F1 {points} higher than that of the same network trained from scratch",
        "hurt": f"Transfer hurt: an F1 {points} lower than that of the same network trained from scratch",
        "same": "Transfer made no difference: an F1 within one point of that of the same network trained from scratch",
        "unclear": "Unclear whether transfer helped against the same network trained from scratch",
    }
    return f"{words[found.word]} ({ends}, {p_text(found.p_value)}, {found.n} test {many})."


def thresholds(answers: Spans) -> dict[str, Any]:
    """How often an answer was given and how often there was one."""
    return {
        "answered": float(answers.answered_N.mean()),
        "answerable": float(answers.has_answer_N.mean()),
        "always": ALWAYS,
    }


def gap_by_f1(
    answers: Spans, training: Sequence[tuple[np.ndarray, np.ndarray]], groups: np.ndarray | None, seed: int
) -> dict[str, Any]:
    """Mean F1 on the training questions and on the test questions; one that several splits trained on counts once, with its mean."""
    rows = np.concatenate([rows for rows, _ in training])
    worth = np.concatenate([worth for _, worth in training])
    _, place_N = np.unique(rows, return_inverse=True)
    train: Estimate = mean_of(np.bincount(place_N, worth) / np.bincount(place_N), None, seed, "gap, training")
    test = mean_of(answers.f1_N, groups, seed, "gap, test")
    return {"train": asdict(train), "test": asdict(test), "difference": asdict(gap(train, test))}
