"""Trials in the journal: which began, which finished, and what their validation saw beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from headstart.adapt.deaths import DEATHS, Kills, count_kills
from headstart.adapt.trial import Spec, Trial, Validated
from headstart.files import replacing


class Entries(Protocol):
    """An append-only record, such as `headstart.run.journal.Journal`."""

    def append(self, kind: str, **values: Any) -> None:
        """Add an entry."""
        ...

    def of(self, kind: str, **where: Any) -> list[Mapping[str, Any]]:
        """Entries of a kind, oldest first."""
        ...


class Ledger:
    """Trials of a run: noted as they begin, recorded as they finish, looked up when the same command goes on.

    `replay` holds the entries of another run: its sequence of specs is then followed and nothing is planned anew. `kills` counts
    the processes that the kernel ended for lack of memory.
    """

    def __init__(
        self,
        journal: Entries,
        folder: Path,
        *,
        replay: Entries | None = None,
        kills: Callable[[], Kills] = count_kills,
    ) -> None:
        """Keep validation logits in `folder`; note which trials the process before this one did not survive."""
        self._journal, self._folder, self._replay, self._kills = journal, folder, replay, kills
        latest = {(entry["fold"], entry["key"]): entry for entry in journal.of("began")}
        for where, entry in latest.items():
            if self._is_open(*where):
                short = kills().more_than(Kills.from_dict(entry["kills"]))
                journal.append("died", fold=entry["fold"], key=entry["key"], gist=entry["gist"], short_of_memory=short)

    @property
    def replays(self) -> bool:
        """Whether another run's sequence is followed."""
        return self._replay is not None

    def planned(self, fold: int) -> list[Spec]:
        """The specs that are already decided for this fold, in order."""
        entries = (self._replay or self._journal).of("trial", fold=fold)
        return [Spec(e["role"], e["backbone"], e["strategy"], e["settings"]) for e in entries]

    def finished(self, spec: Spec, fold: int) -> Trial | None:
        """The trial of this spec, if it was finished and what it saw is still there."""
        found = self._journal.of("trial", fold=fold, key=spec.key(fold))
        if not found:
            return None
        entry = found[-1]
        validated = None
        if entry["error"] is None:
            seen = self._read(spec.key(fold))
            if seen is None:
                return None
            validated = Validated(seen["rows"], seen["logits"], entry["found"], entry.get("pruned", False))
        told = (entry["values"], validated, entry["error"], entry.get("after"))
        return Trial(entry["number"], fold, spec, entry["seconds"], *told)

    def begin(self, spec: Spec, fold: int) -> None:
        """Note that the trial begins: should the process end before it does, the next one will know in which."""
        self._journal.append("began", fold=fold, key=spec.key(fold), gist=spec.gist(fold), kills=self._kills().to_dict())

    def leave(self, spec: Spec, fold: int) -> None:
        """Note that the trial was broken off in good order."""
        if self._is_open(fold, spec.key(fold)):
            self._journal.append("left", fold=fold, key=spec.key(fold))

    def is_deadly(self, spec: Spec, fold: int) -> bool:
        """Whether the process was ended for lack of memory in DEATHS trials of this gist."""
        return len(self._journal.of("died", fold=fold, gist=spec.gist(fold), short_of_memory=True)) >= DEATHS

    def _is_open(self, fold: int, key: str) -> bool:
        """Whether a trial began more often than it was left or died, and never finished."""
        began, trial, left, died = (len(self._journal.of(kind, fold=fold, key=key)) for kind in ("began", "trial", "left", "died"))
        return not trial and began > left + died

    def known_before(self, spec: Spec, fold: int) -> int | None:
        """How many trials were known when this one, which is in the journal that is followed, began."""
        found = (self._replay or self._journal).of("trial", fold=fold, key=spec.key(fold))
        return found[-1].get("after") if found else None

    def record(self, trial: Trial) -> None:
        """Write what validation saw, then the entry that makes the trial finished."""
        key = trial.spec.key(trial.fold)
        if trial.validated is not None:
            with replacing(self._path(key)) as temporary:
                save_file({"rows": trial.validated.rows, "logits": trial.validated.logits}, temporary)
        if self._journal.of("trial", fold=trial.fold, key=key):
            return  # recomputed because its logits were deleted; the journal has it already
        self._journal.append(
            "trial",
            number=trial.number,
            fold=trial.fold,
            key=key,
            role=trial.spec.role,
            backbone=trial.spec.backbone,
            strategy=trial.spec.strategy,
            settings=dict(trial.spec.settings),
            found=dict(trial.validated.found) if trial.validated else {},
            values=dict(trial.values),
            seconds=round(trial.seconds, 3),
            error=trial.error,
            pruned=trial.validated is not None and trial.validated.pruned,
            after=trial.number if trial.after is None else trial.after,
        )

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def _read(self, key: str) -> dict[str, np.ndarray] | None:
        try:
            return load_file(self._path(key))
        except (FileNotFoundError, SafetensorError):
            return None
