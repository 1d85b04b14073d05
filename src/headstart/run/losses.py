"""`predictions.csv` of a language model: every test text with what it costs.

Columns: `id`, `nats`, `tokens` (those that count), `bytes` (of UTF-8 that they stand for), `nats_from_scratch` (empty without that control) and
`fold`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.files import replacing
from headstart.run.predictions import safe_cell

LOSS_COLUMNS = ("id", "nats", "tokens", "bytes", "nats_from_scratch", "fold")


@dataclass(frozen=True, slots=True)
class LossRow:
    """What one test text costs the model, and the same network trained from scratch."""

    id: str
    nats: float
    tokens: int
    bytes: int
    from_scratch: float | None
    fold: int


def write_losses(path: Path, rows: Sequence[LossRow]) -> None:
    """Write `rows` in their order, with the columns LOSS_COLUMNS."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(LOSS_COLUMNS)
        for row in rows:
            scratch = "" if row.from_scratch is None else f"{row.from_scratch:.6g}"
            writer.writerow([safe_cell(row.id), f"{row.nats:.6g}", row.tokens, row.bytes, scratch, row.fold])
