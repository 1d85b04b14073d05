"""What a reader may be told: which columns mean what, and how much is too much."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns the user named; what is not named is guessed, and the guess is said.

    `text` takes one or two columns (two make pairs). `label` takes one column, or several 0/1 columns joined by
    commas, one per class (`sunny,rainy,windy`).
    """

    text: tuple[str, ...] = ()
    image: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None


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
