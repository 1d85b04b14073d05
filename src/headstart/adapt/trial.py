"""What is tried, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from headstart.files import sha256_text

Role = Literal["transfer", "scratch", "random-frozen"]
ROLES: tuple[Role, ...] = ("transfer", "scratch", "random-frozen")
LENGTHS = ("epochs", "folds", "views", "examples")
"""Settings that say how long a trial takes; a step of it takes the same memory."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One (backbone, strategy, settings) to try; settings are complete, so that the same spec gives the same weights."""

    role: Role
    backbone: str
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def key(self, fold: int) -> str:
        """A name for this trial within a run."""
        return self._named(self.settings, fold)

    def gist(self, fold: int) -> str:
        """A name for it and all that differ from it only in how long they train: what a budget leaves is never the same twice."""
        return self._named({name: value for name, value in self.settings.items() if name not in LENGTHS}, fold)

    def _named(self, settings: Mapping[str, Any], fold: int) -> str:
        return sha256_text(
            self.role, self.backbone, self.strategy, json.dumps(dict(settings), sort_keys=True), str(fold)
        )[:16]


@dataclass(frozen=True, slots=True)
class Validated:
    """What validation saw: logits (n × K) for `rows` of the examples, and what a refit needs to know (`found`).

    `pruned` says that it was given up before its end, because it was clearly behind.
    """

    rows: np.ndarray
    logits: np.ndarray
    found: Mapping[str, Any]
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished trial: `values` are validation metrics; `validated` is None where `error` says why it failed."""

    number: int
    fold: int
    spec: Spec
    seconds: float
    values: Mapping[str, float]
    validated: Validated | None
    error: str | None = None
    after: int | None = None
    """How many trials were known when it began; None means all before it."""

    @property
    def finished(self) -> bool:
        """Whether it came to its end, so that it can be refitted."""
        return self.validated is not None and not self.validated.pruned
