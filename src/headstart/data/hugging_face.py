"""Hugging Face's `datasets`: class names, pictures left encoded until they are asked for, and parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.data.frame import Frame
from headstart.data.items import raw_bytes
from headstart.data.options import PARTS
from headstart.errors import DataError


@dataclass(frozen=True, slots=True)
class EncodedCell:
    """A picture in a Hugging Face data set, read from its memory map when it is needed."""

    table: Any
    column: str
    row: int

    @property
    def name(self) -> str:
        """Where the picture comes from, as far as the data set knows."""
        return f"row {self.row}"

    def read(self) -> bytes:
        """The encoded picture."""
        cell = self.table[self.row][self.column]
        if cell is None or (cell.get("bytes") is None and cell.get("path") is None):
            raise DataError(f"row {self.row}: no picture in column '{self.column}'. Fill it in or remove the row.")
        return cell["bytes"] if cell.get("bytes") is not None else raw_bytes(Path(cell["path"]))


@dataclass(frozen=True, slots=True)
class EncodedColumn(Sequence[Any]):
    """A picture column as a sequence of cells that hold no picture yet."""

    table: Any
    column: str

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.table)

    def __getitem__(self, row: Any) -> Any:
        """The cell of a row."""
        return (
            [self[one] for one in range(*row.indices(len(self)))]
            if isinstance(row, slice)
            else EncodedCell(self.table, self.column, row)
        )

    def __iter__(self) -> Any:
        """All cells in order."""
        return (EncodedCell(self.table, self.column, row) for row in range(len(self)))


def hub_frames(source: Any) -> list[Frame]:
    """A frame for a Dataset, or one for every part of a DatasetDict; raises DataError for a stream."""
    if isinstance(source, dict):
        known = {name: table for name, table in source.items() if name.lower() in PARTS}
        left = sorted(set(source) - set(known))
        if not known:
            raise DataError(
                f"Hugging Face data set: no part is called train or test, only {', '.join(left)}. Give one of them."
            )
        said = (f"left out the part{'s' if len(left) > 1 else ''} {', '.join(left)}",) if left else ()
        return [_frame(table, name, said if place == 0 else ()) for place, (name, table) in enumerate(known.items())]
    if not hasattr(source, "features") or not hasattr(source, "__len__"):
        raise DataError(
            f"Hugging Face {type(source).__name__}: cannot be read more than once. Load it without streaming."
        )
    return [_frame(source, "", ())]


def _frame(table: Any, name: str, said: tuple[str, ...]) -> Frame:
    plain = table.with_format(None)
    columns: dict[str, Sequence[Any]] = {}
    class_names: dict[str, Sequence[str]] = {}
    for column, feature in plain.features.items():
        inner = getattr(feature, "feature", feature)
        if getattr(inner, "names", None):
            class_names[column] = list(inner.names)
        if type(feature).__name__ == "Image":
            encoded = plain.select_columns([column]).cast_column(column, type(feature)(decode=False))
            columns[column] = EncodedColumn(encoded, column)
        else:
            columns[column] = list(plain[column])
    title = f"{name} row" if name else "row"
    return Frame(
        name or "Hugging Face data set",
        columns,
        [f"{title} {row}" for row in range(len(plain))],
        part=PARTS.get(name.lower(), ""),
        class_names=class_names,
        said=said,
    )
