"""The only training loop: steps over batches, an objective, hooks."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.examples import Augment, PreparedExamples
from headstart.adapt.network import Network, hold_statistics
from headstart.adapt.precision import spare_slow_layers
from headstart.features.batches import by_cost, to_device
from headstart.models.backbone import Inputs
from headstart.runtime import Placement

Objective = Callable[[Tensor, Tensor], Tensor]
"""From logits (B, K) and targets to a mean loss."""

Validate = Callable[[np.ndarray], tuple[float, float]]
"""From validation logits to (metric, −log loss), both higher is better."""


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
    history: tuple[tuple[float, float], ...] = ()
    by_epoch: tuple[np.ndarray, ...] = ()
    """Validation logits at the start and after every epoch."""


@dataclass(slots=True)
class Hooks:
    """What happens around the steps of the loop; each is a list of plain functions."""

    before_step: list[Callable[[Inputs], Inputs]] = field(default_factory=list)
    after_step: list[Callable[[int], None]] = field(default_factory=list)


def train(
    network: Network,
    examples: PreparedExamples,
    rows: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    *,
    objective: Objective,
    placement: Placement,
    rng: np.random.Generator,
    augment: Augment | None = None,
    validation: tuple[np.ndarray, Validate] | None = None,
    hooks: Hooks | None = None,
) -> Trained:
    """Train `network` in place on `rows` of `examples` with their `targets` (aligned with `rows`).

    With `validation` (rows and how to judge their logits) it judges each epoch and the start, stops when a third
    of the epochs brought nothing, and leaves the best weights in place; without, it leaves the last ones.
    """
    hooks = hooks or Hooks()
    if augment is not None:
        hooks.before_step.append(lambda inputs: augment(inputs, rng))
    network.to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    spare_slow_layers(network, placement)
    optimizer = optimizer_for(network, recipe)
    steps = math.ceil(len(rows) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, cosine(recipe.epochs * steps, recipe.warmup))
    best = _Best(network, recipe.epochs)
    if validation is not None:
        best.offer(0, *_judge(network, examples, *validation, placement))
    step = 0
    for epoch in range(1, (recipe.stop_after or recipe.epochs) + 1):
        network.train()
        hold_statistics(network, also_moving=recipe.hold_batch_norm)
        for batch in np.array_split(rng.permutation(len(rows)), steps):
            inputs = to_device(examples.batch(rows[batch]), placement.torch_device)
            for hook in hooks.before_step:
                inputs = hook(inputs)
            _step(network, inputs, torch.from_numpy(targets[batch]), objective, optimizer, placement)
            schedule.step()
            step += 1
            for done in hooks.after_step:
                done(step)
        if validation is not None:
            best.offer(epoch, *_judge(network, examples, *validation, placement))
            if best.is_stale(epoch):
                break
    network.eval()
    return best.restore() if validation is not None else Trained(recipe.stop_after or recipe.epochs, None)


def _step(
    network: Network,
    inputs: Inputs,
    targets: Tensor,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    placement: Placement,
) -> None:
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


def predict_logits(network: Network, examples: PreparedExamples, rows: np.ndarray, placement: Placement) -> np.ndarray:
    """Logits (n × K, float32) of `rows`, in their order."""
    network.eval()
    logits_NK = np.empty((len(rows), network.head.out_features), dtype=np.float32)
    for batch in by_cost(examples.costs(rows)):
        inputs = to_device(examples.batch(rows[batch]), placement.torch_device)
        with torch.inference_mode(), placement.autocast():
            logits_NK[batch] = network(inputs).float().cpu().numpy()
    return logits_NK


def seconds_per_step(
    network: Network,
    examples: PreparedExamples,
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
    optimizer = optimizer_for(trial, Recipe(epochs=1, learning_rate=0.0, head_learning_rate=0.0))
    batch = np.arange(min(batch_size, len(rows)))
    trial.train()
    hold_statistics(trial, also_moving=True)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        inputs = to_device(examples.batch(rows[batch]), placement.torch_device)
        _step(trial, inputs, torch.from_numpy(targets[batch]), objective, optimizer, placement)
        times.append(time.perf_counter() - began)
    return min(times) * batch_size / len(batch)


def _judge(
    network: Network, examples: PreparedExamples, rows: np.ndarray, validate: Validate, placement: Placement
) -> tuple[np.ndarray, tuple[float, float]]:
    logits_NK = predict_logits(network, examples, rows, placement)
    return logits_NK, validate(logits_NK)


class _Best:
    """The best epoch so far and a copy of its moving weights."""

    def __init__(self, network: Network, epochs: int) -> None:
        self._network = network
        self._patience = max(3, math.ceil(epochs / 3))
        self._epoch = 0
        self._value: tuple[float, float] | None = None
        self._logits: np.ndarray | None = None
        self._state: Mapping[str, Tensor] = {}
        self._history: list[tuple[float, float]] = []
        self._by_epoch: list[np.ndarray] = []

    def offer(self, epoch: int, logits_NK: np.ndarray, value: tuple[float, float]) -> None:
        self._history.append(value)
        self._by_epoch.append(logits_NK)
        if self._value is None or value > self._value:
            self._epoch, self._value, self._logits = epoch, value, logits_NK
            self._state = {name: tensor.clone() for name, tensor in self._network.state_dict().items()}

    def is_stale(self, epoch: int) -> bool:
        return epoch - self._epoch >= self._patience

    def restore(self) -> Trained:
        self._network.load_state_dict(self._state)
        return Trained(self._epoch, self._logits, tuple(self._history), tuple(self._by_epoch))
