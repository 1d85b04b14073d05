"""The journal: an append-only record of what was tuned and finished. It alone is the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.errors import RunError
from headstart.files import append_line


class Journal:
    """Lines of JSON in `journal.jsonl`; each is flushed to disk before the run goes on."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a last line that a killed run left half-written is cut off."""
        self.path = path
        self.entries = self._read()

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.is_file():
            return []
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise RunError(f"{self.path}: not a journal ({error}). Choose another --out.") from error

    def append(self, kind: str, **values: Any) -> None:
        """Add an entry and make sure that it is on disk, the whole of it; nothing is added where that fails."""
        entry = {"kind": kind, **values}
        append_line(self.path, json.dumps(entry, ensure_ascii=False, allow_nan=False), sync=True)
        self.entries.append(entry)

    def of(self, kind: str, **where: Any) -> list[Mapping[str, Any]]:
        """Entries of a kind whose values equal `where`, oldest first."""
        return [
            entry
            for entry in self.entries
            if entry["kind"] == kind and all(entry.get(name) == value for name, value in where.items())
        ]
