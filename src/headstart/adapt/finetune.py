"""The only training loop: steps over batches, an objective, hooks."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.examples import Augment, Examples
from headstart.adapt.judge import Judge
from headstart.adapt.network import Network, hold_statistics
from headstart.adapt.precision import spare_slow_layers
from headstart.features.batches import by_cost, to_device
from headstart.models.backbone import Inputs
from headstart.runtime import Placement

Objective = Callable[[Tensor, Tensor], Tensor]
"""From logits (B, K) and targets to a mean loss."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: the settings of a trial, all of them in the journal."""

    epochs: int
    learning_rate: float
    """Peak rate of the backbone's moving stages."""
    head_learning_rate: float
    weight_decay: float = 0.01
    batch_size: int = 32
    warmup: float = 0.1
    """Share of the steps over which the rate rises."""
    hold_batch_norm: bool = True
    """Keep the source's running statistics instead of estimating new ones."""
    stop_after: int | None = None
    """Stop after this many epochs of the same schedule: a refit without validation."""

    def to_dict(self) -> dict[str, float | int | bool | None]:
        """JSON-ready settings."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left behind: the best epoch (counted from 1; 0 is the start) and its validation logits."""

    best_epoch: int
    logits_NK: np.ndarray | None
    by_epoch: tuple[np.ndarray, ...] = ()
    """Validation logits at the start and after every epoch."""


@dataclass(slots=True)
class Hooks:
    """What happens around the steps of the loop; each is a list of plain functions."""

    before_step: list[Callable[[Inputs], Inputs]] = field(default_factory=list)
    after_step: list[Callable[[int], None]] = field(default_factory=list)


def train(
    network: Network,
    examples: Examples,
    rows: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    *,
    objective: Objective,
    placement: Placement,
    rng: np.random.Generator,
    augment: Augment | None = None,
    validation: tuple[np.ndarray, Judge] | None = None,
    hooks: Hooks | None = None,
) -> Trained:
    """Train `network` in place on `rows` of `examples` with their `targets` (aligned with `rows`).

    With `validation` (rows and how to judge their logits) it judges each epoch and the start, stops when a third
    of the epochs in a row were worse than the best one, and leaves the weights of `best_of` in place; without, it
    leaves the last ones.
    """
    hooks = hooks or Hooks()
    if augment is not None:
        hooks.before_step.append(lambda inputs: augment(inputs, rng))
    network.to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    seen = rows if validation is None else np.concatenate([rows, validation[0]])
    with network.backbone.narrowed(examples.tokens(seen)):
        spare_slow_layers(network, placement)
        optimizer = optimizer_for(network, recipe)
        steps = math.ceil(len(rows) / recipe.batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, cosine(recipe.epochs * steps, recipe.warmup))
        best = _Best(network, recipe.epochs, validation[1]) if validation is not None else None
        if best is not None and validation is not None:
            best.offer(predict_logits(network, examples, validation[0], placement))
        step = 0
        for epoch in range(recipe.stop_after or recipe.epochs):
            examples.ready(rows, epoch)
            network.train()
            hold_statistics(network, also_moving=recipe.hold_batch_norm)
            for batch in np.array_split(rng.permutation(len(rows)), steps):
                inputs = to_device(examples.batch(rows[batch], epoch), placement.torch_device)
                for hook in hooks.before_step:
                    inputs = hook(inputs)
                _step(network, inputs, torch.from_numpy(targets[batch]), objective, optimizer, placement)
                schedule.step()
                step += 1
                for done in hooks.after_step:
                    done(step)
            if best is not None and validation is not None:
                best.offer(predict_logits(network, examples, validation[0], placement))
                if best.is_stale:
                    break
        network.eval()
        return best.restore() if best is not None else Trained(recipe.stop_after or recipe.epochs, None)


def _step(
    network: Network,
    inputs: Inputs,
    targets: Tensor,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    placement: Placement,
) -> None:
    if targets.is_floating_point():
        targets = targets.float()  # not every device knows double precision
    with placement.autocast():
        logits_BK = network(inputs)
    loss = objective(logits_BK, targets.to(placement.torch_device, non_blocking=True))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    moving = [parameter for parameter in network.parameters() if parameter.grad is not None]
    nn.utils.clip_grad_norm_(moving, max_norm=1.0)
    optimizer.step()


