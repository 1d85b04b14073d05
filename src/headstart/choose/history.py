"""What finished runs on this machine have shown, kept on this machine only; the prior learns from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.choose.knowledge import ERROR, names_of
from headstart.choose.ranking import Ranking
from headstart.files import append_line
from headstart.runtime import data_dir

HISTORY_VARIABLE = "HEADSTART_HISTORY"
"""`off` keeps and reads no history."""


def history_path() -> Path:
    """The file of all finished runs, one per line."""
    return data_dir() / "history.jsonl"


def is_off() -> bool:
    """Whether the user wants no history."""
    return os.environ.get(HISTORY_VARIABLE, "").lower() in ("off", "0", "no", "false")


def read_history() -> list[Mapping[str, Any]]:
    """All finished runs, oldest first; a line that is not whole is left aside."""
    path = history_path()
    if is_off() or not path.is_file():
        return []
    entries: list[Mapping[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and {"fingerprint", "scores", "worth"} <= set(entry):
            entries.append(entry)
    return entries


def entry_of(fingerprint: str, ranking: Ranking, worth: Mapping[str, float]) -> dict[str, Any] | None:
    """What a finished run has to tell: scores and validation values by backbone; None where it compared fewer than two.

    `worth` holds the best validation value of each backbone that was tried, higher is better; nothing from test data.
    """
    told = {one.card.name: one for one in ranking.candidates if one.card.name in worth}
    if len(told) < 2:
        return None
    keys = {name: names_of(one.card)[0] for name, one in told.items()}
    return {
        "fingerprint": fingerprint,
        "scores": {
            keys[name]: {
                ERROR: round(one.evidence.log_error, 6),
                **{kind: round(found.above, 6) for kind, found in one.evidence.scores.items()},
            }
            for name, one in told.items()
        },
        "worth": {keys[name]: round(float(worth[name]), 6) for name in told},
    }


def remember(entry: Mapping[str, Any]) -> None:
    """Add a finished run; a run on the same data that is there already stays, and the later one counts."""
    append_line(history_path(), json.dumps(entry, sort_keys=True))
