"""A probe: logistic regression on frozen features whose regularisation is chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError, OptionError
from headstart.prove.answers import Answers, probabilities
from headstart.prove.metrics import METRICS, score
from headstart.solvers.arrays import Array, Chunks, Labels, check_labels, gather, in_memory
from headstart.solvers.logistic import DEFAULT_CS, ClassWeight, Fitted, check_rows, fit_path
from headstart.solvers.objective import Problem, held_out_logits, problem_of
from headstart.solvers.space import Space, space_of

Folds = Sequence[tuple[Array, Array]]
PATH_TOLERANCE = 1e-7  # mean loss in nats left to gain while C is being chosen
FINAL_TOLERANCE = 1e-10  # and for the weights that are kept
MEMORY_NUMBERS = 4_000_000
"""Streamed features up to this many numbers (16 MB) are taken into memory; beyond, C is chosen on about as many."""
WORSE, PATIENCE = (
    1.05,
    2,
)  # the path ends after two log losses in a row above 1.05 times the best: weaker only gets worse


@dataclass(frozen=True, slots=True)
class ProbeFit:
    """A probe fitted on everything, and what cross-validation says of it.

    `C`: the chosen inverse regularisation; `Cs`, `scores`: each tried C, ascending, with its score in `metric` on
    held-out rows (NaN where the metric is undefined); `weight_KD`, `bias_K`: logits for raw features;
    `held_out_logits_NK`: logits of each row by the fit of the fold that held it out, at `C`, NaN for rows that no
    fold held out; `held_out_N` tells which are known. `rows_for_choice`: how many rows the whole path was searched on.
    """

    C: float
    Cs: tuple[float, ...]
    scores: tuple[float, ...]
    metric: str
    weight_KD: Array
    bias_K: Array
    held_out_logits_NK: Array
    held_out_N: Array
    several: bool
    converged: bool
    rows_for_choice: int

    def logits(self, features_ND: Array) -> Array:
        """Logits N × K for raw features."""
        return np.asarray(features_ND @ self.weight_KD.T + self.bias_K)

    def probabilities(self, features_ND: Array) -> Array:
        """Uncalibrated probabilities N × K for raw features."""
        return probabilities(self.logits(features_ND), several=self.several)


def cross_validated_probe(
    features: Array | Chunks,
    labels: Array,
    *,
    folds: Folds,
    Cs: Sequence[float] = DEFAULT_CS,
    class_weight: ClassWeight = None,
    select: str = "log_loss",
    classes: int | None = None,
) -> ProbeFit:
    """Choose C by the metric `select` on the folds' held-out rows, then fit on all rows.

    `features` N × D as an array or in chunks; `labels` N (0 … `classes`−1) or N × K zeros and ones; `folds`: pairs of
    row indices (train, held out), no row held out twice; all folds and the final fit share every pass. Ties in
    `select` go to the smaller log loss, then to the stronger regularisation. A class that a fold's training rows lack
    keeps its column with a small constant probability (see `problem_of`). Only row lengths, no labels, of held-out
    rows enter a fold, through the one scale that gives C its unit. Streamed features beyond `MEMORY_NUMBERS` search
    the path on an even sample of folds and classes, then continue from there on every row with three values of C
    (`Cs`). Raises DataError on NaN, on rows or folds that do not fit, and OptionError on an unknown metric.
    """
    checked = check_labels(labels, classes)
    metric = METRICS.get(select)
    if metric is None or ("multi" if checked.several else "single") not in metric.kinds:
        raise OptionError(f"select: '{select}' does not judge these labels. Choose another metric.")
    balanced = class_weight == "balanced"
    if callable(features):
        step = _stride(features, len(checked))
        if step > 1:
            return _streamed(features, checked, folds, sorted(Cs), select, balanced, step)
        features = in_memory(features)
    race = _race(features, checked, folds, select, balanced)
    chosen = _choose(race, sorted(Cs))
    (final,) = next(
        fit_path(race.space, race.problems[-1:], [chosen.C], tolerance=FINAL_TOLERANCE, starts=chosen.fits[-1:])
    )
    return _finish(race, chosen, final, len(checked))


@dataclass(frozen=True, slots=True)
class _Race:
    """All fits that share a pass: one problem per fold and, last, one on all rows; `held`: each fold's held-out rows
    (N).
    """

    space: Space
    labels: Labels
    problems: list[Problem]
    held: list[Array]
    select: str


@dataclass(frozen=True, slots=True)
class _Choice:
    C: float
    Cs: tuple[float, ...]
    scores: tuple[float, ...]
    fits: list[Fitted]
    held_out_logits_NK: Array


def _race(features: Array | Chunks, labels: Labels, folds: Folds, select: str, balanced: bool) -> _Race:
    n, held = len(labels), _masks(folds, len(labels))
    space = space_of(features)
    check_rows(space, n)
    trained = [*(_mask(train, n) for train, _ in folds), np.ones(n, bool)]
    return _Race(space, labels, [problem_of(labels, mask_N, balanced=balanced) for mask_N in trained], held, select)


def _choose(race: _Race, Cs: Sequence[float], starts: Sequence[Fitted] | None = None) -> _Choice:
    metric, known_N = METRICS[race.select], np.logical_or.reduce(race.held)
    truth, scores, best = race.labels.take(known_N), [], None
    best_key = (-np.inf, -np.inf)
    path = fit_path(race.space, race.problems, Cs, tolerance=PATH_TOLERANCE, starts=starts)
    for C, fits in zip(Cs, path, strict=False):
        expanded = [p.expand(f.weight_rM, f.bias_M) for p, f in zip(race.problems, fits, strict=True)]
        out_NK = held_out_logits(race.space, expanded[:-1], race.held)
        answers = _answers(truth, out_NK[known_N])
        value, loss = score(metric, answers), score(METRICS["log_loss"], answers)
        scores.append(np.nan if value is None else value)
        signed = -np.inf if value is None else value if metric.higher_is_better else -value
        key = (signed, -np.inf if loss is None else -loss)
        if best is None or key > best_key:  # strictly: among equals the stronger regularisation came first
            best, best_key = (C, fits, out_NK), key
        if race.select == "log_loss" and len(scores) > PATIENCE and min(scores[-PATIENCE:]) > WORSE * min(scores):
            break
    if best is None:
        raise OptionError("Cs: none given. Pass one or more numbers above zero.")
    return _Choice(best[0], tuple(Cs[: len(scores)]), tuple(scores), best[1], best[2])


def _finish(race: _Race, chosen: _Choice, final: Fitted, rows: int) -> ProbeFit:
    weight_KD, bias_K = race.space.to_features(*race.problems[-1].expand(final.weight_rM, final.bias_M))
    return ProbeFit(
        C=chosen.C,
        Cs=chosen.Cs,
        scores=chosen.scores,
        metric=race.select,
        weight_KD=weight_KD,
        bias_K=bias_K,
        held_out_logits_NK=chosen.held_out_logits_NK,
        held_out_N=np.logical_or.reduce(race.held),
        several=race.labels.several,
        converged=final.converged and all(f.converged for f in chosen.fits),
        rows_for_choice=rows,
    )


def _streamed(
    features: Chunks, labels: Labels, folds: Folds, Cs: Sequence[float], select: str, balanced: bool, step: int
) -> ProbeFit:
    """Search the path on one row in `step` in memory, then its neighbourhood over the whole stream, from those fits."""
    rows = _sample(labels, folds, step)
    place_N = np.full(len(labels), -1)
    place_N[rows] = np.arange(len(rows))
    few_folds = [(place_N[train][place_N[train] >= 0], place_N[out][place_N[out] >= 0]) for train, out in folds]
    few = _race(gather(features, rows), labels.take(rows), few_folds, select, balanced)
    first = _choose(few, Cs)

    race = _race(features, labels, folds, select, balanced)
    starts = [_carry(few, i, first.fits[i], race) for i in range(len(race.problems))]
    # C has its unit from the sample's scale. With more rows the best C stays, falls in proportion, or lies in between.
    C = first.C * (race.space.scale / few.space.scale) ** 2
    chosen = _choose(race, [C / step, C / np.sqrt(step), C], starts)
    return _finish(race, chosen, chosen.fits[-1], len(rows))


def _carry(few: _Race, i: int, fit: Fitted, race: _Race) -> Fitted:
    weight_KD, bias_K = few.space.to_features(*few.problems[i].expand(fit.weight_rM, fit.bias_M))
    return Fitted(*race.problems[i].contract(*race.space.from_features(weight_KD, bias_K)))


def _mask(rows: Array, n: int) -> Array:
    mask_N = np.zeros(n, bool)
    mask_N[rows] = True
    return mask_N


def _masks(folds: Sequence[Sequence[Array]], n: int) -> list[Array]:
    """The held-out rows of each fold; raises DataError where folds are empty, overlap, or point outside."""
    if not folds:
        raise DataError("folds: none given. Pass at least one pair of (train, held out) row indices.")
    masks, seen_N = [], np.zeros(n, int)
    for number, (train, out) in enumerate(folds, 1):
        both = np.concatenate([train, out])
        if len(train) == 0 or len(out) == 0 or both.min() < 0 or both.max() >= n:
            raise DataError(f"folds: fold {number} is empty or points outside the {n} rows.")
        if np.intersect1d(train, out).size:
            raise DataError(f"folds: fold {number} holds out rows that it trains on.")
        mask_N = _mask(out, n)
        seen_N += mask_N
        masks.append(mask_N)
    if seen_N.max() > 1:
        raise DataError("folds: a row is held out twice. Each row may be held out once.")
    return masks


def _answers(labels: Labels, logits_NK: Array) -> Answers:
    chances_NK = probabilities(logits_NK.astype(np.float64), several=labels.several)
    return Answers.multi(labels.values, chances_NK) if labels.several else Answers.single(labels.values, chances_NK)


def _sample(labels: Labels, folds: Folds, step: int) -> Array:
    """Row indices, ascending: every `step`-th row of each fold in the order of labels, so that no fold is left empty."""
    fold_N = np.full(len(labels), -1)
    for number, (_, out) in enumerate(folds):
        fold_N[out] = number
    order = np.arange(len(labels)) if labels.several else np.argsort(labels.values, kind="stable")
    return np.sort(np.concatenate([order[fold_N[order] == number][::step] for number in range(-1, len(folds))]))


def _stride(features: Chunks, n: int) -> int:
    width = next(iter(features())).shape[1]
    return int(np.ceil(n * width / MEMORY_NUMBERS))
