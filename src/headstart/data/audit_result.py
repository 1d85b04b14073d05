"""What an audit found: for the run, for `audit.json`, and in lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SHOWN = 3  # examples named in a line for people; audit.json names all


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in a data set of N examples; indices are those of the data set that was audited.

    - `keep`: the indices that can be used; `near`: for each of them its cluster, the index of the cluster's first
      member: exact and near-duplicates share one, and no split may part them.
    - `aside`: (id, reason, detail) of what is set aside, also by the reader; `notes`: (id, note) of what is odd.
    - `exact`, `alike`: groups of ids that are equal, or nearly; `conflicts`: groups of equal training examples under
      different labels, with those labels; `alike_conflicts`: the same of near-duplicates, which are kept.
    - `leaks`: (training id, test or validation id, "exact" | "near").
    - `counts`: training examples kept per class; `parts`: examples kept per part.
    - `quantity`: what the training numbers are like (`min`, `median`, `max`, `mean`, `sd`); None where labels are classes.
    - `answered`: training questions whose answer stands in their text; None where labels are no such answers.
    - `contents`: the SHA-256 digest of every example's content (N), empty where it could not be read.
    """

    name: str
    noun: str
    found: int
    keep: list[int]
    near: list[int]
    aside: tuple[tuple[str, str, str], ...]
    notes: tuple[tuple[str, str], ...]
    exact: tuple[tuple[str, ...], ...]
    alike: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]
    alike_conflicts: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]
    leaks: tuple[tuple[str, str, str], ...]
    counts: Mapping[str, int]
    parts: Mapping[str, int]
    shapes: Mapping[str, Any]
    guesses: tuple[str, ...]
    contents: tuple[bytes, ...]
    quantity: Mapping[str, float] | None = None
    answered: int | None = None

    @property
    def single_classes(self) -> tuple[str, ...]:
        """Classes with one training example."""
        return tuple(name for name, count in self.counts.items() if count == 1)

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many were set aside for each reason, the commonest first."""
        return dict(Counter(reason for _, reason, _ in self.aside).most_common())

    def to_dict(self) -> dict[str, Any]:
        """Everything but the digests, ready for JSON."""
        return {
            "name": self.name,
            "examples": {"found": self.found, "kept": len(self.keep), "set_aside": len(self.aside)},
            "guesses": list(self.guesses),
            "parts": dict(self.parts),
            "classes": dict(self.counts),
            "quantity": None if self.quantity is None else dict(self.quantity),
            **({} if self.answered is None else {"answered": self.answered}),
            "classes_with_one_example": list(self.single_classes),
            "shapes": dict(self.shapes),
            "reasons": dict(self.reasons),
            "set_aside": [{"id": name, "reason": reason, "detail": detail} for name, reason, detail in self.aside],
            "odd": [{"id": name, "note": note} for name, note in self.notes],
            "exact_duplicates": [list(group) for group in self.exact],
            "near_duplicates": [list(group) for group in self.alike],
            "label_conflicts": [_labelled(group) for group in self.conflicts],
            "label_conflicts_among_near_duplicates": [_labelled(group) for group in self.alike_conflicts],
            "leaks": [{"train": train, "test": test, "kind": kind} for train, test, kind in self.leaks],
        }

    def lines(self) -> list[str]:
        """What people should know, the most important first, one fact a line."""
        parts = ", ".join(f"{count} {part}" for part, count in self.parts.items() if part)
        lines = [
            f"{self.name}: {len(self.keep)} of {self.found} {self.noun} can be used" + (f" ({parts})" if parts else "")
        ]
        lines += list(self.guesses)
        if self.shapes:
            lines.append(str(self.shapes["line"]))
        if self.counts:
            lines.append(f"{len(self.counts)} classes: {_counts(self.counts)}")
        if self.quantity is not None:
            low, middle, high = (self.quantity[name] for name in ("min", "median", "max"))
            lines.append(f"numbers from {low:g} to {high:g}, half of them up to {middle:g}")
        if self.single_classes:
            once = _some(self.single_classes)
            lines.append(f"one example only, kept for training, left out of what cannot be measured: {once}")
        for reason, count in self.reasons.items():
            names = [name for name, why, _ in self.aside if why == reason]
            lines.append(f"set aside {count}, {reason}: {_some(names)}")
        for note, count in Counter(note for _, note in self.notes).most_common():
            odd = [name for name, what in self.notes if what == note]
            lines.append(f"odd, {count} × {note}: {_some(odd)}")
        for title, groups in (("exact", self.exact), ("near", self.alike)):
            if groups:
                members = sum(map(len, groups))
                lines.append(
                    f"{title} duplicates: {members} {self.noun} in {len(groups)} groups, first: {_some(groups[0])}"
                )
        if self.alike_conflicts:
            first = _some([f"{name} ({'; '.join(labels)})" for name, labels in self.alike_conflicts[0]])
            lines.append(
                f"near-duplicates under different labels, kept: {len(self.alike_conflicts)} groups, first: {first}"
            )
        return lines


def summary(values_N: np.ndarray) -> dict[str, float]:
    """What numbers are like, in their own unit."""
    return {
        "min": float(values_N.min()),
        "median": float(np.median(values_N)),
        "max": float(values_N.max()),
        "mean": float(values_N.mean()),
        "sd": float(values_N.std()),
    }


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda entry: -entry[1])
    if len(ordered) <= 12:
        return ", ".join(f"{name} {count}" for name, count in ordered)
    return f"{ordered[0][0]} {ordered[0][1]} (most) to {ordered[-1][0]} {ordered[-1][1]} (least)"


def _some(names: Any) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _labelled(group: tuple[tuple[str, tuple[str, ...]], ...]) -> list[dict[str, Any]]:
    return [{"id": name, "labels": list(labels)} for name, labels in group]
