"""What the audit learns of one example without keeping it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SKETCH_BYTES = 256


@dataclass(frozen=True, slots=True)
class Look:
    """One example, looked at once.

    `content` is the SHA-256 of its raw bytes; `key` is equal for examples that are equal once decoded (pictures
    read at reduced size may share one by chance, which the modality's `same` settles); `shape` is width and height
    in pixels, or characters and words; `kind` is a word to count by (colour mode, language); `notes` say what is
    odd about it; `sketch` (SKETCH_BYTES × uint8) is what near-duplicates are found by, None where it has too little
    in it to be told apart.
    """

    content: bytes
    key: bytes
    shape: tuple[int, int]
    kind: str
    notes: tuple[str, ...]
    sketch: np.ndarray | None
