"""Evidence by how far answers are off: the verdict, intervals and gap of quantities, and of classes that have an order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from headstart.prove.compare import Verdict, compare_losses
from headstart.prove.estimate import Estimate, bootstrap, proportion
from headstart.prove.generalise import gap
from headstart.prove.quantities import COVERED, Quantities
from headstart.report.words import number, p_text
from headstart.runtime import generator

SAME_SHARE = 0.01
"""A difference within this share of what guessing is off by makes no difference: of the range from guessing to knowing, one
point either way, as one point of accuracy is.
"""


def verdict_by_errors(
    answers: Mapping[str, Any], groups: np.ndarray | None, seed: int, *, unit: str = ""
) -> dict[str, Any] | None:
    """The best transfer against the best scratch on the same test examples, by paired absolute errors; None without scratch.

    `unit` is put behind numbers in the sentence; those of a quantity are in the user's own.
    """
    if "scratch" not in answers:
        return None
    margin = SAME_SHARE * float(answers["floor-majority"].off_N.mean())
    return verdict_by(answers, groups, seed, margin, "absolute error", lambda found: sentence(found, margin, unit))


def verdict_by(
    answers: Mapping[str, Any],
    groups: np.ndarray | None,
    seed: int,
    margin: float,
    name: str,
    sentence: Callable[[Verdict], str],
) -> dict[str, Any] | None:
    """The best transfer against the best scratch by how far each answer is off (`off_N`); None without scratch.

    Less than `margin` makes no difference; `name` says what is compared, and `sentence` the verdict in plain words.
    """
    if "scratch" not in answers:
        return None
    off, scratch_off = answers["transfer"].off_N, answers["scratch"].off_N
    found = compare_losses(off, scratch_off, margin=margin, rng=generator(seed, "verdict"), groups=groups, name=name)
    return {
        "word": found.word,
        "difference": asdict(found.difference),
        "p_value": found.p_value,
        "better": found.better,
        "worse": found.worse,
        "n": found.n,
        "against": "scratch",
        "margin": margin,
        "sentence": sentence(found),
    }


def sentence(found: Verdict, margin: float, unit: str) -> str:
    """The verdict in plain words; `unit` as `verdict_by_errors` has it."""
    size = f"{number(abs(found.difference.value or 0.0))}{unit}"
    low, high = found.difference.low, found.difference.high
    ends = "no interval" if low is None or high is None else f"95 % interval {number(low)} to {number(high)}"
    words = {
        "helped": f"Transfer helped: off by {size} less on average than the same network trained from scratch",
        "hurt": f"Transfer hurt: off by {size} more on average than the same network trained from scratch",
        "same": f"Transfer made no difference: within {number(margin)}{unit} of the same network trained from scratch",
        "unclear": "Unclear whether transfer helped against the same network trained from scratch",
    }
    return f"{words[found.word]} ({ends}, {p_text(found.p_value)}, {found.n} test examples)."


def intervals(answers: Quantities, groups: np.ndarray | None, seed: int) -> dict[str, Any]:
    """How many test values the prediction intervals hold, and how wide they are."""
    covered_N = answers.covered_N
    if groups is None:
        coverage = proportion(int(covered_N.sum()), len(covered_N))
    else:
        coverage = mean_of(covered_N.astype(float), groups, seed, "coverage")
    assert answers.low_N is not None
    assert answers.high_N is not None
    width = float((answers.high_N - answers.low_N).mean())
    return {"level": COVERED, "coverage": asdict(coverage), "width": width}


def gap_by_errors(
    answers: Any, training: Sequence[tuple[np.ndarray, np.ndarray]], groups: np.ndarray | None, seed: int
) -> dict[str, Any]:
    """Mean absolute error on the training examples and on the test examples.

    `training` holds rows and what their answers are worth (minus the error), for each split; an example that several splits
    trained on counts once, with its mean.
    """
    rows = np.concatenate([rows for rows, _ in training])
    errors = -np.concatenate([worth for _, worth in training])
    _, place_N = np.unique(rows, return_inverse=True)
    errors_N = np.bincount(place_N, errors) / np.bincount(place_N)
    train = mean_of(errors_N, None, seed, "gap, training")
    test = mean_of(np.asarray(answers.off_N, dtype=float), groups, seed, "gap, test")
    return {"train": asdict(train), "test": asdict(test), "difference": asdict(gap(train, test))}


def mean_of(values_N: np.ndarray, groups: np.ndarray | None, seed: int, what: str) -> Estimate:
    """The mean of N values with its bootstrap interval, `what` naming the randomness."""

    def mean(counts_bN: np.ndarray) -> np.ndarray:
        return np.asarray(counts_bN @ values_N / counts_bN.sum(1))

    return bootstrap(mean, len(values_N), rng=generator(seed, what), groups=groups)
