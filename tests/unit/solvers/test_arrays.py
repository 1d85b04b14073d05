"""Features and labels at the door."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.solvers.arrays import Chunks, blocks, check_labels, gather, in_memory, moments, one_hot


def chunks(*parts: np.ndarray) -> Chunks:
    return lambda: iter(parts)


def test_nan_is_named_by_its_row_in_an_array_and_in_a_stream() -> None:
    bad = np.ones((4, 2))
    bad[2, 1] = np.nan
    with pytest.raises(DataError, match="row 2"):
        in_memory(bad)
    with pytest.raises(DataError, match="row 6"):
        list(blocks(chunks(np.ones((4, 2)), bad)))


def test_widths_must_agree_and_rows_must_be_there() -> None:
    with pytest.raises(DataError, match="rows from 4 on are 3 wide, earlier ones 2"):
        moments(chunks(np.ones((4, 2)), np.ones((1, 3))))
    with pytest.raises(DataError, match="shape"):
        in_memory(np.ones(3))
    with pytest.raises(DataError, match="shape"):
        in_memory(np.ones((3, 0)))
    with pytest.raises(DataError, match="no rows"):
        in_memory(chunks())
    with pytest.raises(DataError, match="no rows"):
        moments(chunks())


def test_moments_of_a_stream_survive_a_large_offset() -> None:
    features_ND = np.random.default_rng(0).normal(size=(50, 3)) + 1e6
    found = moments(chunks(features_ND[:13], features_ND[13:]))
    assert found.n == 50
    np.testing.assert_allclose(found.mean_D, features_ND.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.scatter_DD, 50 * np.cov(features_ND.T, bias=True), rtol=1e-7)


def test_gather_takes_rows_across_chunks() -> None:
    features_ND = np.arange(20.0).reshape(10, 2)
    rows = np.array([0, 3, 4, 9])
    np.testing.assert_array_equal(gather(chunks(features_ND[:4], features_ND[4:]), rows), features_ND[rows])


def test_half_precision_becomes_single() -> None:
    assert in_memory(np.ones((2, 2), np.float16)).dtype == np.float32


def test_labels_are_checked() -> None:
    assert check_labels(np.array([0, 2]), None).classes == 3
    assert check_labels(np.array([[0, 1], [1, 1]]), None).several
    for bad, why in [
        (np.array([0.5, 1.0]), "whole numbers"),
        (np.array([-1, 0]), "whole numbers"),
        (np.array([[0, 2]]), "zeros and ones"),
        (np.zeros((0,), int), "one row per example"),
    ]:
        with pytest.raises(DataError, match=why):
            check_labels(bad, None)
    with pytest.raises(DataError, match="beyond 2 classes"):
        check_labels(np.array([0, 2]), 2)
    with pytest.raises(DataError, match="2 columns for 3 classes"):
        check_labels(np.array([[0, 1]]), 3)


def test_one_hot() -> None:
    np.testing.assert_array_equal(one_hot(np.array([1, 0]), 3), [[0, 1, 0], [1, 0, 0]])
