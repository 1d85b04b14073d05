"""Ridge with and without each example against fits made anew, and what shuffled labels give."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from headstart.checks.memorised import SHUFFLES, memorised, memory
from headstart.solvers import one_hot, spectrum


def data(n=30, d=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    features = rng.normal(size=(n, d)) + 2 * np.eye(3, d)[labels]
    return features, labels


@pytest.mark.parametrize("width", [4, 50])
def test_answers_with_and_without_each_example_are_those_of_fits_made_anew(width):
    features, labels = data(d=width)
    columns = one_hot(labels, 3).astype(np.float64)
    groups = np.arange(30)
    groups[:4] = 0
    found = memory(spectrum(features), columns, groups)
    again = Ridge(alpha=found.penalty).fit(features, columns)
    np.testing.assert_allclose(found.seen_NK, again.predict(features), atol=1e-8)
    for row in range(30):
        others = groups != groups[row]
        alone = Ridge(alpha=found.penalty).fit(features[others], columns[others])
        np.testing.assert_allclose(found.left_NK[row], alone.predict(features[[row]])[0], atol=1e-7)


def test_a_given_penalty_gives_the_same_as_the_chosen_one():
    features, labels = data()
    columns, groups = one_hot(labels, 3).astype(np.float64), np.arange(30) // 2
    first = memory(spectrum(features), columns, groups)
    second = memory(spectrum(features), columns, groups, first.penalty)
    np.testing.assert_allclose(first.left_NK, second.left_NK, atol=1e-9)


def findings(features, labels, **more):
    given = {"groups_N": np.arange(len(labels)), "shown": str, "of": "made features", "rng": np.random.default_rng(1), **more}
    return {found.name: {row.name: row.figure for row in found.rows} for found in memorised(features, labels, 3, **given)}


def test_what_cannot_be_understood_can_only_be_remembered():
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(90, 400)), rng.integers(0, 3, 90)
    found = findings(features, labels)
    assert found["memorisation"]["right only if trained on it"].value > 0.3
    assert found["random-labels"]["shuffled labels, left out"].value < 0.4


def test_what_is_understood_is_not_remembered():
    features, labels = data(n=200, d=3)
    found = findings(features, labels)
    assert found["memorisation"]["right only if trained on it"].value < 0.05
    shuffled = found["random-labels"]["shuffled labels, fitted"]
    assert shuffled.value < found["random-labels"]["true labels, fitted"].value - 0.3
    assert shuffled.n == SHUFFLES


def test_wrong_labels_come_first_among_the_remembered():
    features, labels = data(n=150, d=4)
    features += 4 * np.eye(3, 4)[labels]
    labels[[7, 77]] = (labels[[7, 77]] + 1) % 3
    (first, _) = memorised(
        features, labels, 3, groups_N=np.arange(150), shown=str, of="made features", rng=np.random.default_rng(0)
    )
    assert set(first.examples[:2]) == {"7", "77"}


def test_several_labels_are_right_where_all_are():
    features, labels = data()
    found = findings(features, one_hot(labels, 3).astype(np.int64))
    assert 0 <= found["memorisation"]["trained on all others"].value <= found["memorisation"]["trained on the text too"].value
