"""What a strategy, a way to adapt a backbone, is to the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from headstart.adapt.network import Network
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.workbench import Folds, Workbench
from headstart.models.backbone import Backbone


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train: epochs of batches, on so many validation folds."""

    epochs: int
    batch_size: int
    folds: int


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
    def by_default(self) -> bool:
        """Whether a search tries it unasked."""
        ...

    @property
    def choices(self) -> int:
        """How many settings there are to propose."""
        ...

    def first(self, backbone: Backbone) -> int:
        """The first stage in which anything moves; the number of stages where nothing does."""
        ...

    def schedule(self, examples: int) -> Schedule | None:
        """How long it would train on so many examples, had it all the time; None where it does not train."""
        ...

    def propose(
        self, number: int, bench: Workbench, backbone: str, rows: np.ndarray, *, seconds: float | None
    ) -> Mapping[str, Any] | None:
        """Settings number `number`; None where `seconds` for it and its refit are too few to be worth it."""
        ...

    def validate(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int) -> Validated:
        """Train on parts of `rows` and predict the others."""
        ...

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """Train on all `rows` with what validation found."""
        ...

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """Logits (n × K) of any rows of the workbench."""
        ...
