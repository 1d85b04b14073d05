"""One process at a time in a run folder."""

from __future__ import annotations

import fcntl
from io import FileIO
from pathlib import Path

from headstart.errors import RunError

LOCK = ".lock"


def hold(folder: Path) -> FileIO:
    """Keep other processes out of `folder` for as long as the answer lives; the system lets go of it when we die.

    Raises RunError where another process is at work in it.
    """
    lock = _attempt(folder)
    if lock is None:
        raise RunError(f"{folder}: another process is at work in this run. Wait for its end, or choose another --out.")
    return lock


def is_held(folder: Path) -> bool:
    """Whether another process is at work in `folder`."""
    if not (folder / LOCK).is_file():
        return False
    lock = _attempt(folder)
    if lock is not None:
        lock.close()
    return lock is None


def _attempt(folder: Path) -> FileIO | None:
    file = FileIO(folder / LOCK, "a")
    try:
        # A lock of the process, not of the file: the same process may take a run up again.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
