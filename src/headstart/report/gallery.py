"""Examples to show: small pictures inside the page, or excerpts, within a limit on bytes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headstart.errors import DataError
from headstart.report.words import number
from headstart.run.predictions import NumberRow, PredictionRow

KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
ROW_BYTES = 350
"""About what the words around one example take."""


@dataclass(frozen=True, slots=True)
class Example:
    """One prediction to show: `picture` is a data URI, `text` an excerpt; both are None where there is no room."""

    id: str
    true: str
    predicted: str
    confidence: float | None
    picture: str | None
    text: str | None


class Gallery:
    """Shows examples until its room is used up; after that only their names."""

    def __init__(self, thumbnails: Callable[[str], bytes | str | None], room: int) -> None:
        """`thumbnails` gives JPEG or PNG bytes, a text, or None; `room` is in bytes of the page."""
        self._thumbnails = thumbnails
        self._room = room

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another example."""
        return self._room <= 0

    def show(self, row: PredictionRow) -> Example:
        """The example behind a prediction."""
        picture, text = self.look(row.id)
        return Example(row.id, named(row.true), named(row.predicted), row.confidence, picture, text)

    def show_number(self, row: NumberRow) -> Example:
        """The example behind a predicted number."""
        picture, text = self.look(row.id)
        return Example(row.id, number(row.true), number(row.predicted), None, picture, text)

    def look(self, name: str) -> tuple[str | None, str | None]:
        """The example called `name` as a data URI or as an excerpt; neither where there is no room left."""
        picture, text = (None, None) if self.is_full else self._look(name)
        self._room -= ROW_BYTES + len(picture or "") + len(text or "")
        return picture, text

    def _look(self, name: str) -> tuple[str | None, str | None]:
        try:
            seen = self._thumbnails(name)
        except DataError as error:
            return None, f"cannot be shown: {error}"
        if seen is None or isinstance(seen, str):
            return None, seen
        kind = next((kind for magic, kind in KINDS.items() if seen.startswith(magic)), None)
        if kind is None:
            return None, "cannot be shown: its thumbnail is neither JPEG nor PNG"
        return f"data:{kind};base64,{b64encode(seen).decode()}", None


def named(names: Sequence[str]) -> str:
    """Labels in one line; no label is a label too."""
    return ", ".join(names) if names else "none"
