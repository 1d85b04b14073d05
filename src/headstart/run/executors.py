"""Who runs trials and shards of features: this process, or a few others on this machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


class Here:
    """Runs each job at once, in this process."""

    workers = 1

    def submit(self, job: Callable[..., Result], shared: Any, *arguments: Any, **named: Any) -> Future[Result]:
        """The job has ended when this returns. Ctrl-C goes through to the caller."""
        future: Future[Result] = Future()
        try:
            future.set_result(job(shared, *arguments, **named))
        except Exception as error:  # noqa: BLE001  it is the future that raises it
            future.set_exception(error)
        return future

    def cancel(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""


class Processes:
    """Runs jobs in `workers` processes of their own, which divide the cores among them.

    They are started for what is shared by jobs and get it once, as they start: other things to share start others.
    """

    def __init__(self, workers: int = 2) -> None:
        """The processes start with the first job."""
        self.workers = workers
        self._shared: Any = None
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, job: Callable[..., Result], shared: Any, *arguments: Any, **named: Any) -> Future[Result]:
        """Queue the job for the next free process."""
        try:
            return self._pool_for(shared).submit(_run, job, arguments, named)
        except BrokenExecutor:  # a process was ended from outside since the last job, which is no fault of this one
            self.close()
            return self._pool_for(shared).submit(_run, job, arguments, named)

    def _pool_for(self, shared: Any) -> ProcessPoolExecutor:
        if self._pool is None or self._shared is not shared:
            self.close()
            threads = max(1, (os.cpu_count() or 1) // self.workers)
            # Spawned, not forked: a fork of a process that runs threads of torch may hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, context, initializer=_begin, initargs=(threads, shared))
            self._shared = shared
        return self._pool

    def cancel(self) -> None:
        """End the processes; the next job starts new ones."""
        self.close()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
        self._pool = self._shared = None


EXECUTORS: dict[str, Callable[[int], Here | Processes]] = {"here": lambda workers: Here(), "processes": Processes}
"""By name, from the number of workers."""


@contextmanager
def executing(workers: int) -> Iterator[Here | Processes]:
    """Someone who runs `workers` jobs at a time, until the block ends."""
    executor = EXECUTORS["here" if workers == 1 else "processes"](workers)
    try:
        yield executor
    finally:
        executor.close()


_here: list[Any] = []
"""In a process of a pool: what its jobs share."""


def _begin(threads: int, shared: Any) -> None:
    """In a new process: its share of the cores; Ctrl-C is for the process that asked."""
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    _here[:] = [shared]


def _run(job: Callable[..., Result], arguments: tuple[Any, ...], named: dict[str, Any]) -> Result:
    return job(_here[0], *arguments, **named)
