"""What goes into the moving stages, kept: activations at a cut, and those of a few augmented views, computed once.

Chunks of rows lie under the cache in shards of safetensors, content-addressed by weights, cut, preprocessing, precision,
examples and view: every epoch, fold, trial, strategy and later run with the same frozen part reads the same ones.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from headstart.adapt.examples import UNSEEN, Augment, PreparedExamples
from headstart.events import Listener, Progress, silent
from headstart.features.batches import by_cost, to_device
from headstart.files import read_json, replacing, sha256_text, write_json
from headstart.models.backbone import WINDOWS, Inputs
from headstart.models.resume import CARRIED, Resumed
from headstart.models.text_preprocess import WINDOW_OF
from headstart.runtime import Placement, generator

MANIFEST = "manifest.json"
CHUNK = 256
"""Examples are computed in chunks of so many neighbours, whoever asks for which of them first: a view, and its last digit, must
not depend on the order of trials, or a run that is taken up again would end differently."""
SHARD_BYTES = 64 * 2**20
MEASURED = 16
VIEWS = 8
FEWEST_VIEWS = 4
"""How many augmented views are kept; with room for fewer than FEWEST_VIEWS, pictures are better augmented anew each time."""
ROOM_BYTES = 8 * 2**30
ROOM_SHARE = 1 / 4
"""Activations take no more room than this, and no more than this share of what is free on the disk."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Activations of some rows: each example's own part of `shards`, by where it starts and ends in them all together."""

    shards: tuple[np.ndarray, ...]
    first_S: np.ndarray
    starts: dict[int, tuple[int, int]]
    dtype: torch.dtype

    def read(self, row: int) -> np.ndarray:
        start, end = self.starts[row]
        shard = int(np.searchsorted(self.first_S, start, side="right")) - 1
        offset = int(self.first_S[shard])
        return np.asarray(self.shards[shard][start - offset : end - offset])


