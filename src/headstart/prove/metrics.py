"""Metrics as one table. Each is one function of answers and of how often every example counts.

That second argument, counts b × N, makes a metric its own bootstrap: one row of ones gives the figure, rows of
resampling counts give its spread. A figure that the counts do not define (one class only, say) is NaN inside, None
outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import DataError, OptionError
from headstart.prove.answers import Answers, Kind
from headstart.prove.estimate import LEVEL, RESAMPLES, Array, Estimate, bootstrap, flawless_low, proportion, undefined
from headstart.prove.losses import Losses, bits_per_byte, nats_per_token, perplexity
from headstart.prove.quantities import Quantities, mean_ranks, weighted_correlation
from headstart.prove.spans import Spans
from headstart.prove.tags import TagAnswers, tag_f1, tag_precision, tag_recall, token_accuracy, token_log_loss, type_f1

SMALLEST = 1e-15  # a probability of exactly zero for what happened costs −ln of this, about 34.5 nats
WORK = 200_000_000  # ranks counted in one bootstrap; beyond, fewer resamples are drawn (never fewer than FEWEST)
FEWEST = 400

Judged = Answers | Quantities | Spans | Losses | TagAnswers
Values = Callable[[Any, Array], Array]
"""From answers of a kind that the metric judges, and how often each example counts (b × N), to b values."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table.

    `values(answers, counts_bN)` gives b values; `kinds`: which answers it judges; `proportion`: it is a plain share
    of right answers, so its interval is exact; `by_class`: it averages over classes, so resamples keep every class's
    size; `ranks`: it sorts once per class.
    """

    name: str
    title: str
    values: Values
    kinds: tuple[Kind, ...]
    higher_is_better: bool = True
    needs_probabilities: bool = False
    proportion: bool = False
    by_class: bool = False
    ranks: bool = False
    bounded: bool = True


def _mean(per_example_N: Array, counts_bN: Array) -> Array:
    return np.asarray(counts_bN @ per_example_N.astype(np.float64) / counts_bN.sum(1))


def _nanmean_rows(table_bK: Array) -> Array:
    """Row means over what is not NaN; NaN where nothing is left."""
    known_bK = np.isfinite(table_bK)
    total_b, count_b = np.where(known_bK, table_bK, 0).sum(1), known_bK.sum(1)
    return np.where(count_b > 0, total_b / np.maximum(count_b, 1), np.nan)


def _ratio(top: Array, bottom: Array) -> Array:
    return np.where(bottom > 0, top.astype(np.float64) / np.where(bottom > 0, bottom, 1), np.nan)


def accuracy(answers: Answers, counts_bN: Array) -> Array:
    """Share of examples answered right; for several labels, fully right (subset accuracy)."""
    return _mean(answers.correct_N, counts_bN)


def balanced_accuracy(answers: Answers, counts_bN: Array) -> Array:
    """Mean over the classes that occur of the share of their examples answered right."""
    truth_NK = answers.truth_NK.astype(np.float32)
    hits_NK = truth_NK * answers.predicted_NK
    return _nanmean_rows(_ratio(counts_bN @ hits_NK, counts_bN @ truth_NK))


def _f1_parts(answers: Answers, counts_bN: Array) -> tuple[Array, Array]:
    truth_NK, predicted_NK = answers.truth_NK.astype(np.float32), answers.predicted_NK.astype(np.float32)
    return 2 * (counts_bN @ (truth_NK * predicted_NK)), counts_bN @ (truth_NK + predicted_NK)


def macro_f1(answers: Answers, counts_bN: Array) -> Array:
    """Mean of 2·hits / (true + predicted) over the classes that are true or predicted somewhere."""
    return _nanmean_rows(_ratio(*_f1_parts(answers, counts_bN)))


def micro_f1(answers: Answers, counts_bN: Array) -> Array:
    """2·hits / (true + predicted), counted over all labels together."""
    top_bK, bottom_bK = _f1_parts(answers, counts_bN)
    return _ratio(top_bK.sum(1), bottom_bK.sum(1))


def hamming_loss(answers: Answers, counts_bN: Array) -> Array:
    """Share of (example, label) pairs answered wrong."""
    return _mean((answers.truth_NK != answers.predicted_NK).mean(1), counts_bN)


def losses_N(answers: Answers) -> Array:
    """Log loss of each example in nats: −ln p(true label), or for several labels the mean over labels."""
    p_NK = np.clip(answers.scores_NK.astype(np.float64), SMALLEST, 1)
    if answers.kind != "multi":
        return np.asarray(-np.log(p_NK[answers.truth_NK]))
    q_NK = np.clip(1 - answers.scores_NK.astype(np.float64), SMALLEST, 1)
    return np.asarray(-np.log(np.where(answers.truth_NK, p_NK, q_NK)).mean(1))


def log_loss(answers: Answers, counts_bN: Array) -> Array:
    """Mean of `losses_N`, in nats."""
    return _mean(losses_N(answers), counts_bN)


def brier(answers: Answers, counts_bN: Array) -> Array:
    """Brier 1950: mean over examples of Σ_k (p − truth)², 0 … 2; for several labels the mean over labels, 0 … 1."""
    squares_NK = (answers.scores_NK.astype(np.float64) - answers.truth_NK) ** 2
    return _mean(squares_NK.mean(1) if answers.kind == "multi" else squares_NK.sum(1), counts_bN)


def _ranked(answers: Answers, counts_bN: Array) -> Iterator[tuple[Array, Array]]:
    """For each class: counts of its own and of all examples from the most probable down to each end of a tie.

    Classes without an example, or without any other example, have no ranking and are left out. Two classes with
    probabilities that mirror each other still give two rankings: AUROC is the same for both, average precision is
    not.
    """
    for k in range(answers.truth_NK.shape[1]):
        truth_N, scores_N = answers.truth_NK[:, k], answers.scores_NK[:, k]
        if truth_N.all() or not truth_N.any():
            continue
        order = np.argsort(-scores_N, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(scores_N[order]) != 0, True))
        sorted_bN = counts_bN[:, order]
        hits_bN = sorted_bN * truth_N[order]
        yield np.cumsum(hits_bN, 1, dtype=np.float64)[:, ends], np.cumsum(sorted_bN, 1, dtype=np.float64)[:, ends]


def auroc(answers: Answers, counts_bN: Array) -> Array:
    """Area under the ROC curve, ties counted half; one class against the rest, averaged over the classes that have
    both sides.
    """
    columns = []
    for hits_bT, all_bT in _ranked(answers, counts_bN):
        others_bT = all_bT - hits_bT
        step_bT = np.diff(others_bT, prepend=0)
        area_b = (step_bT * (hits_bT + np.pad(hits_bT, ((0, 0), (1, 0)))[:, :-1])).sum(1) / 2
        columns.append(_ratio(area_b, hits_bT[:, -1] * others_bT[:, -1]))
    return _nanmean_rows(np.stack(columns, 1)) if columns else np.full(len(counts_bN), np.nan)


def average_precision(answers: Answers, counts_bN: Array) -> Array:
    """Σ (recall gained) · precision down the ranking, without interpolation; one class against the rest, averaged as
    in `auroc`.
    """
    columns = []
    for hits_bT, all_bT in _ranked(answers, counts_bN):
        gained_bT = np.diff(hits_bT, prepend=0)
        columns.append(_ratio((gained_bT * hits_bT / np.maximum(all_bT, 1)).sum(1), hits_bT[:, -1]))
    return _nanmean_rows(np.stack(columns, 1)) if columns else np.full(len(counts_bN), np.nan)


def mae(answers: Quantities, counts_bN: Array) -> Array:
    """Mean absolute error, in the user's own unit."""
    return _mean(answers.off_N, counts_bN)


