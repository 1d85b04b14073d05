"""Shards of a workbench's features, handed to whoever runs the trials."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.adapt.memory import in_plain_words
from headstart.adapt.trial import Spec
from headstart.errors import OutOfMemory
from headstart.features.extract import Shard, extract_shards
from headstart.features.sharing import Portion
from headstart.features.store import ROWS_PER_SHARD
from headstart.protocols import Executor

if TYPE_CHECKING:
    from headstart.adapt.workbench import Workbench


@dataclass(frozen=True, slots=True)
class ByExecutor:
    """Hands out shards of a backbone's features of the examples at `rows`; with `random` those of its twin.

    Jobs share the workbench with trials, so that both are run by the same processes.
    """

    executor: Executor
    bench: Workbench
    name: str
    rows: np.ndarray
    random: bool = False

    @property
    def workers(self) -> int:
        """How many jobs run at a time."""
        return self.executor.workers

    def submit(self, portion: Portion) -> Future[None]:
        """Queue the shards of a portion as one job."""
        rows = [self.rows[places.start : places.stop] for _, places in portion.shards]
        return self.executor.submit(compute, self.bench, self.name, portion, rows, random=self.random)

    def cancel(self) -> None:
        """Forget what was submitted and has not ended."""
        self.executor.cancel()


def compute(bench: Workbench, name: str, portion: Portion, rows: list[np.ndarray], *, random: bool) -> None:
    """Compute and write the shards of a portion, which hold the examples at `rows`; a job of its own."""
    extract_shards(
        (Shard(path, [bench.items[row] for row in own]) for (path, _), own in zip(portion.shards, rows, strict=True)),
        bench.backbone(name, random=random),
        decode=bench.decode,
        placement=portion.placement,
        stages=portion.stages,
        way=portion.way,
        count=sum(map(len, rows)),
    )


def ahead(bench: Workbench, spec: Spec) -> None:
    """Before a trial goes to one of several processes, compute the features that it starts from, shared out among them.

    Each process would compute them alone and all of them. Up to one shard there is nothing to share; what trains from scratch
    reads no features.
    """
    if bench.executor is None or bench.executor.workers == 1 or spec.role == "scratch" or len(bench.items) <= ROWS_PER_SHARD:
        return
    # Where memory runs out it does so again in the trial, which then is what fails.
    with suppress(OutOfMemory), in_plain_words(f"features of {spec.backbone}"):
        bench.features(spec.backbone, random=spec.role == "random-frozen")
