"""A training that has diverged is noticed while it runs."""

from __future__ import annotations

import torch
from torch import Tensor

EVERY = 50
"""Steps between two looks on a GPU, which each look makes wait for its queue; on a CPU every step is looked at."""


class Divergence:
    """Whether all losses of a training were finite so far."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._fine: Tensor | None = None
        self._waiting = 0

    def see(self, loss: Tensor) -> None:
        """Take note of a step's loss; raises FloatingPointError where it, or one since the last look, is not finite."""
        fine = torch.isfinite(loss)
        self._fine = fine if self._fine is None else self._fine & fine
        self._waiting += 1
        if loss.device.type == "cpu" or self._waiting >= EVERY:
            self.look()

    def look(self) -> None:
        """Raise FloatingPointError where a loss since the last look was not finite."""
        if self._fine is not None and not bool(self._fine):
            raise FloatingPointError("training diverged: its loss is not finite. A lower learning rate may help")
        self._fine, self._waiting = None, 0
