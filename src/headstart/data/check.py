"""`check`: what is in the data, and what is wrong with it, without training anything."""

from __future__ import annotations

from typing import Any

from headstart.data.audit import audit
from headstart.data.audit_result import Audit
from headstart.data.read import NO_COLUMNS, Columns, read
from headstart.events import Listener, silent


def check(source: Any, *, columns: Columns = NO_COLUMNS, listener: Listener = silent) -> Audit:
    """Read and audit `source` as `fit` would; raises DataError for what would stop `fit`."""
    return audit(read(source, columns=columns), listener=listener)
