"""Features of stages for growing sets of rows: computed once, kept, in the right rows."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import CPU, TinyBackbone, stripes

from headstart.features.extract import feature_chunks
from headstart.features.staged import MOST_STAGES, Staged
from headstart.models.cut import spaced

COUNT = 24


def staged(cache, decode=lambda item: item):
    pictures, _ = stripes(COUNT)
    return Staged(pictures, [f"content {row}" for row in range(COUNT)], TinyBackbone(), decode, CPU, cache)


def test_rows_come_back_in_the_order_they_are_asked_for(tmp_path):
    decoded = []
    found = staged(tmp_path, lambda item: decoded.append(item) or item)
    pictures, _ = stripes(COUNT)
    stages = range(3)
    (whole,) = feature_chunks(pictures, TinyBackbone(), decode=lambda item: item, placement=CPU, stages=stages)
    rows = np.array([7, 2, 11])
    assert found.take(rows) == pytest.approx(whole[rows], abs=1e-6)
    more = np.array([2, 20, 7, 0])
    assert found.take(more) == pytest.approx(whole[more], abs=1e-6)
    assert found.last(more) == pytest.approx(whole[more][:, -8:], abs=1e-6)
    assert len(decoded) == 5


def test_nothing_is_computed_twice_not_even_by_another_run(tmp_path):
    once = staged(tmp_path)
    assert once.pace is None
    first = once.take(np.arange(10))
    assert 0 < once.pace.network_s < once.pace.seconds

    def refuse(item):
        raise AssertionError("decoded again")

    again = staged(tmp_path, refuse)
    assert np.array_equal(again.take(np.arange(10)), first)
    assert again.pace == once.pace


def test_it_knows_what_it_covers(tmp_path):
    found = staged(tmp_path)
    found.take(np.arange(10))
    assert not found.covers(COUNT)
    found.take(np.arange(COUNT))
    assert found.covers(COUNT)
    assert found.stages == (("stem", 6), ("norm", 6), ("body", 8))


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 26, 50])
def test_spaced_stages_are_few_even_and_hold_the_last(count):
    found = spaced(count, MOST_STAGES)
    assert len(found) == min(count, MOST_STAGES)
    assert found[-1] == count - 1
    assert list(found) == sorted(set(found))
