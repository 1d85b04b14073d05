"""What must not change when rows are shuffled, classes renamed, features scaled, turned or moved."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.prove.answers import probabilities
from headstart.solvers import knn_loo, logistic_path, one_hot, ridge_loo
from headstart.solvers.arrays import Array

few = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Array, Array, np.random.Generator]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, k = draw(st.integers(8, 25)), draw(st.integers(2, 30)), draw(st.integers(2, 4))
    labels_N = rng.permutation(np.arange(n) % k)
    return rng.normal(size=(n, d)) + rng.normal(size=(k, d))[labels_N], labels_N, rng


def chances(features_ND: Array, labels_N: Array) -> Array:
    path = logistic_path(features_ND, labels_N, Cs=[3.0])
    return probabilities(features_ND @ path.weight_CKD[0].T + path.bias_CK[0], several=False)


@few
@given(labelled())
def test_order_of_rows_does_not_matter(case: tuple[Array, Array, np.random.Generator]) -> None:
    features_ND, labels_N, rng = case
    order = rng.permutation(len(labels_N))
    hot_NK = one_hot(labels_N, labels_N.max() + 1)
    loo_NK = ridge_loo(features_ND, hot_NK).loo_NK
    np.testing.assert_allclose(ridge_loo(features_ND[order], hot_NK[order]).loo_NK, loo_NK[order], atol=1e-7)
    np.testing.assert_allclose(
        knn_loo(features_ND[order], labels_N[order], k=3), knn_loo(features_ND, labels_N, k=3)[order], atol=1e-6
    )
    np.testing.assert_allclose(
        chances(features_ND[order], labels_N[order]), chances(features_ND, labels_N)[order], atol=1e-4
    )


@few
@given(labelled())
def test_names_of_classes_do_not_matter(case: tuple[Array, Array, np.random.Generator]) -> None:
    features_ND, labels_N, rng = case
    renamed_K = rng.permutation(labels_N.max() + 1)
    np.testing.assert_allclose(
        chances(features_ND, renamed_K[labels_N])[:, renamed_K], chances(features_ND, labels_N), atol=1e-4
    )
    np.testing.assert_allclose(
        knn_loo(features_ND, renamed_K[labels_N])[:, renamed_K], knn_loo(features_ND, labels_N), atol=1e-9
    )


@few
@given(labelled(), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_scale_direction_and_origin_do_not_matter(
    case: tuple[Array, Array, np.random.Generator], scale: float, shift: float
) -> None:
    features_ND, labels_N, rng = case
    turn_DD = np.linalg.qr(rng.normal(size=(features_ND.shape[1],) * 2))[0]
    moved_ND = scale * (features_ND @ turn_DD) + shift
    hot_NK = one_hot(labels_N, labels_N.max() + 1)
    np.testing.assert_allclose(ridge_loo(moved_ND, hot_NK).loo_NK, ridge_loo(features_ND, hot_NK).loo_NK, atol=1e-4)
    np.testing.assert_allclose(chances(moved_ND, labels_N), chances(features_ND, labels_N), atol=1e-3)
    np.testing.assert_allclose(knn_loo(moved_ND, labels_N), knn_loo(features_ND, labels_N), atol=1e-3)


@few
@given(labelled())
def test_a_copy_of_a_row_is_its_own_nearest_neighbour(case: tuple[Array, Array, np.random.Generator]) -> None:
    features_ND, labels_N, _ = case
    twice_ND, twice_N = np.concatenate([features_ND, features_ND]), np.concatenate([labels_N, labels_N])
    np.testing.assert_array_equal(knn_loo(twice_ND, twice_N, k=1).argmax(1), twice_N)
