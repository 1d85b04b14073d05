"""Metrics, solver and intervals of quantities against scikit-learn, scipy and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as theirs
from sklearn.linear_model import Ridge

from headstart.prove.answers import Answers
from headstart.prove.metrics import METRICS, score
from headstart.prove.quantities import Quantities, conformal_reach
from headstart.solvers import cross_validated_ridge, ridge_path
from headstart.solvers.ridge import RELATIVE_LAMBDAS


def _numbers(ties=False, count=60):
    rng = np.random.default_rng(3)
    truth = rng.normal(40, 12, count)
    said = truth + rng.normal(0, 6, count)
    return (truth.round(-1), said.round(-1)) if ties else (truth, said)


@pytest.mark.parametrize("ties", [False, True])
def test_metrics_of_numbers_are_those_of_sklearn_and_scipy(ties):
    truth, said = _numbers(ties)
    answers = Quantities.of(truth, said)
    expected = {
        "mae": theirs.mean_absolute_error(truth, said),
        "rmse": theirs.root_mean_squared_error(truth, said),
        "r2": theirs.r2_score(truth, said),
        "spearman": stats.spearmanr(truth, said).statistic,
    }
    assert {name: score(METRICS[name], answers) for name in expected} == pytest.approx(expected, abs=1e-12)


def test_a_resample_counted_is_a_resample_drawn():
    truth, said = _numbers(ties=True)
    rng = np.random.default_rng(1)
    rows = rng.integers(len(truth), size=(5, len(truth)))
    counts = np.stack([np.bincount(one, minlength=len(truth)) for one in rows]).astype(np.float32)
    answers = Quantities.of(truth, said)
    for name in ("mae", "rmse", "r2", "spearman"):
        drawn = [score(METRICS[name], answers.take(one)) for one in rows]
        np.testing.assert_allclose(METRICS[name].values(answers, counts), drawn, rtol=1e-5)


def test_metrics_of_an_order_are_those_of_sklearn_and_scipy():
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 5, 80)
    chances = rng.dirichlet(np.ones(5), 80) + 1.2 * np.eye(5)[np.clip(ranks + rng.integers(-1, 2, 80), 0, 4)]
    answers = Answers.ordinal(ranks, chances / chances.sum(1, keepdims=True))
    said = answers.predicted_N
    medians = [int(np.flatnonzero(np.cumsum(row) >= 0.5)[0]) for row in answers.probabilities_NK]
    assert said.tolist() == medians
    expected = {
        "rank_mae": theirs.mean_absolute_error(ranks, said),
        "rank_spearman": stats.spearmanr(ranks, said).statistic,
        "quadratic_kappa": theirs.cohen_kappa_score(ranks, said, weights="quadratic"),
        "accuracy": theirs.accuracy_score(ranks, said),
    }
    assert {name: score(METRICS[name], answers) for name in expected} == pytest.approx(expected, abs=1e-9)


def test_figures_that_the_numbers_do_not_define_are_none():
    flat = Quantities.of(np.ones(4), np.arange(4.0))
    assert score(METRICS["r2"], flat) is None
    assert score(METRICS["spearman"], flat) is None
    assert score(METRICS["mae"], flat) == 1.0


@pytest.mark.parametrize("shape", [(40, 90), (70, 12)])
@pytest.mark.parametrize("streamed", [False, True])
def test_cross_validated_ridge_is_sklearns_ridge_fold_by_fold(shape, streamed):
    rng = np.random.default_rng(2)
    x = rng.normal(size=shape) * rng.uniform(0.2, 3, shape[1]) + 5
    y = x[:, :5].sum(1) + rng.normal(0, 2, shape[0]) + 100
    order = rng.permutation(shape[0])
    folds = [(np.setdiff1d(order, part), np.sort(part)) for part in np.array_split(order[:-4], 4)]

    def chunks():
        yield from np.array_split(x, 3)

    found = cross_validated_ridge(chunks if streamed else x, y, folds=folds)

    def theirs_of(rows, relative):
        centred = x[rows] - x[rows].mean(0)
        sigma = np.linalg.eigvalsh(centred @ centred.T)
        sigma = sigma[sigma > 1e-9 * sigma[-1]]
        return Ridge(alpha=relative * sigma.mean(), solver="svd").fit(x[rows], y[rows])

    held = np.full((len(RELATIVE_LAMBDAS), shape[0]), np.nan)
    for train, out in folds:
        for number, relative in enumerate(RELATIVE_LAMBDAS):
            held[number, out] = theirs_of(train, relative).predict(x[out])
    errors = np.nanmean((held - y) ** 2, axis=1)
    np.testing.assert_allclose(found.errors, errors, rtol=1e-6)
    best = int(errors.argmin())
    assert found.penalty == pytest.approx(RELATIVE_LAMBDAS[best])
    np.testing.assert_allclose(found.held_out_N, held[best], rtol=1e-6)
    final = theirs_of(np.arange(shape[0]), RELATIVE_LAMBDAS[best])
    np.testing.assert_allclose(found.weight_D, final.coef_, rtol=1e-5, atol=1e-8)
    assert found.bias == pytest.approx(final.intercept_)
    assert np.isnan(found.held_out_N[order[-4:]]).all()


def test_a_path_of_one_penalty_is_the_same_in_memory_and_streamed():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(30, 50)), rng.normal(size=30)
    dual = ridge_path(x, y, np.array([0.3]))
    primal = ridge_path(lambda: [x[:11], x[11:]], y, np.array([0.3]))
    for one, other in zip(dual, primal, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


def test_the_reach_is_the_corrected_quantile_and_holds_what_it_promises():
    assert conformal_reach(np.arange(1.0, 100.0)) == 90.0
    assert conformal_reach(np.arange(1.0, 10.0)) == 9.0
    assert conformal_reach(np.array([3.0, 1.0])) == 3.0
    rng = np.random.default_rng(5)
    held = [rng.exponential() <= conformal_reach(rng.exponential(size=30)) for _ in range(4000)]
    # 28 of 31 places: 0.903 to be expected, with a standard error of 0.0047.
    assert np.mean(held) == pytest.approx(28 / 31, abs=0.015)