def optimizer_for(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; no decay on biases, norms and other vectors; the head learns at its own rate."""
    groups = []
    for module, rate in ((network.backbone, recipe.learning_rate), (network.head, recipe.head_learning_rate)):
        moving = [parameter for parameter in module.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in moving if parameter.ndim > 1]
        vectors = [parameter for parameter in moving if parameter.ndim <= 1]
        groups.append({"params": matrices, "lr": rate, "weight_decay": recipe.weight_decay})
        groups.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
    # One pass over each tensor instead of ten: for text models, most of whose weights are embeddings, half of the step.
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """A factor that rises linearly over the share `warmup` of `steps`, then falls to zero along a cosine."""
    rising = max(1, round(steps * warmup))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return factor


def predict_logits(network: Network, examples: Examples, rows: np.ndarray, placement: Placement) -> np.ndarray:
    """Logits (n × K, float32) of `rows`, in their order."""
    network.eval()
    return _outputs(network, network.head.out_features, examples, rows, placement)


def predict_features(network: Network, examples: Examples, rows: np.ndarray, placement: Placement) -> np.ndarray:
    """The backbone's features (n × D, float32) of `rows`, in their order."""
    network.eval()
    return _outputs(network.backbone, network.backbone.width, examples, rows, placement)


def _outputs(module: nn.Module, width: int, examples: Examples, rows: np.ndarray, placement: Placement) -> np.ndarray:
    outputs_NW = np.empty((len(rows), width), dtype=np.float32)
    examples.ready(rows)
    for batch in by_cost(examples.costs(rows)):
        inputs = to_device(examples.batch(rows[batch]), placement.torch_device)
        with torch.inference_mode(), placement.autocast():
            outputs_NW[batch] = module(inputs).float().cpu().numpy()
    return outputs_NW


def seconds_per_step(
    network: Network,
    examples: Examples,
    rows: np.ndarray,
    *,
    objective: Objective,
    targets: np.ndarray,
    placement: Placement,
    batch_size: int,
) -> float:
    """Measured seconds of one training step, on a copy: planning must not touch what is trained."""
    trial = copy.deepcopy(network).to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    spare_slow_layers(trial, placement)
    batch, times = np.arange(min(batch_size, len(rows))), []
    examples.ready(rows[batch])
    with trial.backbone.narrowed(examples.tokens(rows)):
        optimizer = optimizer_for(trial, Recipe(epochs=1, learning_rate=0.0, head_learning_rate=0.0))
        trial.train()
        hold_statistics(trial, also_moving=True)
        for _ in range(3):
            began = time.perf_counter()
            inputs = to_device(examples.batch(rows[batch]), placement.torch_device)
            _step(trial, inputs, torch.from_numpy(targets[batch]), objective, optimizer, placement)
            times.append(time.perf_counter() - began)
    return sum(times[1:]) / len(times[1:]) * batch_size / len(batch)


def best_of(logits: Sequence[np.ndarray], judge: Judge) -> int:
    """The number of the logits to keep, of training's start and each epoch: the last, unless an earlier one is better.

    The schedule ends with small steps, so the last is the best guess; the largest of dozens of values on a few dozen
    examples is luck. Only a difference beyond chance moves the choice, and then it goes to the best value.
    """
    last = len(logits) - 1
    best = judge.best(logits)
    return best if judge.prefers(logits[best], logits[last], tried=len(logits)) else last


class _Best:
    """The epochs so far and a copy of the weights of the best one."""

    def __init__(self, network: Network, epochs: int, judge: Judge) -> None:
        self._network, self._judge = network, judge
        self._patience = max(3, math.ceil(epochs / 3))
        self._best, self._worse_in_a_row = 0, 0
        self._state: Mapping[str, Tensor] = {}
        self._values: list[tuple[float, float]] = []
        self._logits: list[np.ndarray] = []

    def offer(self, logits_NK: np.ndarray) -> None:
        """Take note of the next epoch; the first is the start."""
        self._logits.append(logits_NK)
        self._values.append(self._judge.value(logits_NK))
        latest = len(self._logits) - 1
        if self._values[latest] >= self._values[self._best]:
            self._best, self._worse_in_a_row = latest, 0
            self._state = {name: tensor.clone() for name, tensor in self._network.state_dict().items()}
        else:
            worse = self._judge.prefers(self._logits[self._best], logits_NK)
            self._worse_in_a_row = self._worse_in_a_row + 1 if worse else 0

    @property
    def is_stale(self) -> bool:
        return self._worse_in_a_row >= self._patience

    def restore(self) -> Trained:
        chosen = best_of(self._logits, self._judge)
        if chosen != len(self._logits) - 1:
            self._network.load_state_dict(self._state)
        return Trained(chosen, self._logits[chosen], tuple(self._logits))
