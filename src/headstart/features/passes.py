"""Items → features, decoding and computing side by side on every core, with a bounded number of batches in work.

On a processor each stream is a thread with its share of the cores that decodes a batch and passes it through the network:
while one decodes another computes, and nothing waits inside a layer. With a single stream, and on a GPU, threads decode
ahead into pinned memory and the caller computes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.errors import DataError
from headstart.features.batches import Decode, by_cost, to_device
from headstart.features.forward import FORWARDS, Forward, padded
from headstart.features.way import Way
from headstart.models.backbone import Backbone, Inputs
from headstart.registry import pick
from headstart.runtime import Placement

SLICE = 256
"""Texts are tokenised so many at a time: one alone takes less time than handing it to a thread."""


@dataclass(slots=True)
class Timer:
    """Seconds spent in passes through the network, those of all streams together; `streams` is how many there are."""

    seconds: float = 0.0
    streams: int = 1
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time inside."""
        began = time.perf_counter()
        yield
        with self._lock:
            self.seconds += time.perf_counter() - began

    @property
    def network_s(self) -> float:
        """Seconds that the passes would have taken by themselves, all streams computing."""
        return self.seconds / self.streams


def passes(
    parts: Iterable[Sequence[Any]],
    network: Backbone,
    *,
    decode: Decode,
    placement: Placement,
    way: Way,
    stages: Sequence[int] | None = None,
    timer: Timer | None = None,
    tick: Callable[[int], None] = lambda count: None,
    refused: dict[int, str] | None = None,
) -> Iterator[np.ndarray]:
    """Yield the features (n × D, float32) of each part in turn; what they are depends on that part alone.

    `network` is as `for_inference` makes it; `tick` hears of every batch, `timer` counts the passes. An item that `decode`
    refuses with DataError ends everything, unless there is `refused` to note the reason under its position, counted over all
    parts: its row is then NaN.
    """
    timer = timer or Timer()
    work = _Work(network, decode, placement, way, stages, timer, refused)
    with work.pool() as pool:
        batches = _ahead(pool, work, work.tasks(parts, pool), limit=2 * work.threads)
        for part, rows, there, found in batches if work.in_streams else _one_behind(map(work.launched, batches)):
            part.features_ND[rows[there]] = work.fetched(found)
            part.left -= len(rows)
            tick(len(rows))
            if part.left == 0:
                yield part.features_ND


@dataclass(slots=True)
class _Part:
    """The features of one part, filled batch by batch."""

    features_ND: np.ndarray
    left: int


Task = tuple[_Part, np.ndarray, Callable[[], list[Any]]]
"""The part, some of its rows, and what prepares them; None stands for an example that was refused."""


