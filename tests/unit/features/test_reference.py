"""Mean and low-rank covariance against numpy, and through a file."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError, ModelError, UnsafeWeights
from headstart.features.reference import (
    REFERENCE_FILE,
    low_rank_moments,
    rank_within,
    read_reference,
    write_reference,
)
from headstart.files import write_tensors


def _features(rows=300, width=20, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, width)) * np.geomspace(5, 0.01, width)) @ rng.normal(size=(width, width)) + 3


def test_full_rank_is_numpys_covariance():
    features = _features()
    found = low_rank_moments(features, rank=20)
    np.testing.assert_allclose(found.mean_D, features.mean(0))
    np.testing.assert_allclose(found.covariance(), np.cov(features, rowvar=False), rtol=1e-9, atol=1e-12)
    assert found.rest == pytest.approx(0, abs=1e-9 * found.trace)


def test_low_rank_keeps_the_leading_directions_and_the_trace():
    features = _features()
    covariance = np.cov(features, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    found = low_rank_moments(features, rank=4)
    wanted = vectors[:, -4:] * values[-4:] @ vectors[:, -4:].T
    np.testing.assert_allclose(found.factor_DR @ found.factor_DR.T, wanted, rtol=1e-8, atol=1e-10)
    assert found.trace == pytest.approx(np.trace(covariance))
    assert found.rest == pytest.approx(values[:-4].sum())
    assert np.trace(found.covariance()) == pytest.approx(found.trace)
    # Spread evenly: no direction outside the leading four is told from another.
    np.testing.assert_allclose(np.linalg.eigvalsh(found.covariance())[:-4], values[:-4].mean(), rtol=1e-8)


def test_fewer_rows_than_columns_and_constant_features():
    features = _features(rows=5)
    np.testing.assert_allclose(
        low_rank_moments(features).covariance(), np.cov(features, rowvar=False), atol=1e-8 * np.cov(features.T).max()
    )
    still = low_rank_moments(np.full((4, 3), 2.0))
    np.testing.assert_array_equal(still.mean_D, 2.0)
    np.testing.assert_array_equal(still.covariance(), 0.0)


def test_the_order_of_rows_does_not_matter():
    features = _features()
    one, other = low_rank_moments(features, rank=4), low_rank_moments(features[::-1], rank=4)
    np.testing.assert_allclose(one.factor_DR, other.factor_DR, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_half_precision_on_disk_keeps_any_scale(tmp_path, scale):
    moments = low_rank_moments(_features() * scale, rank=8)
    write_reference(tmp_path / REFERENCE_FILE, [("stem", moments), ("last", moments)])
    found = read_reference(tmp_path)
    assert len(found) == 2
    largest = np.abs(moments.factor_DR).max()
    np.testing.assert_allclose(found[1].mean_D, moments.mean_D, atol=2e-3 * np.abs(moments.mean_D).max())
    np.testing.assert_allclose(found[1].factor_DR, moments.factor_DR, atol=2e-3 * largest)
    assert found[1].trace == pytest.approx(moments.trace, rel=1e-6)


def test_equal_statistics_make_equal_bytes(tmp_path):
    for name in ("one", "two"):
        write_reference(tmp_path / name, [(f"stage {n}", low_rank_moments(_features(seed=n))) for n in range(6)])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_rank_stays_within_the_space():
    assert rank_within([32, 64, 160, 320]) == 32
    widths = [512, 1024, 2048, 4096]
    rank = rank_within(widths)
    assert 2 * sum(widths) * (rank + 1) <= 450_000 < 2 * sum(widths) * (rank + 2)


def test_a_folder_without_has_none_and_broken_ones_are_told(tmp_path):
    assert read_reference(tmp_path) is None
    (tmp_path / REFERENCE_FILE).write_bytes(b"junk")
    with pytest.raises(UnsafeWeights, match="not a whole"):
        read_reference(tmp_path)
    import torch

    write_tensors(tmp_path / REFERENCE_FILE, {"weight": torch.zeros(3)})
    with pytest.raises(ModelError, match="not reference statistics"):
        read_reference(tmp_path)


@pytest.mark.parametrize("features", [np.zeros((1, 3)), np.zeros(3), np.array([[1.0], [np.nan]])])
def test_what_has_no_covariance_is_refused(features):
    with pytest.raises(DataError, match="reference statistics"):
        low_rank_moments(features)