@dataclass(slots=True)
class CarriedExamples:
    """Batches of activations in place of prepared examples; `resumed` is frozen, in the precision of inference.

    View 0 shows the examples as they are, and is what predictions see; with `views` > 0 each epoch shows one of as many
    augmented views in turn.
    """

    examples: PreparedExamples
    contents: Sequence[str]
    resumed: Resumed
    placement: Placement
    folder: Path
    augment: Augment | None = None
    views: int = 0
    listener: Listener = silent
    seconds: float = 0.0
    """What computing has taken so far."""
    reads: int = 0
    """How many examples were read so far in place of passing them through the frozen part."""
    pass_s: float = 0.0
    """What such a pass takes, once measured."""
    _blocks: dict[tuple[int, int], _Block] = field(default_factory=dict)
    """By view and chunk."""

    def ready(self, rows: np.ndarray, epoch: int | None = None) -> None:
        """Compute what batches of `rows` in this epoch will need and nobody computed before."""
        view = self._view(epoch)
        for key in self._unknown(rows, [view]):
            self._blocks[key] = self._block(*key)

    def batch(self, rows: np.ndarray, epoch: int | None = None) -> Inputs:
        """The activations of `rows`, which must be `ready`, with their masks where they are texts."""
        view = self._view(epoch)
        self.reads += len(rows)
        blocks = [self._blocks[view, int(row) // CHUNK] for row in rows]
        parts = [self._shown(block.read(int(row)), int(row), epoch) for block, row in zip(blocks, rows, strict=True)]
        whole = self.examples.batch(rows, epoch) if self.examples.are_tokens else None
        if not isinstance(whole, dict):
            return {CARRIED: _tensor(np.concatenate(parts), blocks[0].dtype)}
        mask_BT = whole["attention_mask"].bool()
        carried_BTD = torch.zeros((*mask_BT.shape, parts[0].shape[-1]), dtype=blocks[0].dtype)
        carried_BTD[mask_BT] = _tensor(np.concatenate(parts), blocks[0].dtype)
        return {**whole, CARRIED: carried_BTD}

    def _shown(self, activations: np.ndarray, row: int, epoch: int | None) -> np.ndarray:
        """What an epoch shows of a text's activations: those of one of its windows, which lie one after the other."""
        lengths = [] if epoch is None else self.examples.lengths(row)
        if epoch is None or not lengths:
            return activations
        number = max(0, epoch) % len(lengths)
        start = sum(lengths[:number])
        return activations[start : start + lengths[number]]

    def costs(self, rows: Sequence[int] | np.ndarray) -> list[int]:
        """The relative compute of each of `rows`."""
        return self.examples.costs(rows)

    def tokens(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """None: embeddings lie before the cut."""
        return np.array([], dtype=np.int64)

    def missing(self, rows: np.ndarray) -> int:
        """How many passes of one example each the frozen part has still to make for all views of `rows`."""
        return sum(len(self._rows(chunk)) for _, chunk in self._unknown(rows, range(1 + self.views)))

    def measure(self, rows: np.ndarray) -> tuple[float, float]:
        """Bytes that one view of one example takes, and seconds to compute it: means over a few of `rows`."""
        some = rows[: min(MEASURED, len(rows))]
        self._carry(some, 0)  # the first pass pays for more than itself
        began = time.perf_counter()
        parts = self._carry(some, 0)
        self.pass_s = (time.perf_counter() - began) / len(some)
        return float(np.mean([part.nbytes for part in parts])), self.pass_s

    @property
    def saved_s(self) -> float:
        """Seconds that reading has saved so far, less those that computing took; reading itself takes next to nothing."""
        return max(0.0, self.reads * self.pass_s - self.seconds)

    def _view(self, epoch: int | None) -> int:
        return 0 if epoch is None or epoch == UNSEEN or not self.views else 1 + epoch % self.views

    def _unknown(self, rows: np.ndarray, views: Iterable[int]) -> list[tuple[int, int]]:
        chunks = np.unique(np.asarray(rows) // CHUNK).tolist()
        return [(view, chunk) for view in views for chunk in chunks if (view, chunk) not in self._blocks]

    def _rows(self, chunk: int) -> np.ndarray:
        return np.arange(chunk * CHUNK, min((chunk + 1) * CHUNK, len(self.contents)))

    def _block(self, view: int, chunk: int) -> _Block:
        rows = self._rows(chunk)
        folder = self.folder / sha256_text(str(view), *(self.contents[row] for row in rows))
        if not (folder / MANIFEST).is_file():
            self._write(folder, rows, view)
        try:
            return self._open(folder, rows)
        except FileNotFoundError:  # another process took the room between two looks
            self._write(folder, rows, view)
            return self._open(folder, rows)

    def _open(self, folder: Path, rows: np.ndarray) -> _Block:
        os.utime(self.folder)  # used: not the next to be removed
        manifest = read_json(folder / MANIFEST)
        shards = tuple(_mapped(folder / f"{number:05d}.safetensors") for number in range(len(manifest["shards"])))
        ends = np.cumsum(manifest["lengths"])
        starts = {
            int(rows[place]): (int(end - length), int(end))
            for place, length, end in zip(manifest["order"], manifest["lengths"], ends, strict=True)
        }
        first_S = np.concatenate([[0], np.cumsum(manifest["shards"])[:-1]])
        return _Block(shards, first_S, starts, getattr(torch, manifest["dtype"]))

    def _write(self, folder: Path, rows: np.ndarray, view: int) -> None:
        making = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        order: list[int] = []
        lengths: list[int] = []
        shards: list[int] = []
        waiting: list[Tensor] = []

        def flush() -> None:
            together = torch.cat(waiting)
            with replacing(making / f"{len(shards):05d}.safetensors") as temporary:
                save_file({"rows": together.contiguous()}, temporary)
            shards.append(len(together))
            waiting.clear()

        what = f"activations at {self.resumed.cut}" + (f", view {view} of {self.views}" if view else "")
        began, dtype = time.monotonic(), torch.float32
        make_room(self.folder.parent, keep=self.folder)
        for batch in by_cost(self.examples.costs(rows)):
            parts = self._carry(rows[batch], view)
            dtype = parts[0].dtype
            order += batch.tolist()
            lengths += [len(part) for part in parts]
            waiting += parts
            if sum(part.nbytes for part in waiting) >= SHARD_BYTES:
                flush()
            done = len(order)
            left = (time.monotonic() - began) / done * (len(rows) - done)
            self.listener(Progress(what, done, len(rows), left))
        if waiting:
            flush()
        told = {"order": order, "lengths": lengths, "shards": shards, "dtype": str(dtype).removeprefix("torch.")}
        write_json(making / MANIFEST, told)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            making.rename(folder)
        except OSError:  # another process was faster: its activations are the same
            shutil.rmtree(making)
        self.seconds += time.monotonic() - began

    def _carry(self, rows: np.ndarray, view: int) -> list[Tensor]:
        """Each example's activations (its length × …): a text's tokens without padding, window after window; one entry for a
        picture.
        """
        inputs = to_device(self.examples.batch(rows), self.placement.torch_device)
        if view and self.augment is not None:
            inputs = self.augment(inputs, generator(view, *(self.contents[row] for row in rows)))
        with torch.inference_mode():
            carried = self.resumed.carry(inputs).cpu()
        if not isinstance(inputs, dict):
            return list(torch.split(carried, 1))
        mask_RT = inputs["attention_mask"].cpu()
        if WINDOWS in inputs:
            window_of_R = torch.repeat_interleave(torch.arange(len(rows)), inputs[WINDOWS].cpu())
        else:
            window_of_R = inputs[WINDOW_OF].cpu() if WINDOW_OF in inputs else torch.arange(len(mask_RT))
        lengths = torch.zeros(len(rows), dtype=torch.int64).index_add(0, window_of_R, mask_RT.sum(1)).tolist()
        return [states.clone() for states in torch.split(carried[mask_RT.bool()], lengths)]


def views_with_room(bytes_each: float, examples: int, wanted: int, room: float) -> int | None:
    """How many augmented views of so many examples fit into `room` bytes beside the plain one: at most `wanted`, which is 0
    where nothing is augmented; None where it is not worth it.
    """
    most = int(room / max(1.0, bytes_each * examples)) - 1
    return min(wanted, most) if most >= min(wanted, FEWEST_VIEWS) else None


def room(folder: Path) -> float:
    """Bytes that activations under `folder` may take in all, those that are there included."""
    folder.mkdir(parents=True, exist_ok=True)
    return min(ROOM_BYTES, ROOM_SHARE * (shutil.disk_usage(folder).free + _size(folder)))


def make_room(folder: Path, *, keep: Path) -> None:
    """Remove what was used longest ago under `folder`, but never `keep`, until the rest leaves half of the room."""
    folder.mkdir(parents=True, exist_ok=True)
    most = room(folder) / 2
    others = sorted((path for path in folder.iterdir() if path != keep), key=lambda path: path.stat().st_mtime)
    while others and sum(map(_size, others)) > most:
        shutil.rmtree(others.pop(0))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _tensor(stored: np.ndarray, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(stored).view(dtype)


def _mapped(path: Path) -> np.ndarray:
    """The only tensor of a safetensors file, mapped into memory: the format is a length, a header, the numbers."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))["rows"]
    dtype = {"BF16": np.uint16, "F16": np.uint16, "F32": np.float32}[header["dtype"]]
    return np.memmap(
        path, dtype=dtype, mode="r", offset=8 + size + header["data_offsets"][0], shape=tuple(header["shape"])
    )
