"""The view bank of a pre-training: augmented views of every picture, made once and kept on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart.events import Listener, Progress
from headstart.files import read_json, reserve, write_json
from headstart.runtime import generator

View = Callable[[Image.Image, int, np.random.Generator], Image.Image]
SHARD = 2048
"""Views made between two notes of progress on disk."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of one source: items, how to decode them, class numbers (N,) or None, and how many views of each."""

    items: Sequence[Any]
    decode: Callable[[Any], Image.Image]
    labels: np.ndarray | None
    views: int
    view: View


class ViewBank:
    """`count` views as uint8 (count, size, size, 3) in one file, with their labels; made row by row, resumable."""

    def __init__(self, folder: Path, sources: Sequence[Pictures], *, size: int, seed: int) -> None:
        """Describe the bank; `fill` makes it."""
        self._folder, self._sources, self._size, self._seed = folder, sources, size, seed
        self._index = [
            (number, item, view)
            for number, source in enumerate(sources)
            for item in range(len(source.items))
            for view in range(source.views)
        ]
        labels = [source.labels for source in sources]
        self.labels = (
            None
            if any(found is None for found in labels)
            else np.array([labels[number][item] for number, item, _ in self._index], dtype=np.int64)  # type: ignore[index]
        )
        self._views: np.ndarray | None = None

    def __len__(self) -> int:
        """The number of views."""
        return len(self._index)

    @property
    def is_source(self) -> np.ndarray:
        """The number of the source of each view."""
        return np.array([number for number, _, _ in self._index], dtype=np.int64)

    def fill(self, *, threads: int, listener: Listener) -> None:
        """Make what is not made yet."""
        path, note = self._folder / "views.u8", self._folder / "views.json"
        self._folder.mkdir(parents=True, exist_ok=True)
        done = read_json(note)["done"] if note.is_file() and path.is_file() else 0
        shape = (len(self), self._size, self._size, 3)
        reserve(path, math.prod(shape))
        views = np.memmap(path, np.uint8, "r+", shape=shape)
        with ThreadPoolExecutor(threads) as pool:
            for start in range(done, len(self), SHARD):
                rows = range(start, min(start + SHARD, len(self)))
                for row, pixels in zip(rows, pool.map(self._make, rows), strict=True):
                    views[row] = pixels
                views.flush()
                write_json(note, {"done": rows.stop})
                listener(Progress("views", rows.stop, len(self)))
        self._views = np.memmap(path, np.uint8, "r", shape=shape)

    def batch(self, rows: np.ndarray) -> np.ndarray:
        """The views in `rows` (n, size, size, 3)."""
        assert self._views is not None
        return np.asarray(self._views[rows])

    def _make(self, row: int) -> np.ndarray:
        number, item, view = self._index[row]
        source = self._sources[number]
        picture = source.decode(source.items[item])
        return np.asarray(
            source.view(picture, self._size, generator(self._seed, "view", number, item, view)).convert("RGB")
        )


def crop_view(picture: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """A random crop of 25 to 100 % of the area (60 to 100 % of small pictures), flipped half the time, at `size`."""
    width, height = picture.size
    least = 0.25 if min(width, height) > 64 else 0.6
    area = width * height * rng.uniform(least, 1.0)
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    crop_w, crop_h = min(width, round((area * ratio) ** 0.5)), min(height, round((area / ratio) ** 0.5))
    left, top = int(rng.integers(width - crop_w + 1)), int(rng.integers(height - crop_h + 1))
    view = picture.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + crop_w, top + crop_h))
    return view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else view
