"""The run folder: where everything of one fit goes, how it is taken up again, and how its phases are timed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.errors import RunError
from headstart.events import Listener, PhaseEnded, PhaseStarted, Said, fan_out
from headstart.files import HALF, sweep
from headstart.log import log_to
from headstart.run.clock import BudgetClock
from headstart.run.journal import Journal
from headstart.run.lock import LOCK, hold
from headstart.runtime import peak_memory_mib


class Run:
    """One fit's folder with its journal, clock and listeners."""

    def __init__(
        self, folder: Path | None, options: Mapping[str, Any], *, budget_s: float | None, listener: Listener
    ) -> None:
        """Open `folder` (a temporary one where None), taking up what an earlier attempt with the same options left.

        Raises RunError where the folder holds something else, or another process is at work in it.
        """
        self.folder = folder or Path(tempfile.mkdtemp(prefix="headstart-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_others()
        self._lock = hold(self.folder)
        sweep(self.folder)
        self.journal = Journal(self.folder / "journal.jsonl")
        self.phases: list[dict[str, Any]] = []
        self.listener = fan_out(listener, log_to(self.folder / "log.jsonl"))
        self._begin(dict(options))
        spent_s = sum(entry["seconds"] for entry in self.journal.of("phase"))
        self.clock = BudgetClock(budget_s, spent_s=spent_s)

    def _refuse_others(self) -> None:
        others = sorted(path.name for path in self.folder.iterdir() if path.name not in ("log.jsonl", LOCK) and path.suffix != HALF)
        if others and "journal.jsonl" not in others:
            raise RunError(
                f"{self.folder}: holds other files ({', '.join(others[:3])}). Choose another --out, or empty it."
            )

    def _begin(self, options: dict[str, Any]) -> None:
        started = self.journal.of("start")
        if not started:
            self.journal.append("start", options=options)
            return
        before = started[0]["options"]
        changed = sorted(name for name in {*before, *options} if before.get(name) != options.get(name))
        if changed:
            raise RunError(
                f"{self.folder}: holds a run with another {', '.join(changed)} "
                f"({before.get(changed[0])}, now {options.get(changed[0])}). Choose another --out, or delete it."
            )
        self.listener(Said(f"Going on with the run in {self.folder}: what is finished is not done again."))

    def hold_to(self, fingerprint: str) -> None:
        """Note which data the run is on; raises RunError where an earlier attempt was on other data.

        Trials name examples by their place: those of other data would pass for results on these.
        """
        before = self.journal.of("data")
        if not before:
            self.journal.append("data", fingerprint=fingerprint)
        elif before[0]["fingerprint"] != fingerprint:
            raise RunError(f"{self.folder}: holds a run on other data. Choose another --out, or delete it.")

    @property
    def is_finished(self) -> bool:
        """Whether an earlier attempt came to its end."""
        return (self.folder / "result.json").is_file()

    @contextmanager
    def phase(self, name: str, detail: str = "") -> Iterator[None]:
        """Time a phase and its peak memory; the journal keeps them, so that a resumed run counts what was spent."""
        self.listener(PhaseStarted(name, detail))
        began = time.monotonic()
        try:
            yield
        finally:
            seconds, peak = time.monotonic() - began, peak_memory_mib()
            self.journal.append("phase", name=name, seconds=round(seconds, 3), peak_mib=round(peak, 1))
            self.phases.append({"name": name, "seconds": round(seconds, 3), "peak_mib": round(peak, 1)})
            self.listener(PhaseEnded(name, seconds, peak))
