"""Solvers against brute force and scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from headstart.prove.answers import probabilities
from headstart.solvers import cross_validated_probe, knn_loo, logistic_path, one_hot, ridge_loo
from headstart.solvers import objective as objective_module
from headstart.solvers import probe as probe_module
from headstart.solvers import space as space_module
from headstart.solvers.arrays import Array, Chunks
from headstart.solvers.space import space_of


def examples(n: int, d: int, k: int, *, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    labels_N = np.arange(n) % k
    centres_KD = rng.normal(size=(k, d))
    features_ND = (centres_KD[labels_N] + 1.5 * rng.normal(size=(n, d))) * np.linspace(2, 0.1, d) + 3
    return features_ND, labels_N


def in_chunks(features_ND: Array, rows: int) -> Chunks:
    def start() -> Iterator[Array]:
        for at in range(0, len(features_ND), rows):
            yield features_ND[at : at + rows]

    return start


def scaled(features_ND: Array) -> Array:
    """Features as the penalty sees them: centred, and one root mean squared length for all."""
    moved_ND = features_ND - features_ND.mean(0)
    return moved_ND / np.sqrt((moved_ND**2).sum(1).mean())


@pytest.mark.parametrize(("n", "d"), [(12, 5), (12, 12), (9, 30), (30, 29)])
@pytest.mark.parametrize("chunked", [False, True])
def test_ridge_leave_one_out_equals_refitting(n: int, d: int, chunked: bool) -> None:
    features_ND, labels_N = examples(n, d, 3)
    targets_NK = one_hot(labels_N, 3).astype(np.float64)
    lambdas = [0.3, 30.0]
    path = ridge_loo(in_chunks(features_ND, 4) if chunked else features_ND, targets_NK, lambdas)
    errors = []
    for lam in lambdas:
        refits_NK = np.empty_like(targets_NK)
        for i in range(n):
            keep = np.arange(n) != i
            model = Ridge(alpha=lam, solver="svd").fit(features_ND[keep], targets_NK[keep])
            refits_NK[i] = model.predict(features_ND[i : i + 1])
        errors.append(((refits_NK - targets_NK) ** 2).sum(1).mean())
        if lam == path.lambdas_L[path.best]:
            np.testing.assert_allclose(path.loo_NK, refits_NK, atol=1e-6 if chunked else 1e-9)
    np.testing.assert_allclose(path.errors_L, errors, rtol=1e-8)
    whole = Ridge(alpha=path.lambdas_L[path.best], solver="svd").fit(features_ND, targets_NK)
    np.testing.assert_allclose(path.weight_KD, whole.coef_, atol=1e-8)
    np.testing.assert_allclose(path.bias_K, whole.intercept_, atol=1e-8)


def test_ridge_with_a_tiny_penalty_and_more_columns_than_rows_stays_exact() -> None:
    features_ND, labels_N = examples(10, 40, 2)
    targets_NK = one_hot(labels_N, 2).astype(np.float64)
    path = ridge_loo(features_ND, targets_NK, [1e-6])
    for i in range(10):
        keep = np.arange(10) != i
        model = Ridge(alpha=1e-6, solver="svd").fit(features_ND[keep], targets_NK[keep])
        np.testing.assert_allclose(path.loo_NK[i], model.predict(features_ND[i : i + 1])[0], atol=1e-6)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(("n", "d", "k"), [(40, 60, 2), (40, 60, 4), (90, 8, 2), (90, 8, 3)])
def test_logistic_path_equals_scikit_learn(
    n: int, d: int, k: int, balanced: bool, precision: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    if precision is np.float32:
        monkeypatch.setattr(space_module, "SINGLE_FROM", 0)
    features_ND, labels_N = examples(n, d, k)
    labels_N[: n // 5] = 0  # uneven classes
    weight = "balanced" if balanced else None
    Cs = (0.1, 10.0, 1000.0)
    path = logistic_path(features_ND, labels_N, Cs=Cs, class_weight=weight)
    assert path.converged_C.all()
    for i, C in enumerate(Cs):
        theirs = LogisticRegression(C=C, class_weight=weight, max_iter=100_000, tol=1e-9)
        expected_NK = theirs.fit(scaled(features_ND), labels_N).predict_proba(scaled(features_ND))
        found_NK = probabilities(features_ND @ path.weight_CKD[i].T + path.bias_CK[i], several=False)
        np.testing.assert_allclose(found_NK, expected_NK, atol=1e-4 if precision is np.float64 else 1e-3)


@pytest.mark.parametrize("balanced", [False, True])
def test_several_labels_are_one_binary_fit_per_column(balanced: bool) -> None:
    features_ND, labels_N = examples(60, 12, 4)
    truth_NK = np.stack([labels_N == 0, labels_N <= 1, labels_N >= 2], 1).astype(int)
    weight = "balanced" if balanced else None
    path = logistic_path(features_ND, truth_NK, Cs=[5.0], class_weight=weight)
    found_NK = probabilities(features_ND @ path.weight_CKD[0].T + path.bias_CK[0], several=True)
    for k in range(3):
        theirs = LogisticRegression(C=5.0, class_weight=weight, max_iter=100_000, tol=1e-9)
        expected_N = theirs.fit(scaled(features_ND), truth_NK[:, k]).predict_proba(scaled(features_ND))[:, 1]
        np.testing.assert_allclose(found_NK[:, k], expected_N, atol=1e-4)


def test_held_out_logits_are_those_of_fits_without_the_fold() -> None:
    features_ND, labels_N = examples(45, 20, 3)
    folds = [(np.flatnonzero(np.arange(45) % 5 != f), np.flatnonzero(np.arange(45) % 5 == f)) for f in range(5)]
    probe = cross_validated_probe(features_ND, labels_N, folds=folds, Cs=[20.0])
    rows_ND = scaled(features_ND)  # the penalty's unit is that of all rows
    for train, out in folds:
        theirs = LogisticRegression(C=20.0, max_iter=100_000, tol=1e-9).fit(rows_ND[train], labels_N[train])
        found_nK = probabilities(probe.held_out_logits_NK[out], several=False)
        np.testing.assert_allclose(found_nK, theirs.predict_proba(rows_ND[out]), atol=2e-3)


def test_a_stream_gives_what_memory_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    features_ND, labels_N = examples(400, 6, 3)
    folds = [(np.flatnonzero(np.arange(400) % 4 != f), np.flatnonzero(np.arange(400) % 4 == f)) for f in range(4)]
    monkeypatch.setattr(probe_module, "MEMORY_NUMBERS", 1200)
    streamed = cross_validated_probe(in_chunks(features_ND, 70), labels_N, folds=folds, Cs=[0.1, 10.0])
    assert streamed.rows_for_choice == 200
    assert len(streamed.Cs) == len(streamed.scores) == 3
    assert streamed.converged
    whole = cross_validated_probe(features_ND, labels_N, folds=folds, Cs=[streamed.C])
    np.testing.assert_allclose(streamed.probabilities(features_ND), whole.probabilities(features_ND), atol=2e-3)
    np.testing.assert_allclose(streamed.held_out_logits_NK, whole.held_out_logits_NK, atol=2e-2)


def test_losses_have_the_gradient_they_say() -> None:
    features_ND, labels_N = examples(30, 5, 3)
    space = space_of(features_ND)
    rng = np.random.default_rng(1)
    truth_NK = np.stack([labels_N == 0, labels_N <= 1], 1).astype(int)
    for labels, balanced in [(labels_N, False), (labels_N, True), (labels_N % 2, False), (truth_NK, True)]:
        checked = objective_module.Labels(
            labels, labels.shape[1] if labels.ndim == 2 else labels.max() + 1, labels.ndim == 2
        )
        problem = objective_module.problem_of(checked, np.arange(30) % 7 != 0, balanced=balanced)
        weight, bias = rng.normal(size=(5, problem.width)), rng.normal(size=problem.width)
        ((_, gradient, bias_gradient),) = objective_module.losses(space, [problem], [weight], [bias])
        step, bias_step = rng.normal(size=weight.shape) * 1e-6, rng.normal(size=bias.shape) * 1e-6
        ends = [
            objective_module.losses(space, [problem], [weight + s * step], [bias + s * bias_step])[0][0]
            for s in (-1, 1)
        ]
        slope = float((gradient * step).sum() + bias_gradient @ bias_step)
        assert (ends[1] - ends[0]) / 2 == pytest.approx(slope, rel=1e-4)


def test_nearest_neighbours_equal_scikit_learn_refitted_without_each_example() -> None:
    features_ND, labels_N = examples(30, 4, 3)
    shares_NK = knn_loo(features_ND, labels_N, k=5, temperature=1e9)  # so hot that all neighbours weigh the same
    unit_ND = features_ND - features_ND.mean(0)
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    for i in range(30):
        keep = np.arange(30) != i
        theirs = KNeighborsClassifier(5).fit(unit_ND[keep], labels_N[keep])
        np.testing.assert_allclose(shares_NK[i], theirs.predict_proba(unit_ND[i : i + 1])[0], atol=1e-6)
