"""Whatever the labels and groups: nothing is lost, nothing is parted, everything is repeatable."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.data.split import inner_folds

EXAMPLES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 12)), min_size=2, max_size=60)
MANY_LABELS = st.lists(st.sets(st.sampled_from("abcd")), min_size=2, max_size=60)


@settings(deadline=None)
@given(EXAMPLES, st.integers(2, 6), st.integers(0, 3))
def test_folds_part_no_group_and_lose_nothing(examples: list[tuple[str, int]], k: int, seed: int) -> None:
    labels, groups = zip(*examples, strict=True)
    dealt = inner_folds(labels, groups, k=k, seed=seed)
    assert len(dealt) <= k
    held_once: Counter[int] = Counter()
    for train, held in dealt:
        assert sorted([*train, *held]) == list(range(len(labels)))
        assert len(held) > 0
        assert not {groups[i] for i in train} & {groups[i] for i in held}
        held_once.update(held.tolist())
    assert set(held_once.values()) <= {1}
    homes = defaultdict(set)
    for label, group in examples:
        homes[label].add(group)
    stuck = {group for label in homes if len(homes[label]) == 1 for group in homes[label]}
    if dealt:
        assert set(held_once) == {i for i, group in enumerate(groups) if group not in stuck}
    again = inner_folds(labels, groups, k=k, seed=seed)
    assert all(
        np.array_equal(a, b) for one, other in zip(dealt, again, strict=True) for a, b in zip(one, other, strict=True)
    )


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=4, max_size=80), st.integers(2, 5), st.integers(0, 3))
def test_without_groups_every_class_is_dealt_out_evenly(labels: list[str], k: int, seed: int) -> None:
    dealt = inner_folds(labels, None, k=k, seed=seed)
    for name, count in Counter(labels).items():
        if count > 1 and dealt:
            shares = [sum(labels[i] == name for i in held) for _, held in dealt]
            assert max(shares) - min(shares) <= 1
    if dealt:
        assert all(set(labels) == {labels[i] for i in train} for train, _ in dealt)


@settings(deadline=None)
@given(MANY_LABELS, st.integers(0, 3))
def test_several_labels_are_dealt_too(labels: list[set[str]], seed: int) -> None:
    dealt = inner_folds([tuple(sorted(names)) for names in labels], None, k=3, seed=seed)
    held = [int(i) for _, rows in dealt for i in rows]
    assert len(held) == len(set(held))


@settings(deadline=None)
@given(EXAMPLES, st.integers(0, 3))
def test_names_of_classes_and_groups_do_not_matter(examples: list[tuple[str, int]], seed: int) -> None:
    labels, groups = zip(*examples, strict=True)
    dealt = inner_folds(labels, groups, k=3, seed=seed)
    renamed = inner_folds([ord(label) for label in labels], [f"group {group}" for group in groups], k=3, seed=seed)
    assert [held.tolist() for _, held in dealt] == [held.tolist() for _, held in renamed]
