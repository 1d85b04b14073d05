"""Nearest neighbours among a bounded number of references, in chunks."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.solvers import knn_left_out, knn_loo


@pytest.fixture
def examples():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    return rng.normal(size=(300, 8)) + 2 * np.eye(8)[labels], labels


def brute(features_ND, labels, references, *, k, temperature, groups=None):
    """One example at a time, neighbours counted out of a sorted list."""
    unit_ND = features_ND - features_ND.mean(0)
    unit_ND = unit_ND / np.linalg.norm(unit_ND, axis=1, keepdims=True)
    rows = []
    for row in range(len(unit_ND)):
        others = [
            other
            for other in references
            if other != row and (groups is None or groups[other] != groups[row])
        ]
        near = sorted(others, key=lambda other: -(unit_ND[row] @ unit_ND[other]))[:k]
        weights = np.exp([unit_ND[row] @ unit_ND[other] / temperature for other in near])
        rows.append([weights[labels[near] == label].sum() / weights.sum() for label in range(3)])
    return np.array(rows)


def test_of_many_examples_only_some_are_references(examples):
    features, labels = examples
    references = np.sort(np.random.default_rng(7).choice(300, 50, replace=False))
    groups = np.arange(300) // 2
    found = knn_loo(features, labels, groups, k=4, most=50, rng=np.random.default_rng(7))
    np.testing.assert_allclose(found, brute(features, labels, references, k=4, temperature=0.07, groups=groups), atol=1e-9)


def test_chunks_give_what_an_array_gives(examples):
    features, labels = examples
    for most in (50, 1000):
        whole = knn_loo(features, labels, most=most)
        chunked = knn_loo(lambda: np.array_split(features, 7), labels, most=most)
        np.testing.assert_allclose(whole, chunked, atol=1e-12)


def test_below_the_bound_all_others_are_references(examples):
    features, labels = examples
    found = knn_loo(features, labels, k=6)
    np.testing.assert_allclose(found, brute(features, labels, range(300), k=6, temperature=0.07), atol=1e-9)
    np.testing.assert_array_equal(found, knn_loo(features, labels, k=6, most=300))


def test_blocks_do_not_change_the_answer(examples, monkeypatch):
    features, labels = examples
    whole = knn_loo(features, labels)
    monkeypatch.setattr("headstart.solvers.knn.BLOCK_NUMBERS", 900)
    np.testing.assert_allclose(knn_loo(features, labels), whole, atol=1e-12)


def test_columns_that_do_not_fit_are_refused(examples):
    with pytest.raises(DataError, match="300 rows of features, 2 labels"):
        knn_left_out(examples[0], np.zeros((2, 1)))
