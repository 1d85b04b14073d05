"""Scores against brute force written from their definitions, and against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg, optimize, stats
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import Ridge

from headstart.choose import scores, similarity
from headstart.solvers import ridge_left_out, ridge_loo, spectrum

SHAPES = [(50, 12), (40, 90)]


def problem(n, d, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    labels[:classes] = np.arange(classes)
    scale = np.exp(rng.normal(size=d))
    features = (rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[labels]) * scale
    return features, labels, rng.integers(0, n // 3, n)


def log_evidence(features, target, log_t):
    """The evidence of y ~ N(0, (I + FFᵀ/t)/β) at its best β, from its definition."""
    n = len(target)
    covariance = np.eye(n) + features @ features.T / np.exp(log_t)
    beta = n / (target @ np.linalg.solve(covariance, target))
    return stats.multivariate_normal(np.zeros(n), covariance / beta, allow_singular=True).logpdf(target) / n


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("is_noise", [False, True])
def test_logme_is_the_numerically_maximised_evidence(seed, is_noise):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(15, 60)), int(rng.integers(2, 90))
    features = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d))
    target = rng.normal(size=n) + (0 if is_noise else features @ rng.normal(size=d))
    grid = np.linspace(-18, 25, 130)
    values = [log_evidence(features, target, log_t) for log_t in grid]
    best = int(np.argmax(values))
    bounds = (grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)])
    found = optimize.minimize_scalar(lambda t: -log_evidence(features, target, t), bounds=bounds, method="bounded")
    assert scores.logme(features, target) == pytest.approx(max(-found.fun, *values), abs=1e-3)


def test_logme_of_labels_is_the_mean_over_one_against_the_rest():
    features, labels, _ = problem(50, 12)
    each = [scores.logme(features, (labels == number).astype(float)) for number in range(4)]
    assert scores.logme(features, labels) == pytest.approx(np.mean(each))


def test_reference_formula_of_logme_prefers_useless_wide_features_and_ours_does_not():
    """The published code counts D/2·ln α where only min(N, D) directions have a say."""

    def published(features, target):
        n, d = features.shape
        left, spread, _ = np.linalg.svd(features, full_matrices=False)
        sigma, x = spread**2, left.T @ target
        rest = max(0.0, target @ target - x @ x)
        alpha = beta = 1.0
        for _ in range(11):
            t = alpha / beta
            gamma = (sigma / (sigma + t)).sum()
            m2 = (sigma * x**2 / (t + sigma) ** 2).sum()
            res2 = (x**2 / (1 + sigma / t) ** 2).sum() + rest
            alpha, beta = gamma / (m2 + 1e-5), (n - gamma) / (res2 + 1e-5)
            if abs(alpha / beta - t) / t <= 1e-3:
                break
        evidence = d / 2 * np.log(alpha) + n / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * sigma).sum()
        return (evidence - beta / 2 * res2 - alpha / 2 * m2 - n / 2 * np.log(2 * np.pi)) / n

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    target = (labels == 1).astype(float)
    useful = rng.normal(size=(200, 256))
    useful[:, :64] += 0.5 * target[:, None]
    useless = rng.normal(size=(200, 1024))
    assert published(useless, target) > published(useful, target)
    assert scores.logme(useless, target) < scores.logme(useful, target)


@pytest.mark.parametrize("shape", SHAPES)
def test_h_score_is_the_trace_of_its_definition(shape):
    features, labels, _ = problem(*shape)
    centred = features - features.mean(0)
    shrunk, share = ledoit_wolf(centred, assume_centered=True)
    means = np.array([centred[labels == label].mean(0) for label in labels])
    expected = np.trace(np.linalg.inv(shrunk) @ ((1 - share) * means.T @ means / len(labels)))
    assert scores.h_score(features, labels) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_held_out_h_score_is_its_definition_fold_by_fold(shape):
    features, labels, _ = problem(*shape)
    folds = [
        (np.flatnonzero(np.arange(len(labels)) % 4 != k), np.flatnonzero(np.arange(len(labels)) % 4 == k))
        for k in range(4)
    ]
    total = 0.0
    for train, held_out in folds:
        mean = features[train].mean(0)
        shrunk, share = ledoit_wolf(features[train] - mean, assume_centered=True)
        whitener = (1 - share) * np.linalg.inv(shrunk)
        for row in held_out:
            own = features[train][labels[train] == labels[row]].mean(0) - mean
            total += (features[row] - mean) @ whitener @ own
    assert scores.h_score_held_out(features, labels, folds) == pytest.approx(total / len(labels), rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_ridge_leaves_whole_groups_out_exactly(shape):
    features, labels, groups = problem(*shape)
    columns = np.eye(4)[labels]
    found = ridge_left_out(spectrum(features), columns, groups)
    for group in np.unique(groups):
        train = groups != group
        fit = Ridge(alpha=found.penalty, solver="svd").fit(features[train], columns[train])
        assert found.predicted_NK[~train] == pytest.approx(fit.predict(features[~train]), abs=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_ridge_with_groups_of_one_is_the_leave_one_out_path(shape):
    features, labels, _ = problem(*shape)
    path = ridge_loo(features, np.eye(4)[labels])
    found = ridge_left_out(spectrum(features), np.eye(4)[labels])
    assert found.predicted_NK == pytest.approx(path.loo_NK, abs=1e-9)
    assert found.penalty == pytest.approx(path.lambdas_L[path.best])


@pytest.mark.parametrize("shape", SHAPES)
def test_lda_is_its_definition_on_each_fold(shape):
    features, labels, _ = problem(*shape)
    folds = [
        (np.flatnonzero(np.arange(len(labels)) % 3 != k), np.flatnonzero(np.arange(len(labels)) % 3 == k))
        for k in range(3)
    ]
    found = scores.lda_held_out(features, labels, folds)
    for train, held_out in folds:
        means = np.array([features[train][labels[train] == k].mean(0) for k in range(4)])
        shrunk, _ = ledoit_wolf(features[train] - means[labels[train]], assume_centered=True)
        priors = np.bincount(labels[train], minlength=4) / len(train)
        inverse = np.linalg.inv(shrunk)
        logits = features[held_out] @ inverse @ means.T - 0.5 * np.diag(means @ inverse @ means.T) + np.log(priors)
        expected = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        assert found[held_out] == pytest.approx(expected, abs=1e-5)


def test_leep_is_its_definition():
    rng = np.random.default_rng(0)
    source, labels = rng.dirichlet(np.ones(7), 40), rng.integers(0, 3, 40)
    joint = np.array([source[labels == k].sum(0) for k in range(3)]) / 40
    given = joint / joint.sum(0)
    expected = np.mean([np.log(source[i] @ given[labels[i]]) for i in range(40)])
    assert scores.leep(source, labels) == pytest.approx(expected)


def test_leep_left_out_counts_every_group_out():
    rng = np.random.default_rng(0)
    source, labels, groups = rng.dirichlet(np.ones(7), 40), rng.integers(0, 3, 40), rng.integers(0, 12, 40)
    pseudo, share = 7 / 40 * source.mean(0), np.bincount(labels) / 40
    total = 0.0
    for i in range(40):
        others = groups != groups[i]
        joint = np.array([source[others & (labels == k)].sum(0) for k in range(3)])
        total += np.log(source[i] @ ((joint[labels[i]] + share[labels[i]] * pseudo) / (joint.sum(0) + pseudo)))
    assert scores.leep_left_out(source, labels, groups) == pytest.approx(total / 40)


def test_frechet_distance_is_scipys_square_root():
    rng = np.random.default_rng(0)
    one, other = (np.cov(rng.normal(size=(60, 6)).T) for _ in range(2))
    mean, shift = rng.normal(size=6), rng.normal(size=6)
    expected = ((mean - shift) ** 2).sum() + np.trace(one + other - 2 * linalg.sqrtm(one @ other).real)
    assert similarity.frechet(mean, one, shift, other) == pytest.approx(expected)


def test_kernel_distance_is_its_definition():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(9, 5)), rng.normal(size=(7, 5)) + 1

    def kernel(x, y):
        return (x @ y / 5 + 1) ** 3

    within = np.mean([kernel(x, y) for i, x in enumerate(one) for j, y in enumerate(one) if i != j])
    within += np.mean([kernel(x, y) for i, x in enumerate(other) for j, y in enumerate(other) if i != j])
    across = np.mean([kernel(x, y) for x in one for y in other])
    assert similarity.kid(one, other) == pytest.approx(within - 2 * across)


def test_divergence_of_gaussians_is_the_integral():
    rng = np.random.default_rng(0)
    draws = rng.normal(1.3, 0.7, 2_000_000)
    expected = (stats.norm(1.3, 0.7).logpdf(draws) - stats.norm(0.2, 1.5).logpdf(draws)).mean()
    found = similarity.gaussian_kl(np.array([1.3]), np.array([0.49]), np.array([0.2]), np.array([2.25]))
    assert found[0] == pytest.approx(expected, abs=2e-3)
