"""What is trained on and what is measured on: stratified, by group, reproducible, never parting a duplicate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np

from headstart.data.audit_result import Audit
from headstart.data.clusters import Clusters
from headstart.data.dataset import Dataset
from headstart.data.deal import deal
from headstart.data.numbers import quantile_bins
from headstart.data.ragged import Ragged, starts_of
from headstart.errors import DataError

Scheme = Literal["given test", "held out", "nested cross-validation"]
Fold = tuple[list[int], list[int]]
HELD_OUT = 5  # one of five equal shares is held out


class Common(TypedDict):
    """What every scheme says alike."""

    groups: list[int]
    ids: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Splits:
    """Indices into the data set, each list ascending.

    `train` is everything that may be trained on, `val` (the given validation part) included; `test` is locked;
    `outer` holds the (train, test) folds of a nested cross-validation. `groups[i]` is what may not be parted: the
    user's group joined with near-duplicates, -1 for what the audit set aside. Classes in `unmeasured` are in no test
    side: those that lie in one group only can be trained on or measured, not both, and are trained on. `left_out`
    are training examples whose group has a member in the given test part.
    """

    scheme: Scheme
    train: list[int]
    val: list[int] | None
    test: list[int]
    outer: list[Fold]
    unmeasured: tuple[str, ...]
    groups: list[int]
    ids: tuple[str, ...]
    seed: int
    left_out: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The split in ids, ready for JSON; a fold is told by its test side, the rest of `train` trains."""
        return {
            "scheme": self.scheme,
            "seed": self.seed,
            "train": self._named(self.train),
            "val": None if self.val is None else self._named(self.val),
            "test": self._named(self.test),
            "folds": [self._named(test) for _, test in self.outer],
            "left_out_for_a_group_in_test": self._named(self.left_out),
            "unmeasured_classes": list(self.unmeasured),
        }

    def _named(self, rows: Iterable[int]) -> list[str]:
        return [self.ids[row] for row in rows]


def split(dataset: Dataset, audit: Audit, *, seed: int, folds: int = 5, little: int = 1000) -> Splits:
    """Split what the audit kept. A given test part is used as it is and its labels are not looked at.

    Without one: nested cross-validation below `little` examples, else a fifth held out. Raises DataError when fewer
    than two classes could be measured.
    """
    if dataset.labels is None:
        raise DataError(f"{dataset.name}: no labels to split by. Name the label column with --label.")
    groups = group_numbers(dataset, audit)
    test = [row for row in audit.keep if dataset.parts[row] == "test"]
    pool = [row for row in audit.keep if dataset.parts[row] != "test"]
    val = [row for row in pool if dataset.parts[row] == "val"]
    common: Common = {"groups": groups, "ids": tuple(dataset.ids), "seed": seed}
    if test:
        tested = {groups[row] for row in test}
        train = [row for row in pool if groups[row] not in tested]
        left_out = tuple(row for row in pool if groups[row] in tested)
        given = [row for row in val if groups[row] not in tested]
        return Splits("given test", train, given or None, test, [], (), **common, left_out=left_out)
    is_little = len(pool) < little
    dealt = _dealt(dataset, pool, [groups[row] for row in pool], folds if is_little else HELD_OUT, seed)
    if is_little:
        unmeasured = _absent(dataset, pool, [row for _, held in dealt for row in held])
        return Splits("nested cross-validation", pool, None, [], dealt, unmeasured, **common)
    train, held_out = dealt[0]
    trained = set(train)
    given = [row for row in val if row in trained]
    return Splits("held out", train, given or None, held_out, [], _absent(dataset, pool, held_out), **common)


def _dealt(dataset: Dataset, pool: Sequence[int], groups: Sequence[int], folds: int, seed: int) -> list[Fold]:
    """Folds of `pool` in indices of the data set; raises DataError when fewer than two classes can be measured."""
    if not dataset.has_classes:
        dealt = inner_folds(dataset.take(pool).strata, groups, k=folds, seed=seed)
        if not dealt:
            raise DataError(
                f"{dataset.name}: fewer than two independent examples, so nothing can be measured. Add examples."
            )
        return [(_those(pool, train), _those(pool, held)) for train, held in dealt]
    labels = [tuple((dataset.labels or ())[row]) for row in pool]
    dealt = inner_folds(labels, groups, k=folds, seed=seed)
    measured = {name for _, held in dealt for place in held.tolist() for name in labels[place]}
    if len(measured) < 2:
        raise DataError(
            f"{dataset.name}: fewer than two classes have two independent examples, so nothing can be measured. "
            "Add examples, or a test folder."
        )
    return [(_those(pool, train), _those(pool, held)) for train, held in dealt]


