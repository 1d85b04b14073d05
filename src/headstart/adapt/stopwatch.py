"""Time spent on a job that may be killed and taken up again."""

from __future__ import annotations

import time
from pathlib import Path

from headstart.events import Event, Listener
from headstart.files import read_json, write_json

NOTE_S = 5.0
"""Seconds between notes of the time spent; a killed run forgets at most so much of it."""


class Stopwatch:
    """Seconds spent on a job over all its sittings, noted on disk while it goes on."""

    def __init__(self, path: Path) -> None:
        """Go on from what `path` notes of earlier sittings."""
        self._path = path
        self._before = float(read_json(path)["seconds"]) if path.is_file() else 0.0
        self._began = self._noted = time.monotonic()

    def seconds(self) -> float:
        """The seconds so far, earlier sittings included."""
        return self._before + time.monotonic() - self._began

    def listening(self, listener: Listener) -> Listener:
        """`listener`, with a note of the time beside every few seconds' events."""

        def hand_on(event: Event) -> None:
            if time.monotonic() - self._noted >= NOTE_S:
                write_json(self._path, {"seconds": self.seconds()})
                self._noted = time.monotonic()
            listener(event)

        return hand_on
