"""What a data set is to the rest of the house: columns, one entry per example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from headstart.data.numbers import place_of
from headstart.prove.tags import tag_names, type_names

Part = Literal["train", "val", "test", ""]
Kind = Literal["single", "multi", "ordinal", "quantity", "span", "language", "tags"]
"""One class per example, any number, one of an order of classes, a number, a stretch of the example's own text, nothing but the text itself, to be
learned, or a tag for each word."""
CLASSLESS: tuple[Kind, ...] = ("quantity", "span", "language", "tags")
"""Kinds of labels that name no classes of examples."""
SHARING: tuple[Kind, ...] = ("span",)
"""Kinds whose examples share texts by nature, several questions about one passage: that two of them look alike says nothing."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples of one modality, in columns of equal length N. Nothing is decoded yet.

    `items[i]` is what the modality's reader can decode (a path, a member of a zip file, a PIL image, an array, a
    text, a pair of texts); `ids[i]` names it to people (a relative path, `train.csv row 17`); `labels[i]` holds its
    class names, exactly one where `kind` is "single" or "ordinal", any number where it is "multi", for a "quantity" the
    number as it is written, for a "span" the right answers (`data.spans`), none where the text has no answer, for "language" none ever, for "tags"
    the tag of each word (`prove.tags`), and `labels` is None where there are none; `parts[i]` is the part its source put it in, "" where the source did not say; `groups[i]` is
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
    def has_classes(self) -> bool:
        """Whether labels name classes."""
        return self.kind not in CLASSLESS

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that occur, sorted, those of an order by its numbers; all tags that words may have; none where labels name no classes."""
        if self.kind == "tags":
            return tag_names(self.labels or ())
        if not self.has_classes:
            return ()
        names = {name for names in self.labels or () for name in names}
        return tuple(sorted(names, key=place_of if self.kind == "ordinal" else None))

    @property
    def strata(self) -> Sequence[Any] | np.ndarray:
        """What splits balance: class names, the numbers of a quantity, which types of spans occur, or whether there is an answer in the text."""
        if self.kind == "quantity":
            return self.values
        if self.kind == "tags":
            return [tuple(sorted(type_names(tags))) for tags in self.labels or ()]
        return list(self.labels or ()) if self.has_classes else [bool(names) for names in self.labels or ()]

    @property
    def values(self) -> np.ndarray:
        """The numbers of a quantity (N), in the user's own unit."""
        return np.array([float(names[0]) for names in self.labels or ()])

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
