"""What a data set is to the rest of the house: columns, one entry per example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Part = Literal["train", "val", "test", ""]
Kind = Literal["single", "multi"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples of one modality, in columns of equal length N. Nothing is decoded yet.

    `items[i]` is what the modality's reader can decode (a path, a member of a zip file, a PIL image, an array, a
    text, a pair of texts); `ids[i]` names it to people (a relative path, `train.csv row 17`); `labels[i]` holds its
    class names, exactly one where `kind` is "single", any number where it is "multi", and `labels` is None where
    there are none; `parts[i]` is the part its source put it in, "" where the source did not say; `groups[i]` is
    what must stay on one side of every split. `guesses` tells in words what was guessed about the source, and
    `aside` names what its reader could not take up, each with the reason.
    """

    name: str
    modality: str
    kind: Kind
    items: Sequence[Any]
    ids: Sequence[str]
    labels: Sequence[tuple[str, ...]] | None
    parts: Sequence[Part]
    groups: Sequence[str] | None = None
    guesses: tuple[str, ...] = ()
    aside: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        """The number of examples N."""
        return len(self.items)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that occur, sorted."""
        return tuple(sorted({name for names in self.labels or () for name in names}))

    def take(self, indices: Sequence[int]) -> Dataset:
        """The examples at `indices`, in that order."""
        return replace(
            self,
            items=[self.items[i] for i in indices],
            ids=[self.ids[i] for i in indices],
            labels=None if self.labels is None else [self.labels[i] for i in indices],
            parts=[self.parts[i] for i in indices],
            groups=None if self.groups is None else [self.groups[i] for i in indices],
        )

    def without_labels(self) -> Dataset:
        """The same examples with their labels taken away."""
        return replace(self, labels=None)
