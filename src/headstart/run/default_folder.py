"""Where a run goes when nobody says: runs/NAME, runs/NAME-2, …; the same command goes on in its own unfinished run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from headstart.errors import RunError
from headstart.run.journal import Journal
from headstart.run.lock import is_held

RUNS = Path("runs")


def default_folder(name: str, data: str, options: Mapping[str, Any], *, parent: Path = RUNS) -> Path:
    """The first of parent/name, parent/name-2, … that is free, or that holds an unfinished run of `data` with `options`."""
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        if not folder.exists() or _is_ours(folder, data, options):
            return folder
    raise AssertionError("unreachable: there is always a next number")


def rank_folder(name: str, *, parent: Path = Path("ranks")) -> Path:
    """Where a ranking goes when nobody says: a later one takes the place of an earlier one, for nothing of it is lost."""
    return parent / name


def name_of(data: str) -> str:
    """What to call a run on `data`: the name of the folder or file without its suffix, or of the built-in data set."""
    if data.startswith("builtin:"):
        return data.removeprefix("builtin:")
    path = Path(data).resolve()
    return (path.name if path.is_dir() else path.stem) or "run"


def _is_ours(folder: Path, data: str, options: Mapping[str, Any]) -> bool:
    if (folder / "result.json").exists() or not (folder / "journal.jsonl").is_file() or is_held(folder):
        return False
    try:
        started = Journal(folder / "journal.jsonl").of("start")
    except RunError:
        return False  # somebody else's file of that name
    if not started:
        return False
    before = dict(started[0]["options"])
    return _same_data(str(before.pop("data", "")), data) and before == dict(options)


def _same_data(before: str, now: str) -> bool:
    return before == now or Path(before).resolve() == Path(now).resolve()
