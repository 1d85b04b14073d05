"""The search for near-duplicate pictures beside a comparison of all with all."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pictures import smooth_sketches

from headstart.data import image_near
from headstart.data.clusters import Clusters
from headstart.data.image_near import ALIKE, near

BORDER = 1e-4
"""Grey levels are whole numbers, and products are of float32: pairs this close to ALIKE may fall on either side."""


def correlations(sketches_NK: np.ndarray) -> np.ndarray:
    """Of all with all, in double precision (N × N)."""
    return np.corrcoef(sketches_NK.astype(np.float64))


def pairs_above(likeness_NN: np.ndarray, least: float) -> set[tuple[int, int]]:
    """Pairs of rows, the smaller first."""
    ones, others = np.nonzero(np.triu(likeness_NN, 1) >= least)
    return set(zip(ones.tolist(), others.tolist(), strict=True))


def candidates(sketches_NK: np.ndarray) -> list[tuple[int, int]]:
    """All that is looked at, in its order, where nothing is alike and there is no limit to it."""
    looks: list[tuple[int, int]] = []

    def note(one: int, other: int) -> bool:
        looks.append((one, other))
        return False

    with patch.multiple(image_near, alike=note, _fine=lambda row: row, MISSES=10**6):
        assert not list(near(sketches_NK, lambda row: row))
    return looks


@pytest.fixture(autouse=True)
def small_blocks() -> Iterator[None]:
    with patch.multiple(image_near, BLOCK=5, CHUNK=7, HELD=9):
        yield


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    count=st.integers(2, 60),
    kinds=st.integers(1, 6),
    noise=st.sampled_from([0.5, 2.0, 3.0, 4.0, 8.0]),
    smooth=st.booleans(),
)
def test_every_pair_is_found_once_and_no_other(seed: int, count: int, kinds: int, noise: float, smooth: bool) -> None:
    rng = np.random.default_rng(seed)
    bases = smooth_sketches(kinds, rng) if smooth else rng.integers(40, 200, (kinds, 256))
    sketches_NK = np.clip(bases[rng.integers(0, kinds, count)] + rng.normal(0, noise, (count, 256)), 0, 255).astype(np.uint8)
    found, likeness_NN = candidates(sketches_NK), correlations(sketches_NK)
    assert len(found) == len(set(found))
    assert pairs_above(likeness_NN, ALIKE + BORDER) <= set(found) <= pairs_above(likeness_NN, ALIKE - BORDER)


@pytest.mark.parametrize("smooth", [False, True])
def test_all_pairs_among_many_pictures(smooth: bool) -> None:
    rng = np.random.default_rng(1)
    sketches_NK = (smooth_sketches(1500, rng) if smooth else rng.integers(0, 200, (1500, 256))).astype(np.uint8)
    sketches_NK[700:1000] = np.clip(sketches_NK[:300] + rng.normal(0, 2, (300, 256)), 0, 255)
    likeness_NN = correlations(sketches_NK)
    with patch.multiple(image_near, BLOCK=512, CHUNK=100):
        found = set(candidates(sketches_NK))
    assert pairs_above(likeness_NN, ALIKE + BORDER) <= found <= pairs_above(likeness_NN, ALIKE - BORDER)
    assert len(found) > 200


def test_where_all_look_alike_the_one_copy_is_found_and_few_are_looked_at() -> None:
    rng = np.random.default_rng(2)
    base = rng.integers(60, 180, 256)
    sketches_NK = (base + rng.normal(0, 2.5, (150, 256))).astype(np.uint8)
    sketches_NK[149] = sketches_NK[0]
    assert correlations(sketches_NK).min() > ALIKE - 0.02
    assert len(pairs_above(correlations(sketches_NK), ALIKE)) > 10_000
    looks = 0

    def only_the_copy(one: np.ndarray, other: np.ndarray) -> bool:
        nonlocal looks
        looks += 1
        return one is other

    with patch.multiple(image_near, BLOCK=512, CHUNK=2048, alike=only_the_copy, _fine=lambda item: item):
        first = object()
        pairs = list(near(sketches_NK, lambda row: first if row in (0, 149) else object()))
    assert pairs == [(0, 149)]
    assert looks <= 150 * image_near.MISSES + 1


def test_clusters_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(3)
    bases = rng.integers(60, 180, (20, 256))
    sketches_NK = (bases[rng.integers(0, 20, 200)] + rng.normal(0, 2, (200, 256))).astype(np.uint8)
    expected, found = Clusters(200), Clusters(200)
    for one, other in pairs_above(correlations(sketches_NK), ALIKE):
        expected.join(one, other)
    with patch.multiple(image_near, alike=lambda one, other: True, _fine=lambda item: item):
        for one, other in near(sketches_NK, lambda row: row):
            assert not found.together(one, other), "no more pairs than it takes"
            found.join(one, other)
    assert np.array_equal(found.names(), expected.names())