def _those(pool: Sequence[int], places: np.ndarray) -> list[int]:
    rows: list[int] = np.asarray(pool, dtype=np.int64)[places].tolist()
    return rows


def _absent(dataset: Dataset, pool: Sequence[int], measured: Sequence[int]) -> tuple[str, ...]:
    """The classes of `pool` that none of `measured` has, sorted; none where labels name no classes."""
    if not dataset.has_classes:
        return ()
    labels = dataset.labels or ()
    everywhere = {name for row in pool for name in labels[row]}
    return tuple(sorted(everywhere - {name for row in measured for name in labels[row]}))


def group_numbers(dataset: Dataset, audit: Audit) -> list[int]:
    """For every example the number of what may not be parted: the user's groups joined with near-duplicates."""
    clusters = Clusters(len(dataset))
    named: list[Sequence[Any]] = [audit.near]
    if dataset.groups is not None:
        named.append([dataset.groups[row] for row in audit.keep])
    for names in named:
        first: dict[Any, int] = {}
        for row, name in zip(audit.keep, names, strict=True):
            clusters.join(row, first.setdefault(name, row))
    numbers = [-1] * len(dataset)
    for row in audit.keep:
        numbers[row] = clusters.find(row)
    return numbers


def inner_folds(
    labels: Sequence[Any] | np.ndarray, groups: Sequence[Any] | np.ndarray | None, *, k: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """At most `k` folds (train, held out) of positions into `labels`: stratified, no group parted, by `seed` alone.

    `labels` are class names or numbers, tuples of them, rows of a 0/1 matrix, or the fractions of a quantity, which are
    stratified by their quantiles. Examples whose classes all lie in a single group train in every fold, as the rest of
    their group does; a quantity can be measured without its like. The list is empty when fewer than two groups are left
    to be dealt.
    """
    numbers = _numbers(labels)
    group_of = _group_numbers(range(len(numbers)) if groups is None else groups)
    members = Ragged.members(group_of)
    is_free = np.ones(len(members), dtype=bool)
    if not _are_quantities(labels):
        is_free[_stuck(numbers, group_of)] = False
    free = np.flatnonzero(is_free)
    count = min(k, len(free))
    if count < 2:
        return []
    dealt = members.take(free)
    fold_of = deal(dealt, numbers, folds=count, rng=np.random.default_rng(seed))
    fold_of_N = np.full(len(numbers), -1)
    fold_of_N[dealt.values] = np.repeat(fold_of, dealt.lengths)
    parts = [fold_of_N == fold for fold in range(count)]
    return [(np.flatnonzero(~held), np.flatnonzero(held)) for held in parts if held.any()]


def _numbers(labels: Sequence[Any] | np.ndarray) -> Ragged:
    """Class numbers of every example, whatever form the labels come in."""
    if _are_quantities(labels):
        return Ragged.singles(quantile_bins(np.asarray(labels)))
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        rows, columns = np.nonzero(labels)
        return Ragged(columns, starts_of(np.bincount(rows, minlength=len(labels))))
    if isinstance(labels, np.ndarray) and labels.dtype.kind != "O":
        return Ragged.singles(np.unique(labels, return_inverse=True)[1])
    named = [tuple(label) if isinstance(label, tuple | list | set | frozenset) else (label,) for label in labels]
    order = {name: number for number, name in enumerate(sorted({name for names in named for name in names}))}
    numbers = np.fromiter((order[name] for names in named for name in names), dtype=np.int64)
    return Ragged(numbers, starts_of(np.fromiter(map(len, named), dtype=np.int64, count=len(named))))


def _are_quantities(labels: Sequence[Any] | np.ndarray) -> bool:
    return isinstance(labels, np.ndarray) and labels.dtype.kind == "f"


def _group_numbers(groups: Sequence[Any] | np.ndarray | range) -> np.ndarray:
    """The group of every example (N,), numbered as they come."""
    number: dict[Any, int] = {}
    return np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.int64)


def _stuck(numbers: Ragged, group_of: np.ndarray) -> np.ndarray:
    """The groups that hold a class which no other group has."""
    groups = np.repeat(group_of, numbers.lengths)
    classes = 1 + numbers.values.max(initial=-1)
    first, last = np.full(classes, len(group_of)), np.full(classes, -1)
    np.minimum.at(first, numbers.values, groups)
    np.maximum.at(last, numbers.values, groups)
    return np.unique(first[first == last])
