"""What the panels of a page are told from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.report.gallery import Gallery
from headstart.run.answers import AnswerRow
from headstart.run.predictions import NumberRow, PredictionRow
from headstart.run.result import Result
from headstart.run.tags import TagRow

Thumbnails = Callable[[str], bytes | str | None]


@dataclass(frozen=True, slots=True)
class Story:
    """A finished run with its test predictions (`rows`, `numbers` of a quantity, `answers` in a text, or `tagged` texts with labelled words), its audit and a way to show its examples."""

    folder: Path
    result: Result
    rows: Sequence[PredictionRow]
    audit: Mapping[str, Any]
    thumbnails: Thumbnails
    numbers: Sequence[NumberRow] = ()
    answers: Sequence[AnswerRow] = ()
    tagged: Sequence[TagRow] = ()

    @property
    def panels(self) -> Sequence[str]:
        """The panels that the task of the run asks for; results of earlier releases know classes only."""
        usual = ("confusion", "classes", "mistakes", "calibration")
        return tuple(self.result.task.get("panels") or usual)

    def gallery(self, room: int) -> Gallery:
        """A new gallery with `room` bytes for pictures and texts."""
        return Gallery(self.thumbnails, room)

    @property
    def folder_name(self) -> str:
        """The folder as one would type it; of an absolute path only the name, a page is often handed on."""
        return self.folder.name if self.folder.is_absolute() else self.folder.as_posix()
