"""The steps of any pre-training: AdamW under a short rise and a cosine; killed at any moment, they go on to the same weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.errors import RunError
from headstart.events import Listener, Progress, Said
from headstart.files import read_json, replacing, write_json
from headstart.runtime import Placement, generator

CHECKPOINT_S = 60.0
TOLD_EVERY = 20
"""Steps between two notes of progress."""
TIMED = 6
"""Steps whose pace settles how many fit into a budget; the first of them also loads kernels and is not counted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to step: passes over the examples, examples in a step, peak rate, and decay of matrices; `seed` of the order."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int


@dataclass(frozen=True, slots=True)
class Learning:
    """What is learned: `parts` hold all that moves; `loss(rows, phase, rng)` is that of a batch of example numbers.

    `phases` are the shares of the steps after which the loss changes; the rate starts anew in each. `pieces` are clipped
    each for itself. `order(rng)` gives the batches of an epoch, by default all examples in random order.
    """

    parts: nn.ModuleDict
    loss: Callable[[np.ndarray, int, np.random.Generator], Tensor]
    pieces: Sequence[nn.Module]
    phases: tuple[float, ...] = (1.0,)
    order: Callable[[np.random.Generator], Sequence[np.ndarray]] | None = None


class Steps:
    """Steps over `examples` numbered examples; what they reach is kept in `path` while they go on."""

    def __init__(
        self, learning: Learning, settings: Settings, examples: int, path: Path, placement: Placement
    ) -> None:
        """Go on from `path` where it exists, when `run` is called."""
        self.learning, self.settings, self.path, self.placement = learning, settings, path, placement
        learning.parts.to(placement.torch_device)
        self.per_epoch = max(1, examples // settings.batch_size)
        self.total = settings.epochs * self.per_epoch
        self.examples, self.step = examples, 0
        moving = [parameter for parameter in learning.parts.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in moving if parameter.ndim > 1]
        vectors = [parameter for parameter in moving if parameter.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            fused=True,
        )

    def run(
        self, listener: Listener, checkpoint_s: float = CHECKPOINT_S, seconds: Callable[[], float] | None = None
    ) -> int:
        """Train to the last step, going on from the checkpoint where there is one; returns the number of steps.

        `seconds` tells how many are left. Then the first steps are timed, the number of all is cut to what fits, and that is
        noted beside the checkpoint: a run that goes on keeps it, and its schedule with it.
        """
        self._resume(listener)
        planned = self._planned(seconds)
        self.learning.parts.train()
        began, first = time.monotonic(), self.step
        saved = warm = began
        while self.step < self.total:
            epoch, within = divmod(self.step, self.per_epoch)
            for rows in self._batches(generator(self.settings.seed, "epoch", epoch))[within:]:
                loss = self._one(rows)
                now = time.monotonic()
                if self.step == first + 1:
                    warm = now
                if not planned and self.step - first >= TIMED:
                    assert seconds is not None
                    planned = self._plan(seconds(), (now - warm) / (self.step - first - 1))
                if self.step % TOLD_EVERY == 0:
                    left = (now - began) / (self.step - first) * (self.total - self.step)
                    listener(Progress(f"pre-training, loss {loss:.4f}", self.step, self.total, left))
                if now - saved >= checkpoint_s:
                    self._save()
                    saved = time.monotonic()
                if self.step >= self.total:
                    break
        self._save()
        return self.total

    def _batches(self, rng: np.random.Generator) -> Sequence[np.ndarray]:
        if self.learning.order is not None:
            return self.learning.order(rng)
        order, size = rng.permutation(self.examples), self.settings.batch_size
        return [np.sort(order[batch * size : (batch + 1) * size]) for batch in range(self.per_epoch)]

    def _one(self, rows: np.ndarray) -> float:
        phase, factor = schedule(self.step, self.total, self.learning.phases)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * factor
        loss = self.learning.loss(rows, phase, generator(self.settings.seed, "step", self.step))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for piece in self.learning.pieces:
            nn.utils.clip_grad_norm_(piece.parameters(), max_norm=1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    @property
    def _note(self) -> Path:
        return self.path.with_name("steps.json")

    def _planned(self, seconds: Callable[[], float] | None) -> bool:
        """Whether the number of steps is settled: it need not be cut, or was before."""
        if self._note.is_file():
            self.total = int(read_json(self._note)["steps"])
            return True
        return seconds is None

    def _plan(self, left_s: float, each_s: float) -> bool:
        self.total = min(self.total, self.step + max(1, int(left_s / each_s)))
        write_json(self._note, {"steps": self.total})
        return True

    def _save(self) -> None:
        with replacing(self.path) as temporary:
            torch.save(
                {
                    "parts": self.learning.parts.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "step": self.step,
                },
                temporary,
            )

    def _resume(self, listener: Listener) -> None:
        if not self.path.is_file():
            return
        state = torch.load(self.path, map_location=self.placement.torch_device, weights_only=True)
        self.learning.parts.load_state_dict(state["parts"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        listener(Said(f"Going on with the pre-training at step {self.step} of {self.total}."))


def schedule(step: int, steps: int, phases: Sequence[float]) -> tuple[int, float]:
    """The phase that `step` is in, and the factor of its learning rate: a short rise, then a cosine, in each phase."""
    ends = np.round(np.cumsum(phases) * steps).astype(int)
    phase = int(np.searchsorted(ends[:-1], step, side="right"))
    start = int(ends[phase - 1]) if phase else 0
    within, length = step - start, max(1, int(ends[phase]) - start)
    rising = min(1.0, (within + 1) / max(1, length // 20))
    return phase, rising * 0.5 * (1 + math.cos(math.pi * within / length))


def same_recipe(work: Path, recipe: Any) -> None:
    """Note the recipe, a dataclass, in `work`; raises RunError where another one is noted there."""
    path, wanted = work / "recipe.json", asdict(recipe)
    if not path.is_file():
        write_json(path, wanted)
        return
    before = read_json(path)
    changed = sorted(name for name in wanted if before.get(name) != wanted[name])
    if changed:
        raise RunError(
            f"{work.parent}: holds a pre-training with another {', '.join(changed)}. Choose another --out or delete it."
        )