def rmse(answers: Quantities, counts_bN: Array) -> Array:
    """Root of the mean squared error, in the user's own unit."""
    return np.asarray(np.sqrt(_mean(answers.off_N**2, counts_bN)))


def r2(answers: Quantities, counts_bN: Array) -> Array:
    """Share of the variance that is explained: 1 − Σ(truth − said)² / Σ(truth − mean)²; below 0 worse than the mean."""
    around_N = answers.truth_N - answers.truth_N.mean()
    spread_b = _mean(around_N**2, counts_bN) - _mean(around_N, counts_bN) ** 2
    least = 1e-12 * float((around_N**2).mean())  # rounding: below, the resample holds one value only
    varies_b = spread_b > least
    return np.where(varies_b, 1 - _mean(answers.off_N**2, counts_bN) / np.where(varies_b, spread_b, 1), np.nan)


def spearman(answers: Quantities, counts_bN: Array) -> Array:
    """Spearman's rank correlation, equal values at their mean rank."""
    truth_bN, said_bN = mean_ranks(answers.truth_N, counts_bN), mean_ranks(answers.said_N, counts_bN)
    return weighted_correlation(truth_bN, said_bN, counts_bN)


def rank_mae(answers: Answers, counts_bN: Array) -> Array:
    """By how many classes of the order an answer is off, on average."""
    return _mean(answers.off_N, counts_bN)


