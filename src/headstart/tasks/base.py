"""What a task is to the rest of the house."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from headstart.tasks.solver import Solver

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.models.backbone import Backbone

Objective = Callable[["Tensor", "Tensor"], "Tensor"]
"""From outputs (B, K), or what else a head gives, and aims to a mean loss."""


@dataclass(frozen=True, slots=True)
class Units:
    """How the numbers a network is trained on become the user's own: times `scale`, plus `shift`."""

    shift: float
    scale: float


class Task(Protocol):
    """A kind of target: its encoding, its loss, its solver, its decoding, and what of a report concerns it.

    Targets are an array with one entry per example; of a task that reads tokens an entry may be any object, and `aims` are then the
    numbers that the loss is told. What is kept of a network's outputs for an example is a row of numbers whatever the task; what
    they mean is known to the task alone.

    A network's outputs are called logits (N × K) whatever the task; those of a quantity are the numbers themselves, in the
    user's own unit. What they say is called probabilities: chances (N × K), or for a quantity the number and the ends of
    its interval (N × 3). The number that `calibrate` finds is a temperature, or how far such an interval reaches.
    """

    name: str
    kind: str
    reads: str
    """What a reader is told that labels are (`data.options.TASK_NAMES`)."""
    default_metric: str
    judged: tuple[str, ...]
    """Metrics that validation reports beside the one it selects on; the first breaks ties."""
    solver: Solver
    head: str
    """What a network ends in (`HEADS` in adapt/head_kinds.py), and with it what is read of a backbone: features, or single tokens."""
    floor_name: str
    """The task's own classical method; empty where it is the modality's features with `solver`."""
    calibrated_by: str
    """What the number that `calibrate` finds is called."""
    guess_name: str
    """What the floor without any method does."""
    left_out: str
    """What a left-out probe does with a `share` of `count` examples, in half a sentence."""
    is_right_or_wrong: bool
    """Whether an answer is worth something or nothing, as `correct` says; a number or a place in an order is near or far."""
    most_in_batch: int
    """How many examples make a batch at most where the user names no other number."""
    most_validated: int | None
    """How many examples are enough to tell settings apart; None for all."""
    panels: tuple[str, ...]
    """The panels of the report that only some tasks have."""

    def outputs(self, classes: Sequence[str]) -> int:
        """How many outputs K a network has."""
        ...

    def encode(
        self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()
    ) -> np.ndarray:
        """Targets as an array: (N,) class indices, (N, K) zeros and ones, (N,) numbers in double precision, or (N,) objects.

        `examples` are the decoded examples that the labels are of, for tasks whose labels speak of places in them.
        """
        ...

    def knows(self, labels: tuple[str, ...], classes: Sequence[str]) -> bool:
        """Whether a label can be encoded."""
        ...

    def reading(self, backbone: Backbone) -> Backbone:
        """The same network, preparing examples as this task wants to read them; shares its weights."""
        ...

    def aims(self, targets: np.ndarray) -> np.ndarray:
        """What the loss is told of each example: numbers, one row per example."""
        ...

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """What splits and parts balance: class numbers, zeros and ones, or numbers to predict."""
        ...

    def floor(self, examples: Iterable[Any]) -> np.ndarray | None:
        """The rows that the task's own classical method gives for decoded `examples`; None where it is the modality's."""
        ...

    def objective(self, targets: np.ndarray) -> Objective:
        """The loss for a training on these targets."""
        ...

    def units(self, targets: np.ndarray) -> Units | None:
        """In which units a network is trained on these targets; None where outputs are what they are."""
        ...

    def guess(self, targets: np.ndarray, outputs: int, count: int) -> np.ndarray:
        """The floor: the same logits (`count` × K) for every example, from the training targets alone."""
        ...

    def calibrate(self, logits_NK: np.ndarray, targets: np.ndarray) -> float:
        """The number that `probabilities` needs, from held-out logits."""
        ...

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """What logits say, calibrated by what `calibrate` found."""
        ...

    def said(self, logits_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """What logits of validation examples say, with whatever their decisions hang on chosen on these targets."""
        ...

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """Predicted targets, encoded as `encode` does."""
        ...

    def correct(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether each whole answer is right (N,)."""
        ...

    def worth(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """What each answer is worth (N), higher is better: one if it is right, or minus by how much it is off."""
        ...

    def merits(self, logits_NK: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """What of each example (N) tells better logits from worse, higher is better: any of these may decide."""
        ...

    def places(self, targets: np.ndarray) -> np.ndarray | None:
        """The number of each example's class (N); None where it has not exactly one."""
        ...

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """Encoded targets as class names, or as numbers in words."""
        ...

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Any:
        """True targets beside what was said, as the metrics want them."""
        ...


@runtime_checkable
class LearnsFloor(Protocol):
    """A task whose classical method learns from the training examples themselves."""

    def learned_floor(self, learned: Iterable[Any], targets: np.ndarray, asked: Iterable[Any]) -> np.ndarray:
        """Rows for the decoded examples `asked`, from the decoded training examples `learned` and their targets."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A task whose floors count tokens: they have to see texts as a network's preprocessing makes them."""

    def token_floors(self, learned: Iterable[Any], asked: Iterable[Any], vocabulary: int) -> Mapping[str, np.ndarray]:
        """Rows by floor for the prepared examples `asked`, from the prepared training examples `learned`; token ids are below `vocabulary`."""
        ...
