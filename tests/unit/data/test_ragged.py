"""Rows of different lengths in two arrays, beside lists."""

from __future__ import annotations

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.ragged import Ragged

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=12)


def lists(rows: Ragged) -> list[list[int]]:
    """The rows, one by one."""
    return [rows.values[start:end].tolist() for start, end in zip(rows.starts, rows.starts[1:], strict=False)]


@given(ROWS, st.randoms(use_true_random=False))
def test_rows_are_taken_in_any_order(rows: list[list[int]], random: object) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    ragged = Ragged.of(rows)
    assert lists(ragged) == rows
    assert len(ragged) == len(rows)
    assert ragged.lengths.tolist() == list(map(len, rows))
    assert lists(ragged.take(np.array(order, dtype=np.int64))) == [rows[place] for place in order]


@given(ROWS)
def test_neighbouring_rows_are_joined(rows: list[list[int]]) -> None:
    half = len(rows) // 2
    joined = Ragged.of(rows).joined(np.array([half, len(rows) - half]))
    assert lists(joined) == [list(chain.from_iterable(part)) for part in (rows[:half], rows[half:])]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_members_are_positions_in_their_order(groups: list[int]) -> None:
    numbered = np.unique(groups, return_inverse=True)[1]
    expected = [[place for place, group in enumerate(groups) if group == name] for name in sorted(set(groups))]
    assert lists(Ragged.members(numbered)) == expected
