"""Who runs trials and shards of features: this process, or a few others on this machine."""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
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
    """Runs jobs in `workers` processes of their own, which share the cores evenly.

    What is shared by jobs is pickled once, into a temporary file that each process reads once.
    """

    def __init__(self, workers: int = 2) -> None:
        """The processes start with the first job."""
        self.workers = workers
        self._folder = tempfile.TemporaryDirectory(prefix="headstart-jobs-")
        self._sent: dict[int, tuple[Any, Path]] = {}
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, job: Callable[..., Result], shared: Any, *arguments: Any, **named: Any) -> Future[Result]:
        """Queue the job for the next free process."""
        if self._pool is None:
            threads = max(1, (os.cpu_count() or 1) // self.workers)
            # Spawned, not forked: a fork of a process that runs threads of torch may hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, context, initializer=_begin, initargs=(threads,))
        return self._pool.submit(_run, job, self._path(shared), arguments, named)

    def cancel(self) -> None:
        """End the processes; the next job starts new ones."""
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            self._pool = None

    def close(self) -> None:
        """End the processes and remove the temporary files."""
        self.cancel()
        self._folder.cleanup()

    def _path(self, shared: Any) -> Path:
        if id(shared) not in self._sent:
            path = Path(self._folder.name) / f"{len(self._sent)}.pickle"
            path.write_bytes(pickle.dumps(shared))
            # Kept, so that no other object can get the same id.
            self._sent[id(shared)] = (shared, path)
        return self._sent[id(shared)][1]


@contextmanager
def executing(workers: int) -> Iterator[Here | Processes]:
    """Someone who runs `workers` jobs at a time, until the block ends."""
    executor = Here() if workers == 1 else Processes(workers)
    try:
        yield executor
    finally:
        executor.close()


def _begin(threads: int) -> None:
    """In a new process: its share of the cores; Ctrl-C is for the process that asked."""
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


@functools.lru_cache(maxsize=2)
def _read(path: Path) -> Any:
    shared: Any = pickle.loads(path.read_bytes())  # our own file, written a moment ago
    return shared


def _run(job: Callable[..., Result], path: Path, arguments: tuple[Any, ...], named: dict[str, Any]) -> Result:
    return job(_read(path), *arguments, **named)
