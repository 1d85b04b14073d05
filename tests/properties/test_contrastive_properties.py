"""Laws of contrastive fine-tuning: pairs have no order, and dealing loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headstart.adapt.contrastive import balanced, pair_regression

TARGETS = st.lists(st.integers(0, 4), min_size=2, max_size=40).map(np.array)


@given(targets=TARGETS, seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
def test_neither_order_nor_length_nor_names_of_classes_matter(targets, seed, scale):
    rng = np.random.default_rng(seed)
    features = torch.from_numpy(rng.normal(size=(len(targets), 6)))
    order, names = rng.permutation(len(targets)), torch.from_numpy(rng.permutation(5))
    before = pair_regression(features, torch.from_numpy(targets)).item()
    after = pair_regression(scale * features[order], names[torch.from_numpy(targets[order])]).item()
    assert after == pytest.approx(before, rel=1e-4, abs=1e-6)
    assert before >= 0


@given(targets=TARGETS, batches=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_every_example_is_dealt_once_and_none_without_company(targets, batches, seed):
    dealt = balanced(targets, batches, np.random.default_rng(seed))
    assert len(dealt) <= batches
    np.testing.assert_array_equal(np.sort(np.concatenate(dealt)), np.arange(len(targets)))
    many = {label for label, count in zip(*np.unique(targets, return_counts=True), strict=True) if count > 1}
    for batch in dealt:
        for label, count in zip(*np.unique(targets[batch], return_counts=True), strict=True):
            assert count > 1 or label not in many
