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
MEMORY_NUMBERS = (
    64_000_000  # streamed features up to this many numbers (256 MB) are taken into memory; C is chosen on as many
)


@dataclass(frozen=True, slots=True)
class ProbeFit:
    """A probe fitted on everything, and what cross-validation says of it.

    `C`: the chosen inverse regularisation; `Cs`, `scores`: each tried C with its score in `metric` on held-out rows
    (NaN where the metric is undefined); `weight_KD`, `bias_K`: logits for raw features; `held_out_logits_NK`: logits
    of each row by the fit of the fold that held it out, at `C`, NaN for rows that no fold held out; `held_out_N`
    tells which are known. `rows_for_choice`: how many rows `C` was chosen on.
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
    rows enter a fold, through the one scale that gives C its unit. Streamed features beyond `MEMORY_NUMBERS` choose C
    on an even sample of folds and classes; all fits then continue from there on every row. Raises DataError on NaN,
    on rows or folds that do not fit, and OptionError on an unknown metric.
    """
    checked = check_labels(labels, classes)
    metric = METRICS.get(select)
    if metric is None or ("multi" if checked.several else "single") not in metric.kinds:
        raise OptionError(f"select: '{select}' does not judge these labels. Choose another metric.")
    held = _masks(folds, len(checked))
    balanced = class_weight == "balanced"
    if callable(features):
        step = _stride(features, len(checked))
        if step > 1:
            return _streamed(features, checked, folds, tuple(sorted(Cs)), select, balanced, step)
        features = in_memory(features)
    space = space_of(features)
    check_rows(space, len(checked))
    problems = _problems(checked, folds, balanced)
    chosen = _choose(space, checked, problems, held, tuple(sorted(Cs)), select)
    (final,) = next(fit_path(space, problems[-1:], [chosen.C], tolerance=FINAL_TOLERANCE, starts=chosen.fits[-1:]))
    return _finish(space, problems, chosen, final, held, select, space.n)


@dataclass(frozen=True, slots=True)
class _Choice:
    C: float
    Cs: tuple[float, ...]
    scores: tuple[float, ...]
    fits: list[Fitted]
    held_out_logits_NK: Array


def _choose(
    space: Space, labels: Labels, problems: list[Problem], held: list[Array], Cs: tuple[float, ...], select: str
) -> _Choice:
    metric, known_N = METRICS[select], np.logical_or.reduce(held)
    truth, scores, best = labels.take(known_N), [], None
    best_key = (-np.inf, -np.inf)
    for C, fits in zip(Cs, fit_path(space, problems, Cs, tolerance=PATH_TOLERANCE), strict=True):
        out_NK = _predict_held_out(space, problems, fits, held)
        answers = _answers(truth, out_NK[known_N])
        value, loss = score(metric, answers), score(METRICS["log_loss"], answers)
        scores.append(np.nan if value is None else value)
        signed = -np.inf if value is None else value if metric.higher_is_better else -value
        key = (signed, -np.inf if loss is None else -loss)
        if best is None or key > best_key:  # strictly: among equals the stronger regularisation came first
            best, best_key = (C, fits, out_NK), key
    if best is None:
        raise OptionError("Cs: no value to try.")
    return _Choice(best[0], Cs, tuple(scores), best[1], best[2])


def _finish(
    space: Space, problems: list[Problem], chosen: _Choice, final: Fitted, held: list[Array], select: str, rows: int
) -> ProbeFit:
    weight_KD, bias_K = space.to_features(*problems[-1].expand(final.weight_rM, final.bias_M))
    converged = final.converged and all(f.converged for f in chosen.fits)
    return ProbeFit(
        C=chosen.C, Cs=chosen.Cs, scores=chosen.scores, metric=select, weight_KD=weight_KD, bias_K=bias_K,
        held_out_logits_NK=chosen.held_out_logits_NK, held_out_N=np.logical_or.reduce(held),
        several=problems[-1].labels.several, converged=converged, rows_for_choice=rows,
    )  # fmt: skip


def _streamed(
    features: Chunks, labels: Labels, folds: Folds, Cs: tuple[float, ...], select: str, balanced: bool, step: int
) -> ProbeFit:
    """Choose C on one row in `step` in memory, then continue all fits from there over the stream."""
    rows = _sample(labels, folds, step)
    place_N = np.full(len(labels), -1)
    place_N[rows] = np.arange(len(rows))
    small_folds = [tuple(place_N[part][place_N[part] >= 0] for part in fold) for fold in folds]
    small = space_of(gather(features, rows))
    few = labels.take(rows)
    small_problems = _problems(few, small_folds, balanced)
    first = _choose(small, few, small_problems, _masks(small_folds, len(few)), Cs, select)

    space, problems, held = space_of(features), _problems(labels, folds, balanced), _masks(folds, len(labels))
    check_rows(space, len(labels))
    # C has its unit from the sample's scale; the stream's scale differs a little, so C moves along with it.
    C = first.C * (space.scale / small.scale) ** 2
    starts = [
        _carry(small, p_small, fit, space, p)
        for p_small, fit, p in zip(small_problems, first.fits, problems, strict=True)
    ]
    fits = next(fit_path(space, problems, [C], tolerance=PATH_TOLERANCE, starts=starts))
    out_NK = _predict_held_out(space, problems, fits, held)
    return _finish(space, problems, _Choice(C, Cs, first.scores, fits, out_NK), fits[-1], held, select, len(rows))


def _carry(small: Space, small_problem: Problem, fit: Fitted, space: Space, problem: Problem) -> Fitted:
    weight_KD, bias_K = small.to_features(*small_problem.expand(fit.weight_rM, fit.bias_M))
    weight_rM, bias_M = problem.contract(*space.from_features(weight_KD, bias_K))
    return Fitted(weight_rM, bias_M)


def _problems(labels: Labels, folds: Sequence[Sequence[Array]], balanced: bool) -> list[Problem]:
    masks = []
    for train, _ in folds:
        mask_N = np.zeros(len(labels), bool)
        mask_N[train] = True
        masks.append(mask_N)
    return [problem_of(labels, mask_N, balanced=balanced) for mask_N in [*masks, np.ones(len(labels), bool)]]


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
        mask_N = np.zeros(n, bool)
        mask_N[out] = True
        seen_N += mask_N
        masks.append(mask_N)
    if seen_N.max() > 1:
        raise DataError("folds: a row is held out twice. Each row may be held out once.")
    return masks


def _predict_held_out(space: Space, problems: list[Problem], fits: list[Fitted], held: list[Array]) -> Array:
    folds = range(len(held))  # the last problem, on all rows, holds nothing out
    return held_out_logits(space, [problems[i].expand(fits[i].weight_rM, fits[i].bias_M) for i in folds], held)


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
