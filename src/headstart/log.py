"""A listener that appends every event to `log.jsonl`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from headstart.events import Event, Listener, Progress
from headstart.files import append_line


def log_to(path: Path) -> Listener:
    """A listener that appends each event, with its time in UTC, as one line of JSON; progress ticks are left out."""

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            return
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": type(event).__name__,
            **asdict(event),
        }
        append_line(path, json.dumps(entry, ensure_ascii=False))

    return listen