def rank_spearman(answers: Answers, counts_bN: Array) -> Array:
    """Spearman's correlation of true and predicted places in the order."""
    truth_bN, said_bN = mean_ranks(answers.labels_N, counts_bN), mean_ranks(answers.predicted_N, counts_bN)
    return weighted_correlation(truth_bN, said_bN, counts_bN)


def quadratic_kappa(answers: Answers, counts_bN: Array) -> Array:
    """Cohen's kappa with quadratic weights (Cohen 1968): 1 − mean squared distance in ranks over that of answers given
    without looking, with the same frequencies.
    """
    true_N, said_N = answers.labels_N.astype(np.float64), answers.predicted_N.astype(np.float64)
    seen_b = _mean((true_N - said_N) ** 2, counts_bN)
    true_b, said_b = _mean(true_N, counts_bN), _mean(said_N, counts_bN)
    blind_b = _mean(true_N**2, counts_bN) + _mean(said_N**2, counts_bN) - 2 * true_b * said_b
    return np.where(blind_b > 1e-12, 1 - seen_b / np.where(blind_b > 1e-12, blind_b, 1), np.nan)


def span_f1(answers: Spans, counts_bN: Array) -> Array:
    """Mean of the words' F1 against the nearest right answer."""
    return _mean(answers.f1_N, counts_bN)


def span_exact(answers: Spans, counts_bN: Array) -> Array:
    """Share of answers that are exactly a right one."""
    return _mean(answers.exact_N, counts_bN)


def answer_f1(answers: Spans, counts_bN: Array) -> Array:
    """Mean F1 of the questions that have an answer."""
    return _ratio(counts_bN @ (answers.f1_N * answers.has_answer_N), counts_bN @ answers.has_answer_N.astype(np.float64))


def no_answer_right(answers: Spans, counts_bN: Array) -> Array:
    """Share of the questions without an answer to which none was given."""
    none_N = ~answers.has_answer_N
    return _ratio(counts_bN @ (none_N & ~answers.answered_N).astype(np.float64), counts_bN @ none_N.astype(np.float64))


def answer_log_loss(answers: Spans, counts_bN: Array) -> Array:
    """Minus the mean log of the probability given to right answers, in nats."""
    return _mean(answers.nats_N, counts_bN)


