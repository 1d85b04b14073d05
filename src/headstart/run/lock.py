"""One process at a time in a run folder."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from headstart.errors import RunError

LOCK = ".lock"


class Lock:
    """A lock of this process on a folder, for as long as the object lives; when the process dies the system lets go."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises BlockingIOError where another process has it."""
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        # Unlike __del__, this also runs while Python itself is still whole when the interpreter ends.
        self._closing = weakref.finalize(self, os.close, file)
        try:
            # A lock of the process, not of the open file: the same process may take a run up again.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise

    def close(self) -> None:
        """Let go."""
        self._closing()


def hold(folder: Path) -> Lock:
    """Keep other processes out of `folder`; raises RunError where one of them is at work in it."""
    try:
        return Lock(folder)
    except BlockingIOError as error:
        raise RunError(
            f"{folder}: another process is at work in this run. Wait for its end, or choose another --out."
        ) from error


def is_held(folder: Path) -> bool:
    """Whether another process is at work in `folder`."""
    if not (folder / LOCK).is_file():
        return False
    try:
        Lock(folder).close()
    except BlockingIOError:
        return True
    return False
