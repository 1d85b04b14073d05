"""Ridge and nearest neighbours: what they refuse, and their edges."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.solvers import knn_loo, loo_accuracy, one_hot, ridge_loo

LABELS_N = np.arange(8) % 2
FEATURES_ND = np.random.default_rng(0).normal(size=(8, 3)) + 5 * LABELS_N[:, None]


def test_separable_classes_are_told_apart_by_the_rest() -> None:
    assert loo_accuracy(ridge_loo(FEATURES_ND, one_hot(LABELS_N, 2)), LABELS_N) == 1.0
    np.testing.assert_array_equal(knn_loo(FEATURES_ND, LABELS_N, k=3).argmax(1), LABELS_N)


def test_constant_features_predict_the_mean_of_the_others() -> None:
    for width in (3, 30):
        path = ridge_loo(np.ones((8, width)), one_hot(LABELS_N, 2))
        np.testing.assert_allclose(path.loo_NK, np.where(one_hot(LABELS_N, 2) == 1, 3 / 7, 4 / 7), atol=1e-9)
        assert path.best == len(path.lambdas_L) - 1  # among equals the strongest penalty


def test_several_labels_keep_their_columns() -> None:
    truth_NK = np.stack([LABELS_N, np.ones(8)], 1).astype(int)
    shares_NK = knn_loo(FEATURES_ND, truth_NK, k=3)
    np.testing.assert_allclose(shares_NK[:, 1], 1)


def test_ties_share_the_last_place() -> None:
    features_ND = np.array([[1.0, 0], [0, 1], [0, -1], [-1, 0]])
    shares_NK = knn_loo(features_ND, np.arange(4), k=1)
    np.testing.assert_allclose(shares_NK[0], [0, 0.5, 0.5, 0], atol=1e-9)


@pytest.mark.parametrize("lambdas", [[], [0.0], [-1.0, 1.0]])
def test_penalties_must_be_positive(lambdas: list[float]) -> None:
    with pytest.raises(DataError, match="above zero"):
        ridge_loo(FEATURES_ND, one_hot(LABELS_N, 2), lambdas)


def test_shapes_and_numbers_are_checked() -> None:
    with pytest.raises(DataError, match="one_hot"):
        ridge_loo(FEATURES_ND, LABELS_N)
    with pytest.raises(DataError, match="two examples"):
        ridge_loo(FEATURES_ND[:1], one_hot(LABELS_N[:1], 2))
    for width in (3, 20):
        with pytest.raises(DataError, match="7 rows for 8"):
            ridge_loo(np.ones((8, width)), one_hot(LABELS_N[:7], 2))
    with pytest.raises(DataError, match="row 0 holds NaN"):
        ridge_loo(FEATURES_ND * np.nan, one_hot(LABELS_N, 2))
    with pytest.raises(DataError, match="k = 0"):
        knn_loo(FEATURES_ND, LABELS_N, k=0)
    with pytest.raises(DataError, match="7 labels"):
        knn_loo(FEATURES_ND, LABELS_N[:7])
