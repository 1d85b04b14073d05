"""Look at every example once, in threads, and keep of each only what little the audit needs."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.look import SKETCH_BYTES, Look
from headstart.data.modality import Modality
from headstart.errors import DataError
from headstart.events import Listener, Progress

CHUNK = 256


@dataclass(slots=True)
class Looks:
    """Columns over N examples; rows of what could not be read are empty and named in `broken`.

    About 350 bytes per example are kept, most of them in `sketches` (N × SKETCH_BYTES, uint8).
    """

    contents: list[bytes]
    keys: list[bytes]
    shapes_N2: np.ndarray
    sketches: np.ndarray
    sketched: np.ndarray
    kinds: Counter[str]
    notes: list[tuple[int, str]]
    broken: dict[int, str]


def look_at_all(dataset: Dataset, modality: Modality, listener: Listener) -> Looks:
    """Look at every example; what is broken is recorded with the reason, never raised."""
    count = len(dataset)
    looks = Looks(
        contents=[b""] * count,
        keys=[b""] * count,
        shapes_N2=np.zeros((count, 2), dtype=np.int32),
        sketches=np.zeros((count, SKETCH_BYTES), dtype=np.uint8),
        sketched=np.zeros(count, dtype=bool),
        kinds=Counter(),
        notes=[],
        broken={},
    )

    def look(item: object) -> Look | str:
        try:
            return modality.audit_one(item)
        except DataError as error:
            return str(error)

    began = time.monotonic()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        for start in range(0, count, CHUNK):
            for offset, seen in enumerate(pool.map(look, dataset.items[start : start + CHUNK])):
                _record(looks, start + offset, seen)
            done = min(count, start + CHUNK)
            listener(Progress("audit", done, count, (time.monotonic() - began) / done * (count - done)))
    return looks


def _record(looks: Looks, row: int, seen: Look | str) -> None:
    if isinstance(seen, str):
        looks.broken[row] = seen
        return
    looks.contents[row], looks.keys[row] = seen.content, seen.key
    looks.shapes_N2[row] = seen.shape
    looks.kinds[seen.kind] += 1
    looks.notes.extend((row, note) for note in seen.notes)
    if seen.sketch is not None:
        looks.sketches[row], looks.sketched[row] = seen.sketch, True