class _Work:
    """What all batches share."""

    def __init__(
        self,
        network: Backbone,
        decode: Decode,
        placement: Placement,
        way: Way,
        stages: Sequence[int] | None,
        timer: Timer,
        refused: dict[int, str] | None,
    ) -> None:
        self.network, self.decode, self.placement, self.way, self.stages = network, decode, placement, way, stages
        self.timer, self.refused = timer, refused
        timer.streams = way.streams
        self.kind = pick(FORWARDS, way.forward, what="way of passing")
        self.in_streams = way.streams > 1
        self.threads = way.streams if self.in_streams else placement.threads
        self.width = network.width if stages is None else sum(network.stages[number].width for number in stages)
        self.idle: SimpleQueue[Forward] = SimpleQueue()

    @contextmanager
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads, each with its share of the cores for what it computes; the caller's own share comes back in the end."""
        before = torch.get_num_threads()
        share = max(1, self.placement.threads // self.threads)
        pool = ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(share,))
        try:
            if not self.in_streams:
                torch.set_num_threads(self.placement.threads)
            build = pool.submit(self._build).result if self.in_streams else self._build
            build()
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)

    def _build(self) -> None:
        with torch.inference_mode():
            for forward in self.kind.build(self.network, self.stages, self.way.streams):
                self.idle.put(forward)

    def tasks(self, parts: Iterable[Sequence[Any]], pool: ThreadPoolExecutor) -> Iterator[Task]:
        """The batches of all parts, made as they are asked for."""
        start = 0
        for items in parts:
            part = _Part(np.full((len(items), self.width), np.nan, dtype=np.float32), len(items))
            for rows, prepare in self._batches(items, start, pool):
                yield part, rows, prepare
            start += len(items)

    def _batches(
        self, items: Sequence[Any], start: int, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[np.ndarray, Callable[[], list[Any]]]]:
        first = 0
        while (example := self._ready(items[first], start + first)) is None:
            first += 1
            if first == len(items):
                yield np.arange(len(items)), lambda: [None] * len(items)
                return
        known: dict[int, Any] = dict.fromkeys(range(first)) | {first: example}

        def ready(row: int) -> Any:
            return known[row] if row in known else self._ready(items[row], start + row)

        if isinstance(example, np.ndarray):
            for begin in range(0, len(items), self.way.batch):
                rows = np.arange(begin, min(len(items), begin + self.way.batch))
                yield rows, lambda rows=rows: [ready(int(row)) for row in rows]  # type: ignore[misc]
            return
        slices = [range(begin, min(len(items), begin + SLICE)) for begin in range(0, len(items), SLICE)]
        prepared = [one for some in pool.map(lambda rows: list(map(ready, rows)), slices) for one in some]
        there = np.array([row for row, one in enumerate(prepared) if one is not None])
        for places in by_cost([self.network.preprocess.cost(prepared[row]) for row in there], self.way.batch):
            rows = there[places]
            yield rows, lambda rows=rows: [prepared[row] for row in rows]  # type: ignore[misc]
        if len(there) < len(items):
            rows = np.setdiff1d(np.arange(len(items)), there)
            yield rows, lambda rows=rows: [None] * len(rows)  # type: ignore[misc]

    def _ready(self, item: Any, position: int) -> Any:
        try:
            return self.network.preprocess.prepare(self.decode(item))
        except DataError as error:
            if self.refused is None:
                raise
            self.refused[position] = str(error)
            return None

    def in_pool(self, prepare: Callable[[], list[Any]]) -> tuple[np.ndarray, Any]:
        """What a thread of the pool does with a batch: all of it, or its preparation."""
        examples = prepare()
        there = np.array([one is not None for one in examples])
        if not there.any():
            return there, None
        inputs = self.network.preprocess.collate([one for one in examples if one is not None])
        return there, self.computed(inputs).numpy() if self.in_streams else self._pinned(inputs)

    def computed(self, inputs: Inputs) -> Tensor:
        """Features (n, D) on the device."""
        count = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
        if self.kind.fixed:
            inputs = padded(inputs, self.way.batch)
        forward = self.idle.get()
        try:
            with self.timer.running(), torch.inference_mode():
                features_BD = forward(to_device(inputs, self.placement.torch_device))
            return features_BD[:count]
        finally:
            self.idle.put(forward)

    def launched(self, batch: Batch) -> Batch:
        """A prepared batch with its features on the device, where the caller computes."""
        part, rows, there, inputs = batch
        return part, rows, there, None if inputs is None else self.computed(inputs)

    def fetched(self, found: Tensor | np.ndarray | None) -> np.ndarray:
        """Features as an array; a GPU is waited for here, which is the network's time."""
        if found is None:
            return np.empty((0, self.width), dtype=np.float32)
        if isinstance(found, np.ndarray):
            return found
        with self.timer.running():
            return np.asarray(found.cpu().numpy())

    def _pinned(self, inputs: Inputs) -> Inputs:
        if not self.placement.device.startswith("cuda"):
            return inputs
        if isinstance(inputs, dict):
            return {name: tensor.pin_memory() for name, tensor in inputs.items()}
        return inputs.pin_memory()


Batch = tuple[_Part, np.ndarray, np.ndarray, Any]
"""The part, some of its rows, which of these are there, and their inputs or features."""


def _ahead(pool: ThreadPoolExecutor, work: _Work, tasks: Iterator[Task], limit: int) -> Iterator[Batch]:
    """What the pool makes of `tasks`, in their order, at most `limit` of them in work."""
    waiting: deque[tuple[_Part, np.ndarray, Future[tuple[np.ndarray, Any]]]] = deque()

    def oldest() -> Batch:
        part, rows, future = waiting.popleft()
        return part, rows, *future.result()

    for part, rows, prepare in tasks:
        waiting.append((part, rows, pool.submit(work.in_pool, prepare)))
        if len(waiting) >= limit:
            yield oldest()
    while waiting:
        yield oldest()


def _one_behind(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same, each once the next one is there: a GPU works on that one while this one is fetched."""
    before = next(batches, None)
    for batch in batches:
        assert before is not None
        yield before
        before = batch
    if before is not None:
        yield before
