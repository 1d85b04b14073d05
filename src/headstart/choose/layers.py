"""Where to cut a backbone: the stage whose features answer the target best, the last one in doubt (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.solvers import Array, ridge_left_out, spectrum

MOST_EXAMPLES = 400
"""Examples on which they are compared."""
MEAN = "mean of layers"


@dataclass(frozen=True, slots=True)
class Cut:
    """One place to cut: the share of the targets' variance that ridge explains from there with each group left out
    (1 at best), how much more than from the last stage, and the standard error of that difference.
    """

    name: str
    width: int
    explained: float
    gain: float
    error: float


def choose_cut(
    staged_ND: Array, stages: Sequence[tuple[str, int]], columns_NK: Array, groups_N: Array
) -> tuple[tuple[Cut, ...], int]:
    """The cuts from first to last, and the position of the recommended one.

    A cut other than the last has to be better by more than chance: by more standard errors of the paired difference than
    the best of so many cuts would reach by luck, √(2 ln tried). Layers of like width also stand as their mean, which for
    transformers is often the best summary (Bao et al. 2023 on ranking text encoders).
    """
    rows = np.linspace(0, len(staged_ND) - 1, min(len(staged_ND), MOST_EXAMPLES)).round().astype(int)
    columns_nK, groups_n = columns_NK[rows], groups_N[rows]
    variance = max(((columns_nK - columns_nK.mean(0)) ** 2).sum(1).mean(), 1e-300)

    def explained(features_nD: Array) -> Array:
        left = ridge_left_out(spectrum(features_nD), columns_nK, groups_n)
        return np.asarray(1 - ((left.predicted_NK - columns_nK) ** 2).sum(1) / variance)

    ends = np.cumsum([width for _, width in stages])
    parts = {name: slice(int(end) - width, int(end)) for (name, width), end in zip(stages, ends, strict=True)}
    last_width = stages[-1][1]
    named = [(name, width, staged_ND[rows, parts[name]]) for name, width in stages]
    alike = [name for name, width in stages if width == last_width]
    if len(alike) > 2:
        named.insert(-1, (MEAN, last_width, np.mean([staged_ND[rows, parts[name]] for name in alike], axis=0)))
    each = [explained(features_nD) for _, _, features_nD in named]
    cuts = []
    for (name, width, _), value_n in zip(named, each, strict=True):
        ahead_n = value_n - each[-1]
        error = float(ahead_n.std(ddof=1) / np.sqrt(len(ahead_n)))
        cuts.append(Cut(name, width, float(value_n.mean()), float(ahead_n.mean()), error))
    best = max(range(len(cuts)), key=lambda number: cuts[number].explained)
    needed = np.sqrt(2 * np.log(max(2, len(cuts)))) * cuts[best].error
    return tuple(cuts), best if cuts[best].gain > needed else len(cuts) - 1
