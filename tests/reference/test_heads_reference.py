"""Heads on frozen features against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from headstart.solvers import (
    cross_validated_columns,
    directions,
    group_scales,
    knn_loo,
    nearest,
    one_hot,
    relevance,
    ridge_loo,
)


def _data(n=80, width=12, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    features = rng.normal(size=(n, width)).astype(np.float32)
    features[:, :classes] += 2 * one_hot(labels, classes)
    return features, labels


@pytest.mark.parametrize("k", [1, 4, 15])
def test_shares_of_votes_are_those_of_a_weighted_cosine_classifier(k):
    (known, labels), (asked, _) = _data(), _data(seed=1)
    mean = known.mean(0)
    theirs = KNeighborsClassifier(k, metric="cosine", weights=lambda distance: np.exp(-distance / 0.1))
    theirs.fit(known - mean, labels)
    ours = nearest(directions(asked, mean), directions(known, mean), 30).shares(labels, 3, k=k, temperature=0.1)
    np.testing.assert_allclose(ours, theirs.predict_proba(asked - mean), atol=1e-5)


def test_without_ones_own_group_it_is_the_left_out_answer():
    features, labels = _data()
    groups = np.arange(len(labels)) // 2
    unit = directions(features, features.mean(0))
    found = nearest(unit, unit, 20, asked_Q=groups, known_N=groups).shares(labels, 3, k=10, temperature=0.07)
    np.testing.assert_allclose(found, knn_loo(features, labels, groups), atol=1e-4)


def test_several_labels_are_voted_on_one_by_one():
    features, labels = _data()
    unit = directions(features, features.mean(0))
    found = nearest(unit[:9], unit[9:], 20)
    one, several = labels[9:], one_hot(labels[9:], 3).astype(np.uint8)
    np.testing.assert_allclose(
        found.shares(one, 3, k=6, temperature=0.1), found.shares(several, 3, k=6, temperature=0.1), atol=1e-12
    )


def test_relevance_is_the_length_of_a_ridge_fits_rows():
    features, labels = _data(width=30)
    targets = one_hot(labels, 3)
    path = ridge_loo(features, targets)
    theirs = Ridge(alpha=path.lambdas_L[path.best]).fit(features.astype(np.float64), targets)
    np.testing.assert_allclose(relevance(features, labels), np.linalg.norm(theirs.coef_, axis=0), rtol=1e-5)
    assert set(np.argsort(-relevance(features, labels))[:3]) == {0, 1, 2}


def test_groups_come_to_one_size():
    features, _ = _data(width=10)
    features[:, :4] *= 100
    features[:, 9] = 5.0
    groups = np.array([0] * 4 + [1] * 5 + [2])
    scaled = features * group_scales(features, groups)
    for group in (0, 1):
        rows = scaled[:, groups == group] - scaled[:, groups == group].mean(0)
        assert np.sqrt((rows**2).sum(1).mean()) == pytest.approx(1, rel=1e-5)
    assert not scaled[:, 9].any()


def test_every_fold_is_a_logistic_regression_on_its_own_columns():
    features, labels = _data(n=60, width=8)
    rows = np.arange(60)
    folds = [(rows[rows // 3 % 3 != fold], rows[rows // 3 % 3 == fold]) for fold in range(3)]
    picked = [np.array([0, 1, 2, 5]), np.array([0, 1, 2]), np.array([0, 1, 2, 3, 4, 6])]
    found = cross_validated_columns(features, labels, picked, folds=folds, Cs=[1.0])
    for (train, out), columns in zip(folds, picked, strict=True):
        seen = features[np.ix_(train, columns)].astype(np.float64)
        size = np.sqrt(((seen - seen.mean(0)) ** 2).sum(1).mean())
        theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit((seen - seen.mean(0)) / size, labels[train])
        logits = theirs.decision_function((features[np.ix_(out, columns)] - seen.mean(0)) / size)
        ours = found.held_out_logits_NK[out]
        np.testing.assert_allclose(
            ours - ours.mean(1, keepdims=True), logits - logits.mean(1, keepdims=True), atol=5e-3
        )
