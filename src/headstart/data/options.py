"""What a reader may be told: which columns mean what, and how much is too much."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headstart.data.dataset import Part

PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names, in lower case, by which folders, tables and split columns say which part an example is in."""

TASK_NAMES = ("classification", "ordinal", "regression", "qa", "lm", "tokens")
"""What labels may be said to be."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns the user named, and what the labels are; what is not said is guessed, and the guess is said.

    `text` takes one or two columns (two make pairs). `label` takes one column, or several 0/1 columns joined by
    commas, one per class (`sunny,rainy,windy`). `task` is one of TASK_NAMES: `regression` reads labels as numbers,
    `ordinal` as classes in the order of the numbers that their names begin with, `classification` as names, `qa` as answers that stand in
    the second of two texts, `lm` has no labels: the texts themselves are learned, and `tokens` as labels of the words of a text.
    """

    text: tuple[str, ...] = ()
    image: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    task: str | None = None

    @property
    def are_named(self) -> bool:
        """Whether any column was named, so that a table is meant."""
        return replace(self, task=None) != Columns()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is too much; the image reader has its own limit on pixels (`images.PIXEL_LIMIT`).

    A row with a longer field is set aside. A zip beyond these sizes (bytes once unpacked), or one that shrinks more
    than `zip_ratio` times, is refused.
    """

    field_characters: int = 131_072
    zip_bytes: int = 64 * 2**30
    member_bytes: int = 2**30
    zip_ratio: int = 200
    zip_ratio_from_bytes: int = 10 * 2**20
