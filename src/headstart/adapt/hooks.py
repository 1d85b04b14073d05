"""What may happen around the steps of the training loop: each trick is a function from a training to its hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from headstart.adapt.network import Network
from headstart.models.backbone import Inputs

Group = dict[str, Any]
"""Parameters that learn alike, as torch's optimisers take them: `params`, `lr`, `weight_decay`."""


@dataclass(frozen=True, slots=True)
class Course:
    """A training that is about to begin: what moves, the targets of its examples, how long, and randomness of its own."""

    network: Network
    targets: np.ndarray
    epochs: int
    """Epochs of the whole schedule, wherever it is stopped."""
    steps: int
    """Steps in an epoch."""
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Hooks:
    """What one trick does in a training; what is None it does not do. Epochs and steps count from 0.

    Weights that `end_epoch` puts in place are judged and kept, and `begin_epoch` of the next epoch may take them out again.
    """

    groups: Callable[[list[Group]], list[Group]] | None = None
    """Groups of parameters and their peak rates, before the optimiser is made of them."""
    begin_epoch: Callable[[int], None] | None = None
    before_step: Callable[[Inputs, Tensor], tuple[Inputs, Tensor]] | None = None
    """Another batch in place of inputs and targets, both on the device."""
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    """Another loss in place of the loss so far, from the logits (B, K) and the targets too."""
    after_step: Callable[[int], None] | None = None
    end_epoch: Callable[[int], None] | None = None


Trick = Callable[[Course], Hooks]
"""Stateless: what a trick remembers lives in the hooks that it makes for one training."""


@dataclass(frozen=True, slots=True)
class Tricks:
    """The hooks of several tricks, called in their order."""

    hooks: Sequence[Hooks]

    def groups(self, groups: list[Group]) -> list[Group]:
        """The groups as the last one leaves them."""
        for hook in self.hooks:
            groups = hook.groups(groups) if hook.groups else groups
        return groups

    def begin_epoch(self, epoch: int) -> None:
        """Before the first batch of an epoch."""
        for hook in self.hooks:
            if hook.begin_epoch:
                hook.begin_epoch(epoch)

    def before_step(self, inputs: Inputs, targets: Tensor) -> tuple[Inputs, Tensor]:
        """The batch as the last one leaves it."""
        for hook in self.hooks:
            inputs, targets = hook.before_step(inputs, targets) if hook.before_step else (inputs, targets)
        return inputs, targets

    def loss(self, loss: Tensor, logits_BK: Tensor, targets: Tensor) -> Tensor:
        """The loss as the last one leaves it."""
        for hook in self.hooks:
            loss = hook.loss(loss, logits_BK, targets) if hook.loss else loss
        return loss

    def after_step(self, step: int) -> None:
        """After the weights have moved."""
        for hook in self.hooks:
            if hook.after_step:
                hook.after_step(step)

    def end_epoch(self, epoch: int) -> None:
        """Before the epoch is judged, or the training ends; the last trick first, as they were begun."""
        for hook in reversed(self.hooks):
            if hook.end_epoch:
                hook.end_epoch(epoch)
