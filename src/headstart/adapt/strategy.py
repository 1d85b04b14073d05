"""What a strategy, a way to adapt a backbone, is to the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np

from headstart.adapt.head_kinds import Reads
from headstart.adapt.network import Network
from headstart.adapt.space import Settings, Space
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Folds, Workbench
from headstart.models.backbone import Backbone


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train: epochs of batches, on so many validation folds."""

    epochs: int
    batch_size: int
    folds: int


class Effort(Enum):
    """How much a trial has to tell."""

    LEAST = "least"
    """Anything at all, on a part of the examples if need be: a role that has no trial yet."""
    FIRST = "first"
    """Whether the strategy is any good: fewer folds and epochs will do."""
    FURTHER = "further"
    """Which settings are better: as many folds and epochs as the others."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Complete settings of a trial, and the seconds that it and its refit are predicted to take."""

    settings: Settings
    seconds: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What a first trial is expected to gain over the probe, in nats of log error, and how far off that may be."""

    gain: float
    spread: float


NOTHING = Expected(0.0, 0.4)
"""Of a probe."""
LITTLE = Expected(0.1, 0.4)
"""Where it was not measured."""


class Strategy(Protocol):
    """A way to adapt a backbone; stateless, and the same spec always gives the same weights on CPU."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    @property
    def role(self) -> Role:
        """What it is tried for: transfer, or one of the controls."""
        ...

    @property
    def depth(self) -> int:
        """Order of simplicity: how much of the backbone moves."""
        ...

    @property
    def summary(self) -> str:
        """What it does, in half a sentence."""
        ...

    @property
    def serves(self) -> Sequence[Reads]:
        """The heads that it can adapt a backbone for, by what they read."""
        ...

    @property
    def by_default(self) -> bool:
        """Whether a search tries it unasked."""
        ...

    @property
    def expected(self) -> Expected:
        """What it is expected to gain before it was tried."""
        ...

    @property
    def space(self) -> Space:
        """What can be tuned; nothing where one trial says all."""
        ...

    @property
    def portfolio(self) -> Sequence[Settings]:
        """What to try first, the most promising first: values for some of `space`."""
        ...

    def first(self, backbone: Backbone) -> int:
        """The first stage in which anything moves; the number of stages where nothing does."""
        ...

    def schedule(self, examples: int) -> Schedule | None:
        """How long it would train on so many examples, had it all the time; None where it does not train."""
        ...

    def propose(
        self,
        chosen: Settings,
        bench: Workbench,
        backbone: str,
        rows: np.ndarray,
        *,
        seconds: float | None,
        effort: Effort,
    ) -> Proposal | None:
        """Complete settings for what was `chosen` of the space; None where `seconds` for the trial and its refit are too few."""
        ...

    def validate(
        self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int, watch: Watch
    ) -> Validated:
        """Train on parts of `rows` and predict the others.

        Raises OutOfTime where `watch` says so, and stops early, with what it has seen, where nothing can come of it.
        """
        ...

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """Train on all `rows` with what validation found."""
        ...

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """Logits (n × K) of any rows of the workbench."""
        ...
