"""Shards of features computed by other processes, several at a time, to the same bits as here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from headstart.events import Listener, Progress, Said
from headstart.features.way import Way
from headstart.runtime import Placement

FEWEST_SHARDS = 2
"""Below so many there is nothing to share; a shard takes longer than handing it over."""
LOOKED_EVERY_S = 1.0
"""How often it is looked which shards are there."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Shards for one process, each a file and the positions of its items, and how that process has to pass them."""

    shards: Sequence[tuple[Path, range]]
    stages: Sequence[int] | None
    placement: Placement
    way: Way


class Others(Protocol):
    """Other processes that know the items, the backbone and how to decode."""

    @property
    def workers(self) -> int:
        """How many of them work at a time."""
        ...

    def submit(self, portion: Portion) -> Future[None]:
        """Have the shards of a portion computed and written, by `extract_shards`."""
        ...

    def cancel(self) -> None:
        """Forget what was submitted and has not ended."""
        ...


def are_worth_it(others: Others, shards: int, way: Way) -> bool:
    """Whether `shards` that are to be passed in this way should be shared.

    Rounding depends on how many cores pass one batch, so that processes can divide the streams of a way among them, but not the
    cores of one stream.
    """
    return min(shards, others.workers) >= FEWEST_SHARDS and way.streams >= others.workers


def portions(
    shards: Sequence[tuple[Path, range]],
    workers: int,
    *,
    stages: Sequence[int] | None,
    placement: Placement,
    way: Way,
) -> list[Portion]:
    """The shards dealt out among `workers` processes, and the streams with them: each has its part of the cores, and passes
    a batch on as many of these as it would be passed on here.
    """
    streams = way.streams // workers
    own = replace(placement, threads=streams * max(1, placement.threads // way.streams))
    dealt = [shards[first::workers] for first in range(min(workers, len(shards)))]
    return [Portion(some, stages, own, replace(way, streams=streams)) for some in dealt]


def shared_out(
    portions: Sequence[Portion],
    others: Others,
    is_there: Callable[[Path, int], bool],
    *,
    what: str,
    total: int,
    listener: Listener,
) -> None:
    """Have the portions computed, and tell how far they are, out of `total` examples, by what is on disk.

    What goes wrong with an example is raised as it would be here. Processes that are ended from outside are said, and what
    they leave undone is left to the caller: shards that are whole stay.
    """
    counts = {path: len(rows) for portion in portions for path, rows in portion.shards}
    told = _Told(counts, is_there, what, total, listener, time.monotonic())
    futures: list[Future[None]] = []
    try:
        futures.extend(others.submit(portion) for portion in portions)
        told.look()
        waiting: AbstractSet[Future[None]] = set(futures)
        while waiting:
            ended, waiting = wait(futures, timeout=LOOKED_EVERY_S, return_when=FIRST_EXCEPTION)
            told.look()
            for future in ended:
                future.result()
    except BrokenExecutor:
        others.cancel()
        listener(
            Said(
                f"{what}: a process was ended from outside, most likely because memory ran out; this one goes on alone.",
                warning=True,
            )
        )
    finally:
        for future in futures:
            future.cancel()


@dataclass(slots=True)
class _Told:
    """What was told of `total` examples so far."""

    counts: Mapping[Path, int]
    is_there: Callable[[Path, int], bool]
    what: str
    total: int
    listener: Listener
    began: float
    done: int = -1

    def look(self) -> None:
        """Tell how many examples are done, where that is news."""
        done = sum(count for path, count in self.counts.items() if self.is_there(path, count))
        if done == self.done:
            return
        self.done = done
        left = sum(self.counts.values()) - done
        seconds = (time.monotonic() - self.began) / done * left if done else None
        self.listener(Progress(self.what, self.total - left, self.total, seconds))
