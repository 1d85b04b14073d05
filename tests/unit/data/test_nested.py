"""Parts of the training examples: inside one another, every class by its share, groups whole."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.nested import FEW, nested_parts


def parts(targets, sizes, groups=None, seed=0):
    groups = np.arange(len(targets)) if groups is None else groups
    return nested_parts(targets, groups, sizes, rng=np.random.default_rng(seed))


def test_each_part_holds_the_one_before_and_every_class_by_its_share():
    targets = np.repeat([0, 1, 2], [200, 100, 20])
    found = parts(targets, [40, 80, 160])
    assert list(found) == [40, 80, 160]
    assert [len(part) for part in found.values()] == [40, 80, 160]
    eighth, quarter, half = found.values()
    assert set(eighth) < set(quarter) < set(half)
    for part in found.values():
        assert (np.diff(part) > 0).all()
        assert np.abs(np.bincount(targets[part]) - len(part) * np.array([200, 100, 20]) / 320).max() <= 2
    assert not np.array_equal(eighth, parts(targets, [40], seed=1)[40])
    np.testing.assert_array_equal(eighth, parts(targets, [40])[40])


def test_a_rare_class_is_in_every_part():
    targets = np.repeat([0, 1], [397, 3])
    for part in parts(targets, [50, 100, 200]).values():
        assert np.bincount(targets[part])[1] >= FEW


def test_sizes_too_small_for_every_class_are_left_out():
    targets = np.repeat(np.arange(10), 10)
    assert list(parts(targets, [12, 25, 50])) == [25, 50]
    assert parts(np.array([0, 0, 1, 1]), [1, 2]) == {}
    assert list(parts(np.repeat([0, 1], 4), [1, 2, 4])) == [4]


def test_groups_stay_whole():
    draw = np.random.default_rng(0)
    groups, targets = draw.integers(0, 40, size=200), draw.integers(0, 2, size=200)
    for size, part in parts(targets, [25, 50, 100], groups).items():
        inside = set(groups[part].tolist())
        assert np.isin(groups, list(inside)).sum() == len(part)
        assert abs(len(part) - size) <= 5


def test_what_would_be_everything_is_no_part():
    assert parts(np.array([0, 1] * 10), [10], groups=np.zeros(20, int)) == {}


@pytest.mark.parametrize("kind", ["several labels", "numbers"])
def test_other_targets_are_dealt_out_evenly_too(kind):
    draw = np.random.default_rng(0)
    if kind == "several labels":
        targets = (draw.random((300, 3)) < [0.6, 0.3, 0.02]).astype(np.int64)
        for part in parts(targets, [40, 80]).values():
            assert (targets[part].sum(0) >= 1).all()
    else:
        targets = draw.normal(size=300)
        for part in parts(targets, [40, 80]).values():
            assert abs(np.median(targets[part]) - np.median(targets)) < 0.2
            assert np.ptp(targets[part]) > 0.6 * np.ptp(targets)
