"""Features on disk: shards of float32 rows beside a manifest, read back chunk by chunk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from headstart.files import read_json, replacing, write_json

MANIFEST = "manifest.json"
ROWS_PER_SHARD = 4096
IN_MEMORY_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Features:
    """Features (N × D, float32) of a data set, kept in `folder` in shards of at most ROWS_PER_SHARD rows.

    `seconds` is what computing them took, and `network_s` the network's part of it; None where it was not measured.
    """

    folder: Path
    rows: tuple[int, ...]
    width: int
    seconds: float | None = None
    network_s: float | None = None

    @staticmethod
    def shard_path(folder: Path, number: int) -> Path:
        """Where shard `number` is kept."""
        return folder / f"{number:05d}.safetensors"

    @classmethod
    def open(cls, folder: Path) -> Features | None:
        """The features kept in `folder`, or None where there are none or they are not whole."""
        if not (folder / MANIFEST).is_file():
            return None
        manifest = read_json(folder / MANIFEST)
        took = (manifest.get("seconds"), manifest.get("network_s"))
        features = cls(folder, tuple(manifest["rows"]), manifest["width"], *took)
        shards = [cls.shard_path(folder, number) for number in range(len(features.rows))]
        whole = all(
            path.is_file() and path.stat().st_size == size for path, size in zip(shards, manifest["bytes"], strict=True)
        )
        return features if whole else None

    def __len__(self) -> int:
        """The number of rows N."""
        return sum(self.rows)

    @property
    def fits_in_memory(self) -> bool:
        """Whether the whole matrix is small enough to be read at once."""
        return 4 * len(self) * self.width <= IN_MEMORY_BYTES

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the shards (n × D) in order. One shard is in memory at a time."""
        for number in range(len(self.rows)):
            yield self._shard(number)

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The rows at `indices`, in that order, as one array (n × D)."""
        wanted = np.asarray(indices, dtype=np.int64)
        out_ND = np.empty((len(wanted), self.width), dtype=np.float32)
        order, starts = np.argsort(wanted, kind="stable"), np.cumsum([0, *self.rows])
        cuts = np.searchsorted(wanted[order], starts)
        for number, (first, last) in enumerate(pairwise(cuts)):
            here = order[first:last]
            if len(here):
                out_ND[here] = self._shard(number)[wanted[here] - starts[number]]
        return out_ND

    def _shard(self, number: int) -> np.ndarray:
        return load_file(self.shard_path(self.folder, number))["features"]


@dataclass(frozen=True, slots=True)
class InMemory:
    """Features (N × D, float32) of a data set small enough to be held; read like `Features`."""

    rows_ND: np.ndarray

    @property
    def width(self) -> int:
        """The number of columns D."""
        return int(self.rows_ND.shape[1])

    def __len__(self) -> int:
        """The number of rows N."""
        return len(self.rows_ND)

    @property
    def fits_in_memory(self) -> bool:
        """It is there already."""
        return True

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield all rows at once."""
        yield self.rows_ND

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The rows at `indices`, in that order, as one array (n × D)."""
        return np.asarray(self.rows_ND[np.asarray(indices, dtype=np.int64)])


AnyFeatures = Features | InMemory


class FeatureWriter:
    """Writes feature rows as they come; the manifest is written last and makes them whole."""

    def __init__(self, folder: Path, *, width: int) -> None:
        """Start anew in `folder`; what a killed run left there is thrown away."""
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        self.folder, self.width = folder, width
        self.rows: list[int] = []
        self._waiting: list[np.ndarray] = []

    def add(self, features_ND: np.ndarray) -> None:
        """Append rows (n × D)."""
        self._waiting.append(features_ND.astype(np.float32, copy=False))
        if sum(map(len, self._waiting)) >= ROWS_PER_SHARD:
            self._flush()

    def close(self) -> Features:
        """Write what waits and the manifest; return the features."""
        if self._waiting:
            self._flush()
        return close(self.folder, self.rows, self.width)

    def _flush(self) -> None:
        shard_ND = np.concatenate(self._waiting)
        write_shard(Features.shard_path(self.folder, len(self.rows)), shard_ND)
        self.rows.append(len(shard_ND))
        self._waiting = []


def write_shard(
    path: Path, features_ND: np.ndarray, *, seconds: float | None = None, network_s: float | None = None
) -> None:
    """Write one shard in one step, with what computing it took where that was measured."""
    took = {name: repr(value) for name, value in (("seconds", seconds), ("network_s", network_s)) if value is not None}
    with replacing(path) as temporary:
        save_file({"features": features_ND}, temporary, metadata=took)


def is_shard(path: Path, rows: int, width: int) -> bool:
    """Whether a whole shard of this shape is kept at `path`."""
    return _header(path)[0] == (rows, width)


def close(folder: Path, rows: Sequence[int], width: int) -> Features:
    """Write the manifest over shards of so many `rows`, which makes them whole; return the features."""
    paths = [Features.shard_path(folder, number) for number in range(len(rows))]
    took = [_header(path)[1] for path in paths]
    seconds, network_s = (
        sum(float(one[name]) for one in took) if took and all(name in one for one in took) else None
        for name in ("seconds", "network_s")
    )
    sizes = [path.stat().st_size for path in paths]
    spent = {"seconds": seconds, "network_s": network_s}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / MANIFEST, {"rows": list(rows), "width": width, "bytes": sizes, **spent})
    return Features(folder, tuple(rows), width, seconds, network_s)


def _header(path: Path) -> tuple[tuple[int, ...], dict[str, str]]:
    """Shape and metadata of the shard at `path`; an empty shape where there is none or it is cut short."""
    try:
        with safe_open(path, "numpy") as file:
            return tuple(file.get_slice("features").get_shape()), file.metadata() or {}
    except (FileNotFoundError, SafetensorError):
        return (), {}
