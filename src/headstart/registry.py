"""Named things live in plain tables; `pick` takes one out and a miss lists the choices."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from headstart.errors import OptionError

T = TypeVar("T")


def pick(table: Mapping[str, T], name: str, *, what: str) -> T:
    """Return `table[name]`; raises OptionError naming the choices, the nearest one first, when it is not there."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    raise OptionError(f"{what} '{name}' is not known. {hint}Choose from: {', '.join(sorted(table))}.")
