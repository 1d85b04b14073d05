"""What a check finds: one sentence, and figures that make one picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from headstart.prove.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a finding: a share with its interval, what it is, and what else to know of it."""

    name: str
    figure: Estimate
    note: str = ""
    strong: bool = False
    """Whether it is what the others are compared with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    `sentence` says it in words, `on` on which data; `rows` are its figures, in the order of the picture; `examples` are a few
    lines that show what is meant; `warning` is what the report warns of, if anything.
    """

    name: str
    title: str
    sentence: str
    on: str
    rows: tuple[Row, ...]
    examples: tuple[str, ...] = ()
    warning: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "rows": [asdict(row) for row in self.rows], "examples": list(self.examples)}


def told(figure: Estimate) -> str:
    """A share with its interval: `84.5 % (79–89)`."""
    if figure.value is None:
        return "not defined"
    ends = "" if figure.low is None or figure.high is None else f" ({100 * figure.low:.0f}–{100 * figure.high:.0f})"
    return f"{100 * figure.value:.1f} %{ends}"
