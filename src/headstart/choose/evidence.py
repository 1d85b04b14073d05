"""What a target's features say of one backbone: every score above chance, and the stage where to cut (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.choose.layers import Cut, choose_cut
from headstart.choose.potential import log_error
from headstart.choose.scores import (
    CLUSTERS_PER_CLASS,
    as_columns,
    clusters,
    h_score_held_out,
    lda_held_out,
    leep_left_out,
    log_evidence,
)
from headstart.solvers import Array, Spectrum, knn_left_out, ridge_draws_left_out, spectrum
from headstart.solvers.probe import Folds

AXES = 256
"""Main axes that discriminant analysis and the H-score look at: beyond them are less than a hundredth of the spread and
most of the time."""
MOST_DRAWS, LEAST_DRAWS, COLUMNS = 20, 4, 240
"""How often labels are permuted: as often as COLUMNS columns of targets allow, within the other two."""


LDA_DRAWS = 5
"""Permutations for discriminant analysis: each is fitted anew, and what chance gives an accuracy is soon known."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The examples that scores look at: labels (N, N × K zeros and ones, or N floats), what may not be parted, folds by group."""

    targets: Array
    groups_N: Array
    folds: Folds

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.targets)


@dataclass(frozen=True, slots=True)
class View:
    """One backbone's features of the sample, with the decomposition that scores share; `source_NZ` are the probabilities
    of the source's own classes, where the backbone has its head.
    """

    features_ND: Array
    found: Spectrum
    main: Spectrum
    sample: Sample
    source_NZ: Array | None
    seed: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A score on the true labels, on permuted ones (mean, standard deviation, highest), and per example where it has one."""

    value: float
    chance: float
    spread: float
    highest: float
    each_N: Array | None = None

    @property
    def above(self) -> float:
        """What is left of the score when chance is taken away."""
        return self.value - self.chance

    @property
    def is_signal(self) -> bool:
        """Whether the score lies above everything that permuted labels gave, with room for those that were not drawn."""
        return self.value > self.highest + 3 * self.spread


@dataclass(frozen=True, slots=True)
class Evidence:
    """What `weigh` found: scores by name at the last stage, the stages with the recommended cut, and which examples a
    left-out ridge probe answers right (N; for several labels the share of labels, for numbers that of the variance).
    """

    scores: Mapping[str, Measured]
    cuts: tuple[Cut, ...]
    cut: int
    right_N: Array

    @property
    def answers_AN(self) -> Array:
        """Which examples each of two unlike left-out classifiers answers right: the ridge probe, and the nearest neighbours
        where they were asked (A × N).
        """
        neighbours = self.scores.get("knn")
        return np.array([self.right_N, *([] if neighbours is None else [neighbours.each_N])], dtype=float)

    @property
    def log_error(self) -> float:
        """The mean log error of these classifiers."""
        return float(log_error(self.answers_AN.mean(1), len(self.right_N)).mean())


Score = Callable[[View, Sequence[Array]], tuple[list[float], Array | None]]
"""From features and alternative targets (the true ones first) to a value for each, and the true one's value per example.

