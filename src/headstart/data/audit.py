"""The audit before anything trains: what is broken, doubled, leaking or odd, and what is done about each.

| found | done |
|---|---|
| unreadable, empty, over a limit | set aside |
| equal training examples under different labels | all set aside: neither label can be trusted |
| equal training examples under different numbers | the same, where the numbers lie apart (ALIKE) |
| equal training examples under one label | the first is kept |
| a training or validation example equal or nearly equal to a test one | set aside; the test data stay whole |
| a training example equal or nearly equal to a validation one | set aside |
| near-duplicates inside a part | kept, and never parted by a split; different labels among them are listed |
| odd (animated, CMYK, 16-bit, …) | kept and listed |

Test labels are not looked at: class counts and conflicts are those of the training examples.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from headstart.data.audit_looks import Looks, look_at_all
from headstart.data.audit_result import Audit, summary
from headstart.data.clusters import Clusters
from headstart.data.dataset import SHARING, Dataset
from headstart.data.modality import MODALITIES, Modality
from headstart.data.numbers import spread_of
from headstart.errors import DataError
from headstart.events import Listener, silent
from headstart.prove.tags import spans_of
from headstart.registry import pick

RANKS = {"test": 2, "val": 1, "train": 0, "": 0}
"""Which part keeps an example that is in two: the higher."""

UNREADABLE = "unreadable"
CONFLICT = "same example under different labels"
DOUBLE = "exact duplicate"
LEAK = "also in the test or validation data"
UNREAD = "left out by the reader"
ALIKE = 0.05
"""Numbers of equal examples contradict each other where they differ by more than this share of the spread of all (5th to 95th
percentile): measuring twice gives no number twice, and smaller differences move no metric."""


def audit(dataset: Dataset, *, listener: Listener = silent, for_training: bool = True) -> Audit:
    """Look at every example of `dataset` once and decide what can be used.

    Raises DataError when nothing can be read, and, `for_training`, when fewer than two classes are left. Without
    `for_training`, or without labels, only what is unreadable is set aside; the rest is listed.
    """
    modality = pick(MODALITIES, dataset.modality, what="modality")
    looks = look_at_all(dataset, modality, listener)
    if len(looks.broken) == len(dataset):
        _stop_on_nothing(dataset, looks)
    exact = _exact(dataset, looks, modality)
    clusters = _near(dataset, looks, modality, exact)
    found = _Findings(dataset, exact.names(), clusters.names(), looks.broken)
    dropped = {row: (UNREADABLE, why) for row, why in looks.broken.items()}
    if for_training and dataset.labels is not None:
        found.drop_conflicts(dropped)
        found.drop_leaks(dropped)
        found.drop_doubles(dropped)
    result = _result(dataset, looks, modality, found, dropped)
    if for_training and dataset.labels is not None:
        REQUIRE[dataset.kind](result)
    return result


class _Findings:
    """Groups of equal and of nearly equal examples, and what follows from them."""

    def __init__(self, dataset: Dataset, exact: np.ndarray, near: np.ndarray, broken: dict[int, str]) -> None:
        self.dataset, self.near = dataset, near
        readable = [row for row in range(len(dataset)) if row not in broken]
        self.exact_groups = _groups(exact, readable)
        self.near_groups = _groups(near, readable)
        self.exact = exact
        self.alike = _tolerance(dataset)
        self.conflicts: list[list[int]] = []
        self.leaks: list[tuple[int, int, str]] = []

    def drop_conflicts(self, dropped: dict[int, tuple[str, str]]) -> None:
        for group in self.exact_groups:
            known = [row for row in group if self._rank(row) < RANKS["test"]]
            if self._contradict(known):
                self.conflicts.append(known)
                named = ", ".join(f"{self.dataset.ids[row]} ({'; '.join(self._labels(row))})" for row in known[:4])
                dropped.update((row, (CONFLICT, named)) for row in known)

    def drop_leaks(self, dropped: dict[int, tuple[str, str]]) -> None:
        for group in self.near_groups:
            top = max(map(self._rank, group))
            holders = [row for row in group if self._rank(row) == top]
            equal = {int(self.exact[row]): row for row in reversed(holders)}
            for row in group:
                if self._rank(row) == top:
                    continue
                twin = equal.get(int(self.exact[row]))
                other = holders[0] if twin is None else twin
                kind = "near" if twin is None else "exact"
                self.leaks.append((row, other, kind))
                dropped.setdefault(row, (LEAK, f"{kind} duplicate of {self.dataset.ids[other]}"))

    def drop_doubles(self, dropped: dict[int, tuple[str, str]]) -> None:
        for group in self.exact_groups:
            left = [row for row in group if row not in dropped and self._rank(row) < RANKS["test"]]
            dropped.update((row, (DOUBLE, f"of {self.dataset.ids[left[0]]}")) for row in left[1:])

    def alike_conflicts(self, dropped: dict[int, tuple[str, str]]) -> list[list[int]]:
        if self.dataset.labels is None:
            return []
        known = ([row for row in group if row not in dropped and self._rank(row) < 2] for group in self.near_groups)
        return [rows for rows in known if self._contradict(rows)]

    def _contradict(self, rows: Sequence[int]) -> bool:
        """Whether equal examples have labels that cannot both be right."""
        different = {self._labels(row) for row in rows}
        if self.alike is None or len(different) < 2:
            return len(different) > 1
        numbers = [float(names[0]) for names in different]
        return max(numbers) - min(numbers) > self.alike

    def _rank(self, row: int) -> int:
        return RANKS[self.dataset.parts[row]]

    def _labels(self, row: int) -> tuple[str, ...]:
        return () if self.dataset.labels is None else tuple(self.dataset.labels[row])


def _tolerance(dataset: Dataset) -> float | None:
    """How far numbers of equal examples may lie apart, by the training labels; None where labels are no numbers."""
    if dataset.kind != "quantity" or dataset.labels is None:
        return None
    known = dataset.values[[part != "test" for part in dataset.parts]]
    return ALIKE * spread_of(known) if len(known) else 0.0


def _groups(names: np.ndarray, rows: Sequence[int]) -> list[list[int]]:
    """The clusters of two or more among `rows`."""
    members: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        members[int(names[row])].append(row)
    return [group for group in members.values() if len(group) > 1]


def _exact(dataset: Dataset, looks: Looks, modality: Modality) -> Clusters:
    """Clusters of equal examples: equal raw content, or equal keys that hold when fully decoded."""
    clusters = Clusters(len(dataset))
    firsts: dict[bytes, list[int]] = defaultdict(list)
    for row, key in enumerate(looks.keys):
        if not key:
            continue
        for first in firsts[key]:
            equal = looks.contents[first] == looks.contents[row]
            if equal or modality.same(dataset.items[first], dataset.items[row]):
                clusters.join(first, row)
                break
        else:
            firsts[key].append(row)
    return clusters


def _near(dataset: Dataset, looks: Looks, modality: Modality, exact: Clusters) -> Clusters:
    """Clusters of equal and nearly equal examples; one of each set of equals stands for all in the search."""
    clusters = Clusters(len(dataset))
    names = exact.names()
    for row, name in enumerate(names):
        clusters.join(int(name), row)
    if dataset.kind in SHARING:
        return clusters
    rows = np.flatnonzero(looks.sketched & (names == np.arange(len(names))))
    pairs: Iterator[tuple[int, int]] = modality.near(looks.sketches[rows], lambda place: dataset.items[rows[place]])
    for one, other in pairs:
        clusters.join(int(rows[one]), int(rows[other]))
    return clusters


def _result(
    dataset: Dataset, looks: Looks, modality: Modality, found: _Findings, dropped: dict[int, tuple[str, str]]
) -> Audit:
    ids = dataset.ids
    keep = [row for row in range(len(dataset)) if row not in dropped]
    known = [row for row in keep if dataset.labels is not None and dataset.parts[row] != "test"]
    numbers = dataset.kind == "quantity"
    counts = Counter(name for row in known for name in (dataset.labels or ())[row] if dataset.has_classes)
    exact_names = {frozenset(group) for group in found.exact_groups}

    def labelled(groups: Sequence[Sequence[int]]) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]:
        labels = dataset.labels or ()
        return tuple(tuple((ids[row], tuple(labels[row])) for row in group) for group in groups)

    return Audit(
        name=dataset.name,
        noun=modality.noun,
        found=len(dataset) + len(dataset.aside),
        keep=keep,
        near=[int(found.near[row]) for row in keep],
        aside=(
            *((name, UNREAD, why) for name, why in dataset.aside),
            *((ids[row], reason, detail) for row, (reason, detail) in sorted(dropped.items())),
        ),
        notes=tuple((ids[row], note) for row, note in looks.notes),
        exact=tuple(tuple(ids[row] for row in group) for group in found.exact_groups),
        alike=tuple(
            tuple(ids[row] for row in group) for group in found.near_groups if frozenset(group) not in exact_names
        ),
        conflicts=labelled(found.conflicts),
        alike_conflicts=labelled(found.alike_conflicts(dropped)),
        leaks=tuple((ids[row], ids[other], kind) for row, other, kind in found.leaks),
        counts=_spans(dataset, known) if dataset.kind == "tags" else {name: counts[name] for name in dataset.classes if name in counts},
        quantity=summary(dataset.values[known]) if numbers and known else None,
        answered=sum(bool((dataset.labels or ())[row]) for row in known) if dataset.kind == "span" else None,
        parts=dict(Counter(dataset.parts[row] for row in keep)),
        shapes=modality.describe(
            looks.shapes_N2[[row for row in range(len(dataset)) if row not in looks.broken]], looks.kinds
        ),
        guesses=dataset.guesses,
        contents=tuple(looks.contents),
    )


def _spans(dataset: Dataset, rows: Sequence[int]) -> dict[str, int]:
    """The labelled spans of these rows by type."""
    return dict(Counter(kind for row in rows for _, _, kind in spans_of((dataset.labels or ())[row])))


def _stop_on_nothing(dataset: Dataset, looks: Looks) -> None:
    if not len(dataset):
        raise DataError(f"{dataset.name}: no examples. Put one folder of examples per class into it, or give a table.")
    why = looks.broken[0]
    if len(dataset) == 1:
        raise DataError(why)
    raise DataError(f"{dataset.name}: none of {len(dataset)} examples can be read; the first: {why}")


def _require_two_classes(found: Audit) -> None:
    """Raise DataError unless at least two classes have an example left to train on."""
    if len(found.counts) >= 2:
        return
    why = "".join(f"; set aside {count}, {reason}" for reason, count in found.reasons.items())
    first = f" ({found.aside[0][2]})" if found.aside else ""
    if not found.counts:
        raise DataError(
            f"{found.name}: no training example with a label is left{why}{first}. Add examples of two classes."
        )
    name = next(iter(found.counts))
    raise DataError(f"{found.name}: one class only, '{name}'{why}{first}. Add a folder or label for a second class.")


def _require_two_numbers(found: Audit) -> None:
    """Raise DataError unless there are two different numbers to learn from."""
    if found.quantity is not None and found.quantity["min"] < found.quantity["max"]:
        return
    why = "".join(f"; set aside {count}, {reason}" for reason, count in found.reasons.items())
    if found.quantity is None:
        raise DataError(f"{found.name}: no training example with a number is left{why}. Add examples.")
    only = found.quantity["min"]
    raise DataError(
        f"{found.name}: every training example has the number {only:g}{why}, so there is nothing to learn. Add others."
    )


def _require_an_answer(found: Audit) -> None:
    """Raise DataError unless there is a question with an answer to learn from."""
    if not found.answered:
        why = "".join(f"; set aside {count}, {reason}" for reason, count in found.reasons.items())
        raise DataError(f"{found.name}: no training question with an answer in its context is left{why}. Add some.")


def _require_a_text(found: Audit) -> None:
    """Raise DataError unless there is a text to learn from outside the test part."""
    if not sum(count for part, count in found.parts.items() if part != "test"):
        why = "".join(f"; set aside {count}, {reason}" for reason, count in found.reasons.items())
        raise DataError(f"{found.name}: no text is left to learn from{why}. Add some.")


def _require_a_span(found: Audit) -> None:
    """Raise DataError unless there is a labelled word to learn from outside the test part."""
    if not found.counts:
        why = "".join(f"; set aside {count}, {reason}" for reason, count in found.reasons.items())
        raise DataError(f"{found.name}: no training text with a labelled word is left{why}. Add some.")


REQUIRE: Mapping[str, Callable[[Audit], None]] = {
    "single": _require_two_classes,
    "multi": _require_two_classes,
    "ordinal": _require_two_classes,
    "quantity": _require_two_numbers,
    "span": _require_an_answer,
    "language": _require_a_text,
    "tags": _require_a_span,
}
"""What must be left to train on, by kind of labels."""
