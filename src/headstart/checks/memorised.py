"""How much of a probe's fit is memory: each example's answer with and without it, and how well shuffled labels can be fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.checks.finding import Finding, Row, told
from headstart.prove.estimate import Estimate, proportion
from headstart.solvers import Spectrum, one_hot, ridge_left_out, spectrum

MOST = 1000
"""Examples that are looked at: the work grows with the square of their number."""
SHUFFLES = 20
SHOWN = 5

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Memory:
    """What a ridge probe says of each of N examples: `seen_NK` trained on all of them, `left_NK` on all but its group."""

    seen_NK: Array
    left_NK: Array
    penalty: float


def memory(found: Spectrum, columns_NK: Array, groups_N: Array | None = None, penalty: float | None = None) -> Memory:
    """Ridge with and without each example, exactly, at the penalty with the least left-out error or at the one given.

    The left-out answers follow from the leave-one-out lemma (`solvers.left_out`); none is trained again.
    """
    if penalty is None:
        chosen = ridge_left_out(found, columns_NK, groups_N)
        return Memory(fitted(found, columns_NK, chosen.penalty), chosen.predicted_NK, chosen.penalty)
    return Memory(fitted(found, columns_NK, penalty), left_out(found, columns_NK, groups_N, penalty), penalty)


def fitted(found: Spectrum, columns_NK: Array, penalty: float) -> Array:
    """What ridge says of the very examples it was trained on (N × K)."""
    mean_K = columns_NK.mean(0)
    shrunk_r = found.sigma_r / (found.sigma_r + penalty)
    return np.asarray(mean_K + found.left_Nr @ (shrunk_r[:, None] * (found.left_Nr.T @ (columns_NK - mean_K))))


def left_out(found: Spectrum, columns_NK: Array, groups_N: Array | None, penalty: float) -> Array:
    """What ridge at this penalty says of each example without its group (N × K): e₋ᵤ = (I − Hᵤᵤ)⁻¹ eᵤ."""
    residual_NK = columns_NK - fitted(found, columns_NK, penalty)
    shrunk_r = found.sigma_r / (found.sigma_r + penalty)
    n = len(columns_NK)
    names = np.arange(n) if groups_N is None else groups_N
    out_NK = np.empty_like(residual_NK)
    hat_N = 1 / n + (found.left_Nr**2) @ shrunk_r
    alone_N = np.bincount(np.unique(names, return_inverse=True)[1])[np.unique(names, return_inverse=True)[1]] == 1
    keep_N = np.maximum(1 - hat_N, np.finfo(np.float64).eps)
    out_NK[alone_N] = residual_NK[alone_N] / keep_N[alone_N, None]
    for name in np.unique(names[~alone_N]):
        rows = np.flatnonzero(names == name)
        own_ur = found.left_Nr[rows]
        hat_uu = 1 / n + (own_ur * shrunk_r) @ own_ur.T
        out_NK[rows] = np.linalg.solve(np.eye(len(rows)) - hat_uu, residual_NK[rows])
    return np.asarray(columns_NK - out_NK)


def memorised(
    features_ND: Array,
    targets: Array,
    classes: int,
    *,
    groups_N: Array,
    shown: Callable[[int], str],
    of: str,
    data: str = "training texts",
    rng: np.random.Generator,
) -> list[Finding]:
    """What a probe on these features (N × D) remembers, and how well it fits shuffled labels; `of` names the features, `data` the
    texts, `shown(row)` tells one in words.
    """
    rows = np.sort(rng.permutation(len(features_ND))[:MOST])
    targets, groups_N = targets[rows], groups_N[rows]
    columns_NK = one_hot(targets, classes) if targets.ndim == 1 else targets.astype(np.float64)
    found = spectrum(features_ND[rows])
    whole = memory(found, columns_NK, groups_N)
    seen_N, left_N = (_right(told_NK, targets) for told_NK in (whole.seen_NK, whole.left_NK))
    on = f"{len(rows):,} {data}, ridge regression on {of}, each text left out exactly with what is nearly equal to it"
    own_N = _own(whole.seen_NK, columns_NK) - _own(whole.left_NK, columns_NK)
    most = np.argsort(-own_N, kind="stable")[:SHOWN]
    return [
        _memory_of(seen_N, left_N, on, [shown(int(rows[place])) for place in most]),
        _shuffled(found, columns_NK, targets, groups_N, whole, (seen_N, left_N), on, rng),
    ]


def _memory_of(seen_N: Array, left_N: Array, on: str, examples: Sequence[str]) -> Finding:
    n = len(seen_N)
    seen, left, only = (proportion(int(rights.sum()), n) for rights in (seen_N, left_N, seen_N & ~left_N))
    sentence = (
        f"{told(only)} of the training texts are answered right only by a probe that was trained on that very text: these are remembered "
        "rather than understood. Those that it leans on most come first to be checked for wrong labels."
    )
    rows = (
        Row("trained on the text too", seen),
        Row("trained on all others", left, strong=True),
        Row("right only if trained on it", only, "memorised"),
    )
    return Finding("memorisation", "What is remembered", sentence, on, rows, tuple(examples))


def _shuffled(
    found: Spectrum,
    columns_NK: Array,
    targets: Array,
    groups_N: Array,
    whole: Memory,
    rights: tuple[Array, Array],
    on: str,
    rng: np.random.Generator,
) -> Finding:
    seen, left = [], []
    for _ in range(SHUFFLES):
        order = rng.permutation(len(columns_NK))
        other = memory(found, columns_NK[order], groups_N, whole.penalty)
        seen.append(float(_right(other.seen_NK, targets[order]).mean()))
        left.append(float(_right(other.left_NK, targets[order]).mean()))
    random_seen, random_left = _over_shuffles(seen), _over_shuffles(left)
    true_seen, true_left = (proportion(int(one.sum()), len(one)) for one in rights)
    guessed, fitted_true, fitted_random = (one.value or 0.0 for one in (random_left, true_seen, random_seen))
    beyond = (fitted_random - guessed) / (fitted_true - guessed) if fitted_true > guessed else 1.0
    sentence = (
        f"The same probe fits shuffled labels to {told(random_seen)} and true ones to {told(true_seen)}: of what it fits beyond guessing, up to "
        f"{100 * min(1.0, max(0.0, beyond)):.0f} % can be learned by heart, so only left-out figures count. Left out, true labels are told to "
        f"{told(true_left)}, shuffled ones to {told(random_left)}, which is chance."
    )
    rows = (
        Row("true labels, fitted", true_seen),
        Row("true labels, left out", true_left, strong=True),
        Row("shuffled labels, fitted", random_seen),
        Row("shuffled labels, left out", random_left),
    )
    return Finding("random-labels", "How well shuffled labels can be fitted", sentence, f"{on}; {SHUFFLES} shuffles at the penalty of the true labels", rows)


def _over_shuffles(values: Sequence[float]) -> Estimate:
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(float(np.mean(values)), float(low), float(high), len(values), f"95 % of {len(values)} shuffles")


def _right(told_NK: Array, targets: Array) -> Array:
    said = told_NK.argmax(1) == targets if targets.ndim == 1 else ((told_NK >= 0.5) == targets.astype(bool)).all(1)
    return np.asarray(said)


def _own(told_NK: Array, columns_NK: Array) -> Array:
    """How near an answer is to the truth: minus the squared distance (N,)."""
    return np.asarray(-((told_NK - columns_NK) ** 2).sum(1))