The last targets may be left out where they cost much; the true ones and two more are needed."""


def weigh(
    staged_ND: Array,
    stages: Sequence[tuple[str, int]],
    sample: Sample,
    *,
    scores: Sequence[str],
    source_NZ: Array | None = None,
    seed: int = 0,
) -> Evidence:
    """Score the last of the stages (name, width) that stand side by side in `staged_ND`, and compare all of them.

    `scores` name rows of SCORES; those that need a source head are left out without one, those that need classes where targets
    are numbers. Raises DataError on NaN.
    """
    width = stages[-1][1]
    last_ND = staged_ND[:, -width:]
    found = spectrum(last_ND)
    main = Spectrum(found.left_Nr[:, :AXES], found.sigma_r[:AXES], found.width)
    view = View(last_ND, found, main, sample, source_NZ, seed)
    rng = np.random.default_rng(seed)
    columns = as_columns(sample.targets).shape[1]
    draws = int(np.clip(COLUMNS // columns, LEAST_DRAWS, MOST_DRAWS))
    targets = [sample.targets, *(sample.targets[rng.permutation(len(sample))] for _ in range(draws))]
    measured: dict[str, Measured] = {}
    is_quantity = np.issubdtype(sample.targets.dtype, np.floating)
    for name in scores:
        if (name in NEED_SOURCE and source_NZ is None) or (name in NEED_CLASSES and is_quantity):
            continue
        values, each_N = SCORES[name](view, targets)
        nulls = np.array(values[1:])
        measured[name] = Measured(values[0], float(nulls.mean()), float(nulls.std(ddof=1)), float(nulls.max()), each_N)
    cuts, cut = choose_cut(staged_ND, stages, as_columns(sample.targets), sample.groups_N)
    left = ridge_draws_left_out(found, as_columns(sample.targets)[None], sample.groups_N)[0]
    return Evidence(measured, cuts, cut, agreement(left.predicted_NK, sample.targets))


def agreement(predicted_NK: Array, targets: Array) -> Array:
    """Which examples (N) predictions answer right; for several labels the share of labels; NaN is not right.

    Of numbers (floats, N) the share of the variance that the prediction explains of each: their mean is R², and like a share
    of right answers it is one where nothing is left to win.
    """
    if np.issubdtype(targets.dtype, np.floating):
        squares_N = (np.asarray(predicted_NK).reshape(len(targets)) - targets) ** 2
        explained_N = 1 - squares_N / max(float(targets.var()), 1e-300)
        return np.asarray(np.nan_to_num(explained_N, nan=0.0))  # without a neighbour the mean would be said
    if targets.ndim == 2:
        return np.asarray(((predicted_NK >= 0.5) == (targets > 0)).mean(1))
    known_N = np.isfinite(predicted_NK).any(1)
    right_N: Array = np.nan_to_num(predicted_NK, nan=-np.inf).argmax(1) == targets
    return np.asarray(right_N & known_N)


def _ridge(view: View, targets: Sequence[Array]) -> tuple[list[float], Array | None]:
    columns_PNK = np.stack([as_columns(one) for one in targets])
    variance = ((columns_PNK[0] - columns_PNK[0].mean(0)) ** 2).sum(1).mean()
    found = ridge_draws_left_out(view.found, columns_PNK, view.sample.groups_N)
    each_N = 1 - ((found[0].predicted_NK - columns_PNK[0]) ** 2).sum(1) / variance
    return [float(1 - one.error / variance) for one in found], each_N


def _logme(view: View, targets: Sequence[Array]) -> tuple[list[float], Array | None]:
    columns = [as_columns(one) for one in targets]
    columns_NM = np.concatenate(columns, axis=1)
    values_PK = log_evidence(view.found.left_Nr, view.found.sigma_r, columns_NM - columns_NM.mean(0))
    # The evidence has no terms per example; the Gaussian log density of left-out residuals says how it would vary.
    left = ridge_draws_left_out(view.found, columns[0][None], view.sample.groups_N)[0]
    squares_NK = (left.predicted_NK - columns[0]) ** 2
    each_N = (-0.5 * squares_NK / np.maximum(squares_NK.mean(0), 1e-300)).mean(1)
    return [float(value) for value in values_PK.reshape(len(columns), -1).mean(1)], each_N


def _knn(view: View, targets: Sequence[Array]) -> tuple[list[float], Array | None]:
    columns = [as_columns(one) for one in targets]
    found_NM = knn_left_out(view.features_ND, np.concatenate(columns, axis=1), view.sample.groups_N)
    right = [agreement(part, one) for part, one in zip(np.split(found_NM, len(columns), axis=1), targets, strict=True)]
    return [float(one.mean()) for one in right], right[0].astype(float)


def _lda(view: View, targets: Sequence[Array]) -> tuple[list[float], Array | None]:
    def right(one: Array) -> Array:
        if one.ndim == 1:
            return agreement(lda_held_out(view.main, one, view.sample.folds), one)
        columns = [agreement(lda_held_out(view.main, column, view.sample.folds), column) for column in one.T]
        return np.asarray(np.mean(columns, axis=0))

    found = [right(one) for one in targets[: 1 + LDA_DRAWS]]
    return [float(one.mean()) for one in found], found[0].astype(float)


def _h(view: View, targets: Sequence[Array]) -> tuple[list[float], Array | None]:
    return [h_score_held_out(view.main, one, view.sample.folds) for one in targets], None


def _leep(view: View, targets: Sequence[Array]) -> tuple[list[float], Array | None]:
    assert view.source_NZ is not None
    return [leep_left_out(view.source_NZ, one, view.sample.groups_N) for one in targets], None


def _nleep(view: View, targets: Sequence[Array]) -> tuple[list[float], Array | None]:
    classes = as_columns(targets[0]).shape[1]
    source_NZ = clusters(view.main, CLUSTERS_PER_CLASS * classes, rng=np.random.default_rng(view.seed))
    return [leep_left_out(source_NZ, one, view.sample.groups_N) for one in targets], None


SCORES: Mapping[str, Score] = {
    "ridge": _ridge,
    "logme": _logme,
    "knn": _knn,
    "lda": _lda,
    "h": _h,
    "leep": _leep,
    "nleep": _nleep,
}
"""All scores by name."""
NEED_SOURCE = frozenset({"leep"})
"""Those that read the source's own head."""
NEED_CLASSES = frozenset({"lda", "h", "leep", "nleep"})
"""Those that numbers have no meaning for."""