_BOTH: tuple[Kind, ...] = ("single", "multi")
_ALL: tuple[Kind, ...] = (*_BOTH, "ordinal")
_ONE: tuple[Kind, ...] = ("single", "ordinal")
_ROWS = (
    Metric("mae", "Mean absolute error", mae, ("quantity",), higher_is_better=False, bounded=False),
    Metric("rmse", "Root mean squared error", rmse, ("quantity",), higher_is_better=False, bounded=False),
    Metric("r2", "R²", r2, ("quantity",), bounded=False),
    Metric("spearman", "Spearman correlation", spearman, ("quantity",), bounded=False),
    Metric("rank_mae", "Mean distance in classes", rank_mae, ("ordinal",), higher_is_better=False, bounded=False),
    Metric("rank_spearman", "Spearman correlation", rank_spearman, ("ordinal",), bounded=False),
    Metric("quadratic_kappa", "Quadratic kappa", quadratic_kappa, ("ordinal",), bounded=False),
    Metric("f1", "Word F1", span_f1, ("span",)),
    Metric("exact_match", "Exact match", span_exact, ("span",)),
    Metric("answer_f1", "F1 where there is an answer", answer_f1, ("span",)),
    Metric("no_answer_right", "Right that there is none", no_answer_right, ("span",)),
    Metric("answer_log_loss", "Log loss of answers", answer_log_loss, ("span",), higher_is_better=False, bounded=False),
    Metric("bits_per_byte", "Bits per byte", bits_per_byte, ("language",), higher_is_better=False, bounded=False),
    Metric("nats_per_token", "Nats per token", nats_per_token, ("language",), higher_is_better=False, bounded=False),
    Metric("perplexity", "Perplexity", perplexity, ("language",), higher_is_better=False, bounded=False),
    Metric("span_f1", "Span F1", tag_f1, ("tags",)),
    Metric("span_precision", "Span precision", tag_precision, ("tags",)),
    Metric("span_recall", "Span recall", tag_recall, ("tags",)),
    Metric("type_f1", "Mean F1 of types", type_f1, ("tags",)),
    Metric("token_accuracy", "Token accuracy", token_accuracy, ("tags",)),
    Metric("token_log_loss", "Log loss of tags", token_log_loss, ("tags",), higher_is_better=False, bounded=False),
    Metric("accuracy", "Accuracy", accuracy, _ONE, proportion=True),
    Metric("subset_accuracy", "Subset accuracy", accuracy, ("multi",), proportion=True),
    Metric("balanced_accuracy", "Balanced accuracy", balanced_accuracy, _ONE, by_class=True),
    Metric("macro_f1", "Macro-F1", macro_f1, _ALL, by_class=True),
    Metric("micro_f1", "Micro-F1", micro_f1, ("multi",)),
    Metric("auroc", "AUROC", auroc, _BOTH, needs_probabilities=True, by_class=True, ranks=True),
    Metric(
        "average_precision",
        "Average precision",
        average_precision,
        _BOTH,
        needs_probabilities=True,
        by_class=True,
        ranks=True,
    ),
    Metric("hamming_loss", "Hamming loss", hamming_loss, ("multi",), higher_is_better=False),
    Metric("log_loss", "Log loss", log_loss, _ALL, higher_is_better=False, needs_probabilities=True, bounded=False),
    Metric("brier", "Brier score", brier, _ALL, higher_is_better=False, needs_probabilities=True, bounded=False),
)
METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}
"""Every metric by name; one more row is one more metric, in `--metric` and on the page."""


def metrics_for(kind: Kind) -> list[Metric]:
    """The rows of METRICS that judge answers of this kind, in the order of the table."""
    return [row for row in METRICS.values() if kind in row.kinds]


def score(metric: Metric, answers: Judged) -> float | None:
    """The bare figure, None where these answers do not define it; raises OptionError for another kind of labels."""
    if answers.kind not in metric.kinds:
        raise OptionError(
            f"metric '{metric.name}' does not judge '{answers.kind}' labels. Choose from: {_names(answers.kind)}."
        )
    if len(answers) == 0:
        return None
    value = float(metric.values(answers, np.ones((1, len(answers)), np.float32))[0])
    return value if np.isfinite(value) else None


