"""Splitting: the three schemes, groups, given parts, classes with one example; and locked labels, fingerprints."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence

import numpy as np
import pytest

from headstart.data.audit import audit
from headstart.data.dataset import Dataset
from headstart.data.fingerprint import fingerprint
from headstart.data.locked import Locked
from headstart.data.split import inner_folds, split
from headstart.errors import DataError


def dataset(
    labels: Sequence[str], *, parts: Sequence[str] | None = None, groups: Sequence[str] | None = None
) -> Dataset:
    """Distinct short texts with these labels."""
    count = len(labels)
    return Dataset(
        name="texts",
        modality="text",
        kind="single",
        items=[f"t{row}" for row in range(count)],
        ids=[f"row {row}" for row in range(count)],
        labels=[(label,) for label in labels],
        parts=list(parts or [""] * count),  # type: ignore[arg-type]
        groups=groups,
    )


def test_little_data_is_cross_validated() -> None:
    data = dataset(["a"] * 30 + ["b"] * 20)
    parts = split(data, audit(data), seed=0)
    assert (parts.scheme, parts.train, parts.val, parts.test) == ("nested cross-validation", list(range(50)), None, [])
    held = sorted(row for _, test in parts.outer for row in test)
    assert held == list(range(50))
    for train, test in parts.outer:
        assert sorted(train + test) == list(range(50))
        assert [data.labels[row] for row in test].count(("b",)) == 4  # type: ignore[index]
    assert json.loads(json.dumps(parts.to_dict()))["folds"][0][0].startswith("row ")


def test_much_data_is_held_out() -> None:
    data = dataset(["a"] * 60 + ["b"] * 40)
    parts = split(data, audit(data), seed=0, little=100)
    assert (parts.scheme, len(parts.test), parts.outer) == ("held out", 20, [])
    assert not set(parts.train) & set(parts.test)
    assert [data.labels[row] for row in parts.test].count(("b",)) == 8  # type: ignore[index]


def test_given_parts_are_used_as_they_are() -> None:
    data = dataset(["a", "b"] * 6, parts=["train"] * 6 + ["val"] * 2 + ["test"] * 4)
    parts = split(data, audit(data), seed=0)
    assert (parts.scheme, parts.train, parts.val, parts.test) == (
        "given test",
        list(range(8)),
        [6, 7],
        list(range(8, 12)),
    )
    no_test = dataset(["a", "b"] * 6, parts=["train"] * 8 + ["val"] * 4)
    assert split(no_test, audit(no_test), seed=0).val is None
    held = split(no_test, audit(no_test), seed=0, little=5)
    assert set(held.val or ()) == {8, 9, 10, 11} - set(held.test)


def test_the_seed_decides() -> None:
    data = dataset(["a", "b"] * 40)
    found = audit(data)
    assert split(data, found, seed=3).to_dict() == split(data, found, seed=3).to_dict()
    assert split(data, found, seed=3).outer != split(data, found, seed=4).outer


def test_groups_and_duplicates_stay_on_one_side() -> None:
    groups = [f"g{row // 4}" for row in range(60)]
    data = dataset([("a", "b")[row // 4 % 2] for row in range(60)], groups=groups)
    parts = split(data, audit(data), seed=0)
    for train, test in parts.outer:
        assert not {groups[row] for row in train} & {groups[row] for row in test}
    joined = dataset(["a", "b"] * 10)
    found = audit(joined)
    found.near[4] = found.near[2] = found.near[0]
    for train, test in split(joined, found, seed=0).outer:
        assert len({row in test for row in (0, 2, 4)}) == 1
        assert train


def test_a_group_that_reaches_into_the_given_test_is_left_out() -> None:
    data = dataset(["a", "b"] * 4, parts=["train"] * 6 + ["test"] * 2, groups=list("xyzzyxxw"))
    parts = split(data, audit(data), seed=0)
    assert parts.left_out == (0, 5)
    assert parts.train == [1, 2, 3, 4]
    assert parts.to_dict()["left_out_for_a_group_in_test"] == ["row 0", "row 5"]


def test_a_class_with_one_example_is_trained_on_and_never_measured() -> None:
    data = dataset(["a"] * 10 + ["b"] * 10 + ["c"])
    parts = split(data, audit(data), seed=0)
    assert parts.unmeasured == ("c",)
    assert all(20 in train for train, _ in parts.outer)
    held = split(data, audit(data), seed=0, little=5)
    assert held.unmeasured == ("c",)
    assert 20 in held.train


def test_what_cannot_be_measured_at_all_stops() -> None:
    for labels in (["a", "b"], ["a"] * 5 + ["b"]):
        data = dataset(labels)
        with pytest.raises(DataError, match="fewer than two classes have two independent examples"):
            split(data, audit(data), seed=0)
    unlabelled = dataset(["a", "b"]).without_labels()
    with pytest.raises(DataError, match="no labels"):
        split(unlabelled, audit(unlabelled), seed=0)


def test_set_aside_examples_are_in_no_part() -> None:
    data = dataset(["a", "b"] * 5)
    broken = Dataset(**{name: getattr(data, name) for name in data.__slots__} | {"items": ["", *data.items[1:]]})
    parts = split(broken, audit(broken), seed=0)
    assert parts.groups[0] == -1
    assert 0 not in parts.train


@pytest.mark.parametrize(
    "labels", [np.array([0, 1] * 6), ["a", "b"] * 6, [("a",), ("b",)] * 6, np.eye(2, dtype=int)[[0, 1] * 6]]
)
def test_inner_folds_take_labels_in_any_form(labels: Sequence[object]) -> None:
    dealt = inner_folds(labels, None, k=3, seed=0)
    assert len(dealt) == 3
    for train, held in dealt:
        assert sorted([*train, *held]) == list(range(12))
        assert (held % 2).sum() == 2


def test_inner_folds_give_up_on_too_little() -> None:
    assert inner_folds(["a", "b"], None, k=5, seed=0) == []
    assert inner_folds([], None, k=5, seed=0) == []
    assert len(inner_folds(["a", "a", "b", "b"], None, k=5, seed=0)) == 4


def test_locked_labels_open_once() -> None:
    locked = Locked(dataset(["a", "b"]))
    assert locked.inputs.labels is None
    for escape in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            escape(locked)
    assert "locked" in repr(locked)
    assert "('a',)" not in repr(locked)
    assert locked.open("test figures") == [("a",), ("b",)]
    with pytest.raises(RuntimeError, match=r"already read once .test figures"):
        locked.open("again")
    with pytest.raises(ValueError, match="nothing to lock"):
        Locked(locked.inputs)


def test_fingerprint_is_of_content_labels_and_parts_alone() -> None:
    data = dataset(["a", "b", "a"])
    assert fingerprint(data) == fingerprint(data.take([2, 0, 1])) == fingerprint(data, audit(data).contents)
    assert fingerprint(data) != fingerprint(data.take([0, 1]))
    assert fingerprint(data) != fingerprint(dataset(["a", "b", "b"]))
    assert fingerprint(data) != fingerprint(dataset(["a", "b", "a"], parts=["", "", "test"]))
    assert fingerprint(data) != fingerprint(data.without_labels())