def estimate(
    metric: Metric,
    answers: Judged,
    *,
    rng: np.random.Generator,
    groups: Array | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The figure with its interval.

    A share of right answers without `groups` (N labels): exact binomial. Everything else: percentile bootstrap of
    examples, within classes where the metric averages over classes, or of whole groups. Where a bounded figure is
    flawless (or all wrong), so that resamples cannot differ, the open end is the exact one of `flawless_low`.
    Undefined figures have the value None and say why.
    """
    if groups is not None and len(groups) != len(answers):
        raise DataError(f"groups: {len(groups)} for {len(answers)} examples. Pass one per example.")
    if score(metric, answers) is None:
        return undefined(
            len(answers), "no examples" if len(answers) == 0 else _lack(answers)
        )
    if metric.proportion and groups is None and isinstance(answers, Answers):
        return proportion(int(answers.correct_N.sum()), len(answers), level=level)
    if metric.ranks and isinstance(answers, Answers):
        resamples = min(resamples, max(FEWEST, WORK // answers.truth_NK.size))
    strata = strata_of(metric, answers)
    found = bootstrap(
        lambda w: metric.values(answers, w),
        len(answers),
        rng=rng,
        strata=strata,
        groups=groups,
        level=level,
        resamples=resamples,
    )
    if not metric.bounded or not isinstance(answers, Answers | TagAnswers):
        return found
    return _open_end(metric, found, answers, groups, level)


def _lack(answers: Judged) -> str:
    if isinstance(answers, Spans):
        return "no question of this kind"
    if isinstance(answers, Losses):
        return "no token that counts"
    if isinstance(answers, TagAnswers):
        return "no span of this kind"
    if isinstance(answers, Quantities):
        return "it needs numbers that differ, in truth and prediction"
    return "it needs examples of two classes at least"


def strata_of(metric: Metric, answers: Judged) -> Array | None:
    """What a bootstrap holds constant: the classes (N), for a metric that averages over them; None where it draws freely.

    Classes with one example could not vary within themselves and are drawn together with the smallest other class.
    """
    if not metric.by_class or not isinstance(answers, Answers) or answers.kind == "multi" or len(answers) == 0:
        return None
    count_K = answers.truth_NK.sum(0)
    smallest = int(np.argmin(np.where(count_K >= 2, count_K, len(answers) + 1)))
    return np.where(count_K[answers.labels_N] >= 2, answers.labels_N, smallest)


def evaluate(
    answers: Judged,
    *,
    rng: np.random.Generator,
    groups: Array | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """Every metric of this kind of answers with its interval; those that need probabilities are left out where there
    are none.
    """
    has_chances = isinstance(answers, Answers) and answers.probabilities_NK is not None
    usable = [m for m in metrics_for(answers.kind) if not m.needs_probabilities or has_chances]
    return {m.name: estimate(m, answers, rng=rng, groups=groups, level=level, resamples=resamples) for m in usable}


def _open_end(metric: Metric, found: Estimate, answers: Answers | TagAnswers, groups: Array | None, level: float) -> Estimate:
    """Replace the end that a bootstrap puts on the value itself because every resample is flawless, or all wrong."""
    if found.value not in (0.0, 1.0):
        return found
    ones_K = answers.truth_NK.sum(0) if isinstance(answers, Answers) else np.array([len(answers)])
    trials = np.minimum(ones_K, len(answers) - ones_K) if metric.ranks else ones_K
    if metric.ranks and answers.kind == "single" and (ones_K > 0).sum() == 2:
        trials = trials[ones_K > 0][:1]  # the rankings of two classes mirror each other: one ranking, not two
    if groups is not None or not metric.by_class:
        trials = np.array([len(answers) if groups is None else len(np.unique(groups))])
    reach = flawless_low(trials, level=level)
    ends = (reach, 1.0) if found.value == 1.0 else (0.0, 1 - reach)
    return Estimate(found.value, *ends, found.n, "exact, no two resamples differ")


def _names(kind: Kind) -> str:
    return ", ".join(row.name for row in metrics_for(kind))
